//! Every dead connection has its true reason, and did not have to die.

use vestal_core::id::AttemptId;
use vestal_core::state::Reason;
use vestal_sandbox::DeathReason;

use crate::ledger::{Books, Heard, Saved};
use crate::provider::Kind;
use crate::time::HOUR;

const RULE: &str = "death";

/// A connection was declared to need a person.
pub(crate) fn at_a_death(books: &mut Books, account: usize, reason: &Reason) {
    let Some(token) = books.accounts[account].stored.as_ref().and_then(|stored| stored.token) else { return };
    let grant = books.tokens[token].grant;
    let truth = books.place(account).grant(grant, books.timeline).and_then(|facts| facts.death);
    let truth = truth.map(|death| death.reason);
    let superseded = books.sent_with(token).any(|sent| sent.brought.is_some_and(|brought| brought != token));
    let violation = match (reason, truth) {
        // An answer that came late, after the refresh token had been sent once more: the death is ours, and told as such.
        (Reason::OutcomeUnknown { attempt, .. }, Some(DeathReason::RefreshTokenReused))
            if !was_lost(books, *attempt) =>
        {
            None
        }
        (Reason::OutcomeUnknown { attempt, .. }, _) if !was_lost(books, *attempt) => {
            Some(format!("is said to have died of a lost answer to {attempt}, which was not lost"))
        }
        (_, Some(DeathReason::Idle)) => Some("died of disuse".to_owned()),
        (Reason::OutcomeUnknown { .. }, Some(DeathReason::RefreshTokenReused)) => {
            of_a_lost_answer(books, account, token)
        }
        (Reason::OutcomeUnknown { .. }, None) if superseded => of_a_lost_answer(books, account, token),
        (Reason::OutcomeUnknown { .. }, Some(_)) => None,
        (Reason::InvalidGrant { .. }, Some(DeathReason::RefreshTokenReused)) => {
            Some("was killed by a reuse of ours, and is said to have been refused".to_owned())
        }
        (Reason::InvalidGrant { .. }, Some(DeathReason::AbsoluteEnd)) => unwarned(books, account),
        (Reason::InvalidGrant { .. }, Some(_)) => None,
        (Reason::InvalidGrant { .. }, None) if superseded => {
            Some("lost an answer, and is said to have been refused".to_owned())
        }
        (reason, None) => Some(format!("is said to be dead ({reason:?}), and is alive")),
        (reason, Some(truth)) => Some(format!("is said to be dead for {reason:?}, and died of {truth:?}")),
    };
    if let Some(what) = violation {
        let place = format!("{:?}", books.place(account));
        books.violation(RULE, format!("c{account} {what} [{place}]"));
    }
    books.count(match truth {
        Some(DeathReason::RevokedByUser) => "deaths: the user withdrew the consent",
        Some(DeathReason::AbsoluteEnd) => "deaths: absolute end",
        Some(DeathReason::RefreshTokenReused) | None => "deaths: answer lost, labelled outcome_unknown",
        Some(_) => "deaths: other",
    });
}

/// An absolute end is known from the provider's file, or from answers.
///
/// Where a clock was far off since the consent, it may be that of the consent, and nobody knows when that was.
fn unwarned(books: &mut Books, account: usize) -> Option<String> {
    let life = books.place(account).absolute_life.unwrap_or_default();
    if books.jumps.iter().any(|(_, end)| end.saturating_add(life) >= books.now()) {
        books.count("absolute ends of a life in which a clock was far off");
        return None;
    }
    let warned = books.accounts[account].warned.is_some_and(|at| at + HOUR < books.now());
    (!warned).then(|| "came to its absolute end, and nobody was warned".to_owned())
}

/// Whether the answer to this attempt was lost, for all that anybody could know.
fn was_lost(books: &Books, attempt: AttemptId) -> bool {
    let Some(attempt) = books.attempts.get(&attempt) else { return false };
    match attempt.sent {
        // What came late came after another try, which is what may have cost the grant.
        _ if attempt.given_up => true,
        // Whoever began it died or was too late: nobody else can tell that it was not sent.
        None => true,
        Some(sent) => {
            let sent = &books.sent[sent];
            match sent.heard {
                Heard::Nothing | Heard::Unreadable | Heard::NotYet => true,
                Heard::Tokens => sent.saved != Saved::InStore,
                // Whoever heard it may have died before it was written down.
                Heard::Unprocessed | Heard::InvalidGrant => !attempt.concluded,
            }
        }
    }
}

/// Whether a lost answer had to cost the grant.
fn of_a_lost_answer(books: &mut Books, account: usize, token: usize) -> Option<String> {
    let place = books.place(account);
    match place.kind {
        kind if kind.loses_nothing() => {
            Some("died of a lost answer, and another try would have brought another".to_owned())
        }
        Kind::GraceThenPunished(grace) if place.declared => {
            // Of an attempt that was not sent, nobody else can know that: the grace counts from there.
            let given_up = books.attempts.values().filter(|it| it.token == Some(token) && it.given_up);
            let begun = given_up.map(|attempt| attempt.begun);
            let sent = books.sent_with(token).filter(|sent| sent.is_ambiguous()).map(|sent| sent.at);
            let first = begun.chain(sent).min()?;
            let tries = books.sent_with(token).filter(|sent| sent.at < first + grace).count();
            let could_try = !books.was_disturbed(first, first + grace) && tries < 2;
            could_try.then(|| format!("died of a lost answer, and was not tried again within {grace:?}"))
        }
        _ => None,
    }
}
