//! Grants that need no person: a service account's assertions, and the exchange of tokens.

use std::fs;

use serde_json::Value;
use vestal_api::{ConnectedView, ConnectionView};
use vestal_core::token::Renewal;
use vestal_sandbox::{Fault, ServiceAccount, Trouble};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Kind, Provider, Secret};

/// A key that opens nothing, in the shape of
/// <https://developers.google.com/identity/protocols/oauth2/service-account>.
const SERVICE_ACCOUNT: &str = include_str!("harness/service-account.json");

/// The modulus of its key.
const MODULUS: &str = "7zHkMi-kYiV-Yr-FOATpOSMfr6qa44z7KJ9BusqyGVN_5Sw07inDwZueZ1n9RQrP81B9iF1W-ndaPfXU-YTCKSnlW5AxD1961NKnuekDD4RP71wP7Y2pd414kKMnAevTPMvIgyCdI-u3GLOrSstBCKWqaURZuue48l6XdIXQ_zlL0B6ds2CBHR5Eh0m0vLNiEwLchuB3_6gMIVM6QbEr-z_GdLYVsZaSpaq_89_izfzCudZyzX1Tc-WBPL5qpNdY5DykAuKNfrUskZvX-uI66s3X63ao3qgeTVE3huHiD9mGIZwNQhUfzdDzknjJcOhCc58myXhKgqoa2akvqpRtDQ";

const EMAIL: &str = "bot@vestal-tests.iam.gserviceaccount.com";

fn believed() -> ServiceAccount {
    ServiceAccount {
        id: EMAIL.to_owned(),
        key_id: "5e1f0000000000000000000000000000000000a1".to_owned(),
        modulus: MODULUS.to_owned(),
        exponent: "AQAB".to_owned(),
        may_speak_for: vec!["boss@example.com".to_owned()],
    }
}

#[test]
fn a_service_account_signs_for_its_tokens() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.service_accounts.push(believed()));
    let file: Value = serde_json::from_str(SERVICE_ACCOUNT).unwrap();
    let key = file["private_key"].as_str().unwrap();
    home.record().add_secret(Secret::new(Kind::ClientSecret, key.lines().nth(1).unwrap()));
    // Not where leaks are looked for.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bot.json");
    fs::write(&path, SERVICE_ACCOUNT).unwrap();
    let path = path.to_str().unwrap();

    let connect = |name: &str, more: &[&str]| {
        let args = ["connect", name, "--provider", "custom", "--issuer", &provider.issuer, "--client", "bot"];
        let account = ["--service-account", path, "--scope", "drive", "--json"];
        home.vestal(&[&args[..], &account, more].concat())
    };
    let connected: ConnectedView = connect("drive", &["--subject", "boss@example.com"]).ok().json();
    assert_eq!((connected.refresh_token, connected.scope.as_deref()), (false, Some("drive")));
    assert!(connected.next_refresh_at.is_some(), "it is renewed all the same");
    connect("itself", &[]).ok();
    let told = connect("other", &["--subject", "stranger@example.com"]).code(1);
    assert!(told.stderr.contains("unauthorized_client"), "{told}");
    let told = connect("other", &["--audience", "https://elsewhere.example"]).code(1);
    assert!(told.stderr.contains("invalid_grant"), "{told}");
    let told = connect("other", &["--audience", "a", "--audience", "b"]).code(2);
    assert!(told.stderr.contains("for one audience"), "{told}");

    // Another process renews it, with the key that is sealed.
    fs::remove_file(path).unwrap();
    let first = home.vestal(&["token", "drive"]).ok().stdout;
    provider.sandbox().add_fault(Fault::at(vestal_sandbox::Endpoint::Token, Trouble::LoseResponse));
    home.vestal(&["refresh", "drive"]).code(4);
    home.vestal(&["refresh", "drive"]).ok();
    let second = home.vestal(&["token", "drive"]).ok().stdout;
    assert!(second != first && provider.accepts(second.trim()), "nothing was lost with the answer");
    let shown: ConnectionView = home.vestal(&["status", "drive", "--json"]).ok().json();
    assert_eq!(shown.renewal, Some(Renewal::JwtBearer));
    assert_eq!(provider.sandbox().stats().assertions, 4);
}

#[test]
fn a_token_is_exchanged_for_another_and_renewed_by_exchanging_a_fresh_one() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("crm", &provider);
    let connect = |name: &str, from: &str| {
        let args =
            ["connect", name, "--provider", "custom", "--issuer", &provider.issuer, "--client", "custom"];
        let exchange = ["--client-id", CLIENT_ID, "--exchange-from", from, "--audience", "reports"];
        home.vestal_reading(&[&args[..], &exchange, &["--json"]].concat(), &format!("{CLIENT_SECRET}\n"))
    };
    let connected: ConnectedView = connect("reports", "crm").ok().json();
    assert!(!connected.refresh_token && connected.next_refresh_at.is_some(), "{connected:?}");
    let first = home.vestal(&["token", "reports"]).ok().stdout;
    assert!(provider.accepts(first.trim()));
    home.vestal(&["refresh", "reports"]).ok();
    let second = home.vestal(&["token", "reports"]).ok().stdout;
    assert!(second != first && provider.accepts(second.trim()));
    assert_eq!(provider.sandbox().stats().token_exchanges, 2);
    assert_eq!(provider.sandbox().stats().refreshes, 0, "what is fresh is not refreshed for that");

    // One from another, but never in a circle.
    connect("summaries", "reports").ok();
    for (name, from) in [("reports", "summaries"), ("reports", "reports")] {
        let told = connect(name, from).code(2);
        assert!(told.stderr.contains("cannot be made from"), "{told}");
    }

    // What it is made from is gone: it says so, and serves what it has.
    home.vestal(&["disconnect", "crm", "--yes"]).ok();
    let told = home.vestal(&["refresh", "reports"]).code(4);
    assert!(told.stderr.contains("is gone"), "{told}");
    home.vestal(&["token", "reports"]).ok();
}
