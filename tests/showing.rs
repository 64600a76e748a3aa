//! What a terminal and a pipe are shown: narrow or not, in colour or not, in whichever script, and of how many.

use std::process::Stdio;
use std::time::Duration;

use unicode_width::UnicodeWidthStr as _;
use vestal_api::{ConnectionView, StatusView};

use crate::errors::sql_of;
use crate::harness::{Home, Provider, Terminal, until};

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
    // The first line is the name, and what it is called does nothing to what stands beside it.
    let name = "turned\u{202e}around-and-much-too-long-for-a-line-of-forty";
    // Whatever a new one may hold, the store may know an old one.
    home.consent("turned", &["--client", "custom"], "").ok();
    sql_of(&home, 1, &format!("UPDATE connections SET name = '{name}' WHERE name = 'turned'"));
    let shown = on_terminal(&home, &["status", name], 40, "1");
    assert!(shown.starts_with("turned\u{fffd}around-and-much-too-long…: active"), "{shown}");
    let coloured = on_terminal(&home, &["list"], 200, "");
    assert!(coloured.contains("\u{1b}[32mactive"), "{coloured:?}");
    // All that there is goes to a pipe, uncut, and without colours.
    let piped = home.vestal(&["list"]).ok().stdout;
    assert!(
        piped.contains("חנות הדגל בתל אביב וכל הסניפים שלה") && !piped.contains(['…', '\u{1b}']),
        "{piped}"
    );
}

/// What is due of it is a warning, before its refresh token dies.
#[test]
fn what_is_not_refreshed_is_shown_without_a_next_refresh() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let next = || {
        let [listed]: [ConnectionView; 1] = home.vestal(&["list", "--json"]).ok().json();
        let status: StatusView = home.vestal(&["status", "--json"]).ok().json();
        [listed.next_refresh_at, status.next_refresh_at]
    };
    assert!(next().iter().all(Option::is_some));
    let drawn = home.vestal(&["explain", "shop"]).ok().stdout;
    assert!(drawn.contains('▲') && drawn.contains("△ tries that are left"), "{drawn}");

    home.vestal(&["pause", "shop"]).ok();
    assert_eq!(next(), [None, None]);
    let told = home.vestal(&["status"]).ok().stdout;
    assert!(!told.contains("next refresh"), "{told}");
    let drawn = home.vestal(&["explain", "shop"]).ok().stdout;
    assert!(drawn.contains("the refresh token dies") && !drawn.contains(['▲', '△']), "{drawn}");

    // Whether it would live on if it were used, nobody knows.
    home.vestal(&["resume", "shop"]).ok();
    let grant = provider.sandbox().grants(provider.now_ms()).remove(0);
    provider.sandbox().revoke_by_user(grant.id, provider.now_ms());
    until("the provider to say so", || {
        (home.vestal(&["refresh", "shop"]).status.code() == Some(3)).then_some(())
    });
    assert_eq!(next(), [None, None]);
    let drawn = home.vestal(&["explain", "shop"]).ok().stdout;
    assert!(drawn.starts_with("\"shop\" needs re-authorization. There is no next refresh"), "{drawn}");
    assert!(!drawn.contains("refresh token dies") && !drawn.contains(['▲', '△']), "{drawn}");
    assert!(home.vestal(&["doctor"]).ok().stdout.contains("1 needs re-authorization: shop"));
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
