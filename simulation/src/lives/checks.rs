//! What must hold: judged by what the provider itself knows of its grants, and by what people were told.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::Connection;
use vestal_core::event::{Event, Trigger, What};
use vestal_core::state::State;
use vestal_sandbox::{Death, DeathReason, GrantFacts};

use crate::lives::books::Warning;
use crate::lives::world::World;
use crate::lives::{End, Habit, in_days, promise};
use crate::time::{DAY, HOUR, sleep};

/// After an outage, the next try may be this far away.
pub(crate) const BACK_AFTER: Duration = Duration::from_secs(70 * 60);

/// Where it takes a token that is rejected to know of a withdrawal, one is used this long after.
pub(crate) const IN_USE_AFTER: Duration = DAY;

/// So many events are read at once; no more are kept of all connections.
const EVENTS: u32 = 1_000;

/// Looks at everything, again and again, before anything of it is forgotten.
pub(crate) async fn watch(world: &World) {
    // 100 events are kept of each connection: a refresh at least at half of each access token's life, and retries.
    let every = (world.behaviour.access_token_life * 10).clamp(HOUR / 2, 6 * HOUR);
    loop {
        sleep(every).await;
        look(world).await;
    }
}

/// Reads what was told, and judges what the provider knows.
pub(crate) async fn look(world: &World) {
    read_history(world).await;
    let grants = world.wire.grants();
    for account in 0..Habit::ALL.len() {
        let of_account: Vec<&GrantFacts> =
            grants.iter().filter(|grant| grant.subject == account.to_string()).collect();
        for (index, grant) in of_account.iter().enumerate() {
            // Where there is a newer consent, nobody needs it any more.
            let current_until = of_account.get(index + 1).map_or(u64::MAX, |newer| newer.begun_ms);
            if let Some(death) = grant.death.filter(|death| death.at_ms < current_until) {
                judge_death(world, account, grant, death);
            }
        }
        if let (Some(grant), Some(connection)) = (of_account.last(), world.stored(account).await) {
            judge_state(world, account, grant, &connection);
        }
    }
}

/// Nothing more happens: what is left to judge.
pub(crate) async fn at_the_end(world: &World) {
    look(world).await;
    let stats = world.wire.stats();
    for (refused, why) in [(stats.too_early, "came too early"), (stats.throttled, "went over a quota")] {
        if refused > 0 {
            world.ledger.violation("limits", format!("{refused} requests {why}"));
        }
    }
}

async fn read_history(world: &World) {
    loop {
        let cursor = world.ledger.with(|books| books.cursor);
        let events = world.store.events(None, cursor, EVENTS).await.expect("a store in memory");
        let read = events.len();
        for stored in events {
            world.ledger.with(|books| books.cursor = stored.seq);
            read_event(world, &stored.event).await;
        }
        if read < EVENTS as usize {
            return;
        }
    }
}

async fn read_event(world: &World, event: &Event) {
    let Some(account) = world.account_of(event.connection).await else { return };
    let at = world.since_begin(event.at);
    let habit = Habit::ALL[account];
    match &event.what {
        What::EndsSoon { at: end, .. } => {
            let end = world.since_begin(*end);
            world.ledger.with(|books| {
                books.note(at, || {
                    format!("{habit:?}: warned of an end in {:.1} d", in_days(end.saturating_sub(at)))
                });
                books.accounts[account].warnings.push(Warning { at, end });
            });
        }
        What::Refreshed { trigger, .. } => {
            let before = world.ledger.with(|books| {
                books.accounts[account].fails = false;
                books.accounts[account].issued_at.replace(at)
            });
            if let Some(before) = before.filter(|_| *trigger == Trigger::Schedule) {
                by_the_clock(world, account, at.saturating_sub(before));
            }
        }
        What::Consented { .. } => world.ledger.with(|books| books.accounts[account].issued_at = Some(at)),
        What::NeedsReauth { why } => world.ledger.note(|| format!("{habit:?}: needs a person: {why:?}")),
        What::Failed { why, .. } => world.ledger.with(|books| {
            // An outage fills a history with the same.
            if !std::mem::replace(&mut books.accounts[account].fails, true) {
                books.note(at, || format!("{habit:?}: failed: {why:?}"));
            }
        }),
        What::Contradiction { found } => world.ledger.note(|| format!("{habit:?}: {found:?}")),
        _ => {}
    }
}

/// A refresh of the schedule, where the provider wants a token refreshed when it is rejected: keep-alive is the only
/// reason.
fn by_the_clock(world: &World, account: usize, age: Duration) {
    let refused = world.provider.prefers_refresh_on_rejection();
    let keep_alive = world.behaviour.idle_limit.map_or(3 * DAY, |limit| limit.mul_f64(0.4));
    let was_out = world
        .wire
        .outage_before(world.timeline.elapsed())
        .is_some_and(|(_, until)| world.timeline.elapsed().saturating_sub(until) < DAY);
    if refused && age < keep_alive && age < world.behaviour.access_token_life && !was_out {
        let what = format!("{:?}: refreshed by the clock, {age:?} after it was issued", Habit::ALL[account]);
        world.ledger.violation("limits", what);
    }
}

/// A grant has died that a connection depended on.
fn judge_death(world: &World, account: usize, grant: &GrantFacts, death: Death) {
    if !world.ledger.with(|books| books.judged.insert(grant.id)) {
        return;
    }
    let habit = Habit::ALL[account];
    let (begun, ended) = (world.since_ms(grant.begun_ms), world.since_ms(death.at_ms));
    world.ledger.note(|| format!("{habit:?}: its grant died at {:.1} d: {:?}", in_days(ended), death.reason));
    if death.reason == DeathReason::RevokedByUser {
        return;
    }
    if !nobody_could_move(world, death.reason, ended.saturating_sub(begun)) {
        let what = format!("{habit:?}: its grant died, and could have been kept: {:?}", death.reason);
        world.ledger.violation("kept", what);
        return;
    }
    let warnings = world.ledger.with(|books| books.accounts[account].warnings.clone());
    let given: Vec<Duration> =
        warnings.iter().map(|it| it.at).filter(|at| *at >= begun && *at <= ended).collect();
    let warned_before = given.iter().min().map(|at| ended - *at);
    world.ledger.with(|books| books.ends.push(End { reason: death.reason, warned_before }));
    for missed in promise::missed(ended.saturating_sub(begun), ended, &given) {
        let what = format!("{habit:?}: nobody was told {:.2} d before its end", in_days(missed));
        world.ledger.violation("warned", what);
    }
}

/// Whether nobody could have moved the end of a grant that has lived for so long.
fn nobody_could_move(world: &World, reason: DeathReason, lived: Duration) -> bool {
    match reason {
        DeathReason::AbsoluteEnd => true,
        // Where access tokens are renewed, the last one could have been; where they are lengthened, the first one.
        DeathReason::NeverRefreshable => {
            world.provider.exchange.renew.is_none() && lived >= world.behaviour.access_token_life
        }
        _ => false,
    }
}

/// What a connection is said to be, and what its grant is.
fn judge_state(world: &World, account: usize, grant: &GrantFacts, connection: &Connection) {
    let habit = Habit::ALL[account];
    let now = world.timeline.elapsed();
    let given_up = matches!(connection.state, State::NeedsReauth { .. });
    let dead_since = grant.death.map(|death| world.since_ms(death.at_ms));
    let what = match dead_since {
        None if given_up => {
            format!("{habit:?}: it was given up, and its grant lives: {:?}", connection.state)
        }
        Some(since)
            if !given_up
                && !world.ledger.with(|books| books.accounts[account].was_told_since(since))
                && unknown_for_too_long(world, habit, now.saturating_sub(since)) =>
        {
            format!("{habit:?}: it is said to be {}, and its grant died long ago", connection.state.name())
        }
        _ => {
            world.ledger.with(|books| books.accounts[account].is_told = false);
            return;
        }
    };
    if !world.ledger.with(|books| std::mem::replace(&mut books.accounts[account].is_told, true)) {
        world.ledger.violation(if given_up { "kept" } else { "told" }, what);
    }
}

/// A dead grant is known within a day, or at the next refresh where that is later. Where nobody asks for a token,
/// nothing is to be refreshed that needs nothing.
fn unknown_for_too_long(world: &World, habit: Habit, dead_for: Duration) -> bool {
    if habit == Habit::Seldom || world.provider.prefers_refresh_on_rejection() {
        return false;
    }
    if world.is_known_by_rejection() {
        return dead_for > IN_USE_AFTER + 2 * HOUR;
    }
    let out = world
        .wire
        .outage_before(world.timeline.elapsed())
        .map_or(Duration::ZERO, |(from, until)| until - from);
    dead_for > DAY.max(world.behaviour.access_token_life / 2) + out + 2 * HOUR
}

impl World {
    /// A time of the provider, counted from the beginning of the world.
    pub(crate) fn since_ms(&self, unix_ms: u64) -> Duration {
        Duration::from_millis(unix_ms.saturating_sub(self.begun_ms))
    }

    /// A time of ours, counted from the beginning of the world.
    pub(crate) fn since_begin(&self, at: Timestamp) -> Duration {
        self.since_ms(u64::try_from(at.as_millisecond()).unwrap_or(0))
    }
}
