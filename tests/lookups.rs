//! A provider whose API says what its calls need, and that ends grants in a way of its own.

use std::fs;

use vestal_api::{ConnectionView, DisconnectedView, Revocation, TokenView};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider};

#[test]
fn what_an_api_says_comes_with_each_token_and_a_grant_ends_as_the_file_has_it() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let provider = Provider::start(home.record(), |_| {});
    let issuer = &provider.issuer;
    let file = format!(
        r#"id = "books"
name = "Books"
register = "Ask them."

[endpoints]
authorization = {{ is = "{issuer}/authorize", unverified = true }}
token = {{ is = "{issuer}/token", unverified = true }}

[client]
auth = {{ is = ["client_secret_basic"], unverified = true }}

[authorization]
default_scopes = {{ is = ["contacts", "offline_access"], unverified = true }}

[revocation]
is = {{ url = "{issuer}/revoke", proof = "basic", parameters = {{ token = "{{token}}" }} }}
unverified = true

[api]
lookup = {{ is = {{ get = "{issuer}/api/me", take = {{ account = "sub" }} }}, unverified = true }}
"#
    );
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("books.toml"), file).unwrap();
    let registered = ["--provider", "books", "--client-id", CLIENT_ID, "--client-secret-stdin"];
    let consented = home.consent("one", &registered, CLIENT_SECRET).ok();

    let view: ConnectionView = home.vestal(&["status", "one", "--json"]).ok().json();
    let account = &view.found["account"];
    assert!(consented.stderr.contains(account.as_str()), "{consented}");
    home.vestal(&["refresh", "one"]).ok();
    let token: TokenView = home.vestal(&["token", "one", "--json"]).ok().json();
    assert_eq!(token.extra["account"], account.as_str());
    assert_eq!(token.found_among, Some(1));
    assert!(home.vestal(&["status", "one"]).ok().stdout.contains(account.as_str()));

    let told: DisconnectedView = home.vestal(&["disconnect", "one", "--yes", "--json"]).ok().json();
    assert_eq!((told.revocation, provider.sandbox().stats().revocations), (Revocation::Revoked, 1));
}
