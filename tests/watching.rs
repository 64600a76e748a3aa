//! `vestal status --watch`, on a terminal and for a program.

use std::io::Read as _;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::harness::{Emission, Home, Provider, Terminal, until};

/// `vestal`, with a terminal to draw on.
struct OnTerminal {
    vestal: Child,
    terminal: Terminal,
}

impl OnTerminal {
    fn start(home: &Home, args: &[&str], size: (u16, u16)) -> Self {
        Self::of_kind("xterm", home, args, size)
    }

    fn of_kind(kind: &str, home: &Home, args: &[&str], size: (u16, u16)) -> Self {
        let (terminal, other_end) = Terminal::open(size);
        let mut command = home.command(args);
        command.env("TERM", kind).env("NO_COLOR", "1");
        let vestal = command.stdin(Stdio::null()).stdout(other_end).stderr(Stdio::null()).spawn().unwrap();
        Self { vestal, terminal }
    }

    fn resize(&self, size: (u16, u16)) {
        self.terminal.resize(size);
        // It is not the terminal that this process is controlled by.
        self.signal(Signal::WINCH);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.vestal.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    fn drawn(&self) -> String {
        self.terminal.drawn()
    }

    /// Waits until it has drawn this, after whatever it had drawn before.
    fn shows(&self, after: usize, text: &str) -> usize {
        until(text, || {
            let drawn = self.drawn();
            drawn.get(after..).and_then(|new| new.contains(text).then_some(drawn.len()))
        })
    }
}

#[test]
fn a_terminal_shows_what_changes_and_is_given_back() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let mut watch = OnTerminal::start(&home, &["status", "--watch"], (80, 24));
    let seen = watch.shows(0, "1 connection: 1 active");
    home.vestal(&["pause", "shop"]).ok();
    let seen = watch.shows(seen, "1 connection: 1 paused");
    watch.shows(seen.saturating_sub(2_000), "shop: paused");
    watch.resize((40, 8));
    let seen = watch.shows(seen, "\u{1b}[2J");
    home.vestal(&["resume", "shop"]).ok();
    watch.shows(seen, "1 connection: 1 active");
    watch.signal(Signal::INT);
    assert_eq!(watch.vestal.wait().unwrap().code(), Some(0));
    let left = "\u{1b}[?25h\u{1b}[?1049l";
    watch.shows(0, left);
    let drawn = watch.drawn();
    assert!(drawn.starts_with("\u{1b}[?1049h") && drawn.ends_with(left), "{drawn:?}");
    assert!(!drawn.contains("\u{1b}[32m"), "nobody wants colours");
    let what = vec!["status".to_owned(), "--watch".to_owned()];
    home.record().add(Emission { what, stream: "stdout", bytes: drawn.into_bytes() });
}

#[cfg(feature = "demo")]
#[test]
fn the_demo_draws_on_a_terminal_and_tells_in_lines_on_one_that_cannot_be_drawn_on() {
    let home = Home::new();
    for (kind, draws) in [("xterm", true), ("dumb", false)] {
        let demo = ["demo", "--day", "2s", "--for", "1s"];
        let OnTerminal { mut vestal, terminal } = OnTerminal::of_kind(kind, &home, &demo, (80, 24));
        assert_eq!(vestal.wait().unwrap().code(), Some(0));
        let drawn = terminal.all_drawn();
        assert_eq!(drawn.contains('\u{1b}'), draws, "{kind}: {drawn:?}");
        assert!(drawn.contains("generation 1"), "{kind}: {drawn:?}");
    }
}

/// As `head -1` is.
#[test]
fn a_reader_who_goes_away_ends_the_watch() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let (mut reader, writer) = std::io::pipe().unwrap();
    let mut command = home.command(&["status", "--watch", "--json"]);
    let mut watch = command.stdin(Stdio::null()).stdout(writer).spawn().unwrap();
    drop(command);
    let mut first = [0; 1];
    reader.read_exact(&mut first).unwrap();
    assert_eq!(watch.try_wait().unwrap(), None, "it goes on while it is read");
    drop(reader);
    let status = until("the end of it, though nothing changes", || watch.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
}

#[test]
fn a_program_is_told_each_change_on_a_line() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let told = home.vestal(&["status", "--watch"]).code(2);
    assert!(told.stderr.contains("next: for a program: vestal status --watch --json"), "{told}");
    home.vestal(&["status", "nobody", "--watch", "--json"]).code(1);

    for name in [&[][..], &["shop"]] {
        let mut watch = home.start(&[&["status", "--watch", "--json"], name].concat());
        let lines = |said: &str, count| (said.matches('\n').count() == count).then(|| said.to_owned());
        watch.hear("how it is", |said| lines(said, 1));
        home.vestal(&["pause", "shop"]).ok();
        let said = watch.hear("what has changed", |said| lines(said, 2));
        let last: Value = serde_json::from_str(said.lines().next_back().unwrap()).unwrap();
        assert!(last.to_string().contains("paused"), "{said}");
        watch.signal(Signal::TERM);
        watch.end().ok();
        home.vestal(&["resume", "shop"]).ok();
    }
}
