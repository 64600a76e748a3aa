//! What is told of a provider, in words.

use std::time::Duration;

use vestal_core::provider::{
    Deprecation, Fact, Grace, Limit, Provider, RedirectFact, Reuse, RevocationEnds, Rotation,
};
use vestal_core::schedule::{Basis, Next, Schedule, Why, WhyNever};
use vestal_core::token::Renewal;

use crate::conduct::{Conduct, START, Step};

/// What nobody has checked is marked with it.
const UNVERIFIED: &str = " ?";

const NOT_KNOWN: &str = "not known";

const ON_REJECTION: &str = "on a 401";

/// A length of time, exactly.
pub(crate) fn span(length: Duration) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    const DAY: u64 = 24 * HOUR;
    const YEAR: u64 = 365 * DAY;
    match length.as_secs() {
        seconds if seconds.is_multiple_of(YEAR) && seconds > YEAR => format!("{} years", seconds / YEAR),
        seconds if seconds.is_multiple_of(DAY) && seconds > DAY => format!("{} days", seconds / DAY),
        seconds if seconds.is_multiple_of(HOUR) => format!("{} h", seconds / HOUR),
        seconds if seconds > DAY => {
            let rest = Duration::from_secs(seconds % HOUR);
            format!("{} {} h {}", days(seconds / DAY), seconds % DAY / HOUR, span(rest))
        }
        seconds if seconds.is_multiple_of(MINUTE) => format!("{} min", seconds / MINUTE),
        seconds => format!("{seconds} s"),
    }
}

fn days(count: u64) -> String {
    if count == 1 { "1 day".to_owned() } else { format!("{count} days") }
}

/// A fact's value, marked where nobody has checked it.
fn marked<T>(fact: &Fact<T>, words: &str) -> String {
    format!("{words}{}", mark(fact.unverified))
}

/// The mark of what nobody has checked.
pub(crate) fn mark(unverified: bool) -> &'static str {
    if unverified { UNVERIFIED } else { "" }
}

/// A fact's note, behind what it says.
fn note(note: &Option<String>) -> String {
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
        return "—".to_owned();
    }
    let facts = &provider.refresh_token;
    let rotates = facts.rotation.as_ref().map_or_else(
        || NOT_KNOWN.to_owned(),
        |fact| match fact.value {
            Rotation::Never => marked(fact, "no"),
            Rotation::Always => marked(fact, "yes"),
            Rotation::AppSetting => marked(fact, "as the client is set up"),
            Rotation::Unknown => NOT_KNOWN.to_owned(),
        },
    );
    let grace = facts.grace.as_ref().and_then(|fact| match fact.value {
        Grace::None => Some(marked(fact, "no grace")),
        Grace::For(length) => Some(marked(fact, &format!("{} of grace", span(length)))),
        Grace::UntilSuccessorUsed => Some(marked(fact, "the old one lives until the new one is used")),
        Grace::OldStaysValid => Some(marked(fact, "the old one stays valid")),
        Grace::Unknown => None,
    });
    let reuse = facts.reuse.as_ref().and_then(|fact| match fact.value {
        Reuse::Punished => Some(marked(fact, "reuse ends them all")),
        Reuse::Harmless => Some(marked(fact, "reuse does no harm")),
        Reuse::Unknown => None,
    });
    [Some(rotates), grace, reuse].into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What a consent needs so that it brings a refresh token.
pub(crate) fn needed(provider: &Provider) -> String {
    let authorization = &provider.authorization;
    let scope = authorization.offline_scope.as_ref();
    let scope = scope.map(|fact| marked(fact, &format!("scope `{}`", fact.value)));
    let parameters = authorization.parameters.iter().map(|(name, value)| format!("`{name}={value}`"));
    let needed: Vec<String> = scope.into_iter().chain(parameters).collect();
    if needed.is_empty() { "—".to_owned() } else { needed.join(", ") }
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
    match provider.prefers_refresh_on_rejection() && by_the_clock != ON_REJECTION {
        true => format!("{by_the_clock}, and {ON_REJECTION}"),
        false => by_the_clock,
    }
}

fn every(schedule: &Schedule) -> String {
    match schedule.next {
        Next::At { why, .. } => {
            interval(why).map_or_else(|| "at once".to_owned(), |time| format!("every {}", span(time)))
        }
        Next::Never(WhyNever::OnRejection) => ON_REJECTION.to_owned(),
        Next::Never(_) => "never".to_owned(),
    }
}

/// When Vestal refreshes, and why then.
pub(crate) fn refreshes_because(provider: &Provider, conduct: &Conduct) -> String {
    let (read, unread) = (because(&conduct.read), because(&conduct.unread));
    let mut text = match read == unread {
        true => format!("It refreshes {read}."),
        false => format!(
            "While somebody reads the access token, it refreshes {read}. After 7 days in which nobody did, {unread}."
        ),
    };
    if provider.prefers_refresh_on_rejection() {
        text.push_str(
            " It refreshes when a reader says that a token was rejected, since the provider wants it so.",
        );
    }
    text
}

fn because(schedule: &Schedule) -> String {
    let every = every(schedule);
    match schedule.next {
        Next::At { why: Why::HalfLife { life, .. }, .. } => {
            format!("{every}: at half of the access token's {}", span(life))
        }
        Next::At { why: Why::Daily { .. }, .. } => {
            format!("{every}: to learn within a day of a grant that died")
        }
        Next::At { why: Why::KeepAlive { limit, basis }, .. } => {
            let whose = match basis {
                Basis::Assumed => ", which are assumed, since nobody says",
                Basis::Answer | Basis::File { .. } => "",
            };
            format!(
                "{every}: at half of the {} of disuse after which the refresh token dies{whose}",
                span(limit)
            )
        }
        Next::At { why: Why::Exchange { life }, .. } => {
            format!("{every}: at half of the access token's {}, by exchanging it for a newer one", span(life))
        }
        Next::At { why: Why::WithinTime { within }, .. } => {
            format!("{every}: the provider wants it within {}", span(within))
        }
        Next::At { .. } | Next::Never(_) => every,
    }
}

/// What becomes of a lost answer, in short.
pub(crate) fn after_loss(provider: &Provider, conduct: &Conduct) -> String {
    if none_issued(provider).is_some() {
        return match provider.renewal_without_refresh_token() {
            Renewal::Exchange => "after seconds: nothing can be lost".to_owned(),
            _ => "—".to_owned(),
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

/// What Vestal makes of an `invalid_grant`.
pub(crate) fn after_invalid_grant(conduct: &Conduct) -> String {
    match conduct.doubts_for {
        Some(wait) => format!(
            "`invalid_grant` is believed when it is said again, {} later; then a person is told.",
            span(wait)
        ),
        None => "`invalid_grant` is believed, and a person is told.".to_owned(),
    }
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
        days.join(", ")
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
    let what = match provider.refresh_token.revocation_ends() {
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
    if ends.is_empty() { "—".to_owned() } else { ends.join("; ") }
}

/// By which grants it gives tokens.
pub(crate) fn flows(provider: &Provider) -> Option<String> {
    let fact = provider.client.flows.as_ref()?;
    let names: Vec<String> = fact.value.iter().map(|flow| flow.as_str().replace('_', " ")).collect();
    Some(format!("Grants: {}{}", names.join(", "), mark(fact.unverified)))
}

/// Which redirect URIs it accepts.
pub(crate) fn redirect_uri(provider: &Provider) -> Option<String> {
    let form = |fact: &RedirectFact| {
        let when = fact.when.as_ref().map(|when| format!(" where {when}")).unwrap_or_default();
        format!("{}{when}{}", fact.form.words(), mark(fact.unverified))
    };
    let forms: Vec<String> = provider.client.redirect_uris.iter().map(form).collect();
    let notes = provider.client.redirect_uris.iter().filter_map(|fact| fact.note.as_ref());
    let notes: String = notes.map(|note| format!(" {note}")).collect();
    let named =
        provider.client.redirect_name.as_ref().filter(|fact| fact.value).map_or_else(String::new, |fact| {
            format!(
                " In requests, a name that the provider gives stands for it (`--redirect-name`){}.",
                mark(fact.unverified)
            )
        });
    (!forms.is_empty()).then(|| format!("Redirect URI: {}.{notes}{named}", forms.join("; ")))
}

/// How many tokens and requests it bears, and what Vestal does about it.
pub(crate) fn limits(provider: &Provider) -> Vec<String> {
    let caps = [
        ("refresh tokens", &provider.refresh_token.live_tokens),
        ("access tokens", &provider.access_token.live_tokens),
    ];
    let caps = caps.into_iter().filter_map(|(what, cap)| {
        let cap = cap.as_ref()?;
        let (mark, note) = (mark(cap.unverified), note(&cap.note));
        Some(format!(
            "{} live {what} for each {}{mark}: a further one silently ends the oldest.{note}",
            cap.tokens,
            cap.per.words()
        ))
    });
    let shorter = provider.refresh_token.shorter.iter().map(|it| {
        let unless = match it.unless_only.is_empty() {
            true => String::new(),
            false => format!(", unless only {} were asked for", it.unless_only.join(", ")),
        };
        format!(
            "A refresh token dies {} after the consent where {}{unless}{}. What helps: {}.",
            span(it.life.0),
            it.when,
            mark(it.unverified),
            it.instead
        )
    });
    let quotas = provider.quotas.iter().map(|quota| {
        let (mark, note) = (mark(quota.unverified), note(&quota.note));
        let conduct = match quota.counts.refreshes() {
            true => "",
            false => " Refreshes do not count.",
        };
        format!(
            "{} {} in {} for each {}{mark}.{conduct}{note}",
            quota.rate.requests,
            quota.counts.words(),
            span(quota.rate.within),
            quota.per.words()
        )
    });
    caps.chain(shorter).chain(quotas).collect()
}

/// Where its API is, and how it takes a token where that is not as RFC 6750 has it.
pub(crate) fn api(provider: &Provider) -> Vec<String> {
    let api = &provider.api;
    let listed = |fact: &Fact<Vec<String>>| {
        let quoted: Vec<String> = fact.value.iter().map(|text| format!("`{text}`")).collect();
        format!("{}{}.{}", quoted.join(", "), mark(fact.unverified), note(&fact.note))
    };
    let hosts = api.hosts.as_ref().map(|fact| format!("At {}", listed(fact)));
    let headers = api.headers.as_ref().map(|fact| format!("A call carries {}", listed(fact)));
    let lookup = api.lookup.as_ref().map(|fact| {
        let names: Vec<String> = fact.value.take.keys().map(|name| format!("`{name}`")).collect();
        format!(
            "After a consent, Vestal asks `{}` for {}{}: `vestal token --json` and `vestal status NAME` show it.{}",
            fact.value.get.as_str().replace("%7B", "{").replace("%7D", "}"),
            names.join(" and "),
            mark(fact.unverified),
            note(&fact.note)
        )
    });
    hosts.into_iter().chain(headers).chain(lookup).collect()
}

/// What is going to end, and when.
pub(crate) fn deprecations(provider: &Provider) -> Vec<String> {
    let line = |it: &Deprecation| {
        format!(
            "{}: {}{} Until then: {}.",
            it.on.strftime("%-d %b %Y"),
            it.what,
            mark(it.unverified),
            it.instead
        )
    };
    provider.deprecations.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_exact() {
        for (seconds, said) in [
            (10, "10 s"),
            (1_800, "30 min"),
            (86_400, "24 h"),
            (302_400, "84 h"),
            (172_800, "2 days"),
            (157_680_000, "5 years"),
            (544_320, "6 days 7 h 12 min"),
            (86_460, "1 day 0 h 1 min"),
        ] {
            assert_eq!(span(Duration::from_secs(seconds)), said);
        }
    }
}
