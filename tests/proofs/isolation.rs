//! Providers that hang, drip or never stop sending cost their own connections only.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::answers::bytes::{head, json};
use super::answers::server::{Request, carry_out, read_request, redirect};
use super::answers::{Answer, Step};
use super::fleet::in_parallel;
use super::{Proof, times};
use crate::harness::{CLIENT_SECRET, Home, Kind, PAUSE, Provider, Raises, Record, Secret, intervals, until};

/// How many connections there are at the provider that behaves.
const WELL: usize = 20;

/// More than there are slots for one host.
const AILING: usize = 20;

/// Fewer, since each keeps two cores busy with what it sends.
const FLOODING: usize = 4;

/// How long an access token lives.
const LIFE: Duration = Duration::from_secs(12);

/// Half of a life, less a jitter; and what a request may take on a busy machine.
const ON_TIME: Duration = Duration::from_millis(6_000 + 1_500);

/// Whoever asks for a token that still serves is not kept waiting.
const AT_ONCE: Duration = Duration::from_secs(6);

/// A provider that connects, and then answers every refresh like this.
struct Nuisance {
    url: String,
    asked: Arc<AtomicUsize>,
}

impl Nuisance {
    /// On a host of its own.
    fn start(record: &Arc<Record>, host: &str, answer: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((host, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::<AtomicUsize>::default();
        let (record, counter, answer) = (Arc::clone(record), Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (record, counter, answer) =
                    (Arc::clone(&record), Arc::clone(&counter), Arc::clone(&answer));
                std::thread::spawn(move || serve(stream.unwrap(), number, &record, &counter, &*answer));
            }
        });
        Self { url, asked }
    }
}

fn serve(
    mut stream: TcpStream,
    number: usize,
    record: &Record,
    asked: &AtomicUsize,
    answer: &dyn Fn() -> Answer,
) {
    let Some(request) = read_request(&mut stream) else { return };
    let steps = match request {
        Request::Authorize(url) => redirect(&url, &format!("one-time-code-{number}")),
        Request::Token(form) if form["grant_type"] == "authorization_code" => {
            let (access, refresh) =
                (format!("access-of-{number}-there"), format!("refresh-of-{number}-there"));
            record.add_secret(Secret::new(Kind::AccessToken, access.clone()));
            record.add_secret(Secret::new(Kind::RefreshToken, refresh.clone()));
            let life = LIFE.as_secs();
            let body = json!({"access_token": access, "refresh_token": refresh, "expires_in": life});
            json("200 OK", &body.to_string())
        }
        Request::Token(_) => {
            asked.fetch_add(1, Ordering::Relaxed);
            answer()
        }
        Request::Other(line) => panic!("nobody was to ask for {line}"),
    };
    // Whoever has enough of it hangs up.
    let _ = steps.into_iter().try_for_each(|step| carry_out(&mut stream, step, ""));
}

#[test]
fn a_provider_that_hangs_drips_or_floods_costs_only_its_own_connections() {
    let watch = Duration::from_secs(times(25, 120) as u64);
    let proof = Proof::of("providers that hang, drip or send 10 GB, beside one that behaves");
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.access_token_life_ms = LIFE.as_millis().try_into().unwrap();
    });
    let hangs = Nuisance::start(home.record(), "127.8.0.1", || vec![Step::Silence]);
    let drips = Nuisance::start(home.record(), "127.8.0.2", || {
        let head = head("200 OK", "Content-Length: 1000\r\n").into();
        vec![Step::Bytes(head), Step::Drip { bytes: vec![b' '; 1_000], every: Duration::from_secs(1) }]
    });
    let floods = Nuisance::start(home.record(), "127.8.0.3", || {
        vec![Step::Bytes(head("200 OK", "").into()), Step::Endless(vec![b' '; 64 * 1024])]
    });
    let puts_off = Nuisance::start(home.record(), "127.8.0.4", || {
        vec![Step::Endless(b"HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000))]
    });
    let nuisances = [
        ("hangs", &hangs, AILING),
        ("drips", &drips, AILING),
        ("floods", &floods, FLOODING),
        ("puts-off", &puts_off, FLOODING),
    ];
    let well = connect(&home, "well", &["--issuer", &provider.issuer, "--client-id", "app"], WELL);
    let mut ailing = Vec::new();
    for (name, nuisance, count) in nuisances {
        let [authorization, token] = ["authorize", "token"].map(|path| format!("{}/{path}", nuisance.url));
        let endpoints =
            ["--client-id", "app", "--authorization-endpoint", &authorization, "--token-endpoint", &token];
        ailing.extend(connect(&home, name, &endpoints, count));
    }

    let daemon = home.start(&["serve"]);
    until("each nuisance to be asked", || {
        nuisances.iter().all(|(_, there, _)| there.asked.load(Ordering::Relaxed) > 0).then_some(())
    });
    let over = AtomicBool::new(false);
    let (served, times) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut served = 0;
            while !over.load(Ordering::Relaxed) {
                let asked_at_ms = provider.now_ms();
                let token = home.vestal(&["token", &well[served % WELL]]).ok();
                assert!(
                    provider.accepted_at(token.stdout.trim(), asked_at_ms),
                    "a token was served that is not active"
                );
                assert!(token.took < AT_ONCE, "{token}");
                served += 1;
                std::thread::sleep(PAUSE);
            }
            served
        });
        let _over = Raises(&over);
        let times = provider.watch(watch);
        drop(_over);
        (reader.join().unwrap(), times)
    });
    daemon.signal(rustix::process::Signal::KILL);
    daemon.end();

    let intervals = intervals(&times);
    let longest = *intervals.iter().max().unwrap();
    let mean = intervals.iter().sum::<Duration>() / u32::try_from(intervals.len()).unwrap();
    assert_eq!(times.len(), WELL);
    assert!(intervals.len() >= 2 * WELL, "only {} refreshes", intervals.len());
    assert!(longest < LIFE, "a token ended: {longest:?} without a refresh");
    assert!(mean < ON_TIME, "{mean:?} between refreshes");
    let asked: usize = nuisances.iter().map(|(_, there, _)| there.asked.load(Ordering::Relaxed)).sum();
    proof.holds(
        format_args!("{} connections, {} s", WELL + ailing.len(), watch.as_secs()),
        format_args!(
            "{} refreshes on time, {served} tokens served; {asked} requests to the others got nowhere",
            intervals.len()
        ),
    );
}

/// Connects so many through one client, and reads each once: what nobody reads is refreshed once a day only.
fn connect(home: &Home, client: &str, registration: &[&str], count: usize) -> Vec<String> {
    let names: Vec<String> = (0..count).map(|number| format!("{client}-{number}")).collect();
    let first = ["--provider", "custom", "--client", client, "--client-secret-stdin"];
    home.consent(&names[0], &[&first[..], registration].concat(), CLIENT_SECRET).ok();
    in_parallel(&names[1..], |name| {
        home.consent(name, &["--client", client], "").ok();
    });
    in_parallel(&names, |name| {
        let started = Instant::now();
        let read = home.vestal(&["token", name]);
        // It may be due already, at a provider that gives nothing.
        assert!(matches!(read.status.code(), Some(0 | 4)), "after {:?}: {read}", started.elapsed());
    });
    names
}
