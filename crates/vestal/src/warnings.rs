//! What a person should know of a client before it hurts, in words.

use vestal_api::Trouble;
use vestal_core::client::Client;
use vestal_core::provider::{Per, Provider};
use vestal_core::store::Filter;
use vestal_core::warnings::{Fit, Known, Sign, Warning, warnings};

use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::output::Output;
use crate::when::{Calendar, span};

/// As many connections are looked at where it has to be quick.
const LOOKED_AT: u32 = 500;

/// As many clients are looked at by somebody who wants to see everything at a glance.
const CLIENTS_LOOKED_AT: usize = 50;

/// As many that need a person are looked at: their ages at death are compared.
const DEAD_LOOKED_AT: u32 = 100;

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

/// What a person should know of a client. `fit` is known to whoever has looked at all of its connections.
pub(crate) async fn of_client(
    vestal: &Vestal,
    client: &Client,
    fit: Option<Fit>,
) -> Result<Vec<Told>, Failure> {
    // What is said of a provider that nobody knows is said elsewhere.
    let Ok(provider) = vestal.engine.catalogue().get(&client.provider) else { return Ok(Vec::new()) };
    let store = vestal.engine.store();
    let all = Filter { client: Some(client.id), ..Filter::default() };
    let dead = Filter { state: Some("needs_reauth".to_owned()), ..all.clone() };
    let mut connections = store.connections(&all, None, LOOKED_AT).await?.connections;
    for one in store.connections(&dead, None, DEAD_LOOKED_AT).await?.connections {
        if !connections.iter().any(|known| known.id == one.id) {
            connections.push(one);
        }
    }
    let known = Known { client, connections: &connections, fit, now: vestal.engine.now() };
    let calendar = Calendar::local(known.now);
    let told = |warning| in_words(warning, &provider, client, &calendar);
    Ok(warnings(&provider, &known).iter().map(told).collect())
}

/// What a person should know of all clients, with their names; of the first ones, where there are very many.
pub(crate) async fn of_clients(vestal: &Vestal) -> Result<Vec<(String, Told)>, Failure> {
    let mut told = Vec::new();
    for client in vestal.engine.store().clients().await?.clients.iter().take(CLIENTS_LOOKED_AT) {
        told.extend(of_client(vestal, client, None).await?.into_iter().map(|it| (client.name.clone(), it)));
    }
    Ok(told)
}

fn in_words(warning: &Warning, provider: &Provider, client: &Client, calendar: &Calendar) -> Told {
    let name = &provider.name;
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
                Sign::Died(grants) => (format!("{grants} grants died {life} after their consents"), rule),
                Sign::NotRuledOut => (format!("refresh tokens may end {life} after the consent"), rule),
            };
            (what, sign, fact.instead.clone())
        }
        Warning::HiddenEnd { age, grants } => (
            format!("{grants} grants died at the same age, {} after their consents", span(*age)),
            format!("{name} seems to end them then, whatever is done; its file does not tell of it"),
            "look at the settings of the registration; until then, connect again before that age".to_owned(),
        ),
        Warning::GrantEnds { first, at, grants } => (
            match grants {
                1 => format!(
                    "the grant of {:?} ends {}, whatever is done",
                    first.as_str(),
                    calendar.moment_and_away(*at)
                ),
                _ => format!(
                    "{grants} grants end soon, whatever is done: the first is that of {:?}, {}",
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
                format!("{connections} connections{whose}; a further consent may silently end an older one"),
                format!(
                    "{name} keeps {} live refresh tokens for each {}{unverified}",
                    cap.tokens,
                    cap.per.words()
                ),
                "disconnect those that nobody needs, or spread the accounts over several clients".to_owned(),
            )
        }
        Warning::Endpoint { url, on, ended, instead } => (
            format!(
                "{} {} on {}",
                vestal_oauth::endpoint::bare(url.as_str()),
                if *ended { "ended" } else { "ends" },
                on.strftime("%-d %b %Y")
            ),
            format!("{name} says so"),
            format!("{instead}; {again}"),
        ),
        Warning::Ends { what, on, instead } => (
            format!("from {} on, these end: {}", on.strftime("%-d %b %Y"), what.trim_end_matches('.')),
            format!("{name} says so"),
            instead.clone(),
        ),
        Warning::Quota { stretch, room_a_day } => (
            format!("the refreshes that are wished for are {stretch:.1} times as many as there is room for"),
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
        let told =
            in_words(&Warning::ShorterLife { fact, sign: Sign::Died(2) }, &provider, &client, &calendar);
        assert_eq!(told.what, "2 grants died 7 days after their consents");
        assert!(told.why.contains("in testing") && told.next.contains("publish the app"), "{told:?}");
        let age = std::time::Duration::from_secs(30 * 86_400);
        let told = in_words(&Warning::HiddenEnd { age, grants: 3 }, &provider, &client, &calendar);
        assert!(told.what.contains("3 grants died at the same age, 30 days"), "{told:?}");
        let ends = |grants| {
            let at = "2026-12-02T12:00:00Z".parse().unwrap();
            in_words(
                &Warning::GrantEnds { first: "shop".parse().unwrap(), at, grants },
                &provider,
                &client,
                &calendar,
            )
        };
        assert_eq!(
            ends(1).what,
            "the grant of \"shop\" ends 2 Dec 2026, 12:00 (in 3 days), whatever is done"
        );
        assert!(
            ends(4).what.starts_with("4 grants end soon") && ends(4).next == "vestal connect shop",
            "{:?}",
            ends(4)
        );
    }
}
