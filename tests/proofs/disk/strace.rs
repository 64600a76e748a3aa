//! System calls that fail, one or many of them, at a moment that chance chooses.

use std::fmt;
use std::fs;
use std::process::Command;

use tempfile::NamedTempFile;

use crate::harness::{Dice, Home, Running};

/// Among so many first calls of a thread one is chosen. A commit is one fsync and some writes.
const FSYNCS: u64 = 14;
const WRITES: u64 = 40;

/// Which calls fail, and how.
#[derive(Clone, Copy)]
enum Kind {
    /// One fsync, somewhere.
    OneFsync,
    /// Some fsyncs in a row.
    SomeFsyncs,
    /// One write, somewhere.
    OneWrite,
    /// Every write, for a while.
    SomeWrites,
    /// Every write to the store, from some moment on.
    StoreFull,
    /// Every fsync of the store, from some moment on.
    StoreUnsynced,
}

const KINDS: [Kind; 6] = [
    Kind::OneFsync,
    Kind::SomeFsyncs,
    Kind::OneWrite,
    Kind::SomeWrites,
    Kind::StoreFull,
    Kind::StoreUnsynced,
];

/// A process whose system calls fail.
pub(super) struct Failing {
    pub(super) running: Running,
    pub(super) log: Log,
}

/// What strace has seen.
pub(super) struct Log(NamedTempFile);

/// What strace is told.
pub(super) struct Injection {
    calls: &'static str,
    error: &'static str,
    when: String,
    store_only: bool,
}

impl Injection {
    pub(super) fn any(dice: &Dice) -> Self {
        const FSYNC: &str = "fsync,fdatasync";
        const WRITE: &str = "pwrite64,ftruncate,fallocate";
        let kind = dice.pick(&KINDS);
        let (calls, first) = match kind {
            Kind::OneFsync | Kind::SomeFsyncs | Kind::StoreUnsynced => (FSYNC, 1 + dice.below(FSYNCS)),
            Kind::OneWrite | Kind::SomeWrites | Kind::StoreFull => (WRITE, 1 + dice.below(WRITES)),
        };
        let (error, when, store_only) = match kind {
            Kind::OneFsync => ("EIO", first.to_string(), false),
            Kind::SomeFsyncs => ("EIO", format!("{first}..{}", first + 2 + dice.below(8)), false),
            Kind::OneWrite => (dice.pick(&["EIO", "ENOSPC"]), first.to_string(), false),
            Kind::SomeWrites => ("ENOSPC", format!("{first}..{}", first + 2 + dice.below(30)), false),
            Kind::StoreFull => ("ENOSPC", format!("{first}+"), true),
            Kind::StoreUnsynced => ("EIO", format!("{first}+"), true),
        };
        Self { calls, error, when, store_only }
    }

    /// Starts `vestal` with these arguments, and lets calls of it fail.
    pub(super) fn start(&self, home: &Home, args: &[&str]) -> Failing {
        let log = NamedTempFile::new().unwrap();
        let mut command = Command::new("strace");
        // As a grandchild, so that the process started here is vestal itself, and signals reach it.
        command.args(["-D", "-f", "-qqq", "-s", "0", "-o"]).arg(log.path());
        command.args(["-e", &format!("trace={}", self.calls)]);
        command.args(["-e", &format!("inject={}:error={}:when={}", self.calls, self.error, self.when)]);
        if self.store_only {
            for suffix in ["", "-wal"] {
                let mut path = home.store().into_os_string();
                path.push(suffix);
                command.arg("-P").arg(path);
            }
        }
        Failing { running: home.run(super::wrap(&home.command(args), command)), log: Log(log) }
    }
}

impl Log {
    /// How many calls have failed so far.
    pub(super) fn strikes(&self) -> usize {
        fs::read_to_string(self.0.path()).unwrap().matches("(INJECTED)").count()
    }
}

impl fmt::Display for Injection {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, error, when, store_only } = self;
        let place = if *store_only { "the store" } else { "any file" };
        write!(out, "{calls} of {place}: {error}, when={when}")
    }
}

/// Whether strace can be used here. The error says why not.
pub(super) fn is_there() -> Result<(), String> {
    let out = NamedTempFile::new().unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qqq", "-o"]).arg(out.path()).args(["-e", "trace=fsync", "true"]);
    match command.output() {
        Ok(ran) if ran.status.success() => Ok(()),
        Ok(ran) => Err(format!("strace: {}", String::from_utf8_lossy(&ran.stderr).trim())),
        Err(error) => Err(format!("strace: {error}; `cargo xtask test` installs it")),
    }
}
