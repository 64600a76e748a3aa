//! What an answer means, and what follows from it.
//!
//! Two pure functions: [`classify`] sorts what came back, and [`judge`] decides what becomes of the
//! connection. Nothing is ever deleted because of what a provider answered.

use jiff::Timestamp;

use crate::connection::{Attempt, Connection};
use crate::provider::{Grace, Means, Provider, Reuse};
use crate::state::{Cause, Failing, OutcomeUnknown, Reason, State, Transition};
use crate::token::{Renewal, WhyCandidate, saturating_add};

mod class;
mod waits;

pub use class::{Class, Reply, classify, not_before};
use waits::{Pace, Waits};

/// What follows from an outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The answer is the connection's next token set.
    Apply,
    /// The answer fits nothing that is stored now: keep it aside.
    Keep(WhyCandidate),
    /// The connection changes its state.
    Move(Transition),
    /// It says nothing: a newer token set came meanwhile, somebody else took over, or the connection is being
    /// taken apart.
    Void,
}

/// Decides what becomes of a connection, now that this came back for this attempt.
///
/// `connection` is what is stored now, which need not be what the attempt started from. `seed` is the store's.
pub fn judge(
    connection: &Connection,
    attempt: &Attempt,
    reply: &Reply,
    provider: &Provider,
    now: Timestamp,
    seed: u64,
) -> Verdict {
    let failure = classify(reply, provider).failure();
    let Some(grant) = connection.grant.as_ref().filter(|grant| grant.id == attempt.grant) else {
        return match failure {
            None => Verdict::Keep(WhyCandidate::NewerGrant),
            Some(_) => Verdict::Void,
        };
    };
    let stored = grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint);
    let Some(failure) = failure else {
        // For an access token that was exchanged, a newer one may have come meanwhile.
        let superseded = grant.renewal == Renewal::Exchange && grant.tokens.generation != attempt.generation;
        return match superseded {
            true => Verdict::Keep(WhyCandidate::NewerTokens),
            false if stored == attempt.fingerprint => Verdict::Apply,
            false => Verdict::Keep(WhyCandidate::AnotherRefreshToken),
        };
    };
    let holds_lease = connection.lease.as_ref().is_some_and(|lease| lease.attempt.id == attempt.id);
    if !holds_lease
        || grant.tokens.generation != attempt.generation
        || connection.state == State::Disconnecting
    {
        return Verdict::Void;
    }

    let (detail, _) = reply.words();
    let waits = Waits { connection, provider, now, not_before: not_before(reply, provider, now), seed };
    let refresh_token = grant.renewal == Renewal::RefreshToken;
    // An exchange leaves the access token as it is: nothing is lost with an answer.
    let exchanged = grant.renewal == Renewal::Exchange;
    let pace = match failure {
        Means::Transient | Means::Ambiguous => Pace::Soon,
        Means::Client | Means::Refused | Means::Permanent => Pace::Slow,
    };
    let next = waits.at(pace);
    Verdict::Move(match (failure, outcome_unknown(connection)) {
        (Means::Ambiguous, _) if refresh_token => waits.after_ambiguity(attempt, detail),
        (Means::Permanent, _) if refresh_token || exchanged => waits.after_invalid_grant(detail),
        // An answer that was lost stays lost until the provider looks at the refresh token again.
        (failure, Some(unknown)) => {
            let client_refused = failure == Means::Client;
            let heard = OutcomeUnknown { client_refused, ..unknown.clone().heard(detail) };
            waits.while_unknown(heard, pace)
        }
        (Means::Transient | Means::Ambiguous, None) => {
            Transition::Fail { cause: Cause::Transient { detail }, next }
        }
        (Means::Client, None) => Transition::Fail { cause: Cause::Client { detail }, next },
        (Means::Refused | Means::Permanent, None) => {
            Transition::Fail { cause: Cause::Refused { detail }, next }
        }
    })
}

/// Decides what an attempt means whose outcome nobody wrote down. `None`: nothing, since a newer token set
/// came, or nothing can have been lost.
///
/// Where the returned failure's `next` is not after `now`, whoever asked may go on at once.
pub fn judge_abandoned(
    connection: &Connection,
    attempt: &Attempt,
    provider: &Provider,
    now: Timestamp,
    seed: u64,
) -> Option<Transition> {
    let grant = connection.grant.as_ref()?;
    let superseded = grant.id != attempt.grant || grant.tokens.generation != attempt.generation;
    if superseded || grant.renewal != Renewal::RefreshToken || connection.state == State::Disconnecting {
        return None;
    }
    let waits = Waits { connection, provider, now, not_before: now, seed };
    match waits.after_ambiguity(attempt, "nobody wrote down what came of it".into()) {
        // Nothing can have been lost: whoever found it may try at once.
        Transition::Fail { cause: Cause::Transient { .. }, .. } => None,
        // Time has passed since it was sent: what is left of a grace is not spent on waiting.
        Transition::Fail { cause: Cause::OutcomeUnknown(unknown), .. } if waits.is_in_grace(&unknown) => {
            let cause = Cause::OutcomeUnknown(Box::new(OutcomeUnknown { hold_until: now, ..*unknown }));
            Some(Transition::Fail { cause, next: now })
        }
        transition => Some(transition),
    }
}

/// What follows from an answer for another account than the connection's: it is kept aside, and nothing of it is
/// used. If it `rotated` the refresh token, the stored one is used up, and trying it again could do harm.
pub fn quarantine(
    connection: &Connection,
    provider: &Provider,
    rotated: bool,
    now: Timestamp,
    seed: u64,
) -> Transition {
    if rotated {
        return Transition::Die { reason: Reason::AnotherAccount };
    }
    let detail = "the answer was for another account; it was kept aside".to_owned();
    let next = Waits { connection, provider, now, not_before: now, seed }.at(Pace::Slow);
    Transition::Fail { cause: Cause::Refused { detail }, next }
}

/// Decides what a reader's 401 for the current access token ends: a hold that was for its sake, or a grant that nothing
/// renews. `None`: nothing.
///
/// Such a grant brings no fresh generation that could be rejected too: one rejection is all that there ever is. One that is
/// renewed goes on however often its tokens are rejected, since what keeps it alive still works.
///
/// The caller has made sure that the rejected generation is the current one.
pub fn after_rejection(
    connection: &Connection,
    provider: &Provider,
    now: Timestamp,
    seed: u64,
) -> Option<Transition> {
    if provider.cannot_renew(connection.grant.as_ref()?) {
        return Some(Transition::Die { reason: Reason::NothingToRenewWith });
    }
    let unknown = outcome_unknown(connection).filter(|unknown| !unknown.rejected)?;
    let planned = connection.state.failing()?.next;
    let waits = Waits { connection, provider, now, not_before: now, seed };
    let rejected = OutcomeUnknown { rejected: true, ..unknown.clone() };
    Some(Transition::Release { next: waits.next_try(&rejected, Pace::AtOnce).min(planned) })
}

/// What a failure is instead, now that the client is mended for whose sake the last try was refused. `None`: what it was.
pub fn mended(connection: &Connection, provider: &Provider, now: Timestamp, seed: u64) -> Option<State> {
    let State::Failing(failing) = &connection.state else { return None };
    if !failing.cause.is_client_refused() {
        return None;
    }
    let mut mended = Failing { next: now, ..failing.clone() };
    if let Cause::OutcomeUnknown(unknown) = &mut mended.cause {
        let waits = Waits { connection, provider, now, not_before: now, seed };
        mended.next = waits.after_mending(unknown).min(failing.next).max(now);
        unknown.hold_until = mended.next;
        unknown.client_refused = false;
    }
    Some(State::Failing(mended))
}

/// What a failure is instead, when it is looked at again before the next try. `None`: what it was.
///
/// - A failure of the future was judged by a clock that was wrong, and so were its waits: it is judged as of now.
/// - A try was planned within a grace, and its time has passed unused: it would come too late now.
pub fn judged_anew(connection: &Connection, provider: &Provider, now: Timestamp, seed: u64) -> Option<State> {
    misdated(connection, provider, now, seed).or_else(|| {
        let transition = overtaken(connection, provider, now, seed)?;
        connection.state.clone().apply(transition, now).ok()
    })
}

fn misdated(connection: &Connection, provider: &Provider, now: Timestamp, seed: u64) -> Option<State> {
    let State::Failing(failing) = &connection.state else { return None };
    if !failing.is_from_the_future(now) {
        return None;
    }
    let mut dated = Failing { since: failing.since.min(now), next: now, ..failing.clone() };
    if let Cause::OutcomeUnknown(unknown) = &mut dated.cause {
        unknown.sent_at = unknown.sent_at.min(now);
        if provider.reuse() == Reuse::Punished && !unknown.rejected {
            let waits = Waits { connection, provider, now, not_before: now, seed };
            dated.next = waits.hold(unknown, Pace::AtOnce);
        }
        unknown.hold_until = dated.next;
    }
    Some(State::Failing(dated))
}

fn overtaken(connection: &Connection, provider: &Provider, now: Timestamp, seed: u64) -> Option<Transition> {
    let unknown = outcome_unknown(connection).filter(|unknown| !unknown.rejected)?;
    let Grace::For(grace) = provider.grace() else { return None };
    let last = saturating_add(unknown.sent_at, grace - grace / 10);
    let planned = connection.state.failing()?.next;
    if provider.reuse() != Reuse::Punished || planned > last || now <= last {
        return None;
    }
    let waits = Waits { connection, provider, now, not_before: now, seed };
    let next = waits.hold(unknown, Pace::AtOnce);
    let held = OutcomeUnknown { hold_until: next, ..unknown.clone() };
    (next > now).then(|| Transition::Fail { cause: Cause::OutcomeUnknown(Box::new(held)), next })
}

/// When the stored refresh token was sent for the first time, if the answer was lost: a grace counts from here.
pub fn first_use(connection: &Connection) -> Option<Timestamp> {
    outcome_unknown(connection).map(|unknown| unknown.sent_at)
}

/// The answer that was lost, if one was.
fn outcome_unknown(connection: &Connection) -> Option<&OutcomeUnknown> {
    match &connection.state.failing()?.cause {
        Cause::OutcomeUnknown(unknown) => Some(unknown),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
