//! The story with which Vestal began, in its short version: the real binary, the form on a socket, and a provider whose
//! refresh tokens die after eight seconds of disuse.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use opt_in_form::{
    Form, HttpApi, LEAST_FILL_TIME, NoToken, Ports, Settings, SystemClock, Tokens as _, Vestal, serve,
};
use rustix::process::Signal;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use url::Url;
use vestal_sandbox::ContactsApi;

use crate::harness::{Answer, Browser, Home, Provider};

const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";

/// What 180 days are here.
const IDLE_LIMIT: Duration = Duration::from_secs(8);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
});

/// A connection, and the form that uses it.
struct Site {
    home: Home,
    provider: Provider,
    form: Url,
}

impl Site {
    fn open() -> Self {
        let home = Home::new();
        let provider = Provider::start(home.record(), |settings| {
            settings.access_token_life_ms = 4_000;
            settings.refresh_tokens.idle_limit_ms = Some(IDLE_LIMIT.as_millis().try_into().unwrap());
            settings.refresh_tokens.only_with_scope = Some("offline_access".into());
            // Constant Contact's file speaks of 180 days.
            settings.refresh_tokens.tells_expires_in = true;
            settings.contacts = Some(ContactsApi::new([LIST]));
        });
        home.connect_with("shop", &["--provider", "constant-contact"], &provider);
        let form = form(&home, "shop", &provider.issuer, LIST);
        Self { home, provider, form }
    }

    fn contacts(&self) -> Vec<String> {
        self.provider.sandbox().contacts().map(|contact| contact.email_address.clone()).collect()
    }
}

/// Serves the form. Returns where it is.
fn form(home: &Home, connection: &str, api: &str, list: &str) -> Url {
    let ports = Ports {
        tokens: Arc::new(Vestal::new(program(home), connection.into())),
        api: Arc::new(HttpApi::new(api.parse().unwrap()).unwrap()),
        clock: Arc::new(SystemClock),
    };
    let settings = Settings { title: "Our newsletter".into(), lists: vec![list.into()] };
    let form = Arc::new(Form::new(settings, ports, [7; 32]));
    let listener = RUNTIME.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    RUNTIME.spawn(serve(listener, form));
    format!("http://{address}/").parse().unwrap()
}

struct Visit<'a> {
    form: &'a Url,
    opened: Instant,
    stamp: String,
}

impl<'a> Visit<'a> {
    /// Opens the form.
    fn to(form: &'a Url) -> Self {
        let page = Browser::default().get(form);
        assert_eq!(page.status, 200, "{}", page.body);
        let (_, rest) = page.body.split_once("name=\"stamp\" value=\"").unwrap();
        Self { form, opened: Instant::now(), stamp: rest.split('"').next().unwrap().to_owned() }
    }

    /// Sends it, no sooner than a person could.
    fn send(&self) -> Answer {
        std::thread::sleep(
            (LEAST_FILL_TIME + Duration::from_millis(50)).saturating_sub(self.opened.elapsed()),
        );
        let form = format!("email=ada%40example.com&first_name=Ada&consent=yes&stamp={}", self.stamp);
        Browser::default().post(self.form, &form)
    }
}

/// `vestal` for a program that knows nothing of this home: as it would be in that user's own environment.
fn program(home: &Home) -> PathBuf {
    let path = home.path().join("vestal");
    let command = home.command(&[]);
    let set = command.get_envs().filter_map(|(name, value)| Some((name.to_str()?, value?.to_str()?)));
    let variables: String = set.map(|(name, value)| format!("{name}='{value}' ")).collect();
    let script = format!("#!/bin/sh\nexec env -i {variables}'{}' \"$@\"\n", env!("CARGO_BIN_EXE_vestal"));
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    path
}

#[track_caller]
fn thanked(answer: &Answer) {
    assert_eq!((answer.status, answer.header("location")), (303, Some("/thanks")), "{}", answer.body);
}

#[test]
fn the_form_works_after_a_time_in_which_nobody_used_it() {
    let site = Site::open();
    let mut serve = site.home.start(&["serve"]);
    serve.hear("its first line", |said| said.contains('\n').then_some(()));
    let visit = Visit::to(&site.form);
    std::thread::sleep(IDLE_LIMIT + Duration::from_secs(2));
    thanked(&visit.send());
    assert_eq!(site.contacts(), ["ada@example.com"]);
    // Who presses again is thanked again, and is there once.
    thanked(&visit.send());
    assert_eq!(site.contacts().len(), 1);
    let grants = site.provider.sandbox().grants(site.provider.now_ms());
    assert!(grants.len() == 1 && grants[0].death.is_none() && grants[0].refreshes >= 2, "{grants:?}");
    serve.signal(Signal::TERM);
    serve.end().ok();
}

#[test]
fn where_nobody_keeps_it_alive_the_visitor_is_told_the_truth() {
    let site = Site::open();
    let visit = Visit::to(&site.form);
    std::thread::sleep(IDLE_LIMIT + Duration::from_secs(1));
    let turned_away = visit.send();
    assert_eq!(turned_away.status, 503, "{}", turned_away.body);
    assert!(turned_away.body.contains("you are not on the list"), "{}", turned_away.body);
    assert!(turned_away.body.contains("value=\"ada@example.com\""), "what was typed is still there");
    assert_eq!(site.contacts().len(), 0);
    // Somebody sees to it, and the same page, sent again, works.
    site.home.consent("shop", &["--same-account"], "").ok();
    thanked(&visit.send());
    assert_eq!(site.contacts(), ["ada@example.com"]);
}

/// What the example prints is what to start.
#[test]
fn the_form_works_with_constant_contact_in_a_box() {
    let home = Home::new();
    let mut sandbox = home.example("sandbox", &["--port", "0"]);
    let said = sandbox.hear("what to start", |said| {
        said.split_once("--api ")?.1.contains('\n').then(|| said.replace("\\\n", " "))
    });
    let line = |beginning: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(beginning));
        line.unwrap_or_else(|| panic!("{said}")).to_owned()
    };
    let connect = line("echo ");
    let (secret, connect) = connect.split_once(" | vestal connect ").unwrap();
    let (name, registered) = connect.split_once(' ').unwrap();
    home.consent(name, &registered.split_whitespace().collect::<Vec<_>>(), secret).ok();
    let start = line("cargo run -p opt-in-form -- ");
    let start: Vec<&str> = start.split_whitespace().collect();
    let ["--connection", connection, "--list", list, "--api", api] = start[..] else { panic!("{start:?}") };
    thanked(&Visit::to(&form(&home, connection, api, list)).send());
    sandbox.hear("who has signed up", |said| said.contains("ada@example.com has signed up").then_some(()));
}

#[test]
fn whoever_runs_the_form_is_told_by_what_its_child_was_ended() {
    let folder = tempfile::tempdir().unwrap();
    let ended = folder.path().join("ended");
    std::fs::write(&ended, "#!/bin/sh\necho 'it began' >&2\nkill -9 $$\n").unwrap();
    std::fs::set_permissions(&ended, std::fs::Permissions::from_mode(0o700)).unwrap();
    let told = RUNTIME.block_on(Vestal::new(ended, "shop".into()).token()).unwrap_err();
    let NoToken::NotNow(why) = told else { panic!("{told:?}") };
    assert!(why.contains("SIGKILL") && why.contains("it began"), "{why}");
}

#[test]
fn visitors_who_come_at_once_start_few_processes() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    home.connect("shop", &provider);
    // What runs it notes how many run.
    let counting = home.path().join("counting");
    let running = home.path().join("running");
    std::fs::create_dir(&running).unwrap();
    let script = format!(
        "#!/bin/sh\nmkdir {running:?}/$$\nls {running:?} | wc -l >> counts\n{:?} \"$@\"\nrmdir {running:?}/$$\n",
        program(&home)
    );
    std::fs::write(&counting, script.replace("counts", home.path().join("counts").to_str().unwrap()))
        .unwrap();
    std::fs::set_permissions(&counting, std::fs::Permissions::from_mode(0o700)).unwrap();
    let vestal = Arc::new(Vestal::new(counting, "shop".into()));
    let visitors = 20;
    RUNTIME.block_on(async {
        let mut tokens: tokio::task::JoinSet<_> = (0..visitors)
            .map(|_| {
                let vestal = Arc::clone(&vestal);
                async move { vestal.token().await.unwrap().generation }
            })
            .collect();
        while let Some(generation) = tokens.join_next().await {
            assert_eq!(generation.unwrap(), 1);
        }
    });
    let counts = std::fs::read_to_string(home.path().join("counts")).unwrap();
    let counts: Vec<usize> = counts.lines().map(|count| count.trim().parse().unwrap()).collect();
    assert_eq!((counts.len(), counts.iter().all(|count| *count <= 4)), (visitors, true), "{counts:?}");
}
