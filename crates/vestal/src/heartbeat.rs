//! A heartbeat: a page that is fetched while connections are really kept alive, so that whoever watches it notices when that
//! has stopped.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde::{Deserialize, Deserializer};
use url::Url;
use vestal_core::clock::Clock as _;
use vestal_engine::Engine;
use vestal_oauth::endpoint;
use vestal_oauth::http::{Exchange, Http};

use crate::clock::SystemClock;

/// How often a daemon beats.
const EVERY: Duration = Duration::from_secs(300);

/// After a start, the first time.
const FIRST: Duration = Duration::from_secs(3);

/// How long the page may take.
const WITHIN: Duration = Duration::from_secs(10);

/// Where to beat. Whoever knows it can pretend that all is well: it is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct HeartbeatUrl(Url);

impl fmt::Debug for HeartbeatUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HeartbeatUrl").field(&self.0.host_str()).finish()
    }
}

impl<'de> Deserialize<'de> for HeartbeatUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let url = String::deserialize(deserializer)?.parse::<Url>().ok();
        let url = url.filter(Url::has_host).ok_or_else(|| {
            serde::de::Error::custom("this is no page to fetch, such as \"https://hc-ping.com/YOUR-CHECK\"")
        })?;
        // Nothing else is spoken to: it would never beat.
        endpoint::check(&url).map_err(serde::de::Error::custom)?;
        Ok(Self(url))
    }
}

impl HeartbeatUrl {
    /// Fetches the page once. What goes wrong is told, and stops nothing.
    ///
    /// # Errors
    /// Why it was not fetched.
    pub(crate) async fn beat(&self, http: &dyn Http) -> Result<(), String> {
        let request = Request::get(self.0.as_str()).body(Bytes::new()).map_err(|error| error.to_string())?;
        match http.send(request, WITHIN).await {
            Exchange::Answered(answer) if (200..300).contains(&answer.status) => Ok(()),
            Exchange::Answered(answer) => Err(format!("it answered {}", answer.status)),
            Exchange::NotSent { detail }
            | Exchange::ClientUnfit { detail }
            | Exchange::NoAnswer { detail } => Err(detail),
        }
    }

    /// Beats for as long as it is polled and there are signs of life.
    pub(crate) async fn beat_on(&self, engine: &Engine, http: &dyn Http) {
        let mut before = Tally::of(engine);
        SystemClock.sleep(FIRST).await;
        loop {
            let now = Tally::of(engine);
            let signs = Signs::of(now.since(before), engine.is_looking(), engine).await;
            before = now;
            if signs.show_life() {
                if let Err(why) = self.beat(http).await {
                    tracing::warn!(%why, "the heartbeat did not arrive");
                }
            } else {
                tracing::error!("{}; no heartbeat is sent", signs.lack());
            }
            SystemClock.sleep(EVERY).await;
        }
    }
}

/// What a process has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    refreshed: u64,
    failed: u64,
}

impl Tally {
    pub(crate) fn of(engine: &Engine) -> Self {
        Self { refreshed: engine.refreshed(), failed: engine.failed() }
    }

    fn since(self, before: Self) -> Self {
        Self { refreshed: self.refreshed - before.refreshed, failed: self.failed - before.failed }
    }
}

/// What tells whether connections are really kept alive, by a daemon or by a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Signs {
    /// The schedule is looked at.
    looks: bool,
    /// Nothing has been due for long.
    keeps_up: bool,
    /// What was done since the last beat.
    done: Tally,
    /// How many connections there are, how many of them work, and how many are failing.
    all: u64,
    well: u64,
    failing: u64,
}

impl Signs {
    /// How it is, where this was done of late.
    pub(crate) async fn of(done: Tally, looks: bool, engine: &Engine) -> Self {
        let counts = engine.store().count_states(None).await;
        let counted = || counts.iter().flatten();
        let count = |states: &[&str]| {
            let counts = counted().filter(|(state, _)| states.contains(&state.as_str()));
            counts.map(|(_, count)| count).sum()
        };
        Self {
            looks: looks && counts.is_ok(),
            keeps_up: engine.keeps_up().await.unwrap_or(false),
            done,
            all: counted().map(|(_, count)| count).sum(),
            well: count(&["active", "unverified"]),
            failing: count(&["failing"]),
        }
    }

    /// What only a person can help stops no heart; that nothing works which is tried does, and that nothing which could be refreshed works.
    /// So does that there is nothing: a store whose disk is not there may have been made anew.
    pub(crate) fn show_life(&self) -> bool {
        let Self { looks, keeps_up, done, all, well, failing } = *self;
        let nothing_works = done.refreshed == 0 && (done.failed > 0 || (well == 0 && failing > 0));
        looks && keeps_up && all > 0 && !nothing_works
    }

    /// Why there is none.
    fn lack(&self) -> &'static str {
        match (self.looks, self.all) {
            (true, 0) => "there is no connection to keep alive",
            _ => "connections are not being kept alive: what is due stays due, or all that is tried fails",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heart_beats_while_something_works() {
        let tally = |refreshed, failed| Tally { refreshed, failed };
        let well = Signs { looks: true, keeps_up: true, done: tally(0, 0), all: 4, well: 3, failing: 0 };
        for (signs, lives) in [
            (well, true),
            (Signs { looks: false, ..well }, false),
            (Signs { keeps_up: false, ..well }, false),
            (Signs { done: tally(1, 5), failing: 5, ..well }, true),
            (Signs { done: tally(0, 5), failing: 5, ..well }, false),
            // They wait for their next try.
            (Signs { failing: 1, ..well }, true),
            (Signs { well: 0, failing: 1, ..well }, false),
            // All of them need a person.
            (Signs { well: 0, ..well }, true),
            // There are none.
            (Signs { all: 0, well: 0, ..well }, false),
        ] {
            assert_eq!(signs.show_life(), lives, "{signs:?}");
        }
    }
}
