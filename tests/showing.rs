//! What a terminal and a pipe are shown: narrow or not, in colour or not, in whichever script, and of how many.

use std::process::Stdio;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;

use crate::errors::sql_of;
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
    let longest_url = provider.issuer.len() + "/.well-known/oauth-authorization-server".len() + 18;
    for (width, verb) in [
        (40, &["list"][..]),
        (60, &["list"]),
        (200, &["list"]),
        (40, &["status"]),
        (60, &["status", "shop"]),
        (60, &["explain", "shop"]),
        (40, &["events", "shop"]),
        (60, &["client", "list"]),
        (u16::try_from(longest_url).unwrap(), &["client", "show", "custom"]),
        (60, &["providers", "list"]),
        (60, &["providers", "show", "custom"]),
    ] {
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
    const PENDING: usize = 5_000;
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
    // As they are that nobody consented to yet.
    let pending = r#"state = 'pending', state_data = '{"state":"pending"}', grant_id = NULL, refresh_token = NULL, begun_with = NULL"#;
    sql_of(
        &home,
        PENDING,
        &format!("UPDATE connections SET {pending} WHERE name LIKE 'c0%' AND name < 'c05000'"),
    );
    let list = home.vestal(&["list"]).ok();
    assert_eq!(list.stdout.matches("nobody has consented yet").count(), PENDING);
    assert_eq!(list.stdout.lines().count(), MANY + 2, "its titles, and the shop");
    let expected: Vec<String> =
        (0..MANY).map(|number| format!("c{number:05}")).chain(["shop".into()]).collect();
    let named: Vec<&str> = list.stdout.lines().skip(1).filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(named, expected, "each once, by name");
    let json: Vec<serde_json::Value> = home.vestal(&["list", "--json"]).ok().json();
    let named: Vec<&str> = json.iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(named, expected);
    let status = home.vestal(&["status"]).ok();
    assert!(
        status.stdout.starts_with("10001 connections: 1 active, 5000 paused, 5000 pending\n"),
        "{status}"
    );
    // What it takes is measured elsewhere. One query for each connection would show here too.
    assert!(status.took < Duration::from_secs(10), "{status}");
}
