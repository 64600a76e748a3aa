//! What the engine of a process is given: its ports, with the process's own fate around each.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use jiff::Timestamp;
use vestal_core::clock::Clock;
use vestal_core::id::NodeId;
use vestal_engine::{Fate, Nodes};
use vestal_oauth::departure::Departure;
use vestal_oauth::http::{Exchange, Http};

use crate::network::Network;
use crate::process::{Call, Process, When};

/// The clock of a process: its machine's.
pub(crate) struct ProcessClock(pub(crate) Arc<Process>);

#[async_trait]
impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        self.0.machine.clock.now()
    }

    fn uptime(&self) -> Duration {
        self.0.machine.clock.uptime()
    }

    async fn sleep(&self, duration: Duration) {
        if duration > LONGEST_WAIT {
            self.0.look(duration, LOOK_EVERY).await;
        } else {
            self.0.sleep(duration).await;
        }
    }
}

/// Nothing in the engine waits longer but a daemon for its next look at the schedule.
const LONGEST_WAIT: Duration = Duration::from_secs(90);

/// How often a daemon really looks. Here it sleeps on as long as nobody has written anything and no clock was set: a
/// look would find nothing then.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// What a process knows of others: those of its own machine, where that tells.
pub(crate) struct Neighbours(pub(crate) Arc<Process>);

impl Nodes for Neighbours {
    fn fate(&self, node: NodeId) -> Fate {
        let machine = &self.0.machine;
        match machine.knows_gone(node).filter(|_| machine.tells_the_gone) {
            Some(true) => Fate::Gone,
            Some(false) => Fate::Alive,
            None => Fate::Unknown,
        }
    }
}

/// The way of a process to providers.
pub(crate) struct Socket {
    pub(crate) process: Arc<Process>,
    pub(crate) network: Arc<Network>,
}

#[async_trait]
impl Http for Socket {
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange {
        let process = &self.process;
        // Until there is a connection, the process may be struck, and sleep.
        process.strike(Call::Send, When::Before);
        process.gate().await;
        crate::time::sleep(self.network.connects_within(deadline)).await;
        process.gate().await;
        // A process that is stopped here, between its last look at the clock and the socket, sends late: no program
        // can rule that out, so that the two are one step here.
        if Departure::of(&request).is_some_and(|departure| !departure.is_in_time()) {
            return Exchange::NotSent { detail: "the connection came too late".into() };
        }
        let mut flight = self.network.depart(process, request, deadline);
        process.strike(Call::Send, When::During);
        let exchange = tokio::select! {
            biased;
            exchange = &mut flight.answer => exchange.ok(),
            () = crate::time::sleep(deadline) => None,
        };
        process.gate().await;
        // A process that was stopped finds in the socket what came meanwhile.
        let exchange = exchange.or_else(|| flight.answer.try_recv().ok());
        let exchange =
            exchange.unwrap_or_else(|| Exchange::NoAnswer { detail: "the deadline passed".into() });
        flight.heard(&self.network, &exchange);
        process.strike(Call::Send, When::After);
        process.gate().await;
        exchange
    }
}
