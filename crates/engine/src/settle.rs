//! Attempts that nobody concluded, and connections that are due for something else than a refresh.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use vestal_core::connection::{Attempt, Connection, Lease};
use vestal_core::event::{Event, What};
use vestal_core::id::AttemptId;
use vestal_core::outcome::judge_abandoned;
use vestal_core::provider::Provider;
use vestal_core::state::{Reason, State, Transition};
use vestal_core::store::{Brought, Finish, Write};
use vestal_core::token::TokenSet;

use crate::change::{CONTENTION_TRIES, update_to};
use crate::save::Saving;
use crate::take::{Purpose, lease_for};
use crate::{Error, Fate, Inner, warnings};

/// No attempt is given less than this to be concluded by a process that lives ([`overdue_for`]).
const OVERDUE_AT_LEAST: Duration = Duration::from_secs(10);

/// For so long after that it is known that an attempt was given its time.
const OVERDUE_KNOWN_FOR: Duration = Duration::from_secs(3600);

/// What to do about a lease.
pub(crate) enum Standing {
    /// It holds.
    Held,
    /// It has ended, or its process has: somebody has to find out what became of the attempt.
    Ended,
}

/// What came of putting off what a connection is due for.
pub(crate) enum PutOff {
    /// It is planned for later.
    Done,
    /// It is due for something that must not be done now.
    StaysDue,
    /// Somebody wrote in between.
    Moved(Box<Connection>),
}

impl Inner {
    /// Whether somebody is still at it.
    pub(crate) fn standing(&self, lease: &Lease) -> Standing {
        let attempt = &lease.attempt;
        let fate = match attempt.node == self.node {
            // There is one flight a connection in this process, and it is ours.
            true => Fate::Gone,
            false => self.nodes.fate(attempt.node),
        };
        match (fate, lease.valid) {
            (Fate::Gone, _) => Standing::Ended,
            (Fate::Alive | Fate::Unknown, true) => Standing::Held,
            (Fate::Unknown, false) => Standing::Ended,
            (Fate::Alive, false) => {
                let uptime = self.clock.uptime();
                let mut overdue = self.overdue();
                overdue.retain(|_, until| uptime.saturating_sub(*until) < OVERDUE_KNOWN_FOR);
                let longest = lease_for(self.limits.answer);
                let until = overdue.entry(attempt.id).or_insert(uptime + overdue_for(lease, longest));
                match uptime < *until {
                    true => Standing::Held,
                    false => Standing::Ended,
                }
            }
        }
    }

    /// Whether an attempt of a process that lives, and may be stopped, is being given its time although its lease has ended.
    /// Nobody may count that as patience: a command that ends before leaves nothing behind by which the next one could tell.
    pub(crate) fn is_overdue(&self, connection: &Connection) -> bool {
        let uptime = self.clock.uptime();
        let attempt = connection.lease.as_ref().map(|lease| lease.attempt.id);
        attempt.and_then(|attempt| self.overdue().get(&attempt).copied()).is_some_and(|until| uptime < until)
    }

    /// How long until the next of the attempts that are being given their time has had it.
    pub(crate) fn overdue_for(&self) -> Option<Duration> {
        let uptime = self.clock.uptime();
        let overdue = self.overdue();
        let left = overdue.values().filter_map(|until| until.checked_sub(uptime));
        left.filter(|left| !left.is_zero()).min()
    }

    fn overdue(&self) -> MutexGuard<'_, BTreeMap<AttemptId, Duration>> {
        self.overdue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds out what became of an attempt that nobody concluded: its answer may lie in a journal. If it does not, the
    /// attempt is given up, and what that means is written down: whoever comes next decides on it.
    pub(crate) async fn settle(
        &self,
        connection: &Connection,
        abandoned: &Attempt,
        provider: &Provider,
    ) -> Result<(), Error> {
        // Where that cannot be known, sending the same refresh token again could be the end of it.
        if self.replay_of(connection).await? {
            return Ok(());
        }
        let now = self.clock.now();
        let mut after = connection.clone();
        after.lease = None;
        if let Some(transition) = judge_abandoned(connection, abandoned, provider, now, self.seed)
            && let Ok(state) = connection.state.clone().apply(transition, now)
        {
            after.state = state;
        }
        let what = What::Abandoned { attempt: abandoned.id, node: abandoned.node };
        let finish = Finish {
            id: connection.id,
            expected: connection.revision,
            attempt: abandoned.id,
            at: now,
            brought: Brought::Unknown,
            plan: self.plan(&after, provider, now),
            state: after.state.clone(),
            events: vec![Event { connection: connection.id, at: now, what }],
        };
        // Where somebody wrote in between, the caller reads what.
        self.save(&after, &finish, &mut Saving::nothing(self.clock.uptime())).await.map(|_| ())
    }

    /// Does what a connection is due for that is not to be refreshed now: a warning, an end. Writes down when it is due
    /// next, since it would stay due otherwise.
    pub(crate) async fn put_off(
        &self,
        connection: &Connection,
        provider: &Provider,
        purpose: Purpose,
    ) -> Result<PutOff, Error> {
        let now = self.clock.now();
        if purpose != Purpose::Schedule {
            return Ok(PutOff::Done);
        }
        let mut after = connection.clone();
        let mut events = Vec::new();
        let event = |what| Event { connection: connection.id, at: now, what };
        // A clock that has jumped neither ends nor warns: both would stay.
        let trusted = !self.time.is_doubted(self.clock.uptime());
        let ends = crate::cannot_be_renewed(connection, provider);
        let at_the_earliest = self.time.at_the_earliest(now);
        let over = |TokenSet { access_token, expires_at, .. }: &TokenSet| {
            access_token.is_none() || expires_at.is_some_and(|end| end <= at_the_earliest)
        };
        if trusted && ends && connection.grant.as_ref().is_some_and(|grant| over(&grant.tokens)) {
            let reason = Reason::NothingToRenewWith;
            let what = What::NeedsReauth { why: reason.clone() };
            if let Ok(state) = connection.state.clone().apply(Transition::Die { reason }, now) {
                after.state = state;
                events.push(event(what));
            }
        }
        let schedule = self.schedule(connection, provider, now);
        if let Some(warning) = warnings::due(connection, &schedule, now).filter(|_| trusted) {
            tracing::warn!(connection = %connection.name, end = %warning.end, "{}", warning.why.in_words());
            after.plan.warned_at = Some(now);
            events.push(event(What::EndsSoon { at: warning.end, unused: warning.why != warnings::Why::Age }));
        }
        after.plan = self.plan(&after, provider, now);
        // Written down, it would be due again at once.
        if events.is_empty() && after.plan.due_at.is_some_and(|due_at| due_at <= now) {
            return Ok(PutOff::StaysDue);
        }
        if after == *connection {
            return Ok(PutOff::Done);
        }
        match self.store.update_connection(&update_to(&after, events)).await? {
            Write::Done | Write::Gone => Ok(PutOff::Done),
            Write::Moved(current) => Ok(PutOff::Moved(current)),
        }
    }

    /// Changes a connection's state, which is not for its history. Returns it as it is then.
    pub(crate) async fn move_to(
        &self,
        connection: &Connection,
        state: State,
        provider: &Provider,
    ) -> Result<Option<Box<Connection>>, Error> {
        let mut after = Connection { state, ..connection.clone() };
        after.plan = self.plan(&after, provider, self.clock.now());
        Ok(match self.store.update_connection(&update_to(&after, vec![])).await? {
            Write::Done => self.store.connection(connection.id).await?.map(Box::new),
            Write::Moved(current) => Some(current),
            Write::Gone => None,
        })
    }

    /// Closes an attempt that was not sent.
    pub(crate) async fn give_back(&self, mut connection: Connection, attempt: &Attempt) -> Result<(), Error> {
        let mut saving = Saving::nothing(self.clock.uptime());
        for _ in 0..CONTENTION_TRIES {
            let finish = Finish {
                id: connection.id,
                expected: connection.revision,
                attempt: attempt.id,
                at: self.clock.now(),
                brought: Brought::Nothing,
                state: connection.state.clone(),
                plan: connection.plan,
                events: vec![],
            };
            match self.save(&connection, &finish, &mut saving).await? {
                None => return Ok(()),
                Some(current) => connection = *current,
            }
        }
        Err(Error::Contended { name: connection.name })
    }
}

/// How long a process that lives gets, by a clock that does not step, to conclude an attempt whose lease has ended: the
/// machine may have slept meanwhile, or the clock was set, and its request may be under way for as long as the lease was to
/// last. It is not under way for longer than the `longest` lease, by however much that was extended.
fn overdue_for(lease: &Lease, longest: Duration) -> Duration {
    let lasts = Duration::try_from(lease.until.duration_since(lease.attempt.started_at)).unwrap_or_default();
    lasts.min(longest).max(OVERDUE_AT_LEAST)
}
