//! The form itself: from a request to a response.

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, LOCATION, REFERRER_POLICY,
    RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};

use crate::entry::{Entry, Mistakes, NOT_TAKEN};
use crate::page::{self, Notice};
use crate::sign_up::{Failed, sign_up};
use crate::stamp::{Refused, Stamps};
use crate::{Ports, Request, Response};

/// The largest body: all fields at their longest, percent-encoded, are less.
pub const BODY_BYTES: usize = 8 * 1024;

/// No scripts, no frames, nothing from elsewhere.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
);

/// On every answer.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_SECURITY_POLICY, POLICY),
    (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// What the form is for.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its heading.
    pub title: String,
    /// The identifiers of Constant Contact's lists on which to put people.
    pub lists: Vec<String>,
}

/// The form.
pub struct Form {
    settings: Settings,
    ports: Ports,
    stamps: Stamps,
}

impl Form {
    /// A form that signs its stamps with `key`, which is random and of this process: pages from before a restart are shown
    /// once more.
    pub fn new(settings: Settings, ports: Ports, key: [u8; 32]) -> Self {
        Self { settings, ports, stamps: Stamps::new(key) }
    }

    /// Answers one request.
    pub async fn handle(&self, request: &Request) -> Response {
        let mut response = match (request.uri().path(), request.method()) {
            ("/", &Method::GET | &Method::HEAD) => {
                let (entry, mistakes) = (Entry::default(), Mistakes::default());
                self.show(StatusCode::OK, &entry, mistakes, Notice::None)
            }
            ("/", &Method::POST) => self.submit(request).await,
            ("/thanks", &Method::GET | &Method::HEAD) => {
                html(StatusCode::OK, page::thanks(&self.settings.title))
            }
            ("/style.css", &Method::GET | &Method::HEAD) => {
                let style = HeaderValue::from_static("text/css; charset=utf-8");
                answer(StatusCode::OK, style, page::STYLE)
            }
            ("/", _) => not_allowed("GET, HEAD, POST"),
            ("/thanks" | "/style.css", _) => not_allowed("GET, HEAD"),
            _ => html(StatusCode::NOT_FOUND, page::other("There is nothing here")),
        };
        response.headers_mut().extend(HEADERS);
        response
    }

    async fn submit(&self, request: &Request) -> Response {
        if !is_form(request) {
            return html(StatusCode::UNSUPPORTED_MEDIA_TYPE, page::other("This takes a form alone"));
        }
        if request.body().len() > BODY_BYTES {
            return html(StatusCode::PAYLOAD_TOO_LARGE, page::other("This is too much for the form"));
        }
        let entry = Entry::read(request.body());
        if !entry.trap.is_empty() {
            // A program that is thanked does not try another way.
            return thank();
        }
        let person = match entry.check() {
            Ok(person) => person,
            Err(mistakes) => return self.show(UNPROCESSABLE, &entry, mistakes, Notice::Mistakes),
        };
        let dealt = match self.stamps.take(&entry.stamp, self.ports.clock.now_ms()) {
            Ok(dealt) => dealt,
            Err(refused) => return self.ask_again(entry, refused),
        };
        match sign_up(&person, &self.settings.lists, &self.ports, self.stamps.tag(&person), &dealt).await {
            Ok(()) => thank(),
            Err(Failed::NotAccepted) => self.show(UNPROCESSABLE, &entry, NOT_TAKEN, Notice::Mistakes),
            Err(Failed::AnotherPerson) => self.ask_again(entry, Refused::Stale),
            Err(Failed::NotNow) => self.ask_to_come_again(&entry, Notice::NotNow, "300"),
            Err(Failed::Unclear) => self.ask_to_come_again(&entry, Notice::Unclear, "60"),
        }
    }

    /// In so many seconds.
    fn ask_to_come_again(&self, entry: &Entry, notice: Notice, seconds: &'static str) -> Response {
        let mut page = self.show(StatusCode::SERVICE_UNAVAILABLE, entry, Mistakes::default(), notice);
        page.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static(seconds));
        page
    }

    /// A person loses nothing but a press of the button.
    fn ask_again(&self, mut entry: Entry, refused: Refused) -> Response {
        if refused == Refused::Stale {
            entry.stamp = String::new();
        }
        self.show(UNPROCESSABLE, &entry, Mistakes::default(), Notice::OnceMore)
    }

    /// The form with what was typed. It keeps its stamp, if it has one, so that its time goes on, and it counts once.
    fn show(&self, status: StatusCode, entry: &Entry, mistakes: Mistakes, notice: Notice) -> Response {
        let stamp = match entry.stamp.as_str() {
            "" => &self.stamps.give(self.ports.clock.now_ms()),
            stamp => stamp,
        };
        html(status, page::form(&self.settings.title, stamp, entry, mistakes, notice))
    }
}

const UNPROCESSABLE: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;

fn is_form(request: &Request) -> bool {
    let stated = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = stated.and_then(|value| value.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// To a page of its own: who loads that again sends nothing again.
fn thank() -> Response {
    let mut response = html(StatusCode::SEE_OTHER, String::new());
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/thanks"));
    response
}

fn not_allowed(allowed: &'static str) -> Response {
    let mut response = html(StatusCode::METHOD_NOT_ALLOWED, page::other("This cannot be done here"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn html(status: StatusCode, page: String) -> Response {
    answer(status, HeaderValue::from_static("text/html; charset=utf-8"), page)
}

fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}
