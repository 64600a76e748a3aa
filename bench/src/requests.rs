//! Bare token requests: the same HTTP client and the same reader of answers, and nothing is saved.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;
use vestal_core::outcome::Reply;
use vestal_core::provider::RequestFacts;
use vestal_core::secret::SecretString;
use vestal_oauth::http::Http as _;
use vestal_oauth::refresh_token;
use vestal_oauth::reqwest_http::{ReqwestHttp, Settings};

use crate::node::cpu_time;
use crate::real::{self, RealEntropy};
use crate::spread::{Spread, prover};

const WARM_UP: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(3);

/// What bare requests come to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Bare {
    pub(crate) per_second: f64,
    /// Of the process that sends them, for each.
    pub(crate) cpu: Duration,
}

/// Sends as many at once as there are refresh tokens.
pub(crate) async fn run(spread: &Spread) -> Result<()> {
    let http =
        Arc::new(ReqwestHttp::new(&Settings { user_agent: "bench".to_owned(), ..Settings::default() })?);
    let done = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    for (number, token) in spread.refresh_tokens.iter().enumerate() {
        let (http, done) = (Arc::clone(&http), Arc::clone(&done));
        let (endpoint, mut token) = (spread.token_endpoint(number)?, SecretString::from(token.as_str()));
        tasks.spawn(async move {
            loop {
                token = match request(&http, &endpoint, &token).await {
                    Ok(token) => token,
                    Err(error) => return error,
                };
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let measured = async {
        real::sleep(WARM_UP).await;
        let (start, before, cpu) = (real::now(), done.load(Ordering::Relaxed), cpu_time(None)?);
        real::sleep(MEASURED).await;
        let count = done.load(Ordering::Relaxed) - before;
        let per_second = count as f64 / start.elapsed().as_secs_f64();
        let cpu = (cpu_time(None)? - cpu) / u32::try_from(count.max(1))?;
        println!("{}", serde_json::to_string(&Bare { per_second, cpu })?);
        Ok(())
    };
    tokio::select! {
        measured = measured => measured,
        failed = tasks.join_next() => match failed {
            Some(Ok(error)) => Err(error),
            _ => bail!("a task has ended"),
        },
    }
}

async fn request(http: &ReqwestHttp, endpoint: &url::Url, token: &SecretString) -> Result<SecretString> {
    let credentials = prover()?.credentials(now(), &RealEntropy)?;
    let plain = RequestFacts::default();
    let request =
        refresh_token::token_request(endpoint, &credentials, token, endpoint.as_str(), &[], &plain)?;
    let sent = vestal_oauth::sent::redactor(&request);
    let exchange = http.send(request, Duration::from_secs(30)).await;
    match vestal_oauth::read::read_token_answer(exchange, now(), &sent).reply {
        Reply::Tokens(answer) => answer.refresh_token.context("the answer brings no refresh token"),
        other => bail!("a bare request failed: {other:?}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a bench runs in real time")]
fn now() -> Timestamp {
    Timestamp::now()
}
