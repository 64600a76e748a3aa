//! Keeping the process's memory, which holds secrets, away from the disk and from others.

use rustix::process::{Resource, Rlimit, setrlimit};

/// Turns core dumps off. Where that is not possible the program goes on: `vestal doctor` tells.
pub(crate) fn protect_memory() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = setrlimit(Resource::Core, none);
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Whether a crash would write the process's memory to the disk: both have to allow it.
pub(crate) fn dumps_core() -> bool {
    rustix::process::getrlimit(Resource::Core).current != Some(0) && is_dumpable()
}

#[cfg(target_os = "linux")]
fn is_dumpable() -> bool {
    rustix::process::dumpable_behavior() != Ok(rustix::process::DumpableBehavior::NotDumpable)
}

#[cfg(not(target_os = "linux"))]
fn is_dumpable() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_off_afterwards() {
        protect_memory();
        assert!(!dumps_core());
    }
}
