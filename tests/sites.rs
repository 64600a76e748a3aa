//! A provider that is at a place of its own for each customer: what is one's goes nowhere else.

use std::fs;

use http::StatusCode;
use serde_json::json;
use vestal_api::{DisconnectedView, Revocation, TokenView};
use vestal_sandbox::{Endpoint, Fault, Trouble};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider, until};

/// Two shops, at two sandboxes, and a file of the user's that tells of them.
fn shops(home: &Home) -> [(String, Provider); 2] {
    let shops = [(), ()].map(|()| {
        let provider = Provider::start(home.record(), |_| {});
        (provider.issuer.trim_start_matches("http://").to_owned(), provider)
    });
    let file = format!(
        r#"id = "shops"
name = "Shops"
register = "Ask the shop."

[endpoints]
authorization = {{ is = "http://{{shop}}/authorize", unverified = true }}
token = {{ is = "http://{{shop}}/token", unverified = true }}
revocation = {{ is = "http://{{shop}}/revoke", unverified = true }}

[client]
auth = {{ is = ["client_secret_basic"], unverified = true }}

[authorization]
default_scopes = {{ is = ["contacts", "offline_access"], unverified = true }}

[site.shop]
is = ["{}", "{}"]
what = "which shop it is"
unverified = true
"#,
        shops[0].0, shops[1].0
    );
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("shops.toml"), file).unwrap();
    shops
}

#[test]
fn each_connection_talks_to_its_own_place() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let shops = shops(&home);
    home.vestal(&["providers", "check"]).ok();
    let registered = ["--provider", "shops", "--client-id", CLIENT_ID, "--client-secret-stdin"];
    for (name, at) in [("one", &shops[0].0), ("two", &shops[1].0)] {
        let site = format!("shop={at}");
        let first = if name == "one" { CLIENT_SECRET } else { "" };
        let args: &[&str] = if name == "one" { &registered } else { &["--provider", "shops"] };
        home.consent(name, &[args, &["--site", &site]].concat(), first).ok();
    }
    home.vestal(&["refresh", "--all"]).ok();
    for ((_, own), name) in shops.iter().zip(["one", "two"]) {
        let token: TokenView =
            serde_json::from_str(&home.vestal(&["token", name, "--json"]).ok().stdout).unwrap();
        assert_eq!(token.generation, 2);
        assert!(own.accepts(&token.access_token), "{name}");
        assert_eq!(own.sandbox().stats().refreshes, 1);
    }

    // Where no shop is said, and where it is nobody's, nothing is sent.
    let sent = || shops.iter().map(|(_, shop)| shop.wire.requests()).sum::<usize>();
    let before = sent();
    for site in [&[][..], &["--site", "shop=shop.example"], &["--site", "shop=127.0.0.1:1@evil.example"]] {
        let args = [&["connect", "three", "--no-browser", "--provider", "shops"], site].concat();
        let refused = home.vestal(&args);
        assert!(!refused.status.success() && refused.stderr.contains("shop"), "{refused}");
    }
    assert_eq!(sent(), before);

    // The other keeps its grant when one is given up.
    home.vestal(&["disconnect", "one", "--yes"]).ok();
    let alive = shops.each_ref().map(|(_, shop)| shop.sandbox().families(shop.now_ms()).alive);
    assert_eq!(alive, [0, 1]);
    home.vestal(&["refresh", "two"]).ok();
}

/// Some providers end all that an account has granted to a client at once.
#[test]
fn whoever_disconnects_is_told_what_ends_with_it() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let provider = Provider::start(home.record(), |_| {});
    let issuer = &provider.issuer;
    let file = format!(
        r#"id = "guilds"
name = "Guilds"
register = "Ask them."
identity = {{ is = {{ get = "{issuer}/api/me", path = "sub" }}, unverified = true }}

[endpoints]
authorization = {{ is = "{issuer}/authorize", unverified = true }}
token = {{ is = "{issuer}/token", unverified = true }}
revocation = {{ is = "{issuer}/revoke", unverified = true }}

[client]
auth = {{ is = ["client_secret_basic"], unverified = true }}

[authorization]
default_scopes = {{ is = ["contacts", "offline_access"], unverified = true }}

[refresh_token]
revocation_ends = {{ is = "account", unverified = true }}
"#
    );
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("guilds.toml"), file).unwrap();
    let registered = ["--provider", "guilds", "--client-id", CLIENT_ID, "--client-secret-stdin"];
    home.consent("one", &registered, CLIENT_SECRET).ok();
    for name in ["two", "three"] {
        home.consent(name, &["--client", "guilds"], "").ok();
    }
    // One of them has ended, as its next refresh shows; the other one goes on, whatever the file says.
    let dead = json!({"error": "invalid_grant"}).to_string();
    let dead = Trouble::answer(StatusCode::BAD_REQUEST, "application/json", dead);
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::AnswerUnprocessed(dead)));
    let told = home.vestal(&["disconnect", "one", "--yes", "--json"]).ok();
    assert!(told.stderr.contains("\"three\", \"two\" may end with it"), "{told}");
    let view: DisconnectedView = told.json();
    assert_eq!(view.revocation, Revocation::Revoked);
    assert_eq!(view.also_ended, ["three".parse().unwrap()]);
    home.vestal(&["token", "two"]).ok();
    home.vestal(&["status", "--exit-code"]).code(3);

    // Whose a refresh token is that somebody else kept, nobody knows; this one is found to have ended.
    home.vestal_reading(&["import", "four", "--client", "guilds"], "rt-of-somebody\n").ok();
    let told = home.vestal(&["disconnect", "two", "--yes", "--json"]).ok();
    assert!(told.stderr.contains("\"four\" may be of the same account"), "{told}");
    assert_eq!(told.json::<DisconnectedView>().also_ended, ["four".parse().unwrap()]);

    // Of many, a few are tried, and it is said of how many.
    home.consent("five", &["--client", "guilds"], "").ok();
    for n in 1..=6 {
        let (name, token) = (format!("lot-{n}"), format!("rt-of-somebody-{n}\n"));
        home.vestal_reading(&["import", &name, "--client", "guilds"], &token).ok();
    }
    let told = home.vestal(&["disconnect", "five", "--yes", "--json"]).ok();
    assert!(told.stderr.contains("5 of the 6 that may have ended with it were tried"), "{told}");
    assert_eq!(told.json::<DisconnectedView>().also_ended.len(), 5);

    // Whoever does not wait for that is told what is done all the same.
    home.consent("six", &["--client", "guilds"], "").ok();
    provider.sandbox().add_fault(Fault::on_refresh(Trouble::Delay(5_000)));
    let asked = || provider.sandbox().stats().requests[&Endpoint::Token];
    let before = asked();
    let disconnecting = home.start(&["disconnect", "six", "--yes", "--json"]);
    until("one of them to be tried", || (asked() > before).then_some(()));
    let told = disconnecting.stop().ok();
    assert!(told.stderr.contains("none of those that may have ended with it was tried"), "{told}");
    assert_eq!(told.json::<DisconnectedView>().revocation, Revocation::Revoked);
}
