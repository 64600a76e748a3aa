//! The way between nodes and providers, and everything that can happen on it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, StatusCode, header};
use serde_json::Value;
use tokio::sync::oneshot;
use url::form_urlencoded;
use vestal_oauth::http::{Answer, BodyEnd, Exchange};
use vestal_sandbox::Response;

use crate::dice::Dice;
use crate::ledger::{Heard, Ledger};
use crate::lock;
use crate::process::Process;
use crate::provider::{Place, Places};
use crate::time::{MINUTE, SECOND, Timeline, sleep};
use crate::weather::Weather;

/// The network of a world.
pub(crate) struct Network {
    pub(crate) places: Places,
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) weather: Arc<Weather>,
    pub(crate) dice: Mutex<Dice>,
}

/// A request on its way.
pub(crate) struct Flight {
    pub(crate) answer: oneshot::Receiver<Exchange>,
    /// Its number in the books, if it carries a refresh token.
    sent: Option<usize>,
}

impl Flight {
    /// Notes what whoever sent it hears.
    pub(crate) fn heard(&self, network: &Network, exchange: &Exchange) {
        if let Some(sent) = self.sent {
            network.ledger.heard(sent, heard(exchange));
        }
    }
}

/// What happens to a request on its way.
#[derive(Clone, Debug)]
enum Fate {
    /// It arrives, and its answer does.
    Well,
    /// It never leaves.
    NotSent,
    /// It gets lost.
    RequestLost,
    /// It is processed, and its answer gets lost.
    AnswerLost,
    /// It is processed, and its answer takes this much longer.
    AnswerLate(Duration),
    /// It is processed, and its answer breaks off.
    Truncated,
    /// Something answers in the provider's place; it is not processed.
    Instead(Wrong),
    /// It is processed, and something else is answered.
    ProcessedAnd(Wrong),
}

/// Wrong answers.
#[derive(Clone, Copy, Debug)]
enum Wrong {
    TooManyRequests,
    Unavailable,
    ServerError,
    BadGateway,
    Portal,
    Empty,
    Redirect,
    InvalidClient,
    Firewall,
    InvalidRequest,
    Gibberish,
    ServerErrorJson,
}

/// What may come from something before the provider, which has not seen the request then.
const BEFORE: &[Wrong] = &[
    Wrong::TooManyRequests,
    Wrong::Unavailable,
    Wrong::ServerError,
    Wrong::BadGateway,
    Wrong::Portal,
    Wrong::Empty,
    Wrong::Redirect,
    Wrong::InvalidClient,
    Wrong::Firewall,
    Wrong::InvalidRequest,
    Wrong::Gibberish,
    Wrong::ServerErrorJson,
];

/// What may come although the provider has processed the request.
const BEHIND: &[Wrong] = &[
    Wrong::ServerError,
    Wrong::BadGateway,
    Wrong::Portal,
    Wrong::Empty,
    Wrong::Redirect,
    Wrong::Gibberish,
    Wrong::ServerErrorJson,
];

impl Network {
    /// Sends a request. It goes its way whatever becomes of whoever sent it.
    pub(crate) fn depart(
        self: &Arc<Self>,
        process: &Process,
        request: Request<Bytes>,
        deadline: Duration,
    ) -> Flight {
        let (sender, answer) = oneshot::channel();
        let place = self.places.iter().position(|place| request.uri().host() == Some(&place.host()));
        let form: Vec<(String, String)> = form_urlencoded::parse(request.body()).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
        let refresh_token = field("refresh_token");
        let fate = self.fate(place, refresh_token.is_some());
        let sent = match fate {
            Fate::NotSent => None,
            _ => refresh_token.and_then(|token| self.ledger.sent(process.node, &token)),
        };
        let Some(place) = place else {
            let _ = sender.send(Exchange::NotSent { detail: "no such host".into() });
            return Flight { answer, sent };
        };
        let network = Arc::clone(self);
        let latency = lock(&self.dice).between(Duration::from_millis(10), 2 * SECOND).min(deadline / 4);
        tokio::spawn(async move {
            let exchange = network.carry(place, request, fate, latency, sent).await;
            let _ = sender.send(exchange);
        });
        Flight { answer, sent }
    }

    /// How long a connection takes.
    pub(crate) fn connects_within(&self, deadline: Duration) -> Duration {
        lock(&self.dice).between(Duration::from_millis(1), 2 * SECOND).min(deadline / 8)
    }

    fn fate(&self, place: Option<usize>, refresh: bool) -> Fate {
        let mut dice = lock(&self.dice);
        if let Some(place) = place
            && self.weather.is_out(place)
        {
            let fate = match dice.below(8) {
                0..4 => Fate::NotSent,
                4 => Fate::RequestLost,
                5 => Fate::Instead(Wrong::Unavailable),
                6 => Fate::Instead(Wrong::BadGateway),
                _ => Fate::Instead(Wrong::Portal),
            };
            self.ledger.count("requests during an outage");
            return fate;
        }
        if !refresh || !dice.chance(self.weather.network_faults()) {
            return Fate::Well;
        }
        let (fate, name) = match dice.below(10) {
            0 => (Fate::NotSent, "request not sent"),
            1 => (Fate::RequestLost, "request lost"),
            2 | 3 => (Fate::AnswerLost, "answer lost"),
            4 => (Fate::AnswerLate(dice.between(SECOND, 5 * MINUTE)), "answer late"),
            5 => (Fate::Truncated, "answer truncated"),
            6..9 => (Fate::Instead(dice.pick(BEFORE)), "wrong answer, not processed"),
            _ => (Fate::ProcessedAnd(dice.pick(BEHIND)), "wrong answer, processed"),
        };
        self.ledger.count(name);
        fate
    }

    async fn carry(
        &self,
        place: usize,
        request: Request<Bytes>,
        fate: Fate,
        latency: Duration,
        sent: Option<usize>,
    ) -> Exchange {
        let place = &self.places[place];
        self.ledger.note(|| format!("p{}: {fate:?} becomes of a request", place.index));
        sleep(latency).await;
        let exchange = match fate {
            Fate::NotSent => return Exchange::NotSent { detail: "connection refused".into() },
            Fate::RequestLost => return Exchange::NoAnswer { detail: "connection reset".into() },
            Fate::Instead(wrong) => answered(&wrong.response(), BodyEnd::Complete),
            Fate::Well => answered(&self.processed(place, &request, sent), BodyEnd::Complete),
            Fate::AnswerLost => {
                self.processed(place, &request, sent);
                return Exchange::NoAnswer { detail: "connection reset".into() };
            }
            Fate::AnswerLate(delay) => {
                let response = self.processed(place, &request, sent);
                sleep(delay).await;
                answered(&response, BodyEnd::Complete)
            }
            Fate::Truncated => {
                let response = self.processed(place, &request, sent);
                let body = response.body().slice(..response.body().len() / 2);
                answered(&response.map(|_| body), BodyEnd::Truncated)
            }
            Fate::ProcessedAnd(wrong) => {
                self.processed(place, &request, sent);
                answered(&wrong.response(), BodyEnd::Complete)
            }
        };
        sleep(latency).await;
        exchange
    }

    /// Has a request processed, and writes down what was issued.
    fn processed(&self, place: &Place, request: &Request<Bytes>, sent: Option<usize>) -> Response {
        let response = place.handle(request, self.timeline).response;
        if response.status() != StatusCode::OK {
            return response;
        }
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let token = body.get("refresh_token").and_then(Value::as_str);
        match (sent, token) {
            (Some(sent), Some(token)) => {
                let (account, grant) = self.ledger.with(|books| {
                    let used = &books.tokens[books.sent[sent].token];
                    (used.connection, used.grant)
                });
                self.ledger.issued(token, account, grant, Some(sent));
            }
            (Some(sent), None) => self.ledger.kept(sent),
            (None, Some(token)) => {
                // The first one of a grant: whose it is, its subject says.
                if let Some(grant) = place.newest_grant(self.timeline)
                    && let Ok(account) = grant.subject.parse()
                {
                    self.ledger.issued(token, account, grant.id, None);
                }
            }
            (None, None) => {}
        }
        response
    }
}

fn answered(response: &Response, end: BodyEnd) -> Exchange {
    Exchange::Answered(Answer {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.body().clone(),
        end,
    })
}

impl Wrong {
    fn response(self) -> Response {
        const HTML: &str = "<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>\n";
        let json = |code: &str| format!("{{\"error\":\"{code}\",\"error_description\":\"planted\"}}");
        let (status, content_type, body) = match self {
            Self::TooManyRequests => (429, "application/json", json("too_many_requests")),
            Self::Unavailable => (503, "text/plain", "come back later".to_owned()),
            Self::ServerError => (500, "text/plain", "internal error".to_owned()),
            Self::ServerErrorJson => (500, "application/json", json("server_error")),
            Self::BadGateway => (502, "text/html", HTML.to_owned()),
            Self::Portal => (200, "text/html", HTML.to_owned()),
            Self::Empty => (200, "application/json", String::new()),
            Self::Redirect => (302, "text/html", String::new()),
            Self::InvalidClient => (401, "application/json", json("invalid_client")),
            Self::Firewall => (403, "text/html", HTML.to_owned()),
            Self::InvalidRequest => (400, "application/json", json("invalid_request")),
            Self::Gibberish => (200, "application/json", "{\"access_tok".to_owned()),
        };
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        match self {
            Self::TooManyRequests => headers.insert(header::RETRY_AFTER, HeaderValue::from_static("120")),
            Self::Redirect => {
                headers.insert(header::LOCATION, HeaderValue::from_static("https://login.example/"))
            }
            _ => None,
        };
        let mut response = Response::new(Bytes::from(body));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
        *response.headers_mut() = headers;
        response
    }
}

/// What an answer tells, as §4's table has it.
fn heard(exchange: &Exchange) -> Heard {
    let answer = match exchange {
        Exchange::NotSent { .. } | Exchange::ClientUnfit { .. } => return Heard::Unprocessed,
        Exchange::NoAnswer { .. } => return Heard::Nothing,
        Exchange::Answered(answer) => answer,
    };
    let body: Option<Value> =
        (answer.end == BodyEnd::Complete).then(|| serde_json::from_slice(&answer.body).ok()).flatten();
    let error = body.as_ref().and_then(|body| body.get("error")).and_then(Value::as_str);
    let tokens = body.as_ref().and_then(|body| body.get("access_token")).is_some();
    match (answer.status, error) {
        (_, Some("invalid_grant")) => Heard::InvalidGrant,
        (200, None) if tokens => Heard::Tokens,
        (200..300, None) if !answer.body.is_empty() => Heard::Unreadable,
        (400 | 401 | 403 | 429 | 503, _) => Heard::Unprocessed,
        _ => Heard::Nothing,
    }
}
