//! What a person should know of a client before it hurts, in words.

use jiff::Timestamp;
use vestal_api::{Trouble, WarningView};
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::provider::{Per, Provider};
use vestal_core::store::{Filter, Held, LivingTokens};
use vestal_core::warnings::{Known, Sign, Warning, counts_living, ends, warnings};

use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::output::Output;
use crate::when::{Calendar, span};

mod shared;

pub(crate) use shared::shared_with;

/// As many connections of a client are looked at where it has to be quick.
const LOOKED_AT: u32 = 500;

/// As many clients are looked at by somebody who wants to see everything at a glance.
const CLIENTS_LOOKED_AT: usize = 50;

/// As many of a client's that need a person are looked at, however its other ones are: their ages at death are compared.
const DEAD_LOOKED_AT: u32 = 100;

/// As many of those that die first are looked at, whichever client they are of.
const FIRST_TO_DIE: u32 = 100;

/// As many living refresh tokens of a client's are counted where it has to be quick.
const LIVING_COUNTED: u32 = 20_000;

/// A warning, in words.
#[derive(Debug)]
pub(crate) struct Told {
    /// Which kind of trouble it is.
    pub(crate) trouble: Trouble,
    /// What is or will be.
    pub(crate) what: String,
    /// Why.
    pub(crate) why: String,
    /// What to do.
    pub(crate) next: String,
}

impl Told {
    /// Says it beside what a command prints.
    pub(crate) fn say(&self, output: Output) {
        let title = |text: &str| output.error_palette.strong(text);
        output.warn(format_args!(
            "{}\n  {}  {}\n  {} {}",
            self.what,
            title("why:"),
            self.why,
            title("next:"),
            self.next
        ));
    }
}

/// What was seen of a client's connections.
#[derive(Default)]
pub(crate) struct Seen {
    /// Some, and among them those that are counted.
    pub(crate) connections: Vec<Connection>,
    /// There may be more that are to be counted.
    pub(crate) in_part: bool,
}

/// What a person should know of a client, at a glance at its connections.
pub(crate) async fn of_client(vestal: &Vestal, client: &Client) -> Result<Vec<Told>, Failure> {
    let seen = glance(vestal, client, &mut None).await?;
    told(vestal, client, seen, LIVING_COUNTED).await
}

/// What a person should know of a client, of whose connections this was seen, and of whose living refresh tokens so many are
/// counted.
pub(crate) async fn told(
    vestal: &Vestal,
    client: &Client,
    seen: Seen,
    counted: u32,
) -> Result<Vec<Told>, Failure> {
    // What is said of a provider that nobody knows is said elsewhere.
    let Ok(provider) = vestal.engine.catalogue().get(&client.provider) else { return Ok(Vec::new()) };
    let living = match counts_living(&provider) {
        true => vestal.engine.store().living_tokens(client.id, counted).await?,
        false => LivingTokens::default(),
    };
    let fit = vestal.engine.fit_of(client).await.map_err(Failure::failed)?;
    let known = Known { client, connections: &seen.connections, living, fit, now: vestal.engine.now() };
    let calendar = Calendar::local(known.now);
    let told = |warning: &Warning| {
        let in_part = match warning {
            Warning::Cap { .. } => living.all >= u64::from(counted),
            _ => seen.in_part,
        };
        in_words(warning, &provider, client, in_part, &calendar)
    };
    Ok(warnings(&provider, &known).iter().map(told).collect())
}

/// What a person should know of all clients, with their names, and of connections that endanger each other; of the first
/// ones, where there are very many.
pub(crate) async fn of_all(vestal: &Vestal) -> Result<AtAGlance, Failure> {
    let clients = vestal.engine.store().clients().await?.clients;
    let (mut first_to_die, mut all) = (None, Vec::new());
    for client in clients.iter().take(CLIENTS_LOOKED_AT) {
        let seen = glance(vestal, client, &mut first_to_die).await?;
        all.extend(
            told(vestal, client, seen, LIVING_COUNTED).await?.into_iter().map(|it| (client.name.clone(), it)),
        );
    }
    all.extend(shared::by_any(vestal, &clients).await?);
    Ok(AtAGlance { told: all, not_looked_at: clients.len().saturating_sub(CLIENTS_LOOKED_AT) })
}

/// What is seen at a glance at all clients.
pub(crate) struct AtAGlance {
    /// What a person should know, with the names of the clients.
    pub(crate) told: Vec<(String, Told)>,
    /// How many clients there are besides.
    pub(crate) not_looked_at: usize,
}

/// What of a client's provider has ended, or is going to: told before anybody consents.
pub(crate) fn of_ends(vestal: &Vestal, client: &Client) -> Vec<Told> {
    let Ok(provider) = vestal.engine.catalogue().get(&client.provider) else { return Vec::new() };
    let now = vestal.engine.now();
    let calendar = Calendar::local(now);
    ends(&provider, client, now).iter().map(|it| in_words(it, &provider, client, false, &calendar)).collect()
}

impl Told {
    /// What programs are told of it.
    pub(crate) fn view(self, client: &str) -> WarningView {
        let Self { what, why, next, .. } = self;
        WarningView { client: client.to_owned(), what, why, next }
    }

    /// Whether [`of_ends`] tells it.
    pub(crate) fn is_of_ends(&self) -> bool {
        matches!(self.trouble, Trouble::EndpointEnded | Trouble::Ends)
    }
}

/// Some of a client's connections: all, where there are not many. Those that die first, of all clients, are read once.
async fn glance(
    vestal: &Vestal,
    client: &Client,
    first_to_die: &mut Option<Vec<Connection>>,
) -> Result<Seen, Failure> {
    let store = vestal.engine.store();
    let all = Filter { client: Some(client.id), ..Filter::default() };
    let page = store.connections(&all, None, LOOKED_AT).await?;
    let mut seen = Seen { connections: page.connections, in_part: page.next.is_some() };
    if !seen.in_part {
        return Ok(seen);
    }
    let dead = Filter { state: Some("needs_reauth".to_owned()), ..all };
    let dead = store.connections(&dead, None, DEAD_LOOKED_AT).await?.connections;
    let first_to_die = match first_to_die {
        Some(read) => read,
        None => {
            let due = store.due(Timestamp::MAX, FIRST_TO_DIE, &Held::default()).await?;
            let ids: Vec<_> = due.iter().map(|due| due.connection).collect();
            first_to_die.insert(store.connections_by_id(&ids).await?)
        }
    };
    let soon = first_to_die.iter().filter(|one| one.client == client.id).cloned();
    for one in dead.into_iter().chain(soon) {
        if !seen.connections.iter().any(|known| known.id == one.id) {
            seen.connections.push(one);
        }
    }
    Ok(seen)
}

/// `in_part`: there may be more of what is counted.
fn in_words(
    warning: &Warning,
    provider: &Provider,
    client: &Client,
    in_part: bool,
    calendar: &Calendar,
) -> Told {
    let name = &provider.name;
    let at_least = if in_part { "at least " } else { "" };
    let again = format!("add it anew with: vestal client add, and remove {}", word(&client.name));
    let (what, why, next) = match warning {
        Warning::ShorterLife { fact, sign } => {
            let life = span(fact.life.0);
            let unverified = if fact.unverified { ", as hearsay has it" } else { "" };
            let rule = format!(
                "{name} ends refresh tokens {life} after the consent where {}{unverified}",
                fact.when
            );
            let (what, sign) = match sign {
                Sign::Said => (
                    format!("refresh tokens end {life} after the consent, whatever is done"),
                    format!("{name}'s answer said so; {rule}"),
                ),
                Sign::Died(1) => (format!("a grant died {life} after its consent"), rule),
                Sign::Died(grants) => {
                    (format!("{at_least}{grants} grants died {life} after their consents"), rule)
                }
                Sign::NotRuledOut => (format!("refresh tokens may end {life} after the consent"), rule),
            };
            (what, sign, fact.instead.clone())
        }
        Warning::HiddenEnd { age, grants } => (
            format!("{at_least}{grants} grants died at the same age, {} after their consents", span(*age)),
            format!("{name} seems to end them then, whatever is done; its file does not tell of it"),
            "look at the settings of the registration; until then, connect again before that age".to_owned(),
        ),
        Warning::GrantEnds { first, at, grants } => (
            match grants {
                1 if !in_part => format!(
                    "the grant of {:?} ends {}, whatever is done",
                    first.as_str(),
                    calendar.moment_and_away(*at)
                ),
                1 => format!(
                    "grants end soon, whatever is done: the first that was seen is that of {:?}, {}",
                    first.as_str(),
                    calendar.moment_and_away(*at)
                ),
                _ => format!(
                    "{at_least}{grants} grants end soon, whatever is done: the first is that of {:?}, {}",
                    first.as_str(),
                    calendar.moment_and_away(*at)
                ),
            },
            format!("{name} ends a grant some time after its consent, and no refresh moves that"),
            format!("vestal connect {}", word(first.as_str())),
        ),
        Warning::Cap { cap, connections, same_account } => {
            let unverified = if cap.unverified { ", as hearsay has it" } else { "" };
            let whose = match (cap.per, same_account) {
                (Per::Client, _) => "",
                (_, true) => " of one account",
                (_, false) => ", which may be one account's",
            };
            (
                format!(
                    "{at_least}{connections} connections{whose}; a further consent may silently end an older one"
                ),
                format!(
                    "{name} keeps {} live refresh tokens for each {}{unverified}",
                    cap.tokens,
                    cap.per.words()
                ),
                "disconnect those that nobody needs, or spread the accounts over several clients".to_owned(),
            )
        }
        Warning::Endpoint { url, by, on, ended, instead } => (
            format!(
                "{} {} on {}",
                vestal_oauth::endpoint::bare(url.as_str()),
                if *ended { "ended" } else { "ends" },
                on.strftime("%-d %b %Y")
            ),
            format!("{by} says so"),
            format!("{instead}; {again}"),
        ),
        Warning::Ends { what, on, instead } => (
            format!("from {} on, these end: {}", on.strftime("%-d %b %Y"), what.trim_end_matches('.')),
            format!("{name} says so"),
            instead.clone(),
        ),
        Warning::Quota { stretch, room_a_day } => (
            format!(
                "the refreshes that are wished for are about {stretch:.1} times as many as there is room for"
            ),
            format!(
                "{name}'s quota leaves room for {room_a_day:.0} refreshes a day; the other half is left to readers, retries and calls"
            ),
            "ask the provider for a larger quota, or spread the accounts over several clients".to_owned(),
        ),
    };
    Told { trouble: trouble(warning), what, why, next }
}

fn trouble(warning: &Warning) -> Trouble {
    match warning {
        Warning::ShorterLife { .. } | Warning::HiddenEnd { .. } | Warning::GrantEnds { .. } => {
            Trouble::GrantsEnd
        }
        Warning::Cap { .. } => Trouble::CapNear,
        Warning::Endpoint { ended: true, .. } => Trouble::EndpointEnded,
        Warning::Endpoint { .. } | Warning::Ends { .. } => Trouble::Ends,
        Warning::Quota { .. } => Trouble::QuotaShort,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::client_at;

    #[test]
    fn a_warning_says_what_and_why_and_what_to_do() {
        let provider = vestal_core::provider::catalogue::builtin("google").unwrap().unwrap();
        let fact = provider.refresh_token.shorter[0].clone();
        let calendar = Calendar::utc("2026-11-29T12:00:00Z".parse().unwrap());
        let client = client_at("google", "https://oauth2.googleapis.com/token");
        let told = in_words(
            &Warning::ShorterLife { fact, sign: Sign::Died(2) },
            &provider,
            &client,
            false,
            &calendar,
        );
        assert_eq!(told.what, "2 grants died 7 days after their consents");
        assert!(told.why.contains("in testing") && told.next.contains("publish the app"), "{told:?}");
        let age = std::time::Duration::from_secs(30 * 86_400);
        let told = in_words(&Warning::HiddenEnd { age, grants: 3 }, &provider, &client, false, &calendar);
        assert!(told.what.contains("3 grants died at the same age, 30 days"), "{told:?}");
        let ends = |grants, in_part| {
            let at = "2026-12-02T12:00:00Z".parse().unwrap();
            in_words(
                &Warning::GrantEnds { first: "shop".parse().unwrap(), at, grants },
                &provider,
                &client,
                in_part,
                &calendar,
            )
        };
        assert_eq!(
            ends(1, false).what,
            "the grant of \"shop\" ends 2 Dec 2026, 12:00 (in 3 days), whatever is done"
        );
        assert!(
            ends(4, false).what.starts_with("4 grants end soon")
                && ends(4, false).next == "vestal connect shop",
            "{:?}",
            ends(4, false)
        );
        assert!(ends(4, true).what.starts_with("at least 4 grants end soon"), "{:?}", ends(4, true));
        assert!(ends(1, true).what.starts_with("grants end soon"), "{:?}", ends(1, true));
    }
}
