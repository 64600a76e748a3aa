//! The way to the provider: outages, and answers that are lost.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Request, Response, StatusCode, Uri, header};
use url::Url;
use vestal_core::client::Endpoints;
use vestal_oauth::http::{Answer, BodyEnd, Exchange, Http};
use vestal_sandbox::{GrantFacts, GrantId, Sandbox, Stats};

use crate::dice::Dice;
use crate::lives::books::Ledger;
use crate::lock;
use crate::time::{HOUR, SECOND, Timeline, sleep};

/// Of so many answers to refreshes, one is lost, where another try brings one again.
const ONE_LOST_OF: usize = 20;

/// For so long before an outage no answer is lost: what would bring it again could not be sent.
const QUIET_BEFORE: Duration = HOUR;

/// When something is in the way, from and until.
pub(crate) type Spans = Vec<(Duration, Duration)>;

/// The way to a provider.
pub(crate) struct Wire {
    pub(crate) timeline: Timeline,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) endpoints: Endpoints,
    /// When the provider cannot be reached.
    pub(crate) outages: Spans,
    /// When nobody is there who could ask again.
    pub(crate) restarts: Spans,
    pub(crate) survives_lost_answers: bool,
    pub(crate) sandbox: Mutex<Sandbox>,
    pub(crate) state: Mutex<State>,
}

/// What changes.
pub(crate) struct State {
    pub(crate) dice: Dice,
    /// The answer before was lost: this one is not.
    pub(crate) lost: bool,
}

#[async_trait]
impl Http for Wire {
    async fn send(&self, request: Request<Bytes>, deadline: Duration) -> Exchange {
        let latency = lock(&self.state).dice.between(Duration::from_millis(20), SECOND).min(deadline / 4);
        sleep(latency).await;
        if self.is_out(self.timeline.elapsed()) {
            return self.unreachable();
        }
        let refreshed = lock(&self.sandbox).stats().refreshes;
        let response = self.hand_over(&request);
        let refreshed = lock(&self.sandbox).stats().refreshes > refreshed;
        sleep(latency).await;
        if refreshed && self.is_lost() {
            self.ledger.with(|books| books.lost_answers += 1);
            self.ledger.note(|| "an answer is lost".to_owned());
            return Exchange::NoAnswer { detail: "the connection was cut".into() };
        }
        let (parts, body) = response.into_parts();
        Exchange::Answered(Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
            end: BodyEnd::Complete,
        })
    }
}

impl Wire {
    /// Whether the provider cannot be reached at this time.
    pub(crate) fn is_out(&self, at: Duration) -> bool {
        self.outages.iter().any(|(from, until)| *from <= at && at < *until)
    }

    /// The outage that began last before this time.
    pub(crate) fn outage_before(&self, at: Duration) -> Option<(Duration, Duration)> {
        self.outages.iter().rev().find(|(from, _)| *from <= at).copied()
    }

    /// What a browser is redirected to whose user says yes.
    pub(crate) fn browse(&self, url: &Url, subject: &str) -> Option<Url> {
        subject.clone_into(&mut lock(&self.sandbox).settings_mut().subject);
        let request = Request::get(url.as_str()).body(Bytes::new()).ok()?;
        let response = self.hand_over(&request);
        response.headers().get(header::LOCATION)?.to_str().ok()?.parse().ok()
    }

    /// Whether the provider's API would take this access token.
    pub(crate) fn accepts(&self, token: &str) -> bool {
        lock(&self.sandbox).is_active(token, self.timeline.unix_ms())
    }

    /// Every grant, as the provider knows it.
    pub(crate) fn grants(&self) -> Vec<GrantFacts> {
        lock(&self.sandbox).grants(self.timeline.unix_ms())
    }

    /// The user withdraws a consent in the provider's own pages.
    pub(crate) fn withdraw(&self, grant: GrantId) {
        lock(&self.sandbox).revoke_by_user(grant, self.timeline.unix_ms());
    }

    pub(crate) fn stats(&self) -> Stats {
        lock(&self.sandbox).stats().clone()
    }

    /// Hands a request to the sandbox, under the name that its endpoint has there.
    fn hand_over(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let mut request = request.clone();
        let Some(path) = self.path_of(request.uri()) else {
            let mut response = Response::new(Bytes::from_static(b"There is nothing here.\n"));
            *response.status_mut() = StatusCode::NOT_FOUND;
            return response;
        };
        let query = request.uri().query().map_or(String::new(), |query| format!("?{query}"));
        let path =
            PathAndQuery::try_from(format!("{path}{query}")).expect("a path and a query that were one");
        *request.uri_mut() = Uri::from(path);
        lock(&self.sandbox).handle(&request, self.timeline.unix_ms()).response
    }

    fn path_of(&self, uri: &Uri) -> Option<&'static str> {
        let is = |url: &Url| url.host_str() == uri.host() && url.path() == uri.path();
        let Endpoints { authorization, token, refresh, lengthen, revocation, .. } = &self.endpoints;
        if authorization.as_ref().is_some_and(is) {
            Some("/authorize")
        } else if is(token) || [refresh, lengthen].into_iter().flatten().any(is) {
            Some("/token")
        } else {
            revocation.as_ref().is_some_and(is).then_some("/revoke")
        }
    }

    fn is_lost(&self) -> bool {
        let now = self.timeline.elapsed();
        let soon =
            |spans: &Spans| spans.iter().any(|(from, until)| *from <= now + QUIET_BEFORE && now < *until);
        if !self.survives_lost_answers || soon(&self.outages) || soon(&self.restarts) {
            return false;
        }
        let state = &mut *lock(&self.state);
        state.lost = !state.lost && state.dice.below(ONE_LOST_OF) == 0;
        state.lost
    }

    /// What is heard of a provider that has an outage. It has not seen the request.
    fn unreachable(&self) -> Exchange {
        const PAGE: &str = "<!doctype html><title>Sorry</title><h1>We are working on it</h1>\n";
        let page = |status: u16| {
            let mut headers = http::HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/html"));
            let body = Bytes::from_static(PAGE.as_bytes());
            Exchange::Answered(Answer { status, headers, body, end: BodyEnd::Complete })
        };
        match lock(&self.state).dice.below(8) {
            0..4 => Exchange::NotSent { detail: "connection refused".into() },
            4 => Exchange::NoAnswer { detail: "connection reset".into() },
            5 => page(503),
            6 => page(502),
            _ => page(200),
        }
    }
}
