//! Every answer that others were seen to stumble over, and every row of the table of classes, as bytes on a socket:
//! the good refresh token survives each one that is not a true death.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Proof;
use crate::harness::{CLIENT_SECRET, Ended, Home, PATIENCE};

pub(super) mod bytes;
mod cases;
mod lost;
pub(super) mod server;

pub(super) use cases::{Answer, Step};
use cases::{Case, Then};
use server::ByteServer;

/// How many cases are under way at once: most of them wait for a process to start, and some for a deadline.
const AT_ONCE: usize = 6;

/// Between two refreshes of one connection, while it is held back.
const BETWEEN_TRIES: Duration = Duration::from_millis(300);

/// Nobody waits 30 seconds for those that never come to an end.
const LIMITS: &str = "\n[limits]\nanswer = \"1500ms\"\n";

#[test]
fn the_good_refresh_token_survives_every_answer_that_is_no_death() {
    let proof = Proof::of("every answer that others stumble over, as bytes on a socket");
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let mut config = std::fs::read_to_string(home.config()).unwrap();
    config.push_str(LIMITS);
    std::fs::write(home.config(), config).unwrap();

    let cases: Vec<Arc<Case>> = cases::all().into_iter().map(Arc::new).collect();
    let server = ByteServer::start(home.record(), &cases);
    let next = AtomicUsize::new(0);
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let at_work = || {
            let mut wrong = Vec::new();
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(case) = cases.get(number) else { return wrong };
                if let Err(what) = (Trial { home: &home, server: &server, number, case }).run() {
                    wrong.push(format!("{} ({}): {what}", case.name, case.source));
                }
            }
        };
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(at_work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert!(wrong.is_empty(), "{} of {} answers:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    assert_eq!(server.trespasses(), [] as [String; 0], "a redirect was followed");

    let deaths = cases.iter().filter(|case| case.then == Then::Dies).count();
    let survived = cases.len() - deaths;
    proof.holds(
        format_args!("{} answers", cases.len()),
        format_args!("{survived} survived, {deaths} true deaths told as such"),
    );
}

#[test]
fn a_provider_where_nobody_listens_has_lost_nothing() {
    let proof = Proof::of("a provider where nobody listens");
    let home = Home::new();
    home.vestal(&["init"]).ok();
    let cases: Vec<Arc<Case>> = cases::all().into_iter().take(1).map(Arc::new).collect();
    let server = ByteServer::start(home.record(), &cases);
    let trial = Trial { home: &home, server: &server, number: 0, case: &cases[0] };
    trial.connect("shop");
    server.go_away();
    home.vestal(&["refresh", "shop"]).code(4);
    let told = trial.state("shop");
    assert_eq!((&told["state"], &told["cause"]), (&"failing".into(), &"transient".into()), "{told}");
    trial.good(&home.vestal(&["token", "shop"])).unwrap();
    server.come_back();
    trial.refreshes("shop").unwrap();
    assert_eq!(server.account(0, |account| (account.refreshes, account.reuses)), (1, 0));
    proof.holds("once", "told as such, and refreshed when it is back");
}

/// One case, and the connection that it happens to.
struct Trial<'a> {
    home: &'a Home,
    server: &'a ByteServer,
    number: usize,
    case: &'a Case,
}

/// What is wrong, in words.
type Verdict = Result<(), String>;

impl Trial<'_> {
    fn run(&self) -> Verdict {
        let name = format!("case-{}", self.number);
        self.connect(&name);
        let first = self.home.vestal(&["refresh", &name]);
        let told = self.state(&name);
        // What the provider was asked once more is part of what it was to come to.
        let asked = self.server.account(self.number, |account| account.refreshes);
        let (state, cause) = (told["state"].as_str().unwrap(), told["cause"].as_str());
        let came_to = (first.status.code(), state, asked);
        let as_expected = match self.case.then {
            Then::Taken => came_to == (Some(0), "active", 1),
            Then::TriedAgain => came_to == (Some(0), "active", 2),
            Then::Passes(causes) => {
                let fails =
                    came_to == (Some(4), "failing", 1) && cause.is_some_and(|it| causes.contains(&it));
                // On a busy machine the time to try again within the grace may have come before the command ended.
                let was_slow = causes == ["outcome_unknown"] && came_to == (Some(0), "active", 2);
                fails || was_slow
            }
            Then::Dies => came_to == (Some(3), "needs_reauth", 1) && cause == Some("invalid_grant"),
        };
        if !as_expected {
            return Err(format!(
                "expected {:?}, but {asked} requests came to {told}\n{first}",
                self.case.then
            ));
        }
        if self.case.then == Then::Dies {
            // The access token may still serve; what is kept is kept.
            return self.good(&self.home.vestal(&["token", &name]));
        }

        // From here on the provider behaves.
        self.refreshes(&name)?;
        self.refreshes(&name)?;
        let (reuses, is_dead, access) = self
            .server
            .account(self.number, |account| (account.reuses, account.is_dead, account.access.clone()));
        let token = self.home.vestal(&["token", &name]);
        if reuses > 0 || is_dead || token.stdout.trim() != access {
            return Err(format!(
                "the grant is dead after {reuses} reuses, or another token is served: {token}"
            ));
        }
        match self.state(&name)["state"].as_str() {
            Some("active") => Ok(()),
            other => Err(format!("it is {other:?} in the end")),
        }
    }

    /// Asks for a refresh until it works: what may have been lost is held back for a moment.
    fn refreshes(&self, name: &str) -> Verdict {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let refresh = self.home.vestal(&["refresh", name]);
            match refresh.status.code() {
                Some(0) => return Ok(()),
                Some(4) if Instant::now() < deadline => std::thread::sleep(BETWEEN_TRIES),
                _ => return Err(format!("the provider behaves, and it does not recover: {refresh}")),
            }
        }
    }

    fn good(&self, token: &Ended) -> Verdict {
        let access = self.server.account(self.number, |account| account.access.clone());
        match token.status.code() {
            Some(0) if token.stdout.trim() == access => Ok(()),
            _ => Err(format!("its access token still serves, and was not served: {token}")),
        }
    }

    fn connect(&self, name: &str) {
        let url = |path| self.server.url(self.number, path);
        let (authorization, token) = (url("/authorize"), url("/token"));
        let args = [
            "--provider",
            self.case.profile,
            "--client",
            name,
            "--client-id",
            "app",
            "--client-secret-stdin",
        ];
        let endpoints = ["--authorization-endpoint", &authorization, "--token-endpoint", &token];
        self.home.consent(name, &[&args[..], &endpoints].concat(), CLIENT_SECRET).ok();
    }

    fn state(&self, name: &str) -> Value {
        self.home.vestal(&["status", name, "--json"]).ok().json()
    }
}
