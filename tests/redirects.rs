//! Redirect URIs that providers accept, and the way back where Vestal cannot listen.

use std::fs;

use serde_json::Value;
use vestal_sandbox::{Client, Dialect};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider};

/// A page of the user's own: nobody answers there.
const PAGE: &str = "https://shop.example/connected";

/// What a client is added with.
fn add<'a>(name: &'a str, provider: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["client", "add", name, "--provider", provider, "--client-id", "x", "--auth", "none"], more].concat()
}

#[test]
fn what_a_provider_does_not_take_is_refused_beforehand() {
    let home = Home::new();
    for (provider, redirect_uri, error, why, next) in [
        (
            "etsy",
            None,
            "error: Etsy needs a redirect URI of your own",
            "it takes https",
            "register a page of your own that begins with https://, name it with --redirect-uri, and paste the URL",
        ),
        (
            "quickbooks",
            None,
            "error: Intuit QuickBooks needs a redirect URI of your own",
            "it takes https; http://localhost where the keys are for development",
            "or, where the keys are for development: --redirect-uri http://localhost:8724/callback",
        ),
        (
            "spotify",
            Some("http://localhost:8724/callback"),
            "error: Spotify does not take http://localhost:8724/callback as a redirect URI",
            "it takes https; http://127.0.0.1 or http://[::1]",
            "register http://127.0.0.1:8724/callback, and leave out --redirect-uri",
        ),
    ] {
        let more: Vec<&str> = redirect_uri.into_iter().flat_map(|uri| ["--redirect-uri", uri]).collect();
        let connect =
            [&["connect", "a", "--provider", provider, "--client-id", "x", "--auth", "none"], &more[..]];
        for args in [add("a", provider, &more), connect.concat()] {
            let told = home.vestal(&args).code(2).stderr;
            assert!(told.contains(error) && told.contains(why) && told.contains(next), "{told}");
        }
    }
    assert_eq!(home.vestal(&["client", "list", "--json"]).ok().json::<Value>(), Value::Array(vec![]));
    // Whose tokens come without a browser, nobody is sent anywhere for.
    let told =
        home.vestal(&["connect", "a", "--provider", "etsy", "--device", "--auth", "none"]).code(2).stderr;
    assert!(told.contains("the client needs an id"), "{told}");
}

#[test]
fn a_client_comes_with_a_redirect_uri_that_its_provider_takes() {
    let home = Home::new();
    let shown = |name: &str| -> Value { home.vestal(&["client", "show", name, "--json"]).ok().json() };
    home.vestal(&add("music", "spotify", &[])).ok();
    assert_eq!(shown("music")["redirect_uri"], "http://127.0.0.1:8724/callback");
    home.vestal(&add("mail", "google", &[])).ok();
    assert_eq!(shown("mail")["redirect_uri"], "http://localhost:8724/callback");
    let development = ["--redirect-uri", "http://localhost:8724/callback"];
    let told = home.vestal(&add("books", "quickbooks", &development)).ok().stderr;
    assert!(told.contains("only where the keys are for development"), "{told}");
    // On hearsay nobody is refused.
    let told = home.vestal(&add("photos", "instagram", &[])).ok().stderr;
    assert!(told.contains("warning: Instagram") && told.contains("(nobody has checked that)"), "{told}");
    let facts: Value = home.vestal(&["providers", "show", "quickbooks", "--json"]).ok().json();
    let localhost = &facts["redirect_uris"][1];
    assert_eq!(
        (&localhost["form"], &localhost["verified"]),
        (&"http-localhost".into(), &true.into()),
        "{facts}"
    );
    let facts = home.vestal(&["providers", "show", "quickbooks"]).ok().stdout;
    assert!(facts.contains("\n  http://localhost, where the keys are for development\n"), "{facts}");
}

#[test]
fn where_only_https_is_taken_the_final_url_is_pasted() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.clients = vec![Client::confidential(CLIENT_ID, CLIENT_SECRET).redirect_uri(PAGE)];
    });
    home.connect_with("shop", &["--provider", "etsy", "--redirect-uri", PAGE], &provider);
    assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()));
}

/// eBay's requests hold the RuName that it gives for a page, and its browser ends at the page.
#[test]
fn a_name_stands_for_the_redirect_uri_where_the_provider_gives_one() {
    const NAME: &str = "Acme_Inc-AcmeApp-PRD-1a2b3c";
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.clients = vec![Client::confidential(CLIENT_ID, CLIENT_SECRET).redirect_name(NAME, PAGE)];
        settings.dialect = Dialect { refuses_pkce: true, ..Dialect::default() };
    });
    let told = home.vestal(&add("ebay", "ebay", &["--redirect-uri", PAGE])).code(2).stderr;
    assert!(
        told.contains("eBay gives a name for the redirect URI") && told.contains("--redirect-name NAME"),
        "{told}"
    );
    let named = ["--provider", "ebay", "--redirect-uri", PAGE, "--redirect-name", NAME];
    home.connect_with("shop", &named, &provider);
    assert!(provider.accepts(home.vestal(&["token", "shop"]).ok().stdout.trim()));
    assert!(home.vestal(&["client", "show", "ebay"]).ok().stdout.contains(NAME));
    // And so at the next consent.
    home.consent("shop", &["--same-account"], "").ok();
    let stats = provider.sandbox().stats().clone();
    assert_eq!((stats.authorizations, stats.exchanges, stats.refusals), (2, 2, 0), "{stats:?}");
}

#[test]
fn a_client_whose_redirect_uri_is_taken_no_more_asks_for_no_consent() {
    let home = Home::new();
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    let endpoints = "authorization = { is = \"https://acme.example/a\", unverified = true }\n\
                     token = { is = \"https://acme.example/t\", unverified = true }\n";
    let file = format!("id = \"acme\"\nname = \"Acme\"\nregister = \"Ask.\"\n[endpoints]\n{endpoints}");
    fs::write(folder.join("acme.toml"), &file).unwrap();
    home.vestal(&add("acme", "acme", &[])).ok();
    let learned = "[sources]\npage = { url = \"https://acme.example/docs\", verified_on = \"2026-11-29\" }\n\
                   [client]\nredirect_uris = [{ is = \"https\", source = \"page\" }]\n";
    fs::write(folder.join("acme.toml"), file + learned).unwrap();
    let told = home.vestal(&["connect", "a", "--client", "acme", "--no-browser"]).code(2).stderr;
    assert!(told.contains("error: Acme does not take http://localhost:8724/callback"), "{told}");
    assert!(told.contains("vestal client add NAME --provider acme --redirect-uri URI"), "{told}");
}
