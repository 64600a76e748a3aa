//! What a terminal and a pipe are shown: narrow or not, in colour or not, in whichever script, and of how many.

use std::process::Stdio;

use unicode_width::UnicodeWidthStr as _;

use crate::harness::{Home, Provider, Terminal};

/// What a command that ends well draws on a terminal that is so wide.
fn on_terminal(home: &Home, args: &[&str], width: u16, no_color: &str) -> String {
    let (terminal, other_end) = Terminal::open((width, 24));
    let mut command = home.command(args);
    command.env("TERM", "xterm").env("NO_COLOR", no_color).stdin(Stdio::null()).stdout(other_end);
    assert!(command.status().unwrap().success());
    // It holds the other end, too.
    drop(command);
    terminal.all_drawn()
}

#[test]
fn no_line_is_wider_than_its_terminal_in_whichever_script() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    for name in [
        "東京の店舗一号店とその倉庫と本社の経理部",
        "חנות הדגל בתל אביב וכל הסניפים שלה",
        "متجر القاهرة الرئيسي وجميع فروعه",
        "cafe\u{301} de\u{301}ja\u{300} vu",
    ] {
        home.consent(name, &["--client", "custom"], "").ok();
    }
    for (width, verb) in [(40, &["list"][..]), (60, &["list"]), (200, &["list"]), (40, &["status"])] {
        let shown = on_terminal(&home, verb, width, "1");
        assert!(shown.lines().count() >= if verb == ["list"] { 6 } else { 2 }, "{shown}");
        for line in shown.lines() {
            assert!(line.width() <= usize::from(width), "{width}: {line:?}");
        }
        assert!(!shown.contains('\u{1b}'), "NO_COLOR is set: {shown:?}");
    }
    let coloured = on_terminal(&home, &["list"], 200, "");
    assert!(coloured.contains("\u{1b}[32mactive"), "{coloured:?}");
    // All that there is goes to a pipe, uncut, and without colours.
    let piped = home.vestal(&["list"]).ok().stdout;
    assert!(
        piped.contains("חנות הדגל בתל אביב וכל הסניפים שלה") && !piped.contains(['…', '\u{1b}']),
        "{piped}"
    );
}

#[test]
fn ten_thousand_connections_are_listed_and_counted() {
    const MANY: usize = 10_000;
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let line = |number| {
        format!(
            "{{\"name\": \"c{number:05}\", \"client\": \"custom\", \"refresh_token\": \"none-{number}\", \"paused\": true}}\n"
        )
    };
    let lines: String = (0..MANY).map(line).collect();
    home.vestal_reading(&["import", "--file", "-"], &lines).ok();
    let list = home.vestal(&["list"]).ok();
    assert_eq!(list.stdout.lines().count(), MANY + 2, "its titles, and the shop");
    assert!(list.stdout.lines().is_sorted_by_key(|line| line.starts_with("shop")), "by name");
    let json = home.vestal(&["list", "--json"]).ok();
    assert_eq!(json.json::<Vec<serde_json::Value>>().len(), MANY + 1);
    let status = home.vestal(&["status"]).ok();
    assert!(status.stdout.starts_with("10001 connections: 1 active, 10000 paused\n"), "{status}");
    for (what, took) in [("list", list.took), ("list --json", json.took), ("status", status.took)] {
        println!("{what} of {MANY} connections: {took:?}");
    }
}
