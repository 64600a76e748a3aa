//! The way to the sandbox, which may be slow, or cut.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use vestal_core::clock::Clock;
use vestal_oauth::http::{Answer, BodyEnd, Exchange, Http};
use vestal_sandbox::{Delivery, Sandbox};

use super::virtual_time::EPOCH_S;

/// The way to the sandbox, with every body that was sent.
pub(crate) struct Wire {
    pub(crate) sandbox: Mutex<Sandbox>,
    clock: Arc<dyn Clock>,
    sent: Mutex<Vec<(Duration, String)>>,
    hosts: Mutex<Vec<String>>,
    at_once: Mutex<AtOnce>,
    /// Every request waits this long before it arrives, and every answer before it is back.
    pub(crate) latency: Mutex<Duration>,
    /// Hosts, or paths, that something is wrong with.
    pub(crate) sick: Mutex<HashMap<String, Sickness>>,
}

/// How many requests are under way, and how many were at the most.
#[derive(Default)]
struct AtOnce {
    now: usize,
    most: usize,
}

/// What is wrong with a host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Sickness {
    /// It takes requests and does not answer.
    Hangs,
    /// It cannot be reached.
    Down,
    /// It ends each handshake over the client's certificate.
    RefusesCertificates,
}

#[async_trait]
impl Http for Wire {
    async fn send(&self, request: http::Request<Bytes>, deadline: Duration) -> Exchange {
        let body = String::from_utf8_lossy(request.body()).into_owned();
        self.sent.lock().unwrap().push((self.clock.uptime(), body));
        self.hosts.lock().unwrap().push(request.uri().host().unwrap_or_default().to_owned());
        self.begin();
        let exchange = tokio::select! {
            biased;
            exchange = self.carry(request) => exchange,
            () = self.clock.sleep(deadline) => Exchange::NoAnswer { detail: "the deadline passed".into() },
        };
        self.at_once.lock().unwrap().now -= 1;
        exchange
    }
}

impl Wire {
    pub(crate) fn to(sandbox: Sandbox, clock: Arc<dyn Clock>) -> Self {
        Self {
            sandbox: Mutex::new(sandbox),
            clock,
            sent: Mutex::default(),
            hosts: Mutex::default(),
            at_once: Mutex::default(),
            latency: Mutex::new(Duration::from_millis(100)),
            sick: Mutex::default(),
        }
    }

    fn begin(&self) {
        let mut at_once = self.at_once.lock().unwrap();
        at_once.now += 1;
        at_once.most = at_once.most.max(at_once.now);
    }

    /// The most requests that were under way at once since this was asked last.
    pub(crate) fn most_at_once(&self) -> usize {
        let mut at_once = self.at_once.lock().unwrap();
        let now = at_once.now;
        std::mem::replace(&mut at_once.most, now)
    }

    async fn carry(&self, request: http::Request<Bytes>) -> Exchange {
        let latency = *self.latency.lock().unwrap();
        let (host, path) = (request.uri().host().unwrap(), request.uri().path());
        let sickness = {
            let sick = self.sick.lock().unwrap();
            sick.get(host).or_else(|| sick.get(path)).copied()
        };
        match sickness {
            Some(Sickness::Hangs) => std::future::pending().await,
            Some(Sickness::Down) => return Exchange::NotSent { detail: "connection refused".into() },
            Some(Sickness::RefusesCertificates) => {
                return Exchange::ClientUnfit { detail: "CertificateExpired".into() };
            }
            None => {}
        }
        self.clock.sleep(latency).await;
        let hold_ms = self.sandbox.lock().unwrap().hold_ms(&request);
        self.clock.sleep(Duration::from_millis(hold_ms)).await;
        let reply = self.sandbox.lock().unwrap().handle(&request, self.now_ms());
        self.clock.sleep(latency).await;
        let (parts, body) = reply.response.into_parts();
        let answered = |body: Bytes, end| {
            Exchange::Answered(Answer {
                status: parts.status.as_u16(),
                headers: parts.headers.clone(),
                body,
                end,
            })
        };
        match reply.delivery {
            Delivery::Deliver => answered(body, BodyEnd::Complete),
            Delivery::DelayMs(ms) => {
                self.clock.sleep(Duration::from_millis(ms)).await;
                answered(body, BodyEnd::Complete)
            }
            Delivery::DropConnection => Exchange::NoAnswer { detail: "the connection was cut".into() },
            Delivery::Truncate(length) => answered(body.slice(..length.min(body.len())), BodyEnd::Truncated),
        }
    }

    /// The provider's own clock, which is right whatever ours says.
    pub(crate) fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.clock.uptime().as_millis()).unwrap();
        u64::try_from(EPOCH_S).unwrap() * 1_000 + since
    }

    /// The host of every request.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }

    /// Every form that was sent.
    pub(crate) fn forms_sent(&self) -> Vec<HashMap<String, String>> {
        let read = |body: &str| url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
        self.sent.lock().unwrap().iter().map(|(_, body)| read(body)).collect()
    }

    /// Every refresh token that was sent, with how often.
    pub(crate) fn refresh_tokens_sent(&self) -> HashMap<String, usize> {
        let mut counts = HashMap::new();
        for form in self.forms_sent() {
            if form.get("grant_type").is_some_and(|grant| grant == "refresh_token") {
                *counts.entry(form["refresh_token"].clone()).or_default() += 1;
            }
        }
        counts
    }

    pub(crate) fn refreshes_sent(&self) -> usize {
        self.refresh_tokens_sent().values().sum()
    }
}
