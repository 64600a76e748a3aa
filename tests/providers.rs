//! Files about providers that users write themselves.

use std::fs;
use std::path::PathBuf;

use serde_json::json;
use vestal_api::{DoctorView, Level, ProviderView};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Peer, Provider};

/// Writes a file into the user's own folder.
fn own(home: &Home, name: &str, text: &str) -> PathBuf {
    let folder = home.config().with_file_name("providers");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

fn show(home: &Home, id: &str) -> ProviderView {
    serde_json::from_str(&home.vestal(&["providers", "show", id, "--json"]).ok().stdout).unwrap()
}

/// Why the schema that is printed refuses a file, if it does, by a validator of others.
fn schema_refuses(home: &Home, file: &str) -> Option<String> {
    let printed = home.vestal(&["providers", "schema"]).ok().json();
    let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
    compiler.add_resource("schema.json", printed).unwrap();
    let schema = compiler.compile("schema.json", &mut schemas).unwrap();
    let file = toml::from_str(file).unwrap();
    schemas.validate(&file, schema).err().map(|error| format!("{error:#}"))
}

#[test]
fn an_own_file_is_laid_over_what_comes_with_vestal() {
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let over = "id = \"okta\"\n\n[refresh_token]\nidle_limit = { is = \"30d\", unverified = true }\n";
    let path = own(&home, "okta.toml", over);
    home.vestal(&["providers", "check"]).ok();
    let shown = show(&home, "okta");
    let fact = |name: &str| shown.facts.iter().find(|fact| fact.name == name).unwrap();
    let (idle, grace) = (fact("refresh_token.idle_limit"), fact("refresh_token.grace"));
    assert_eq!((idle.value.as_str(), idle.yours, idle.origin.verified), ("30d", true, false));
    assert_eq!((grace.value.as_str(), grace.yours, grace.origin.verified), ("30s", false, true));
    assert_eq!(shown.yours, ["refresh_token.idle_limit"]);
    let said = home.vestal(&["providers", "show", "okta"]).ok().stdout;
    assert!(said.lines().all(|line| !line.ends_with(' ')), "{said}");
    assert!(
        said.contains(&format!("{}", path.display())) && said.contains("idle_limit = 30d  yours"),
        "{said}"
    );

    // A mistake stops whatever would work with other facts than its user thinks.
    own(&home, "okta.toml", &over.replace("idle_limit", "idle_limt"));
    let told = home.vestal(&["providers", "check"]).code(1);
    let expected = format!("{}:4:1: unknown field `idle_limt`", path.display());
    assert!(
        told.stdout.starts_with(&expected) && told.stdout.contains("did you mean `idle_limit`?"),
        "{told}"
    );
    let told = home.vestal(&["providers", "show", "okta"]).code(1);
    assert!(told.stderr.contains(&expected) && told.stderr.contains("vestal providers check"), "{told}");
    let told = home.vestal(&["providers", "list"]).ok();
    let listed = |id: &str| told.stdout.lines().any(|line| line.starts_with(id));
    assert!(listed("google ") && !listed("okta "), "{told}");
    assert!(told.stderr.contains(&expected) && told.stderr.contains("vestal providers check"), "{told}");
    let doctor: DoctorView =
        serde_json::from_str(&home.vestal(&["doctor", "--json"]).code(1).stdout).unwrap();
    let about = |it: &&vestal_api::Finding| it.about == "providers" && it.level == Level::Fail;
    assert!(doctor.findings.iter().find(about).unwrap().found.contains(&expected), "{doctor:?}");
}

/// Whoever reads the log is to know which one it is, without a look at the connection's history.
#[test]
fn the_log_names_the_fact_that_does_not_fit() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| settings.access_token_life_ms = 3_600_000);
    // Its file says that they live a day.
    let of_the_sandbox = ["--issuer", &provider.issuer, "--client-id", CLIENT_ID, "--client-secret-stdin"];
    let args = [&["--provider", "constant-contact"][..], &of_the_sandbox].concat();
    home.consent("shop", &args, CLIENT_SECRET).ok();
    let log = home.vestal(&["-v", "refresh", "shop"]).ok().stderr;
    let fact = "fact=AccessTokenLife { file_seconds: 86400, seen_seconds: 3600 }";
    assert!(log.contains("does not fit what it does") && log.contains(fact), "{log}");
}

/// Nothing is known of its own provider's connections any more; but nobody else's are to die of it.
#[test]
fn a_file_with_mistakes_stops_its_own_provider_alone() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    let path = own(&home, "okta.toml", "id = \"okta\"\ncolour = \"red\"\n");
    fs::create_dir(path.with_file_name("folder.toml")).unwrap();
    let told = home.vestal(&["refresh", "shop"]).ok().stderr;
    assert!(told.contains("okta.toml:2:1") && told.contains("folder.toml:1:1"), "{told}");
    let told = home.connect("other", &provider).stderr;
    assert_eq!(told.matches("okta.toml:2:1").count(), 1, "{told}");
    let add = |name| ["client", "add", name, "--provider", "spotify", "--client-id", "x", "--auth", "none"];
    let told = home.vestal(&add("music")).ok().stderr;
    assert_eq!(told.matches("okta.toml:2:1").count(), 1, "{told}");

    own(&home, "custom.toml", "id = \"custom\"\ncolour = \"red\"\n");
    let told = home.vestal(&["refresh", "shop"]).code(1).stderr;
    assert!(told.contains("your file of the provider \"custom\" cannot be used"), "{told}");
    own(&home, "spotify.toml", "id = \"spotify\"\ncolour = \"red\"\n");
    let told = home.vestal(&add("more-music")).code(1).stderr;
    assert!(told.contains("your file of the provider \"spotify\" cannot be used"), "{told}");
    assert_eq!(provider.sandbox().stats().refreshes, 1);
}

#[test]
fn a_file_is_written_from_a_real_servers_metadata() {
    let home = Home::new();
    let peer = Peer::start(home.record(), &json!({}));
    let folder = home.config().with_file_name("providers");
    let printed = home.vestal(&["providers", "new", &peer.issuer, "--id", "acme", "--stdout"]).ok().stdout;
    assert!(printed.contains("unverified = true") && printed.lines().count() >= 10, "{printed}");
    home.vestal(&["providers", "new", &peer.issuer, "--id", "acme"]).ok();
    let path = folder.join("acme.toml");
    assert_eq!(fs::read_to_string(&path).unwrap().trim_end(), printed.trim_end());
    home.vestal(&["providers", "check"]).ok();
    let shown = show(&home, "acme");
    assert_eq!(shown.issuer.as_deref(), Some(peer.issuer.as_str()));
    assert!(
        shown.facts.iter().any(|fact| fact.name == "endpoints.token" && !fact.origin.verified),
        "{shown:?}"
    );
    assert_eq!(schema_refuses(&home, &printed), None);
    assert!(schema_refuses(&home, &printed.replace("unverified", "unverifed")).is_some());
    // Once its schema is beside it, a file tells editors so.
    assert!(!printed.contains("#:schema"));
    own(&home, "schema.json", &home.vestal(&["providers", "schema"]).ok().stdout);
    let named = ["providers", "new", &peer.issuer, "--id", "other", "--stdout"];
    assert!(home.vestal(&named).ok().stdout.starts_with("#:schema ./schema.json\nid = \"other\""));
    home.vestal(&["providers", "check"]).ok();
    // What is there is not overwritten.
    home.vestal(&["providers", "new", &peer.issuer, "--id", "acme"]).code(1);
    let list = home.vestal(&["providers", "list"]).ok().stdout;
    assert!(list.lines().any(|line| line.starts_with("acme") && line.contains("yours")), "{list}");

    // And with it, a client can be added, whose provider is known from then on.
    let client = peer.client("public");
    let added = ["client", "add", "a", "--provider", "acme", "--client-id", &client.id, "--auth", "none"];
    home.vestal(&added).ok();
    home.vestal(&["client", "show", "a"]).ok();
}
