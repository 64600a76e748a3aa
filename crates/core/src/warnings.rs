//! What a person should know before it hurts: it follows from a provider's facts and from what the store knows. Pure.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use url::Url;

use crate::client::Client;
use crate::connection::{Connection, ConnectionName};
use crate::provider::{Cap, Per, Provider, ShorterLife, catalogue};
use crate::schedule::absolute_end;
use crate::state::{Reason, State};
use crate::store::LivingTokens;

mod demand;
pub use demand::Demand;

/// From this share of a cap on, it is told that it is near.
const NEAR_TENTHS: u64 = 8;

/// Two deaths are at the same age when they differ by no more than this share of it, or than [`NOTICED_WITHIN`]: a death is
/// noticed at the next refresh.
const SAME_AGE_SHARE: u32 = 20;
const NOTICED_WITHIN: Duration = Duration::from_secs(24 * 3600);

/// Deaths at an earlier age have other reasons.
const YOUNGEST_DEATH: Duration = Duration::from_secs(24 * 3600);

/// What is going to end is told of this long before.
const TOLD_BEFORE_DAYS: i64 = 365;

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq)]
pub enum Warning {
    /// The provider's file says that refresh tokens may die sooner, and this is seen, or cannot be ruled out.
    ShorterLife {
        /// What the file says.
        fact: ShorterLife,
        /// What speaks for it.
        sign: Sign,
    },
    /// Grants died at the same age: there is an end that the provider's file does not tell of.
    HiddenEnd {
        /// How old they were.
        age: Duration,
        /// How many.
        grants: usize,
    },
    /// As many connections as the provider keeps refresh tokens, or nearly: a further one silently ends the oldest.
    Cap {
        /// What the file says.
        cap: Cap,
        /// How many connections count.
        connections: u64,
        /// Whether they are known to be one account's, where that is what counts.
        same_account: bool,
    },
    /// Grants are about to end, whatever is done.
    GrantEnds {
        /// The connection whose grant ends first.
        first: ConnectionName,
        /// When.
        at: Timestamp,
        /// How many there are, with it.
        grants: u64,
    },
    /// An endpoint of the client does not work any more, or will not.
    Endpoint {
        /// The endpoint.
        url: Url,
        /// Whose it is, and who says so.
        by: String,
        /// Since when, or from when on.
        on: Date,
        /// Whether that day has come.
        ended: bool,
        /// What to do.
        instead: String,
    },
    /// Something else of the provider is going to end.
    Ends {
        /// What.
        what: String,
        /// When.
        on: Date,
        /// What to do.
        instead: String,
    },
    /// Refreshes as the schedule wants them do not fit into a quota.
    Quota {
        /// How many times longer the waits become.
        stretch: f64,
        /// How many refreshes a day there is room for.
        room_a_day: f64,
    },
}

/// What speaks for a shorter life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// An answer said that the refresh token ends that soon.
    Said,
    /// As many grants died at that age.
    Died(usize),
    /// Nothing: nobody has lived longer yet.
    NotRuledOut,
}

/// What the store knows.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The client.
    pub client: &'a Client,
    /// Connections of the client: all, or some. What is counted among them is counted exactly where those are there that
    /// [`is_counted`].
    pub connections: &'a [Connection],
    /// How many refresh tokens live, of all its connections.
    pub living: LivingTokens,
    /// How refreshes fit into the provider's quotas.
    pub fit: Option<Fit>,
    /// The time.
    pub now: Timestamp,
}

/// How a client's refreshes fit into a quota.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// How many times longer the waits become; 1 where all fit.
    pub stretch: f64,
    /// How many refreshes a day there is room for.
    pub room_a_day: f64,
}

/// Everything that a person should know of a client and its connections.
pub fn warnings(provider: &Provider, known: &Known<'_>) -> Vec<Warning> {
    let lives = shorter_lives(provider, known);
    let explained = |age: Duration| {
        lives
            .iter()
            .any(|it| matches!(it, Warning::ShorterLife { fact, .. } if is_same_age(fact.life.0, age)))
    };
    let hidden = hidden_end(provider, known).filter(|(age, _)| !explained(*age));
    let hidden = hidden.map(|(age, grants)| Warning::HiddenEnd { age, grants });
    let quota = known.fit.filter(|fit| fit.stretch > 1.0);
    let quota = quota.map(|fit| Warning::Quota { stretch: fit.stretch, room_a_day: fit.room_a_day });
    let (cap, ends) = (cap(provider, known.living), ends(provider, known.client, known.now));
    let grants_end = grants_end(provider, known);
    lives.into_iter().chain(hidden).chain(grants_end).chain(cap).chain(quota).chain(ends).collect()
}

/// The ages at which grants died, as far as the provider has said so.
fn deaths(known: &Known<'_>) -> Vec<Duration> {
    known.connections.iter().filter_map(age_at_death).collect()
}

fn age_at_death(connection: &Connection) -> Option<Duration> {
    let State::NeedsReauth { since, reason } = &connection.state else { return None };
    let age = since.duration_since(connection.grant.as_ref()?.consented_at);
    let age = Duration::try_from(age).ok()?;
    (matches!(reason, Reason::InvalidGrant { .. }) && age >= YOUNGEST_DEATH).then_some(age)
}

fn is_same_age(one: Duration, other: Duration) -> bool {
    one.abs_diff(other) <= NOTICED_WITHIN.max(one.max(other) / SAME_AGE_SHARE)
}

fn shorter_lives(provider: &Provider, known: &Known<'_>) -> Vec<Warning> {
    let deaths = deaths(known);
    let warning = |fact: &ShorterLife| {
        let life = fact.life.0;
        let concerned = |connection: &&Connection| {
            let scope = connection.grant.as_ref().and_then(|grant| grant.tokens.scope.as_deref());
            let asked = || known.client.scopes.iter().map(String::as_str);
            let is_more = |asked: &str| !fact.unless_only.iter().any(|known| known == asked);
            match scope {
                Some(scope) => scope.split_whitespace().any(is_more),
                None => asked().any(is_more),
            }
        };
        let concerned: Vec<&Connection> =
            known.connections.iter().filter(|it| fact.unless_only.is_empty() || concerned(it)).collect();
        let said = concerned.iter().any(|connection| {
            let end = connection.grant.as_ref().and_then(|grant| {
                let end = grant.tokens.refresh_token.as_ref()?.end?.at()?;
                Duration::try_from(end.duration_since(grant.consented_at)).ok()
            });
            end.is_some_and(|end| end <= life + life / SAME_AGE_SHARE && end + life / SAME_AGE_SHARE >= life)
        });
        let died = deaths.iter().filter(|age| **age >= life && is_same_age(life, **age)).count();
        // Whoever has lived longer shows that it is not so.
        let outlived = concerned.iter().any(|connection| {
            let lives = matches!(connection.state, State::Active);
            let proven = connection
                .grant
                .as_ref()
                .map(|grant| Duration::try_from(grant.tokens.issued_at.duration_since(grant.consented_at)));
            lives && proven.is_some_and(|age| age.is_ok_and(|age| age > life + NOTICED_WITHIN))
        });
        let sign = match (said, died) {
            (true, _) => Sign::Said,
            (false, 1..) => Sign::Died(died),
            // What depends on nothing that can be seen would be told of every client.
            (false, 0) if outlived || concerned.is_empty() || fact.unless_only.is_empty() => return None,
            (false, 0) => Sign::NotRuledOut,
        };
        Some(Warning::ShorterLife { fact: fact.clone(), sign })
    };
    provider.refresh_token.shorter.iter().filter_map(warning).collect()
}

/// The age at which two grants or more died, unless the provider's file tells of that end.
fn hidden_end(provider: &Provider, known: &Known<'_>) -> Option<(Duration, usize)> {
    let mut deaths = deaths(known);
    deaths.sort();
    let known_end = |age: Duration| {
        let told = known.connections.iter().filter_map(|it| absolute_end(it.grant.as_ref()?, provider));
        told.filter_map(|end| Duration::try_from(end.at.duration_since(end.from)).ok())
            .any(|life| is_same_age(life, age))
    };
    let alike = |age: Duration| deaths.iter().filter(|other| is_same_age(age, **other)).count();
    let most = deaths.iter().copied().max_by_key(|age| alike(*age))?;
    (alike(most) >= 2 && !known_end(most)).then(|| (most, alike(most)))
}

/// Whether a cap is near. Of an account's tokens, those count that are known to be of one account; where it is not known whose
/// they are, they may all be of one, unless more of them live than the cap lets live.
fn cap(provider: &Provider, living: LivingTokens) -> Option<Warning> {
    let cap = provider.refresh_token.live_tokens.as_ref()?;
    let most = u64::from(cap.tokens);
    let near = |connections: u64| connections * 10 >= most * NEAR_TENTHS;
    let warning = |connections, same_account| Warning::Cap { cap: cap.clone(), connections, same_account };
    match cap.per {
        Per::Client => near(living.all).then(|| warning(living.all, false)),
        Per::Account | Per::AccountAndClient if near(living.of_one_account) => {
            Some(warning(living.of_one_account, true))
        }
        Per::Account | Per::AccountAndClient => {
            let unknown = living.of_nobody_known;
            (near(unknown) && unknown <= most).then(|| warning(unknown, false))
        }
        Per::Connection | Per::Organization => None,
    }
}

/// Whether a provider has a cap by which a client's living tokens are to be counted.
pub fn counts_living(provider: &Provider) -> bool {
    let counted = |cap: &Cap| !matches!(cap.per, Per::Connection | Per::Organization);
    provider.refresh_token.live_tokens.as_ref().is_some_and(counted)
}

/// Whether a connection is one of those that warnings count: its grant has died, or is about to end.
pub fn is_counted(connection: &Connection, provider: &Provider, now: Timestamp) -> bool {
    age_at_death(connection).is_some() || near_end(connection, provider, now).is_some()
}

/// The grants whose end, which no refresh moves, was or is to be told of by now.
fn grants_end(provider: &Provider, known: &Known<'_>) -> Option<Warning> {
    let ends = known.connections.iter().filter_map(|it| Some((near_end(it, provider, known.now)?, &it.name)));
    let ends: Vec<_> = ends.collect();
    let (at, first) = ends.iter().min()?;
    Some(Warning::GrantEnds { first: (*first).clone(), at: *at, grants: ends.len() as u64 })
}

/// When the grant of a living connection ends, where that is to be told of by now.
fn near_end(connection: &Connection, provider: &Provider, now: Timestamp) -> Option<Timestamp> {
    if matches!(connection.state, State::NeedsReauth { .. } | State::Disconnecting) {
        return None;
    }
    let end = absolute_end(connection.grant.as_ref()?, provider)?;
    let is_near = end.warnings().first().is_some_and(|first| *first <= now);
    is_near.then_some(end.at)
}

/// What a client uses that has ended, or is going to: nothing has to be known of its connections for that.
pub fn ends(provider: &Provider, client: &Client, now: Timestamp) -> Vec<Warning> {
    let today = now.to_zoned(TimeZone::UTC).date();
    let soon = |on: Date| {
        let days = on.since(today).map(|span| i64::from(span.get_days()));
        days.is_ok_and(|days| days <= TOLD_BEFORE_DAYS)
    };
    // Somebody may have called them his own.
    let hosts: BTreeSet<&str> = client.endpoints.all().filter_map(Url::host_str).collect();
    let others = hosts.into_iter().flat_map(catalogue::mentioning).filter(|other| other.id != provider.id);
    let others: Vec<Provider> = others.collect();
    let endpoints = client
        .endpoints
        .all()
        .filter_map(|url| [provider].into_iter().chain(&others).find_map(|by| end_of(url, by, today)));
    let further = provider.deprecations.iter().filter(|it| it.prefix.is_none() && soon(it.on));
    let further =
        further.map(|it| Warning::Ends { what: it.what.clone(), on: it.on, instead: it.instead.clone() });
    endpoints.chain(further).collect()
}

/// Whether an endpoint has ended or is going to, by this provider's file.
fn end_of(url: &Url, by: &Provider, today: Date) -> Option<Warning> {
    let ending = |on, ended, instead| {
        Some(Warning::Endpoint { url: url.clone(), by: by.name.clone(), on, ended, instead })
    };
    if let Some(it) = by.retired(url) {
        return ending(it.since, true, format!("use {}", it.instead));
    }
    let it = by.deprecated(url)?;
    ending(it.on, it.on <= today, it.instead.clone())
}

#[cfg(test)]
mod tests;
