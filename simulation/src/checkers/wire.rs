//! Never two requests on the wire with one refresh token, unless §4 says so.
//!
//! A refresh token may go out again when all earlier requests with it are known not to have been processed. Where one
//! is ambiguous, it depends on what the provider's file says:
//!
//! | never rotates, old one stays valid, valid until the successor is used | at any time |
//! | a known grace | within it, from the first attempt; after that as where there is none |
//! | nothing known | at any time: reuse is not known to be punished |
//! | it was refused since, so that only a person can help, and one asks | at any time |
//! | reuse is punished and no grace | once the access token does not serve any more or was rejected, or the refresh token is about to die of disuse |
//!
//! The second and the last row are as good as the clocks. A send that comes after a grace is counted, and no violation,
//! where the machines' clocks disagreed meanwhile; one that comes too early, where a clock was off by more than an hour
//! since the token set was issued.

use std::time::Duration;

use vestal_core::clock::Clock;

use crate::ledger::{Books, Heard};
use crate::provider::Kind;

const RULE: &str = "wire";

/// The longest safety margin before an end (§3).
const MARGIN: Duration = Duration::from_secs(60);

/// Whoever asks for a refresh by hand waits this long for it at most.
const ASKED_FOR: Duration = Duration::from_secs(60);

/// A clock may be wrong by this much without being doubted.
const SKEW: Duration = Duration::from_secs(3600);

/// A refresh token is about to be sent.
pub(crate) fn at_a_send(books: &mut Books, account: usize, token: usize) {
    if books.tokens[token].connection != account {
        books.violation(RULE, format!("c{account}: token {token} belongs to another connection"));
    }
    let now = books.now();
    let earlier: Vec<_> = books.sent_with(token).cloned().collect();
    let Some(first) = earlier.iter().find(|sent| sent.is_ambiguous()) else { return };
    let in_flight = earlier.iter().find(|sent| sent.heard == Heard::NotYet && sent.orphaned.is_none());
    if let Some(sent) = in_flight
        && let Some(lease) = books.accounts[account].lease.as_ref()
        && sent.attempt == Some(lease.attempt)
        && lease.until > books.store_clock.now()
    {
        books.violation(RULE, format!("c{account}: token {token} is sent twice at once"));
        return;
    }

    let place = books.place(account);
    let since_first = now.saturating_sub(first.at);
    let asks = books.accounts[account].asked.is_some_and(|at| now.saturating_sub(at) <= ASKED_FOR);
    let allowed = match place.kind {
        _ if !place.declared => true,
        _ if asks && books.accounts[account].dead => true,
        Kind::NoRotation | Kind::UntilSuccessorUsed | Kind::OldStaysValid | Kind::Refused => true,
        Kind::GraceThenPunished(grace) if since_first <= grace => true,
        Kind::GraceThenPunished(_) | Kind::Punished => {
            let idle_limit = place.idle_limit;
            let rejected = books.accounts[account].rejected;
            // Where a newer consent is stored, no access token depends on this one.
            let grant = books.tokens[token].grant;
            let stored = books.accounts[account].stored.as_ref();
            let of_this_grant =
                stored.filter(|stored| stored.token.is_none_or(|token| books.tokens[token].grant == grant));
            of_this_grant.is_none_or(|stored| {
                let is_over = |length: Duration| {
                    let early = MARGIN.min(length / 10) + SKEW;
                    now.saturating_sub(stored.since) >= length.saturating_sub(early)
                };
                let over = stored.life.is_none_or(is_over) || idle_limit.is_some_and(is_over);
                over || stored.generation <= rejected
            })
        }
    };
    // How long to hold something is told by a clock, and what was written down by one that was far off stays.
    let far_off = |since: Duration| books.jumps.iter().any(|(_, end)| *end >= since);
    // A grace is told by the clocks of those who sent: what is sent within it by one that is behind may be late.
    let disagreed = books.skews.iter().filter(|skew| skew.begin <= now && skew.end >= first.at);
    // One that is far off is doubted soon.
    let disagreed: Duration = disagreed.map(|skew| if skew.by <= SKEW { skew.by } else { MARGIN }).sum();
    if !allowed
        && matches!(place.kind, Kind::GraceThenPunished(grace) if since_first <= grace.saturating_add(disagreed))
    {
        books.count("sends after a grace, by clocks that disagree");
    } else if !allowed && books.accounts[account].stored.as_ref().is_some_and(|stored| far_off(stored.since))
    {
        books.count("sends too early, after a clock was far off");
    } else if !allowed {
        let kind = place.kind;
        let what = format!(
            "c{account}: token {token} is sent again {since_first:?} after an answer was lost ({kind:?}), and the access token still serves"
        );
        books.violation(RULE, what);
    }
}
