//! README's first five minutes, typed as they are written, on machines that have nothing: no configuration, no browser, and
//! on the barest one no shell either.

use std::fs::{self, DirBuilder};
use std::net::TcpListener;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{Proof, is_full};
use crate::harness::{
    Browser, CLIENT_ID, CLIENT_SECRET, Emission, Home, Kind, Provider, Secret, Terminal, until,
};
use crate::{docs, packaging};

const README: &str = include_str!("../../README.md");

/// Where the browser is sent back to, unless somebody wants it otherwise.
const PORT: u16 = 8724;

/// A folder that is all that a process sees of the disk.
struct Machine {
    root: PathBuf,
    home: Home,
    provider: Provider,
}

/// What a person had to do, and how long the machine took.
struct Done {
    steps: usize,
    commands: usize,
    answers: usize,
    took: Duration,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { steps, commands, answers, took } = self;
        write!(
            f,
            "a token after {steps} steps, {commands} of them commands that ask {answers} questions; {took:.1?} without the person"
        )
    }
}

impl Machine {
    /// Where "Constant Contact" is the sandbox.
    fn new(root: &Path) -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| {
            settings.refresh_tokens.only_with_scope = Some("offline_access".into());
        });
        let folder = root.join("root/.config/vestal/providers");
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).unwrap();
        let endpoint = |path: &str| format!("{{ is = \"{}/{path}\", unverified = true }}", provider.issuer);
        let (authorize, token) = (endpoint("authorize"), endpoint("token"));
        let file = format!(
            "id = \"constant-contact\"\n\n[endpoints]\nauthorization = {authorize}\ntoken = {token}\n"
        );
        fs::write(folder.join("constant-contact.toml"), file).unwrap();
        Self { root: root.to_owned(), home, provider }
    }

    /// Types a line, and goes on as `then` says until it has ended. What it showed is recorded.
    fn type_in(&self, line: &str, then: impl FnOnce(&Terminal)) -> (ExitStatus, String) {
        let (terminal, other_end) = Terminal::open((100, 30));
        let end = || other_end.try_clone().unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut command = enter(&self.root);
        command.args(&words).env_clear();
        command
            .env("HOME", "/root")
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("NO_COLOR", "1")
            .env("TERM", "xterm");
        let mut child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        drop((command, other_end));
        then(&terminal);
        let status = until(line, || child.try_wait().unwrap());
        let drawn = terminal.drawn();
        let what = words.iter().map(|word| (*word).to_owned()).collect();
        self.home.record().add(Emission { what, stream: "stdout", bytes: drawn.clone().into_bytes() });
        (status, drawn)
    }

    /// Does what the section says.
    fn first_five_minutes(&self) -> Done {
        let (_, section) = README.split_once("\n## The first five minutes").unwrap();
        let section = section.split("\n## ").next().unwrap();
        let is_step = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit());
        let steps = section.lines().filter(is_step).count();
        let commands = docs::commands(section);
        let [connect, token] = &commands[..] else { panic!("{commands:?}") };
        let since = Instant::now();
        let mut answers = 0;
        // On a machine that does other things too, somebody else may be at it.
        until("the port of the redirect", || TcpListener::bind(("127.0.0.1", PORT)).ok().map(drop));
        let (status, drawn) = self.type_in(connect, |terminal| {
            for (question, answer) in [("Client id: ", CLIENT_ID), ("does not show): ", CLIENT_SECRET)] {
                until(question, || terminal.drawn().contains(question).then_some(()));
                terminal.say(&format!("{answer}\n"));
                answers += 1;
            }
            let url = until("a page to open", || {
                let drawn = terminal.drawn();
                let url = drawn.lines().find(|line| line.contains("response_type=code"))?;
                drawn.contains("Waiting").then(|| url.trim().to_owned())
            });
            self.home.record().add_consent(&url);
            let mut browser = Browser::default();
            let redirected = browser.consent(&url.parse().unwrap());
            // What it says to the browser, it says on the terminal too.
            browser.get(&redirected);
        });
        assert!(status.success(), "{drawn}");
        let key = fs::read_to_string(self.root.join("root/.config/vestal/master.key")).unwrap();
        self.home.record().add_secret(Secret::new(Kind::MasterKey, key.trim()));
        let (status, drawn) = self.type_in(token, |_| ());
        assert!(status.success() && self.provider.accepts(drawn.trim()), "{drawn}");
        Done { steps, commands: commands.len(), answers, took: since.elapsed() }
    }
}

/// What runs a command in a root of its own, which takes root, or a name space in which one is.
fn enter(root: &Path) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("chroot")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "chroot"]);
        command
    };
    command.arg(root);
    command
}

/// Puts a program into a root, and what it needs.
fn put(program: &Path, root: &Path) {
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    fs::copy(program, root.join("usr/bin/vestal")).unwrap();
    packaging::put_needs(program, root);
}

#[test]
fn the_first_five_minutes_work_where_there_is_nothing_but_the_program() {
    let proof = Proof::of("README's first five minutes, on a disk with the program and nothing else");
    let root = TempDir::new().unwrap();
    put(Path::new(env!("CARGO_BIN_EXE_vestal")), root.path());
    if !enter(root.path()).args(["/usr/bin/vestal", "--version"]).output().unwrap().status.success() {
        return proof.cannot_be_had("nobody but root may enter a root of its own here");
    }
    let done = Machine::new(root.path()).first_five_minutes();
    proof.holds("once", done);
}

#[test]
fn the_first_five_minutes_work_with_the_package_on_a_fresh_debian() {
    let proof = Proof::of("README's first five minutes, on a fresh Debian with the package");
    if !is_full() {
        return proof.cannot_be_had("to make a whole Debian takes minutes, and the network");
    }
    let folder = TempDir::new().unwrap();
    let root = folder.path().join("root");
    let release = fs::read_to_string("/etc/os-release").unwrap();
    let suite = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")).expect("a release");
    let made = Command::new("mmdebstrap")
        .args(["--variant=minbase", "--include=ca-certificates,systemd-standalone-sysusers", suite])
        .arg(&root)
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let package = packaging::build(folder.path(), "1");
    fs::copy(package, root.join("vestal.deb")).unwrap();
    let installed = enter(&root).args(["dpkg", "--install", "/vestal.deb"]).output().unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    let done = Machine::new(&root).first_five_minutes();
    let purged = enter(&root).args(["dpkg", "--purge", "vestal"]).output().unwrap();
    assert!(purged.status.success(), "{}", String::from_utf8_lossy(&purged.stderr));
    assert!(root.join("root/.config/vestal/master.key").is_file() && !root.join("usr/bin/vestal").exists());
    proof.holds("once", done);
}
