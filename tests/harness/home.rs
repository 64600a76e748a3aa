//! A machine of its own for `vestal`: its configuration, its key, its store.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use tempfile::TempDir;

use super::process::{Ended, Running};
use super::record::{Kind, Record, Secret};

pub(crate) struct Home {
    folder: TempDir,
    record: Arc<Record>,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), record: Arc::default() }
    }

    /// Another machine, of which the same must not be said or written as of this one.
    pub(crate) fn beside(other: &Self) -> Self {
        Self { folder: tempfile::tempdir().unwrap(), record: Arc::clone(&other.record) }
    }

    pub(crate) fn record(&self) -> &Arc<Record> {
        &self.record
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("config/vestal/vestal.toml")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.config().with_file_name("master.key")
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.path().join("state/vestal/vestal.db")
    }

    /// `vestal` with nothing in its environment but what points here.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.at_home(Path::new(env!("CARGO_BIN_EXE_vestal")), args)
    }

    /// An example, as cargo has built it, with the same environment.
    pub(crate) fn example(&self, name: &str, args: &[&str]) -> Running {
        let example = Path::new(env!("CARGO_BIN_EXE_vestal")).with_file_name("examples").join(name);
        assert!(example.is_file(), "it is not built: cargo build --workspace --examples --all-features");
        self.run(self.at_home(&example, args))
    }

    fn at_home(&self, program: &Path, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", self.path())
            .env("XDG_CONFIG_HOME", self.path().join("config"))
            .env("XDG_STATE_HOME", self.path().join("state"))
            .current_dir(self.path());
        command
    }

    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.run(self.command(args))
    }

    pub(crate) fn run(&self, command: Command) -> Running {
        Running::start(command, &self.record)
    }

    /// Runs a command to its end.
    #[track_caller]
    pub(crate) fn vestal(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// The same, with something to read on its stdin.
    #[track_caller]
    pub(crate) fn vestal_reading(&self, args: &[&str], stdin: &str) -> Ended {
        let mut running = self.start(args);
        running.say(stdin);
        running.end()
    }

    /// Runs a line of the shell's, in which `vestal` is the one that was just built.
    pub(crate) fn sh(&self, line: &str) -> Output {
        let folder = Path::new(env!("CARGO_BIN_EXE_vestal")).parent().unwrap().to_owned();
        let paths = std::env::var_os("PATH").unwrap();
        let paths = std::iter::once(folder).chain(std::env::split_paths(&paths));
        let mut command = Command::new("sh");
        // As it is for a command of vestal's own.
        command.envs(self.command(&[]).get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.args(["-c", line]).env("PATH", std::env::join_paths(paths).unwrap());
        command.current_dir(self.path()).output().unwrap()
    }

    /// Everything that the store's file holds.
    pub(crate) fn store_bytes(&self) -> Vec<u8> {
        std::fs::read(self.store()).unwrap()
    }

    /// Looks for everything that must not have been said or written. Also happens when the test ends.
    pub(crate) fn leaks(&self) -> Vec<String> {
        let keys = std::fs::read_to_string(self.master_key()).unwrap_or_default();
        for key in keys.lines().map(str::trim).filter(|key| !key.is_empty()) {
            self.record.add_secret(Secret::new(Kind::MasterKey, key));
        }
        self.record.leaks(self.path())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let leaks = self.leaks();
            assert!(leaks.is_empty(), "secrets leaked:\n{}", leaks.join("\n"));
        }
    }
}
