//! `vestal status`: how it is going, at a glance.

mod detail;
mod drawing;
mod overview;
mod watch;

use vestal_api::ConnectionView;
use vestal_core::connection::ConnectionName;

use detail::Detail;
use overview::Overview;

use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use crate::warnings::{self, AtAGlance, Told};
use crate::{overdue, pending};

/// Show how all connections are, or one
///
/// With --exit-code it ends with 3 where a connection needs a person, and with 4 where one is failing, or where nobody refreshes what is due. With --watch it goes on showing it, until
/// Ctrl-C; with --json as well, it prints a line whenever something has changed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal status
  vestal status shop --json
  vestal status --watch
  vestal status --exit-code || echo 'vestal needs you' | mail me@example.com")]
pub(crate) struct Args {
    /// One connection
    name: Option<ConnectionName>,

    /// Tell by the exit code, too
    #[arg(long)]
    exit_code: bool,

    /// Go on showing it
    #[arg(long, conflicts_with = "exit_code")]
    watch: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    if args.watch && !output.json && !(output.is_terminal() && context.environment.can_draw()) {
        return Err(Failure::usage(
            "--watch draws on a terminal, and stdout is not one that can be drawn on",
        )
        .next(
            "for a program: vestal status --watch --json, which prints a line whenever something has changed",
        ));
    }
    let vestal = context.open().await?;
    if args.watch {
        return watch::run(&vestal, args.name, context).await;
    }
    let calendar = context.calendar();
    let code = match args.name {
        Some(name) => {
            let (connection, client) = vestal.connection_and_client(&name).await?;
            let mut told = warnings::of_client(&vestal, &client).await?;
            told.extend(warnings::shared_with(&vestal, &connection).await?);
            if output.json {
                let asked = pending::of(&vestal, &connection).await?.and_then(|pending| pending.asked_until);
                let overdue = overdue::of_one(&vestal, &connection, &client.provider).await?;
                let view = ConnectionView::new(&connection, &client);
                let told = told.into_iter().map(|told| told.view(&client.name)).collect();
                output.json(&ConnectionView {
                    consent_asked_until: asked,
                    overdue_since: overdue,
                    warnings: Some(told),
                    ..view
                })?;
                detail::code(&connection.state, overdue.is_some())
            } else {
                let detail = Detail::look(&vestal, connection, client).await?;
                print(&detail.lines(&calendar, output.width, output.palette), output)?;
                told.iter().for_each(|told| told.say(output));
                detail.code()
            }
        }
        None => {
            let mut overview = Overview::look(&vestal).await?;
            let AtAGlance { told, not_looked_at } = warnings::of_all(&vestal).await?;
            if output.json {
                let view = |(client, told): (String, Told)| told.view(&client);
                overview.view.warnings = Some(told.into_iter().map(view).collect());
                output.json(&overview.view)?;
            } else {
                print(&overview.lines(&calendar, output.width, output.palette), output)?;
                told.iter().for_each(|(_, told)| told.say(output));
                if not_looked_at > 0 {
                    output.note(format_args!(
                        "{not_looked_at} more clients were not looked at: vestal doctor does"
                    ));
                }
            }
            overview.code()
        }
    };
    match code.filter(|_| args.exit_code) {
        Some(code) => Err(Failure::Quiet(code)),
        None => Ok(()),
    }
}

fn print(lines: &[String], output: Output) -> std::io::Result<()> {
    lines.iter().try_for_each(|line| output.line(line))
}
