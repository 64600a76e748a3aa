//! Misbehaviour on request.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};

use crate::form::Form;
use crate::{Endpoint, Reply, Request, Response};

/// How an answer travels. The pure part only says it; whoever carries the answer does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// At once and whole.
    Deliver,
    /// Whole, this many milliseconds later.
    DelayMs(u64),
    /// Not at all: the connection ends without a byte.
    DropConnection,
    /// The whole answer is announced, but the connection ends after this many bytes of its body.
    Truncate(usize),
}

/// What goes wrong with a request, or how its answer is spoilt.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// It arrives this many milliseconds late. Strikes beside any other fault (see
    /// [`Sandbox::hold_ms`](crate::Sandbox::hold_ms)).
    Hold(u64),
    /// Its connection ends before it is processed.
    LoseRequest,
    /// It is answered with this and never processed: an outage, a proxy's error page.
    AnswerUnprocessed(Response),
    /// It is processed, then answered with this: the true answer is lost.
    AnswerProcessed(Response),
    /// It is processed; only this many bytes of the answer's body arrive, as if they were all of it.
    CutBody(usize),
    /// It is processed; the answer follows this many milliseconds later.
    Delay(u64),
    /// It is processed; its connection ends before the answer.
    LoseResponse,
    /// It is processed; its connection ends after this many bytes of the answer's body.
    Truncate(usize),
}

impl Trouble {
    /// An answer to be given instead of the true one.
    pub fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
        let mut response = Response::new(body.into());
        *response.status_mut() = status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        response
    }

    /// The page of a captive portal or a proxy, with any status.
    pub fn html_page(status: StatusCode) -> Response {
        Self::answer(
            status,
            "text/html; charset=utf-8",
            "<!doctype html><title>Welcome</title><h1>Please sign in to the network</h1>\n",
        )
    }

    /// An answer without a body.
    pub fn empty(status: StatusCode) -> Response {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        response
    }
}

/// The grants that a token request can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantType {
    /// RFC 6749 §4.1.3.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
            Self::ClientCredentials => "client_credentials",
        }
    }
}

/// A trouble and the requests it strikes.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The endpoint that misbehaves.
    pub endpoint: Endpoint,
    /// At the token endpoint: only for this grant. `None`: for any.
    pub grant_type: Option<GrantType>,
    /// How many requests it lets pass before it strikes.
    pub skip: u32,
    /// How many it strikes then.
    pub times: u32,
    /// What happens to them.
    pub trouble: Trouble,
}

impl Fault {
    /// Strikes the next request to `endpoint`.
    pub fn at(endpoint: Endpoint, trouble: Trouble) -> Self {
        Self { endpoint, grant_type: None, skip: 0, times: 1, trouble }
    }

    /// Strikes the next refresh.
    pub fn on_refresh(trouble: Trouble) -> Self {
        Self { grant_type: Some(GrantType::RefreshToken), ..Self::at(Endpoint::Token, trouble) }
    }

    /// Strikes this many requests in a row.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = times;
        self
    }

    /// Lets this many requests pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, endpoint: Endpoint, request: &Request) -> bool {
        let asks_for = |grant_type: GrantType| {
            Form::of_any_body(request).is_some_and(|form| form.get("grant_type") == Some(grant_type.name()))
        };
        self.endpoint == endpoint && self.grant_type.is_none_or(asks_for)
    }
}

/// The faults that have not struck yet, in the order they will.
#[derive(Default)]
pub(crate) struct Faults(VecDeque<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        if fault.times > 0 {
            self.0.push_back(fault);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn take_hold(&mut self, endpoint: Endpoint, request: &Request) -> Option<u64> {
        match self.strike(endpoint, request, |trouble| matches!(trouble, Trouble::Hold(_)))? {
            Trouble::Hold(hold_ms) => Some(hold_ms),
            _ => None,
        }
    }

    pub(crate) fn take(&mut self, endpoint: Endpoint, request: &Request) -> Option<Trouble> {
        self.strike(endpoint, request, |trouble| !matches!(trouble, Trouble::Hold(_)))
    }

    /// Uses the first fault of a `kind` that matches, once.
    fn strike(
        &mut self,
        endpoint: Endpoint,
        request: &Request,
        kind: impl Fn(&Trouble) -> bool,
    ) -> Option<Trouble> {
        let index =
            self.0.iter().position(|fault| kind(&fault.trouble) && fault.matches(endpoint, request))?;
        let fault = self.0.get_mut(index)?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        fault.times -= 1;
        let trouble = fault.trouble.clone();
        if fault.times == 0 {
            self.0.remove(index);
        }
        Some(trouble)
    }
}

/// Processes a request, or not, and spoils its answer.
pub(crate) fn carry_out(trouble: Option<Trouble>, process: impl FnOnce() -> Response) -> Reply {
    let whole = |response| Reply { response, delivery: Delivery::Deliver };
    match trouble {
        None | Some(Trouble::Hold(_)) => whole(process()),
        Some(Trouble::LoseRequest) => Reply {
            response: Trouble::empty(StatusCode::SERVICE_UNAVAILABLE),
            delivery: Delivery::DropConnection,
        },
        Some(Trouble::AnswerUnprocessed(response)) => whole(response),
        Some(Trouble::AnswerProcessed(response)) => {
            process();
            whole(response)
        }
        Some(Trouble::CutBody(bytes)) => whole(process().map(|mut body| {
            body.truncate(bytes);
            body
        })),
        Some(Trouble::Delay(delay_ms)) => {
            Reply { response: process(), delivery: Delivery::DelayMs(delay_ms) }
        }
        Some(Trouble::LoseResponse) => Reply { response: process(), delivery: Delivery::DropConnection },
        Some(Trouble::Truncate(bytes)) => Reply { response: process(), delivery: Delivery::Truncate(bytes) },
    }
}
