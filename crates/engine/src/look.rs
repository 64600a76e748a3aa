//! A look at the schedule: starts what is due, and knows when to look again.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::OwnedSemaphorePermit;
use vestal_core::connection::Connection;
use vestal_core::store::{Due, Held};
use vestal_core::token::saturating_add;

use crate::agenda::{Agenda, Choice, READ_AHEAD};
use crate::flight::Landing;
use crate::holds::Holding;
use crate::hosts::Slot;
use crate::take::Purpose;
use crate::{Engine, Error};

/// The shortest time between two looks, so that what cannot be started does not keep a core busy.
pub(crate) const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(20);

/// How many times the agenda is gone through in one look.
const ROUNDS: usize = 64;

/// Behind those whose host is full, others are looked for no more often: that is a walk through all of them.
const LOOK_BEHIND_AT_MOST_EVERY: Duration = Duration::from_secs(1);

/// One look at the schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// How many refreshes were started.
    pub started: usize,
    /// When to look again, at the latest.
    pub next: Timestamp,
    /// More may start at once.
    pub more: bool,
}

/// Whether a refresh may start.
enum Clearance {
    Given(Cleared),
    /// It is under way, or waits since it could not even be tried.
    Otherwise,
    /// Its client is not known.
    UnknownClient,
    /// Its host takes nothing more.
    HostIsFull,
    /// This process does enough.
    NoRoom,
}

/// What is on the agenda.
#[derive(PartialEq, Eq)]
enum Filled {
    /// All that is due now.
    WithAll,
    /// Some of it.
    InPart,
    /// Nothing that may start, and it is looked for others only after this time.
    NotYet(Duration),
}

/// What came of going through the agenda once.
struct Round {
    started: usize,
    /// `None`: more may start at once.
    over: Option<Over>,
}

/// Nothing more may start now.
struct Over {
    /// What is held back.
    holding: Holding,
    /// How long until others are looked for behind that.
    behind: Option<Duration>,
}

/// A refresh that may start.
struct Cleared {
    due: Due,
    /// `None` where it is not known before it is read which host it goes to.
    slot: Option<Slot>,
    permit: OwnedSemaphorePermit,
}

/// Whether somebody has done what was due at that time, or is at it.
fn was_done(connection: &Connection, at: Timestamp) -> bool {
    match &connection.lease {
        Some(lease) => lease.valid,
        None => connection.plan.due_at.is_none_or(|due_at| due_at > at),
    }
}

impl Engine {
    /// Starts what is due at `now`, nearest death first, as far as hosts and providers take it, and returns without
    /// waiting for it.
    ///
    /// # Errors
    ///
    /// When the store cannot be read. Nothing more was started then.
    pub async fn run_once(&self, now: Timestamp) -> Result<Pass, Error> {
        let inner = &self.inner;
        // Whoever looks meanwhile begins anew.
        let mut agenda = std::mem::take(&mut *inner.agenda());
        let mut started = 0;
        for _ in 0..ROUNDS {
            let holding = inner.held().await?;
            let round = self.round(&mut agenda, holding, now).await?;
            started += round.started;
            if let Some(over) = round.over {
                *inner.agenda() = agenda;
                let next = self.next_look(&over, now).await?;
                return Ok(Pass { started, next, more: false });
            }
        }
        *inner.agenda() = agenda;
        Ok(Pass { started, next: saturating_add(now, LOOK_AT_MOST_EVERY), more: true })
    }

    /// Goes through the agenda once.
    async fn round(&self, agenda: &mut Agenda, mut holding: Holding, now: Timestamp) -> Result<Round, Error> {
        let inner = &self.inner;
        if self.room() == 0 || inner.holds_all(&holding) {
            return Ok(Round { started: 0, over: Some(Over { holding, behind: None }) });
        }
        let filled = self.fill(agenda, &holding, now).await?;
        if let Filled::NotYet(wait) = filled {
            return Ok(Round { started: 0, over: Some(Over { holding, behind: Some(wait) }) });
        }
        let cleared = self.choose(agenda, &mut holding);
        let wanted = cleared.len();
        let started = self.start(cleared, now).await;
        // Where another node was faster, there is room for others; and a client that was missing may be there now.
        let more = filled == Filled::InPart || started < wanted || inner.holds.is_outdated();
        Ok(Round { started, over: (!more).then_some(Over { holding, behind: None }) })
    }

    /// When to look again. What is due and was not started waits for something to land, which is noticed, or for time.
    async fn next_look(&self, over: &Over, now: Timestamp) -> Result<Timestamp, Error> {
        let inner = &self.inner;
        let waits =
            [inner.held_for(), over.behind].into_iter().flatten().fold(inner.limits.look, Duration::min);
        let latest = saturating_add(now, waits.max(LOOK_AT_MOST_EVERY));
        if self.room() == 0 {
            return Ok(latest);
        }
        let next = inner.store.next_due(now, latest, &over.holding.all()).await?;
        Ok(next.unwrap_or(latest).max(saturating_add(now, LOOK_AT_MOST_EVERY)))
    }

    /// How many more refreshes the schedule may start. After the clock has jumped, one at a time.
    fn room(&self) -> usize {
        let (limits, room) = (&self.inner.limits, self.inner.scheduled.available_permits());
        match self.inner.time.is_doubted(self.inner.clock.uptime()) {
            true => usize::from(room == limits.flights),
            false => room,
        }
    }

    /// Starts what is due at `now` with what is in the store now, as after other processes' leases were freed.
    ///
    /// # Errors
    ///
    /// As [`Engine::run_once`].
    pub async fn run_anew(&self, now: Timestamp) -> Result<Pass, Error> {
        *self.inner.agenda() = Agenda::default();
        self.run_once(now).await
    }

    /// Sees to it that there is something on the agenda that may start, if anything may.
    async fn fill(&self, agenda: &mut Agenda, holding: &Holding, now: Timestamp) -> Result<Filled, Error> {
        let clock = &self.inner.clock;
        let read = if agenda.is_over(clock.uptime(), self.inner.limits.look) {
            let due = self.due(now, &holding.waiting).await?;
            let read = due.len();
            *agenda = Agenda::begin(due, clock.uptime());
            read
        } else if agenda.any(|due| holding.may_start(due)) {
            return Ok(Filled::InPart);
        } else if let Some(wait) = agenda.behind_again_in(clock.uptime(), LOOK_BEHIND_AT_MOST_EVERY) {
            return Ok(Filled::NotYet(wait));
        } else {
            // Behind those whose host is full there may be others.
            let due = self.due(now, &holding.all()).await?;
            let read = due.len();
            agenda.add(due, clock.uptime());
            read
        };
        Ok(if read < READ_AHEAD as usize { Filled::WithAll } else { Filled::InPart })
    }

    /// Reads what is due, and neither held nor under way here.
    async fn due(&self, now: Timestamp, held: &Held) -> Result<Vec<Due>, Error> {
        let inner = &self.inner;
        let running = inner.flights.running();
        // Those that wait since they could not be tried stay due, and must not crowd out the others.
        let others = running.len().saturating_add(inner.ailing.count(inner.clock.uptime()));
        let limit = READ_AHEAD.saturating_add(u32::try_from(others).unwrap_or(u32::MAX));
        let mut due = inner.store.due(now, limit, held).await?;
        due.retain(|due| !running.contains(&due.connection));
        Ok(due)
    }

    /// Takes those off the agenda that may start.
    fn choose(&self, agenda: &mut Agenda, holding: &mut Holding) -> Vec<Cleared> {
        let mut cleared = Vec::new();
        agenda.choose(|due| {
            if holding.waits(&due) {
                return Choice::Take;
            }
            if holding.full.contains(&due.client) {
                return Choice::Later;
            }
            match self.clear(due) {
                Clearance::Given(one) => {
                    cleared.push(one);
                    Choice::Take
                }
                Clearance::Otherwise => Choice::Take,
                Clearance::UnknownClient => {
                    self.inner.holds.note_missing(due.client);
                    holding.wait_for(due.client);
                    Choice::Take
                }
                Clearance::HostIsFull => {
                    holding.full.insert(due.client);
                    Choice::Later
                }
                Clearance::NoRoom => Choice::Enough,
            }
        });
        cleared
    }

    fn clear(&self, due: Due) -> Clearance {
        let inner = &self.inner;
        let (id, uptime) = (due.connection, inner.clock.uptime());
        if inner.flights.is_running(id) || inner.ailing.waits(id, uptime) {
            return Clearance::Otherwise;
        }
        let Some(host) = inner.known_host(due.client) else { return Clearance::UnknownClient };
        let permit = Arc::clone(&inner.scheduled).try_acquire_owned();
        let Some(permit) = permit.ok().filter(|_| self.room_but_one()) else { return Clearance::NoRoom };
        let Some(host) = host else { return Clearance::Given(Cleared { due, slot: None, permit }) };
        let Some(slot) = inner.hosts.try_scheduled(&host, uptime) else { return Clearance::HostIsFull };
        Clearance::Given(Cleared { due, slot: Some(slot), permit })
    }

    /// Starts these, having read them all at once, unless they are not due any more. Whoever cannot be read with the others
    /// reads by itself, and tells why. Returns how many were started.
    async fn start(&self, cleared: Vec<Cleared>, now: Timestamp) -> usize {
        if cleared.is_empty() {
            return 0;
        }
        let ids: Vec<_> = cleared.iter().map(|one| one.due.connection).collect();
        let read = self.inner.store.connections_by_id(&ids).await.unwrap_or_default();
        let mut read: HashMap<_, _> = read.into_iter().map(|one| (one.id, Box::new(one))).collect();
        let mut started = 0;
        for Cleared { due, slot, permit } in cleared {
            let stored = read.remove(&due.connection);
            if stored.as_ref().is_some_and(|stored| was_done(stored, now)) {
                continue;
            }
            let slot = match slot {
                Some(slot) => Some(slot),
                None => self.inner.scheduled_slot(due, stored.as_deref()).await,
            };
            let Some(slot) = slot else { continue };
            let flight = || self.clone().scheduled(due, slot, stored, permit);
            // Nobody watches it: its outcome is in the store and its history.
            let seat = self.inner.flights.join_or_start(due.connection, flight);
            started += usize::from(seat.ours);
        }
        started
    }

    /// Whether one more may start, for which a permit was taken.
    fn room_but_one(&self) -> bool {
        let inner = &self.inner;
        !inner.time.is_doubted(inner.clock.uptime())
            || inner.scheduled.available_permits() + 1 == inner.limits.flights
    }

    async fn scheduled(
        self,
        due: Due,
        slot: Slot,
        stored: Option<Box<Connection>>,
        permit: OwnedSemaphorePermit,
    ) -> Result<Landing, Error> {
        let inner = self.inner;
        let Due { connection: id, client } = due;
        let outcome = Arc::clone(&inner).fly(id, client, Purpose::Schedule, Some((slot, stored))).await;
        match &outcome {
            Ok(Landing::Done) => inner.ailing.forget(id),
            // Its lease has ended, and its process may yet conclude it.
            Ok(Landing::StaysDue) => {
                inner.ailing.note_held(id, inner.clock.uptime());
            }
            // Told once: a disk that is full must not be filled with that.
            Err(error) if inner.ailing.note_error(id, inner.clock.uptime()) => {
                tracing::error!(connection = %id, %error, "a scheduled refresh could not be tried; it is tried again");
            }
            Err(error) => {
                tracing::debug!(connection = %id, %error, "a scheduled refresh could not be tried");
            }
        }
        drop(permit);
        outcome
    }
}
