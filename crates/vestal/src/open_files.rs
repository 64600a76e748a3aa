//! How many files the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::failure::Failure;

/// The store, its log and the journal, each by several threads, and a few requests.
const FEWEST: u64 = 64;

/// How many it should have with so many refreshes at once, each of which has a connection open.
pub(crate) fn needed(flights: usize) -> u64 {
    FEWEST.saturating_add(u64::try_from(flights).unwrap_or(u64::MAX))
}

/// How many it may have; `None` where there is no limit.
pub(crate) fn most() -> Option<u64> {
    getrlimit(Resource::Nofile).current
}

/// How many it had before it took more.
pub(crate) struct Before(Rlimit);

impl Before {
    /// Has the program that comes after this one start with what this one started with: where it uses select(2), or closes all there may be, more
    /// would break it.
    pub(crate) fn restore(self) {
        let _ = setrlimit(Resource::Nofile, self.0);
    }
}

/// Takes as many as it is allowed to take. Fails where the program could not even start with them, or would take a
/// provider for one that cannot be reached.
pub(crate) fn enough() -> Result<Before, Failure> {
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused, it stays as it is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    match getrlimit(Resource::Nofile).current {
        Some(few) if few < FEWEST => Err(Failure::failed("the program cannot be started")
            .why(format!("it may have {few} files open, and needs {FEWEST}"))
            .next("raise the limit: ulimit -n 1024; in a unit of systemd: LimitNOFILE=1024")),
        _ => Ok(Before(limit)),
    }
}
