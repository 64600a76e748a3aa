//! `vestal explain`: when the next refresh is, and why then.

use vestal_api::{EvidenceView, ScheduleView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::schedule::{IdleEnd, Schedule};
use vestal_core::state::State;
use vestal_core::token::{Renewal, saturating_add};

use crate::context::Context;
use crate::failure::{Failure, Lost};
use crate::output::Output;
use crate::reasons;
use crate::text::wrap;
use crate::timeline::{Bar, Mark, legend};
use crate::when::{Calendar, span};

/// A drawing that goes to no terminal is this wide.
const DRAWN: usize = 80;

/// Explain when a connection is refreshed, and why then
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal explain shop
  vestal explain shop --json | jq .next_refresh_at")]
pub(crate) struct Args {
    /// The connection
    name: ConnectionName,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let store = vestal.engine.store();
    let (connection, client) = vestal.connection_and_client(&args.name).await?;
    let provider = vestal.engine.catalogue().get(&client.provider)?;
    vestal.engine.measure_quotas_of(&client).await?;
    let schedule = vestal.engine.schedule(&connection, &provider);
    let candidates = store.candidates(connection.id, reasons::CANDIDATES_COUNTED).await?;
    let evidence = EvidenceView::new(&client, &provider);
    let output = context.output;
    if output.json {
        output.json(&ScheduleView::new(&connection, &schedule, candidates.len() as u64, evidence))?;
        return Ok(());
    }
    let trouble = [
        Lost::of(&connection).map(|lost| lost.sentences(&provider.name, &calendar)),
        reasons::candidates(&candidates, &calendar),
    ];
    let trouble: Vec<String> = trouble.into_iter().flatten().collect();
    for line in text(&connection, &schedule, &trouble, &calendar, output) {
        output.line(line)?;
    }
    if let Some(evidence) = evidence {
        output.line("")?;
        let title = format!("What was seen of {} through the client {:?}:", provider.name, client.name);
        let seen = evidence.seen.iter().map(|seen| (2, reasons::seen(seen, &calendar)));
        for (indent, text) in [(0, title)].into_iter().chain(seen) {
            for line in wrap(&text, output.width, indent, indent + 2) {
                output.line(line)?;
            }
        }
    }
    Ok(())
}

fn text(
    connection: &Connection,
    schedule: &Schedule,
    trouble: &[String],
    calendar: &Calendar,
    output: Output,
) -> Vec<String> {
    let palette = output.palette;
    let width = output.width;
    let drawn = if output.is_terminal() { width } else { DRAWN };
    let mut lines = Vec::new();
    let mut paragraph = |indent: usize, text: &str| lines.extend(wrap(text, width, indent, indent + 2));
    let name = connection.name.as_str();
    let is = match &connection.state {
        State::NeedsReauth { .. } => "needs re-authorization".to_owned(),
        state => format!("is {}", state.name()),
    };
    paragraph(0, &format!("{name:?} {is}. {}", reasons::next(schedule, calendar)));
    paragraph(0, &format!("Its policy is {}: {}.", connection.policy, reasons::policy(connection.policy)));
    for trouble in trouble {
        paragraph(0, "");
        paragraph(0, trouble);
    }

    if !schedule.wishes.is_empty() {
        paragraph(0, "");
        paragraph(0, "A refresh would be good (the earliest counts):");
        let mut wishes: Vec<_> = schedule.wishes.iter().collect();
        wishes.sort_by_key(|wish| wish.at);
        for wish in wishes {
            paragraph(2, &format!("{}: {}", calendar.moment_and_away(wish.at), reasons::wish(wish.why)));
        }
        paragraph(
            2,
            "These times lie up to a tenth of the wait earlier, so that many connections spread out.",
        );
        paragraph(0, "and must not be before (the latest counts):");
        let mut floors: Vec<_> = schedule.floors.iter().filter(|floor| floor.at > calendar.now()).collect();
        floors.sort_by_key(|floor| floor.at);
        for floor in &floors {
            paragraph(2, &format!("{}: {}", calendar.moment_and_away(floor.at), reasons::floor(floor.why)));
        }
        if floors.is_empty() {
            paragraph(2, "nothing stands in its way");
        }
    }

    if let Some(grant) = &connection.grant {
        paragraph(0, "");
        paragraph(0, "What ends:");
        match grant.tokens.expires_at {
            Some(end) => {
                let verb = if end <= calendar.now() { "ended" } else { "ends" };
                paragraph(2, &format!("the access token {verb} {}", calendar.moment_and_away(end)));
            }
            None if grant.tokens.access_token.is_none() => paragraph(2, "there is no access token yet"),
            None => paragraph(2, "the access token: nobody says when"),
        }
        if grant.renewal == Renewal::Exchange && schedule.idle_end.is_some() {
            paragraph(
                2,
                "what has ended cannot be exchanged for a newer one: a person must consent anew then",
            );
        } else if let Some(end) = idle_end(connection, schedule) {
            let (at, limit) = (calendar.moment_and_away(end.at), span(end.limit));
            let basis = reasons::basis(end.basis);
            paragraph(
                2,
                &format!(
                    "the refresh token dies {at} if it is not used for {limit} ({basis}); each refresh moves that"
                ),
            );
        }
        if let Some(end) = schedule.absolute_end {
            let (at, basis) = (calendar.moment_and_away(end.at), reasons::basis(end.basis));
            let warnings = end.warnings().map(|at| calendar.day(at)).join(", ");
            paragraph(
                2,
                &format!(
                    "the grant ends {at} whatever is done ({basis}): a person must consent anew; warnings {warnings}"
                ),
            );
        }
    }

    let bars = bars(connection, schedule);
    if !bars.is_empty() {
        lines.push(String::new());
        for bar in &bars {
            lines.extend(bar.draw(calendar, drawn, palette));
        }
        lines.extend(wrap(&legend(&bars), drawn, 2, 2).into_iter().map(|line| palette.faint(line)));
    }
    lines
}

/// When the refresh token dies of disuse; of one that the provider takes no longer, nobody knows that it would live on.
fn idle_end(connection: &Connection, schedule: &Schedule) -> Option<IdleEnd> {
    schedule.idle_end.filter(|_| !matches!(connection.state, State::NeedsReauth { .. }))
}

/// The lives to draw.
fn bars(connection: &Connection, schedule: &Schedule) -> Vec<Bar> {
    let Some(grant) = &connection.grant else { return Vec::new() };
    let next: Vec<_> = schedule.plan().due_at.map(|at| (Mark::Next, at)).into_iter().collect();
    let from = grant.tokens.issued_at;
    let access =
        grant.tokens.expires_at.map(|to| Bar { label: "access token", from, to, marks: next.clone() });
    let idle = idle_end(connection, schedule).filter(|_| grant.renewal != Renewal::Exchange).map(|end| {
        // From half of the limit on, tries are at most a tenth of it apart; where nothing is tried, there are none.
        let tries = (5..10)
            .filter(|_| !next.is_empty())
            .map(|tenths| (Mark::Try, saturating_add(from, end.limit / 10 * tenths)));
        let marks = next.iter().copied().chain(tries).collect();
        Bar { label: "refresh token", from, to: end.at, marks }
    });
    let absolute = schedule.absolute_end.map(|end| Bar {
        label: "grant",
        from: end.from,
        to: end.at,
        marks: next.clone(),
    });
    access.into_iter().chain(idle).chain(absolute).collect()
}
