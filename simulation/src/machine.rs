//! A machine: its clock, and the processes that run on it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use vestal_core::id::NodeId;

use crate::journal::Shelf;
use crate::lock;
use crate::process::Process;
use crate::time::WallClock;

/// A machine.
pub(crate) struct Machine {
    pub(crate) clock: Arc<WallClock>,
    /// Whether its processes can tell which others on it are gone.
    pub(crate) tells_the_gone: bool,
    /// The journals that lie on its disk.
    pub(crate) shelf: Shelf,
    processes: Mutex<BTreeMap<NodeId, Weak<Process>>>,
}

impl Machine {
    pub(crate) fn new(clock: Arc<WallClock>, tells_the_gone: bool) -> Arc<Self> {
        Arc::new(Self { clock, tells_the_gone, shelf: Shelf::default(), processes: Mutex::default() })
    }

    pub(crate) fn started(&self, process: &Arc<Process>) {
        lock(&self.processes).insert(process.node, Arc::downgrade(process));
    }

    /// Whether a process of this machine is no more.
    pub(crate) fn is_gone(&self, node: NodeId) -> bool {
        self.knows_gone(node).unwrap_or(true)
    }

    /// Whether a process ran here and does not any more. `None`: it is not from here.
    pub(crate) fn knows_gone(&self, node: NodeId) -> Option<bool> {
        let processes = lock(&self.processes);
        let process = processes.get(&node)?;
        Some(process.upgrade().is_none_or(|process| !process.is_alive()))
    }
}
