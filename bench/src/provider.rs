//! The provider: the sandbox on 64 loopback addresses, in a process of its own.
//!
//! It says on its first line where it listens. To a line with a number it answers when it has refreshed that many tokens
//! since its beginning. It ends when its input does.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use vestal_sandbox::{Client, Sandbox, Settings, Shared, serve};

use crate::real;
use crate::spread::{CLIENT_ID, CLIENT_SECRET, HOSTS};

/// How many refresh tokens there are to be had.
pub(crate) const GRANTS: usize = 60_000;

const ISSUER: &str = "http://127.0.0.1";
const REDIRECT_URI: &str = "http://localhost:8724/callback";

/// How often it is looked how many were refreshed.
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// What it has done since its beginning.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    pub(crate) refreshes: u64,
    /// Token requests that were refused.
    pub(crate) refusals: u64,
}

/// Serves. The refresh tokens go into the file `tokens`, one a line.
pub(crate) async fn run(tokens: &Path) -> Result<()> {
    let client = Client::confidential(CLIENT_ID, CLIENT_SECRET).redirect_uri(REDIRECT_URI);
    let mut settings = Settings::new(ISSUER).client(client);
    settings.access_token_life_ms = 30 * 86_400_000;
    let mut sandbox = Sandbox::new(settings, 1);
    let issued: Result<Vec<String>> = (0..GRANTS).map(|_| grant(&mut sandbox)).collect();
    std::fs::write(tokens, issued?.join("\n"))?;

    let sandbox: Shared = Arc::new(Mutex::new(sandbox));
    let mut servers = Vec::new();
    for host in 1..=HOSTS {
        let listener = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 0)).await?;
        servers.push(serve(listener, Arc::clone(&sandbox))?);
    }
    let hosts: Vec<SocketAddr> = servers.iter().map(vestal_sandbox::Server::address).collect();
    println!("{}", serde_json::to_string(&hosts)?);

    let mut orders = BufReader::new(tokio::io::stdin()).lines();
    while let Some(order) = orders.next_line().await? {
        println!("{}", serde_json::to_string(&reached(&sandbox, order.trim().parse()?).await)?);
    }
    Ok(())
}

async fn reached(sandbox: &Shared, many: u64) -> Done {
    loop {
        let done = {
            let sandbox = sandbox.lock().unwrap_or_else(PoisonError::into_inner);
            Done { refreshes: sandbox.stats().refreshes, refusals: sandbox.stats().refusals }
        };
        if done.refreshes >= many {
            return done;
        }
        real::sleep(LOOK_EVERY).await;
    }
}

/// A consent, and the refresh token that it brings.
fn grant(sandbox: &mut Sandbox) -> Result<String> {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("response_type", "code"), ("client_id", CLIENT_ID)])
        .extend_pairs([("redirect_uri", REDIRECT_URI), ("state", "x"), ("scope", "contacts")])
        .finish();
    let asked = http::Request::get(format!("{ISSUER}/authorize?{query}")).body(Bytes::new())?;
    let reply = sandbox.handle(&asked, now_ms()).response;
    let location = reply.headers().get("location").context("the sandbox does not redirect")?.to_str()?;
    let location: url::Url = location.parse()?;
    let code = location.query_pairs().find(|(name, _)| name == "code").context("no code")?.1.into_owned();

    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("grant_type", "authorization_code"), ("code", &code)])
        .extend_pairs([("redirect_uri", REDIRECT_URI)])
        .extend_pairs([("client_id", CLIENT_ID), ("client_secret", CLIENT_SECRET)])
        .finish();
    let exchange = http::Request::post(format!("{ISSUER}/token"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))?;
    let reply = sandbox.handle(&exchange, now_ms()).response;
    ensure!(reply.status().is_success(), "the sandbox refuses: {:?}", reply.body());
    let answer: serde_json::Value = serde_json::from_slice(reply.body())?;
    Ok(answer["refresh_token"].as_str().context("no refresh token")?.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a bench runs in real time")]
fn now_ms() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_millisecond()).unwrap_or(0)
}
