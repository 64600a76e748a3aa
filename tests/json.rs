//! `--json`: what every verb says to programs.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;
use serde::de::DeserializeOwned;
use serde_json::{Deserializer, Value};
use vestal_api::{
    ChangedView, ClientView, ConnectedView, ConnectionView, ConsentView, DeviceConsentView, DisconnectedView,
    DoctorView, EventView, ImportView, InitView, MasterKeyView, MistakeView, NewFileView, ProviderView,
    RefreshView, RotationView, ScheduleView, StatusView, TokenView, WhyView, WishName,
};

use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider};

/// The verbs whose output is somebody else's: what they run, or what a shell or a pager reads.
const SPEAK_OTHERWISE: [&str; 3] = ["completions", "man", "run"];

/// Hears verbs out, and remembers which.
struct Listener {
    home: Home,
    heard: BTreeSet<String>,
    documented: Value,
}

/// What is documented of `--json`, taken at its word: there is nothing in a shape that is not among its fields.
fn documented() -> Value {
    let text = include_str!("../docs/json.schema.json");
    assert!(!text.contains("crate::"), "whoever reads it knows no crate");
    let mut schema: Value = serde_json::from_str(text).unwrap();
    for (name, shape) in schema["$defs"].as_object_mut().unwrap() {
        // This is a part of another one, which has a field beside it.
        if shape["properties"].is_object() && name != "OutcomeUnknown" {
            shape["unevaluatedProperties"] = false.into();
        }
    }
    schema
}

impl Listener {
    /// What a verb says, with these further arguments.
    #[track_caller]
    fn hears(&mut self, verb: &str, args: &[&str]) -> Vec<Value> {
        let words: Vec<&str> = verb.split(' ').chain(args.iter().copied()).chain(["--json"]).collect();
        let ended = self.home.vestal(&words).ok();
        self.understands(verb, &ended.stdout)
    }

    /// The one thing that it says.
    #[track_caller]
    fn hears_one<T: DeserializeOwned>(&mut self, verb: &str, args: &[&str]) -> T {
        let said = self.hears(verb, args);
        assert_eq!(said.len(), 1, "vestal {verb} {args:?}: {said:?}");
        serde_json::from_value(said[0].clone()).unwrap()
    }

    /// Reads what a verb has said.
    #[track_caller]
    fn understands(&mut self, verb: &str, said: &str) -> Vec<Value> {
        let values: Result<Vec<Value>, _> = Deserializer::from_str(said).into_iter().collect();
        let values = values.unwrap_or_else(|error| panic!("vestal {verb}: {error}: {said}"));
        assert!(!values.is_empty(), "vestal {verb} says nothing");
        let mut schema = self.documented["properties"][verb].clone();
        schema["$defs"] = self.documented["$defs"].clone();
        let (mut compiler, mut schemas) = (boon::Compiler::new(), boon::Schemas::new());
        compiler.add_resource("schema.json", schema).unwrap();
        let schema = compiler.compile("schema.json", &mut schemas).unwrap();
        for value in &values {
            if let Err(error) = schemas.validate(value, schema) {
                panic!("what vestal {verb} says is not what is documented: {error:#}: {value:#}");
            }
        }
        self.heard.insert(verb.to_owned());
        values
    }
}

/// The verbs below this one, as its help lists them; itself where there are none.
fn verbs(home: &Home, path: &[&str]) -> BTreeSet<String> {
    let help = home.vestal(&[path, &["--help"]].concat()).ok().stdout;
    let Some(listed) = help.split("\nCommands:\n").nth(1) else { return [path.join(" ")].into() };
    let listed = listed.lines().take_while(|line| line.starts_with(' '));
    // A description that wraps goes on further to the right.
    let verbs = listed.filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    let verbs = verbs.filter_map(|line| line.split_whitespace().next()).filter(|verb| *verb != "help");
    verbs.flat_map(|verb| self::verbs(home, &[path, &[verb]].concat())).collect()
}

#[test]
fn every_verb_speaks_json_as_the_api_types() {
    let mut it = Listener { home: Home::new(), heard: BTreeSet::new(), documented: documented() };
    let provider = Provider::start(it.home.record(), |_| {});
    let made: InitView = it.hears_one("init", &[]);
    assert_eq!(made.store.as_deref(), it.home.store().to_str());

    // What begins.
    let to = ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", CLIENT_ID, "--json"];
    let to = [&to[..], &["--client-secret-stdin"]].concat();
    let connected = it.home.consent("shop", &to, CLIENT_SECRET).ok();
    let said = it.understands("connect", &connected.stdout);
    let consent: ConsentView = serde_json::from_value(said[0].clone()).unwrap();
    assert!(consent.authorization_url.as_str().starts_with(&provider.issuer));
    let view: ConnectedView = serde_json::from_value(said[1].clone()).unwrap();
    assert_eq!((view.name.as_str(), view.generation, view.refresh_token), ("shop", 1, true));
    let mut device = it.home.start(&["connect", "tv", "--client", "custom", "--device", "--json"]);
    let asked = device.hear("a code to type in", |said| said.ends_with('\n').then(|| said.to_owned()));
    device.signal(Signal::TERM);
    device.end().code(1);
    let asked = it.understands("connect", &asked);
    let asked: DeviceConsentView = serde_json::from_value(asked[0].clone()).unwrap();
    assert!(asked.verification_uri.as_str().starts_with(&provider.issuer));

    // A connection.
    let token: TokenView = it.hears_one("token", &["shop"]);
    assert!(provider.accepts(&token.access_token) && token.expires_in > Some(3_000));
    let status: ConnectionView = it.hears_one("status", &["shop"]);
    assert_eq!((status.state.state.as_str(), status.generation), ("active", 1));
    let status: StatusView = it.hears_one("status", &[]);
    assert_eq!((status.connections, status.states["active"]), (2, 1));
    let list: Vec<ConnectionView> = it.hears_one("list", &[]);
    assert_eq!(list.len(), 2);
    let schedule: ScheduleView = it.hears_one("explain", &["shop"]);
    assert_eq!(schedule.why, WhyView::Wish(WishName::HalfLife));
    assert!(schedule.next_refresh_at < schedule.expires_at);
    let refreshed: RefreshView = it.hears_one("refresh", &["shop"]);
    assert_eq!((refreshed.generation, refreshed.error), (Some(2), None));
    let refreshed: Vec<RefreshView> = it.hears_one("refresh", &["--all"]);
    assert_eq!(refreshed[0].generation, Some(3));
    let due: Vec<RefreshView> = it.hears_one("refresh", &["--due"]);
    assert_eq!(due.len(), 0, "nothing is due");
    let set: ConnectionView = it.hears_one("set", &["shop", "--policy", "always", "--tag", "org=42"]);
    assert_eq!((set.policy.to_string().as_str(), set.tags["org"].as_str()), ("always", "42"));
    let paused: ChangedView = it.hears_one("pause", &["shop"]);
    let resumed: ChangedView = it.hears_one("resume", &["--tag", "org=42"]);
    assert_eq!((paused, resumed), (ChangedView { changed: 1, unchanged: 0 }, paused));
    let events: Vec<EventView> = it.hears_one("events", &["shop"]);
    assert!(events.len() >= 3 && events.is_sorted_by_key(|event| event.seq), "{events:?}");
    let disconnected: DisconnectedView = it.hears_one("disconnect", &["shop", "--yes"]);
    assert_eq!(disconnected.revocation, vestal_api::Revocation::Revoked);
    assert_eq!(provider.sandbox().families(provider.now_ms()).alive, 0);

    // Clients.
    let add = ["--provider", "custom", "--issuer", &provider.issuer, "--client-id", "x"];
    for (verb, args) in [("client add", &add[..]), ("client set-secret", &[])] {
        let words: Vec<&str> = verb.split(' ').chain(["spare"]).chain(args.iter().copied()).collect();
        let words = [&words[..], &["--client-secret-stdin", "--json"]].concat();
        let said = it.home.vestal_reading(&words, CLIENT_SECRET).ok().stdout;
        it.understands(verb, &said);
    }
    let clients: Vec<ClientView> = it.hears_one("client list", &[]);
    let shown: ClientView = it.hears_one("client show", &["spare"]);
    let removed: ClientView = it.hears_one("client remove", &["spare"]);
    assert!(clients.contains(&shown) && shown == removed, "{clients:?} {removed:?}");

    // Connections that come and go.
    let lines = it.home.path().join("connections.jsonl");
    std::fs::write(
        &lines,
        "{\"name\":\"a\",\"client\":\"custom\",\"refresh_token\":\"x\"}\n{\"nickname\":\"b\"}\n",
    )
    .unwrap();
    let imported =
        it.home.vestal(&["import", "--file", lines.to_str().unwrap(), "--paused", "--json"]).code(1);
    let results = it.understands("import", &imported.stdout);
    let results = results.into_iter().map(|it| serde_json::from_value(it).unwrap());
    let results: BTreeMap<u64, ImportView> = results.map(|it: ImportView| (it.line, it)).collect();
    assert!(results[&1].error.is_none() && results[&2].error.is_some(), "{results:?}");
    it.hears("export", &[]);

    // Providers, and what keeps everything.
    let providers: Vec<ProviderView> = it.hears_one("providers list", &[]);
    let shown: ProviderView = it.hears_one("providers show", &["okta"]);
    assert!(providers.contains(&shown));
    let printed: NewFileView = it.hears_one("providers new", &[&provider.issuer, "--id", "acme", "--stdout"]);
    let written: NewFileView = it.hears_one("providers new", &[&provider.issuer, "--id", "acme"]);
    let path = it.home.config().with_file_name("providers").join("acme.toml");
    assert_eq!((printed.path, written.path.as_deref()), (None, path.to_str()));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), written.text);
    let mistakes: Vec<MistakeView> = it.hears_one("providers check", &[]);
    assert_eq!(mistakes, []);
    std::fs::write(&path, "id = \"okta\"\ncolour = \"red\"\n").unwrap();
    let told = it.home.vestal(&["providers", "check", "--json"]).code(1).stdout;
    let mistakes: Vec<MistakeView> =
        serde_json::from_value(it.understands("providers check", &told)[0].clone()).unwrap();
    assert_eq!((mistakes[0].file.as_str(), mistakes[0].line), (path.to_str().unwrap(), 2));
    std::fs::remove_file(&path).unwrap();
    it.hears("providers schema", &[]);
    let keys: Vec<MasterKeyView> = it.hears_one("master-key list", &[]);
    let rotated: RotationView = it.hears_one("master-key rotate", &[]);
    assert_eq!(rotated.old_key.as_ref(), Some(&keys[0].key));
    let doctor: DoctorView = it.hears_one("doctor", &[]);
    assert!(!doctor.findings.is_empty());
    if cfg!(feature = "demo") {
        it.hears("demo", &["--for", "2s"]);
    }
    let mut serve = it.home.start(&["serve", "--json"]);
    serve.hear("that it has begun", |said| said.contains("keeping connections alive").then_some(()));
    serve.signal(Signal::TERM);
    let log = it.understands("serve", &serve.end().ok().stderr);
    let hello = log.iter().find(|line| line["message"] == "keeping connections alive").unwrap();
    assert_eq!((&hello["level"], &hello["connections"]), (&"info".into(), &2.into()), "{hello}");
    assert!(hello["time"].as_str().unwrap().parse::<jiff::Timestamp>().is_ok(), "{hello}");

    let told = it.home.vestal(&["token", "nobody", "--json"]).code(1).stderr;
    it.understands("whatever fails", &told);

    // And there is no other verb, nor is another one documented.
    let all = verbs(&it.home, &[]);
    assert!(all.len() > 20, "{all:?}");
    let documented = it.documented["properties"].as_object().unwrap();
    let documented = documented.keys().filter(|verb| cfg!(feature = "demo") || *verb != "demo");
    assert!(it.heard.iter().eq(documented), "{:?}", it.heard);
    it.heard.remove("whatever fails");
    it.heard.extend(SPEAK_OTHERWISE.map(str::to_owned));
    assert_eq!(it.heard, all);
}
