//! A program that uses the token all the time, and notices whenever it does not work.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use vestal_core::clock::Clock;
use vestal_core::connection::ConnectionName;
use vestal_engine::{Engine, Want};

use super::caller::Caller;

const PAUSE: Duration = Duration::from_millis(300);

/// Asks the engine for the token and uses it at the sandbox's protected resource.
pub(crate) struct Reader {
    engine: Engine,
    name: ConnectionName,
    caller: Caller,
    clock: Arc<dyn Clock>,
    reads: AtomicU64,
    failed: AtomicU64,
}

impl Reader {
    pub(crate) fn new(engine: Engine, name: ConnectionName, caller: Caller, clock: Arc<dyn Clock>) -> Self {
        Self { engine, name, caller, clock, reads: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// Reads until it is dropped.
    pub(crate) async fn run(&self) {
        loop {
            self.read().await;
            self.clock.sleep(PAUSE).await;
        }
    }

    /// Reads once, and counts it.
    pub(crate) async fn read(&self) {
        let worked = match self.engine.issue_token(&self.name, Want::default()).await {
            Ok(token) => self.caller.me(&token.access_token).await.is_ok_and(|answer| answer.status == 200),
            Err(_) => false,
        };
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(u64::from(!worked), Ordering::Relaxed);
    }

    /// How often it read.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// How often there was no token, or one that the sandbox did not accept.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
