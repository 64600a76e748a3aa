//! Each kind of trouble, made for real, found, told how to mend, and mended so.
//!
//! All but one: no network disk can be had on every machine. What is decided of its number is tested beside the code.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use vestal_api::{DoctorView, Finding, Level, Trouble};

use crate::harness::{Home, Provider};

mod answers;
mod connections;
mod machine;
mod providers;
mod setup;
mod store;

/// What may be true of the machine that these tests run on.
const OF_THE_MACHINE: [Trouble; 4] =
    [Trouble::FleetingDisk, Trouble::FleetingJournal, Trouble::DiskFull, Trouble::RedirectTaken];

/// A home in which all is well, and what was done to it.
struct Ward {
    home: Home,
    provider: Provider,
    /// What each case was begun with.
    config: String,
    found: BTreeSet<Trouble>,
}

/// How a trouble is mended.
#[derive(Clone, Copy)]
enum Mend<'a> {
    /// By the command, or the first of the commands, that `next:` names.
    AsTold,
    /// By what it says in words.
    By(&'a dyn Fn(&Ward)),
}

use Mend::{AsTold, By};

impl Ward {
    fn new() -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |_| {});
        home.connect("shop", &provider);
        home.consent("other", &["--client", "custom"], "").ok();
        home.vestal(&["refresh", "--all"]).ok();
        home.vestal(&["refresh", "--due"]).ok();
        let watched = "\n[heartbeat]\nurl = \"http://127.0.0.1:9/never-fetched-here\"\n";
        let config = fs::read_to_string(home.config()).unwrap() + watched;
        fs::write(home.config(), &config).unwrap();
        fs::create_dir(home.path().join("bin")).unwrap();
        symlink(env!("CARGO_BIN_EXE_vestal"), home.path().join("bin/vestal")).unwrap();
        Self { home, provider, config, found: BTreeSet::new() }
    }

    fn at(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// A command of a shell, as its user would type it.
    fn shell(&self, line: &str) -> Command {
        let mut shell = self.home.command(&[]);
        let mut command = Command::new("sh");
        command.args(["-c", line]).env_clear().current_dir(self.home.path());
        command.envs(
            shell
                .env("PATH", format!("{}:/usr/bin:/bin", self.at("bin").display()))
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command
    }

    /// What doctor finds, with something before it in the same shell.
    #[track_caller]
    fn doctor(&self, before: &str) -> DoctorView {
        let ended = self.home.run(self.shell(&format!("{before} vestal doctor --json"))).end();
        let view: DoctorView = ended.json();
        let worst = i32::from(view.level == Level::Fail);
        assert_eq!(ended.status.code(), Some(worst), "{ended}");
        view
    }

    /// What is found is the machine's own at most.
    #[track_caller]
    fn is_well(&self, after: &str) -> DoctorView {
        let view = self.doctor("");
        let is_ours =
            |finding: &&Finding| finding.trouble.is_some_and(|trouble| !OF_THE_MACHINE.contains(&trouble));
        let troubles: Vec<_> = view.findings.iter().filter(is_ours).collect();
        assert!(troubles.is_empty(), "{after}: {troubles:#?}");
        view
    }

    /// The trouble is not there; it is made; it is found; it is mended; it is gone.
    #[track_caller]
    fn case(&mut self, trouble: Trouble, make: impl FnOnce(&Self), mend: Mend<'_>) {
        self.case_with(trouble, make, mend, "");
    }

    #[track_caller]
    fn case_with(&mut self, trouble: Trouble, make: impl FnOnce(&Self), mend: Mend<'_>, before: &str) {
        let was_there = find(&self.is_well(&format!("before {trouble:?}")), trouble).is_some();
        make(self);
        let view = self.doctor(before);
        let found = find(&view, trouble).unwrap_or_else(|| panic!("{trouble:?} is not found: {view:#?}"));
        let next = found.next.as_deref().unwrap_or_default();
        assert!(!found.found.is_empty() && !next.is_empty() && found.level != Level::Ok, "{found:?}");
        match mend {
            AsTold => {
                let command = next.split("; or").next().unwrap();
                assert!(command.starts_with("chmod ") || command.starts_with("vestal "), "{found:?}");
                // At a terminal it asks.
                let agreed = if command.starts_with("vestal disconnect ") { " --yes" } else { "" };
                self.home.run(self.shell(&format!("{command}{agreed}"))).end().ok();
            }
            By(mend) => mend(self),
        }
        let view = self.doctor("");
        assert!(was_there || find(&view, trouble).is_none(), "it was mended: {view:#?}");
        fs::write(self.home.config(), &self.config).unwrap();
        self.found.insert(trouble);
    }

    /// All of these were found, and nothing else.
    #[track_caller]
    fn has_found(&self, kinds: &[Trouble]) {
        assert_eq!(self.found, kinds.iter().copied().collect(), "what was found, and what was to be");
    }

    /// Adds lines to the configuration.
    fn configure(&self, lines: &str) {
        fs::write(self.home.config(), format!("{}\n{lines}\n", self.config)).unwrap();
    }

    /// Lays something over what is known of the provider.
    fn lay_over(&self, lines: &str) {
        let folder = self.home.config().with_file_name("providers");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("custom.toml"), format!("id = \"custom\"\n{lines}\n")).unwrap();
    }

    fn lay_nothing_over(&self) {
        fs::remove_dir_all(self.home.config().with_file_name("providers")).unwrap();
        self.home.vestal(&["refresh", "--due"]).ok();
    }
}

fn find(view: &DoctorView, trouble: Trouble) -> Option<&Finding> {
    view.findings.iter().find(|finding| finding.trouble == Some(trouble))
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn every_kind_but_one_is_made_for_real() {
    let made =
        [answers::KINDS, connections::KINDS, machine::KINDS, providers::KINDS, setup::KINDS, store::KINDS];
    let made: BTreeSet<Trouble> = made.concat().into_iter().chain([Trouble::NetworkDisk]).collect();
    assert_eq!(made, Trouble::ALL.iter().copied().collect());
}
