//! What is told of a provider, in words.

use std::time::Duration;

use vestal_core::provider::{Fact, Grace, Limit, Provider, Reuse, RevocationEnds, Rotation};
use vestal_core::schedule::{Basis, Next, Schedule, Why, WhyNever};
use vestal_core::token::Renewal;

use crate::conduct::{Conduct, START, Step};
use crate::numbers::{each, list, span};

/// What nobody has checked is marked with it.
const UNVERIFIED: &str = " ?";

/// Where there is nothing to tell.
const NOTHING: &str = "—";

const NOT_KNOWN: &str = "not known";

/// A fact's value, marked where nobody has checked it.
pub(crate) fn marked<T>(fact: &Fact<T>, words: &str) -> String {
    format!("{words}{}", mark(fact.unverified))
}

/// The mark of what nobody has checked.
pub(crate) fn mark(unverified: bool) -> &'static str {
    if unverified { UNVERIFIED } else { "" }
}

/// A fact's note, behind what it says.
pub(crate) fn note(note: &Option<String>) -> String {
    note.as_ref().map(|note| format!(" {note}")).unwrap_or_default()
}

/// How long an access token lives.
pub(crate) fn access_token(provider: &Provider) -> String {
    let life = provider.access_token.life.as_ref();
    life.map_or_else(
        || NOT_KNOWN.to_owned(),
        |fact| match fact.value {
            Limit::After(life) => marked(fact, &span(life)),
            Limit::Endless => marked(fact, "no end"),
        },
    )
}

/// What is told of refresh tokens where there are none.
fn none_issued(provider: &Provider) -> Option<String> {
    let fact = provider.refresh_token.issued.as_ref().filter(|fact| !fact.value)?;
    Some(marked(fact, "there is none"))
}

/// When a refresh token dies.
pub(crate) fn refresh_token(provider: &Provider) -> String {
    if let Some(none) = none_issued(provider) {
        return none;
    }
    let facts = &provider.refresh_token;
    let ends: Vec<String> = [(&facts.idle_limit, "of disuse"), (&facts.absolute_life, "after the consent")]
        .into_iter()
        .filter_map(|(fact, how)| match fact.as_ref()?.value {
            Limit::After(length) => Some(marked(fact.as_ref()?, &format!("{} {how}", span(length)))),
            Limit::Endless => None,
        })
        .collect();
    match (&facts.idle_limit, ends.is_empty()) {
        (_, false) => ends.join(", "),
        (Some(idle), true) => {
            let unverified =
                idle.unverified || facts.absolute_life.as_ref().is_none_or(|fact| fact.unverified);
            format!("no end{}", mark(unverified))
        }
        (None, true) => NOT_KNOWN.to_owned(),
    }
}

/// Whether a refresh replaces the refresh token, and what becomes of the one before.
pub(crate) fn rotation(provider: &Provider) -> String {
    if none_issued(provider).is_some() {
        return NOTHING.to_owned();
    }
    let facts = &provider.refresh_token;
    let rotates = facts.rotation.as_ref().map_or_else(|| NOT_KNOWN.to_owned(), replaces);
    let grace = facts.grace.as_ref().and_then(grace);
    let reuse = facts.reuse.as_ref().and_then(reuse);
    [Some(rotates), grace, reuse].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// Whether a refresh replaces the refresh token.
pub(crate) fn replaces(fact: &Fact<Rotation>) -> String {
    match fact.value {
        Rotation::Never => marked(fact, "no"),
        Rotation::Always => marked(fact, "yes"),
        Rotation::AppSetting => marked(fact, "as the client is set up"),
        Rotation::Unknown => NOT_KNOWN.to_owned(),
    }
}

/// What becomes of the one before.
pub(crate) fn grace(fact: &Fact<Grace>) -> Option<String> {
    match fact.value {
        Grace::None => Some(marked(fact, "no grace")),
        Grace::For(length) => Some(marked(fact, &format!("{} of grace", span(length)))),
        Grace::UntilSuccessorUsed => Some(marked(fact, "the old one lives until the new one is used")),
        Grace::OldStaysValid => Some(marked(fact, "the old one stays valid")),
        Grace::Unknown => None,
    }
}

/// What happens when it is used all the same.
pub(crate) fn reuse(fact: &Fact<Reuse>) -> Option<String> {
    match fact.value {
        Reuse::Punished => Some(marked(fact, "reuse ends them all")),
        Reuse::Harmless => Some(marked(fact, "reuse does no harm")),
        Reuse::Unknown => None,
    }
}

/// What a consent needs, that it brings a refresh token above all.
pub(crate) fn needed(provider: &Provider) -> String {
    let authorization = &provider.authorization;
    let scope = authorization.offline_scope.as_ref();
    let scope = scope.map(|fact| marked(fact, &format!("scope `{}`", fact.value)));
    let parameters = authorization.parameters.iter().chain(&provider.requests.exchange_parameters);
    let parameters = parameters
        .flat_map(|fact| fact.value.iter().map(|(name, value)| marked(fact, &format!("`{name}={value}`"))));
    let needed: Vec<String> = scope.into_iter().chain(parameters).collect();
    if needed.is_empty() { NOTHING.to_owned() } else { needed.join(", ") }
}

/// How far apart refreshes are at most, jitter left out; `None` where they follow no clock.
pub(crate) fn interval(why: Why) -> Option<Duration> {
    match why {
        Why::HalfLife { life, .. } => Some(life / 2),
        Why::Daily { .. } => Some(Duration::from_secs(24 * 3600)),
        Why::KeepAlive { limit, .. } => Some(limit / 2),
        Why::Exchange { life } => Some(life / 2),
        Why::WithinTime { within } => Some(within - within / 10),
        Why::Lengthen { .. } | Why::Retry | Why::Verify => None,
    }
}

/// When Vestal refreshes, in short.
pub(crate) fn refreshes(provider: &Provider, conduct: &Conduct) -> String {
    let (read, unread) = (every(&conduct.read), every(&conduct.unread));
    let by_the_clock = match read == unread {
        true => read,
        false => format!("{read} while it is read, else {unread}"),
    };
    match provider.prefers_refresh_on_rejection() && by_the_clock != ON_A_401 {
        true => format!("{by_the_clock}, and {ON_A_401}"),
        false => by_the_clock,
    }
}

const ON_A_401: &str = "on a 401";

const NEVER: &str = "never";

fn every(schedule: &Schedule) -> String {
    match schedule.next {
        Next::At { why, .. } => interval(why).map_or_else(|| "at once".to_owned(), each),
        Next::Never(WhyNever::OnRejection) => ON_A_401.to_owned(),
        Next::Never(_) => NEVER.to_owned(),
    }
}

/// When Vestal refreshes, and why then.
pub(crate) fn refreshes_because(provider: &Provider, conduct: &Conduct) -> String {
    let (read, unread) = (because(&conduct.read), because(&conduct.unread));
    let wanted = match provider.prefers_refresh_on_rejection() {
        true => "when a reader says that the API answered 401, since the provider wants it so",
        false => "when a reader says that the API answered 401",
    };
    match (read == unread, read.as_str()) {
        (_, NEVER) if provider.access_tokens_are_endless() => {
            "It never refreshes: the access token has no end.".to_owned()
        }
        (_, NEVER) => "It never refreshes: nothing renews the access token.".to_owned(),
        (_, ON_A_401) => format!("It refreshes {wanted}."),
        (true, _) if provider.prefers_refresh_on_rejection() => {
            format!("It refreshes {wanted}; and besides {read}.")
        }
        (true, _) => format!("It refreshes {read}."),
        (false, _) => format!(
            "While somebody reads the access token, it refreshes {read}. Once nobody has read it for 7 days, it refreshes {unread}."
        ),
    }
}

fn because(schedule: &Schedule) -> String {
    let every = every(schedule);
    match schedule.next {
        Next::At { why: Why::HalfLife { life, .. }, .. } => {
            format!("{every}, at half of the access token's {}", span(life))
        }
        Next::At { why: Why::Daily { .. }, .. } => {
            format!("{every}, to learn within a day of a grant that died")
        }
        Next::At { why: Why::KeepAlive { limit, basis }, .. } => {
            let whose = match basis {
                Basis::Assumed => ", which are assumed, since nobody says",
                Basis::Answer | Basis::File { .. } => "",
            };
            format!(
                "{every}, at half of the {} of disuse after which the refresh token dies{whose}",
                span(limit)
            )
        }
        Next::At { why: Why::Exchange { life }, .. } => {
            format!("{every}, at half of the access token's {}, by exchanging it for a newer one", span(life))
        }
        Next::At { why: Why::WithinTime { within }, .. } => {
            format!("{every}, since the provider wants it within {}", span(within))
        }
        Next::At { .. } | Next::Never(_) => every,
    }
}

/// What becomes of a lost answer, in short.
pub(crate) fn after_loss(provider: &Provider, conduct: &Conduct) -> String {
    if !asks(conduct) {
        return NOTHING.to_owned();
    }
    if none_issued(provider).is_some() {
        return match provider.renewal_without_refresh_token() {
            Renewal::Exchange => "after seconds: nothing can be lost".to_owned(),
            _ => NOTHING.to_owned(),
        };
    }
    if conduct.after_loss.is_empty() {
        let facts = &provider.refresh_token;
        let unverified = match provider.rotation() {
            Rotation::Never => facts.rotation.as_ref().is_some_and(|fact| fact.unverified),
            _ => facts.grace.as_ref().is_some_and(|fact| fact.unverified),
        };
        return format!("after seconds: nothing can be lost{}", mark(unverified));
    }
    let steps = conduct.after_loss.iter().enumerate().map(|(index, step)| match (index, step) {
        (_, Step::AtOnce) => "at once".to_owned(),
        (_, Step::WithinGrace(grace)) => format!("within the {} of grace", span(*grace)),
        (_, Step::WhenAccessEnds) => "when the access token has ended".to_owned(),
        (0, Step::Spaced) => "after seconds, then ever more rarely".to_owned(),
        (_, Step::Spaced) => "ever more rarely".to_owned(),
    });
    steps.collect::<Vec<_>>().join(", then ")
}

/// What becomes of a lost answer, in a sentence; `None` where nothing is asked for.
pub(crate) fn after_loss_because(provider: &Provider, conduct: &Conduct) -> Option<String> {
    if !asks(conduct) {
        return None;
    }
    let with = match none_issued(provider) {
        Some(_) => "it asks again",
        None => "it tries the same refresh token again",
    };
    Some(format!("After a lost answer, {with} {}.", after_loss(provider, conduct)))
}

/// Whether it ever asks for a newer token.
fn asks(conduct: &Conduct) -> bool {
    every(&conduct.read) != NEVER
}

/// What Vestal makes of an `invalid_grant`; `None` where nothing is asked for.
pub(crate) fn after_invalid_grant(conduct: &Conduct) -> Option<String> {
    asks(conduct).then(|| match conduct.doubts_for {
        Some(wait) => format!(
            "`invalid_grant` is believed when it is said again, {} later; then a person is told.",
            span(wait)
        ),
        None => "`invalid_grant` is believed, and a person is told.".to_owned(),
    })
}

/// When a person is warned of the end that no refresh moves, if there is one.
pub(crate) fn warnings(conduct: &Conduct) -> Option<String> {
    let end = conduct.read.absolute_end?;
    let days = |at: &jiff::Timestamp| end.at.duration_since(*at).as_hours() / 24;
    let days: Vec<String> = end.warnings().iter().map(|at| days(at).to_string()).collect();
    let life = Duration::try_from(end.at.duration_since(START)).ok()?;
    let unverified = end.basis == Basis::File { verified: false };
    Some(format!(
        "After {}{} somebody has to consent again, whatever is done: it warns {} days before.",
        span(life),
        mark(unverified),
        list(&days)
    ))
}

/// What `vestal disconnect` ends at the provider.
pub(crate) fn disconnecting(provider: &Provider) -> String {
    let by_endpoint = provider.endpoints.revocation.as_ref().map(|fact| mark(fact.unverified));
    let stated = provider.revocation.as_ref();
    let by_request = || stated.map(|fact| mark(fact.unverified));
    let Some(mark) = by_endpoint.or_else(by_request) else {
        return match provider.endpoints.token {
            None => "`vestal disconnect` revokes the grant where the server's metadata names an endpoint for that.".to_owned(),
            Some(_) => "`vestal disconnect` knows no way to revoke the grant: use the provider's own pages.".to_owned(),
        };
    };
    let ends = match by_endpoint {
        Some(_) => provider.refresh_token.revocation_ends(),
        None => provider.revocation_ends(),
    };
    let what = match ends {
        RevocationEnds::Grant => "revokes the grant",
        RevocationEnds::AccessToken if provider.issues_refresh_tokens() => {
            "revokes the access token, and not the refresh token"
        }
        RevocationEnds::AccessToken => "revokes the access token",
        RevocationEnds::Account => "revokes all that the account has ever granted to the client",
    };
    format!("`vestal disconnect` {what}{mark}.{}", stated.map(|fact| note(&fact.note)).unwrap_or_default())
}

/// What ends a refresh token besides disuse and age, in short.
pub(crate) fn what_else_ends_it(provider: &Provider) -> String {
    let facts = &provider.refresh_token;
    let cap = facts.live_tokens.as_ref();
    let cap = cap
        .map(|cap| format!("more than {} for each {}{}", cap.tokens, cap.per.words(), mark(cap.unverified)));
    let shorter = facts
        .shorter
        .iter()
        .map(|it| format!("after {}, where {}{}", span(it.life.0), it.when, mark(it.unverified)));
    let ends: Vec<String> = cap.into_iter().chain(shorter).collect();
    if ends.is_empty() { NOTHING.to_owned() } else { ends.join("; ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_said_twice_and_nothing_of_what_does_not_happen() {
        let told = |id: &str| {
            let provider = vestal_core::provider::catalogue::builtin(id).unwrap().unwrap();
            let conduct = Conduct::of(&provider).unwrap();
            (
                refreshes(&provider, &conduct),
                refreshes_because(&provider, &conduct),
                after_loss_because(&provider, &conduct),
            )
        };
        let (short, long, _) = told("ebay");
        assert_eq!(short, ON_A_401);
        assert_eq!(long.matches("401").count(), 1, "{long}");
        let (short, long, _) = told("twitch");
        assert!(
            short.ends_with(", and on a 401") && long.contains("3.5 days") && long.contains("401"),
            "{long}"
        );
        assert_eq!(told("square").0, "every 6.3 days");
        let (short, long, after_loss) = told("github-oauth");
        assert_eq!((short.as_str(), after_loss), (NEVER, None));
        assert!(long.contains("no end"), "{long}");
        assert!(told("facebook").1.contains("nothing renews"), "{}", told("facebook").1);
        assert!(told("instagram").2.unwrap().contains("it asks again"));
    }
}
