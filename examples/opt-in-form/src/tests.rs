//! The form against the sandbox, in virtual time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use http::{Method, StatusCode};
use vestal_sandbox::{
    ApiErrorShape, Client, ContactsApi, Delivery, Endpoint, Fault, Sandbox, Settings as Provider, Trouble,
};

use crate::{Api, Clock, Form, NoToken, Ports, Request, Response, Settings, Token, Tokens, Unanswered};

#[cfg(feature = "serve")]
mod arriving;
mod waiting;

const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";
const EPOCH_MS: u64 = 1_800_000_000_000;

/// The provider, the clock, and tokens of a client's own: everything outside of the form.
struct Outside {
    sandbox: Mutex<Sandbox>,
    started: tokio::time::Instant,
    scope: &'static str,
    held: Mutex<Option<Token>>,
    reports: AtomicU64,
    asked: AtomicU64,
    /// How long a request takes to arrive, an answer to come back, and a token to be had.
    latency: Duration,
    answer_takes_s: AtomicU64,
    token_takes_s: AtomicU64,
}

#[async_trait]
impl Clock for Outside {
    fn now_ms(&self) -> u64 {
        EPOCH_MS + u64::try_from(self.started.elapsed().as_millis()).unwrap()
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }
}

#[async_trait]
impl Api for Outside {
    async fn send(&self, request: Request) -> Result<Response, Unanswered> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.sleep(self.latency).await;
        let reply = self.sandbox.lock().unwrap().handle(&request, self.now_ms());
        self.sleep(Duration::from_secs(self.answer_takes_s.load(Ordering::Relaxed))).await;
        match reply.delivery {
            Delivery::Deliver => Ok(reply.response),
            _ => Err(Unanswered("the connection was cut".to_owned())),
        }
    }
}

/// Keeps a token until it is told that it is rejected: what Vestal does, as far as the form can tell.
#[async_trait]
impl Tokens for Outside {
    async fn token(&self) -> Result<Token, NoToken> {
        self.sleep(Duration::from_secs(self.token_takes_s.load(Ordering::Relaxed))).await;
        let mut held = self.held.lock().unwrap();
        if let Some(token) = &*held {
            return Ok(token.clone());
        }
        let form = format!("grant_type=client_credentials&scope={}", self.scope);
        let mut request = post("/token", &form);
        let basic = format!("Basic {}", STANDARD.encode("form:secret"));
        request.headers_mut().insert(AUTHORIZATION, basic.parse().unwrap());
        let response = self.sandbox.lock().unwrap().handle(&request, self.now_ms()).response;
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let access_token = body["access_token"].as_str().ok_or(NoToken::NotNow(body.to_string()))?.to_owned();
        let generation = self.reports.load(Ordering::Relaxed) + 1;
        Ok(held.insert(Token { access_token, generation }).clone())
    }

    async fn rejected(&self, generation: u64) {
        let mut held = self.held.lock().unwrap();
        assert_eq!(held.take().map(|token| token.generation), Some(generation));
        self.reports.fetch_add(1, Ordering::Relaxed);
    }
}

struct World {
    outside: Arc<Outside>,
    form: Arc<Form>,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    #[expect(clippy::disallowed_methods, reason = "tokio's clock is paused: this is virtual time")]
    fn with(change: impl FnOnce(&mut Outside)) -> Self {
        let mut provider =
            Provider::new("https://sandbox.example").client(Client::confidential("form", "secret"));
        provider.access_token_life_ms = 86_400_000;
        provider.contacts = Some(ContactsApi::new([LIST]));
        let mut outside = Outside {
            sandbox: Mutex::new(Sandbox::new(provider, 1)),
            started: tokio::time::Instant::now(),
            scope: "contact_data",
            held: Mutex::default(),
            reports: AtomicU64::new(0),
            asked: AtomicU64::new(0),
            latency: Duration::from_millis(200),
            answer_takes_s: AtomicU64::new(0),
            token_takes_s: AtomicU64::new(0),
        };
        change(&mut outside);
        let outside = Arc::new(outside);
        let form = Self::form(&outside, "News");
        Self { outside, form }
    }

    fn form(outside: &Arc<Outside>, title: &str) -> Arc<Form> {
        let ports = Ports {
            tokens: Arc::clone(outside) as Arc<dyn Tokens>,
            api: Arc::clone(outside) as Arc<dyn Api>,
            clock: Arc::clone(outside) as Arc<dyn Clock>,
        };
        let settings = Settings { title: title.into(), lists: vec![LIST.into()] };
        Arc::new(Form::new(settings, ports, [7; 32]))
    }

    async fn get(&self, path: &str) -> Response {
        let mut request = Request::default();
        *request.uri_mut() = path.parse().unwrap();
        self.form.handle(&request).await
    }

    /// Opens the form, and takes this long over it.
    async fn fill_in(&self, seconds: u64) -> String {
        let stamp = stamp(&self.get("/").await);
        self.wait(seconds).await;
        format!("email=ada%40example.com&first_name=Ada&last_name=&consent=yes&website=&stamp={stamp}")
    }

    async fn send(&self, form: &str) -> Response {
        self.form.handle(&post("/", form)).await
    }

    async fn visit(&self) -> Response {
        self.send(&self.fill_in(20).await).await
    }

    async fn wait(&self, seconds: u64) {
        self.outside.sleep(Duration::from_secs(seconds)).await;
    }

    fn fails(&self, times: u32, status: u16, shape: ApiErrorShape, key: &'static str) {
        let error = ContactsApi::error(StatusCode::from_u16(status).unwrap(), shape, key);
        let fault = Fault::at(Endpoint::SignUpForm, Trouble::AnswerUnprocessed(error)).times(times);
        self.outside.sandbox.lock().unwrap().add_fault(fault);
    }

    fn contacts(&self) -> usize {
        self.outside.sandbox.lock().unwrap().contacts().count()
    }

    fn asked(&self) -> u64 {
        self.outside.asked.load(Ordering::Relaxed)
    }

    fn reports(&self) -> u64 {
        self.outside.reports.load(Ordering::Relaxed)
    }
}

fn post(path: &str, form: &str) -> Request {
    let mut request = Request::new(Bytes::copy_from_slice(form.as_bytes()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = path.parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, "application/x-www-form-urlencoded".parse().unwrap());
    request
}

fn text(page: &Response) -> String {
    String::from_utf8(page.body().to_vec()).unwrap()
}

fn stamp(page: &Response) -> String {
    let page = text(page);
    let (_, rest) = page.split_once("name=\"stamp\" value=\"").expect("a stamp");
    rest.split('"').next().unwrap().to_owned()
}

#[track_caller]
fn thanked(response: &Response) {
    assert_eq!(response.status(), StatusCode::SEE_OTHER, "{}", text(response));
    assert_eq!(response.headers()[LOCATION], "/thanks");
}

#[track_caller]
fn turned_away(response: &Response) {
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    let page = text(response);
    assert!(page.contains("you are not on the list") && page.contains("value=\"ada@example.com\""), "{page}");
}

#[tokio::test(start_paused = true)]
async fn a_visitor_is_added() {
    let world = World::new();
    thanked(&world.visit().await);
    assert_eq!(world.get("/thanks").await.status(), StatusCode::OK);
    let sandbox = world.outside.sandbox.lock().unwrap();
    let contact = sandbox.contacts().next().unwrap();
    assert_eq!(
        (contact.email_address.as_str(), contact.first_name.as_deref()),
        ("ada@example.com", Some("Ada"))
    );
    assert_eq!((contact.last_name.as_deref(), &contact.lists[..]), (None, &[LIST.to_owned()][..]));
}

#[tokio::test(start_paused = true)]
async fn who_presses_twice_is_added_once_and_thanked_twice() {
    let world = World::new();
    let form = world.fill_in(20).await;
    let (first, second) = tokio::join!(world.send(&form), world.send(&form));
    let third = world.send(&form).await;
    [first, second, third].iter().for_each(thanked);
    assert_eq!((world.contacts(), world.asked()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn programs_are_kept_out_without_being_told() {
    let world = World::new();
    let trapped = world.fill_in(20).await.replace("website=", "website=https%3A%2F%2Fspam.example");
    thanked(&world.send(&trapped).await);
    let form = world.fill_in(1).await;
    let hasty = world.send(&form).await;
    assert_eq!(hasty.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(&hasty).contains("once more"));
    for unsigned in ["email=ada%40example.com&consent=yes", &form.replace("stamp=", "stamp=A")] {
        assert_eq!(world.send(unsigned).await.status(), StatusCode::UNPROCESSABLE_ENTITY);
    }
    assert_eq!(world.asked(), 0);
    // A person who was that quick presses once more, and one who went for a walk of two days too.
    world.wait(5).await;
    thanked(&world.send(&form).await);
    let old = world.fill_in(2 * 86_400).await;
    let asked = world.send(&old).await;
    assert_eq!(asked.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let (_, old_stamp) = old.rsplit_once('=').unwrap();
    let renewed = old.replace(old_stamp, &stamp(&asked));
    world.wait(5).await;
    // What is held is of two days ago, and rejected.
    thanked(&world.send(&renewed).await);
    assert_eq!(world.reports(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_wrong_is_shown_and_nothing_is_sent() {
    let world = World::new();
    let wrong = world.fill_in(20).await.replace("consent=yes&", "").replace("%40", "");
    let page = world.send(&wrong).await;
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(&page).contains("id=\"email-mistake\"") && text(&page).contains("id=\"consent-mistake\""));
    assert_eq!(world.asked(), 0);
    // It counts from when the page was opened first.
    let stamp = stamp(&page);
    thanked(&world.send(&format!("email=ada%40example.com&consent=yes&stamp={stamp}")).await);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_token_is_reported_once_and_tried_again_once() {
    let world = World::new();
    thanked(&world.visit().await);
    world.wait(3 * 86_400).await;
    thanked(&world.visit().await);
    assert_eq!((world.reports(), world.asked()), (1, 3));
    world.fails(100, 401, ApiErrorShape::Object, "unauthorized");
    turned_away(&world.visit().await);
    assert_eq!((world.reports(), world.asked()), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn what_no_token_helps_against_is_not_reported_as_one() {
    let world = World::with(|outside| outside.scope = "campaign_data");
    turned_away(&world.visit().await);
    assert_eq!((world.reports(), world.asked()), (0, 1));
    let world = World::new();
    world.outside.sandbox.lock().unwrap().settings_mut().contacts.as_mut().unwrap().per_day = 0;
    turned_away(&world.visit().await);
    assert_eq!((world.reports(), world.asked()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_api_does_not_accept_is_the_visitors_to_mend() {
    let world = World::new();
    world.fails(1, 400, ApiErrorShape::Array, "contacts.api.validation.error");
    let page = world.visit().await;
    assert_eq!(page.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert!(text(&page).contains("was not accepted"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_form_is_refused() {
    let world = World::new();
    let mut as_json = post("/", "{}");
    as_json.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
    let mut put = post("/", "");
    *put.method_mut() = Method::PUT;
    let huge = format!("email={}", "a".repeat(crate::BODY_BYTES));
    for (request, status) in [
        (as_json, 415),
        (put, 405),
        (post("/", &huge), 413),
        (post("/thanks", ""), 405),
        (post("/elsewhere", ""), 404),
    ] {
        let response = world.form.handle(&request).await;
        assert_eq!(response.status().as_u16(), status);
        let policy = response.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'"));
    }
    assert_eq!(world.get("/style.css").await.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
    assert_eq!(world.asked(), 0);
}
