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
        let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host().is_some();
        url.filter(fits).map(Self).ok_or_else(|| {
            serde::de::Error::custom("this is no page to fetch, such as \"https://hc-ping.com/YOUR-CHECK\"")
        })
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
            Exchange::NotSent { detail } | Exchange::NoAnswer { detail } => Err(detail),
        }
    }

    /// Beats for as long as it is polled, nothing has been due for long, and not all that is tried fails.
    pub(crate) async fn beat_on(&self, engine: &Engine, http: &dyn Http) {
        let mut before = (engine.refreshed(), engine.failed());
        SystemClock.sleep(FIRST).await;
        loop {
            let now = (engine.refreshed(), engine.failed());
            let all_fail = now.0 == before.0 && now.1 > before.1;
            if engine.is_looking() && !all_fail && engine.keeps_up().await.unwrap_or(false) {
                if let Err(why) = self.beat(http).await {
                    tracing::warn!(%why, "the heartbeat did not arrive");
                }
            } else {
                tracing::error!(
                    "connections are not being kept alive: what is due stays due, or all that is tried fails; no heartbeat is sent"
                );
            }
            before = now;
            SystemClock.sleep(EVERY).await;
        }
    }
}
