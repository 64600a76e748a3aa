//! What is due is stored as a time of the clock. When the clock was set, those times mean something else.

use std::time::Duration;

use jiff::Timestamp;
use vestal_core::clock::Clock;
use vestal_core::connection::ConnectionName;
use vestal_core::store::{Filter, Update, Write};

use crate::{Error, Inner};

/// Wall time may drift from elapsed time by this much between two looks before that counts as a jump.
const JUMP_S: i64 = 3600;

/// How many connections are read at once.
const PAGE: u32 = 500;

/// Compares wall time with elapsed time.
pub(crate) struct ClockWatch {
    wall: Timestamp,
    uptime: Duration,
}

impl ClockWatch {
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        Self { wall: clock.now(), uptime: clock.uptime() }
    }

    /// By how many seconds the clock was set since the last look, where that is more than an hour.
    pub(crate) fn look(&mut self, clock: &dyn Clock) -> Option<i64> {
        let now = Self::new(clock);
        let passed = now.uptime.saturating_sub(self.uptime);
        let jumped = now.wall.as_second() - self.wall.as_second() - passed.as_secs().cast_signed();
        *self = now;
        (jumped.abs() > JUMP_S).then_some(jumped)
    }
}

impl Inner {
    /// Plans every connection anew, as of now.
    ///
    /// Whoever writes to a connection meanwhile plans it too, so that one that moved needs nothing more.
    pub(crate) async fn replan(&self) -> Result<(), Error> {
        let mut after: Option<ConnectionName> = None;
        loop {
            let page = self.store.connections(&Filter::default(), after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.name.clone());
            // A valid lease means an attempt, whose end brings a plan.
            for connection in page.iter().filter(|connection| connection.lease.is_none()) {
                let provider = self.provider_of(connection).await?;
                let plan = self.plan(connection, &provider, self.clock.now());
                if plan == connection.plan {
                    continue;
                }
                let update = Update {
                    id: connection.id,
                    expected: connection.revision,
                    state: connection.state.clone(),
                    plan,
                    policy: connection.policy,
                    grant: None,
                    events: vec![],
                };
                match self.store.update_connection(&update).await? {
                    Write::Done | Write::Moved(_) | Write::Gone => {}
                }
            }
        }
    }
}
