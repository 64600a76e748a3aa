//! Connections whose tokens the provider and the store both keep count of.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::harness::{Exchange, Family, Home, Provider};

/// How many processes connect at once.
const WORKERS: usize = 4;

pub(crate) struct Fleet<'a> {
    home: &'a Home,
    provider: &'a Provider,
    profile: &'static str,
    connections: BTreeMap<String, Connected>,
}

/// What is known of a connection since its last consent.
struct Connected {
    family: Family,
    /// The generation that the consent brought.
    generation: u64,
}

/// A connection as the store has it.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) cause: Option<String>,
    generation: u64,
}

impl Stored {
    pub(crate) fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Whether a person is told that an answer was lost, and not something else.
    pub(crate) fn is_labelled(&self) -> bool {
        matches!(self.state.as_str(), "failing" | "needs_reauth")
            && self.cause.as_deref() == Some("outcome_unknown")
    }
}

impl<'a> Fleet<'a> {
    /// Connects so many, and reads each once: what nobody reads is refreshed once a day only.
    pub(crate) fn connect(
        home: &'a Home,
        provider: &'a Provider,
        profile: &'static str,
        count: usize,
    ) -> Self {
        let mut fleet = Self { home, provider, profile, connections: BTreeMap::new() };
        home.connect_with("fleet-0", &["--provider", profile], provider);
        let names: Vec<String> = (0..count).map(|number| format!("fleet-{number}")).collect();
        fleet.consent(&names[1..], &[]);
        fleet.read(&names);
        fleet
    }

    /// Connects these anew.
    pub(crate) fn reconnect(&mut self, names: &[String]) {
        self.consent(names, &["--same-account"]);
        self.read(names);
    }

    fn consent(&self, names: &[String], besides: &[&str]) {
        in_parallel(names, |name| {
            self.home.consent(name, &[&["--client", self.profile], besides].concat(), "").ok();
        });
    }

    /// Reads each, which tells its family.
    fn read(&mut self, names: &[String]) {
        let read = in_parallel(names, |name| {
            let token: Value = self.home.vestal(&["token", name, "--json"]).ok().json();
            (token["access_token"].as_str().unwrap().to_owned(), token["generation"].as_u64().unwrap())
        });
        let families = self.provider.wire.families();
        for (name, (token, generation)) in names.iter().zip(read) {
            let (family, refreshes) = families
                .iter()
                .find_map(|(family, answers)| Some((*family, place_of(&token, answers)?)))
                .expect("the provider gave this token");
            self.connections.insert(name.clone(), Connected { family, generation: generation - refreshes });
        }
    }

    /// Every connection as the store has it.
    pub(crate) fn stored(&self) -> Vec<Stored> {
        let listed: Vec<Value> = self.home.vestal(&["list", "--json"]).ok().json();
        assert_eq!(listed.len(), self.connections.len(), "a connection is gone");
        let stored = |view: Value| Stored {
            name: view["name"].as_str().unwrap().to_owned(),
            state: view["state"].as_str().unwrap().to_owned(),
            cause: view["cause"].as_str().map(str::to_owned),
            generation: view["generation"].as_u64().unwrap(),
        };
        listed.into_iter().map(stored).collect()
    }

    /// The answers that the provider gave and the store does not have, while nothing is under way.
    pub(crate) fn unstored(
        &self,
        stored: &Stored,
        families: &HashMap<Family, Vec<Exchange>>,
    ) -> Vec<Exchange> {
        let Connected { family, generation } = &self.connections[&stored.name];
        let refreshes = &families[family][1..];
        let kept = usize::try_from(stored.generation - generation).unwrap();
        refreshes[kept..].to_vec()
    }
}

/// The number of the answer that brought an access token.
fn place_of(token: &str, answers: &[Exchange]) -> Option<u64> {
    let brought = |answer: &Exchange| answer.brought.as_ref().is_some_and(|b| b.access_token == token);
    answers.iter().position(brought).map(|place| place as u64)
}

/// Does the same for each name, some at a time.
pub(crate) fn in_parallel<T: Send>(names: &[String], job: impl Fn(&str) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let number = next.fetch_add(1, Ordering::Relaxed)
            && number < names.len()
        {
            done.push((number, job(&names[number])));
        }
        done
    };
    let mut done: Vec<(usize, T)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, result)| result).collect()
}
