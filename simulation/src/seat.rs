//! A seat: where a daemon runs, is started again when it was killed, and lets itself be ended.

use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use vestal_engine::Engine;

use crate::lock;
use crate::process::Process;
use crate::world::World;

/// A daemon that runs.
#[derive(Clone)]
pub(crate) struct Daemon {
    pub(crate) process: Arc<Process>,
    pub(crate) engine: Engine,
    stop: Arc<Notify>,
}

/// A place for one daemon.
pub(crate) struct Seat {
    pub(crate) machine: usize,
    daemon: Mutex<Option<Daemon>>,
}

impl Seat {
    pub(crate) fn new(machine: usize) -> Self {
        Self { machine, daemon: Mutex::default() }
    }

    /// The daemon, where one runs.
    pub(crate) fn daemon(&self) -> Option<Daemon> {
        lock(&self.daemon).clone().filter(|daemon| daemon.process.is_alive())
    }

    /// Starts a daemon, unless one runs.
    pub(crate) fn start(&self, world: &Arc<World>) {
        if self.daemon().is_some() {
            return;
        }
        let (process, engine) = world.boot(self.machine);
        let stop = Arc::new(Notify::new());
        let daemon =
            Daemon { process: Arc::clone(&process), engine: engine.clone(), stop: Arc::clone(&stop) };
        *lock(&self.daemon) = Some(daemon);
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = process.gone() => {}
                () = engine.serve(stop.notified()) => process.end(),
            }
        });
    }

    /// Ends the daemon as a service manager does: what is under way is finished first.
    pub(crate) fn end(&self) {
        if let Some(daemon) = self.daemon() {
            daemon.stop.notify_one();
        }
    }
}
