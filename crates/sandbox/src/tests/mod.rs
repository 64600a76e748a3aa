//! Tables of rules, tried on the pure server at times of our choosing.

mod assertion;
mod authorization;
mod contacts;
mod device;
mod endpoints;
mod faults;
mod lifetimes;
mod rotation;
#[cfg(feature = "http")]
mod shell;
mod wordings;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, StatusCode, header};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::{Client, Fault, Grace, Per, Reply, Request, Response, Reuse, Rotation, Sandbox, Settings};

const ISSUER: &str = "http://127.0.0.1:9000";
const REDIRECT: &str = "https://app.example/cb";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The confidential client's credentials for `client_secret_basic`: the secret is `s3:cr&t`, form-encoded.
const BASIC: &str = "app:s3%3Acr%26t";

/// A sandbox, the time, and a confidential client `app` that uses it.
struct World {
    sandbox: Sandbox,
    now_ms: u64,
}

impl World {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::new(ISSUER)
            .client(Client::confidential("app", "s3:cr&t").redirect_uri(REDIRECT))
            .client(Client::confidential("other", "secret"))
            .client(Client::public("native").redirect_uri("http://127.0.0.1/cb"));
        change(&mut settings);
        Self { sandbox: Sandbox::new(settings, 7), now_ms: 1_700_000_000_000 }
    }

    fn rotating(grace: Grace, reuse: Reuse) -> Self {
        Self::new(|settings| settings.refresh_tokens.rotation = Rotation::Always { grace, reuse })
    }

    fn wait(&mut self, duration_ms: u64) {
        self.now_ms += duration_ms;
    }

    fn fault(&mut self, fault: Fault) {
        self.sandbox.add_fault(fault);
    }

    fn reply(&mut self, request: &Request) -> Reply {
        self.sandbox.handle(request, self.now_ms)
    }

    fn send(&mut self, request: &Request) -> Response {
        self.reply(request).response
    }

    fn get(&mut self, path: &str) -> Response {
        self.send(&request(Method::GET, path, None, ""))
    }

    /// Asks for consent with PKCE and these additional or replaced parameters.
    fn authorize(&mut self, changes: &[(&str, Option<&str>)]) -> Response {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", "app"),
            ("redirect_uri", REDIRECT),
            ("scope", "read write offline_access"),
            ("state", "xyz"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in changes {
            parameters.retain(|(other, _)| other != name);
            parameters.extend(value.map(|value| (*name, value)));
        }
        self.get(&format!("/authorize?{}", encode(&parameters)))
    }

    fn code(&mut self) -> String {
        parameter(&self.authorize(&[]), "code").unwrap()
    }

    fn token(&mut self, parameters: &[(&str, &str)]) -> (StatusCode, Value) {
        read(&self.send(&request(Method::POST, "/token", Some(BASIC), &encode(parameters))))
    }

    fn exchange(&mut self, code: &str) -> (StatusCode, Value) {
        self.token(&[
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ])
    }

    /// A new grant's first token set.
    fn connect(&mut self) -> Tokens {
        let code = self.code();
        Tokens::of(&self.exchange(&code))
    }

    fn refresh(&mut self, refresh_token: &str) -> (StatusCode, Value) {
        self.token(&[("grant_type", "refresh_token"), ("refresh_token", refresh_token)])
    }

    /// A refresh that must succeed.
    fn refreshed(&mut self, refresh_token: &str) -> Tokens {
        Tokens::of(&self.refresh(refresh_token))
    }

    /// A refresh that must be refused with this error.
    fn refused(&mut self, refresh_token: &str, error: &str) {
        let (status, body) = self.refresh(refresh_token);
        assert_eq!((status, body["error"].as_str()), (StatusCode::BAD_REQUEST, Some(error)), "{body}");
    }

    fn post(&mut self, path: &str, credentials: &str, parameters: &[(&str, &str)]) -> Response {
        self.send(&request(Method::POST, path, Some(credentials), &encode(parameters)))
    }

    fn introspect(&mut self, token: &str) -> Value {
        let (status, body) = read(&self.post("/introspect", BASIC, &[("token", token)]));
        assert_eq!(status, StatusCode::OK);
        assert_eq!(body["active"], self.sandbox.is_active(token, self.now_ms), "two answers to one question");
        body
    }

    fn active(&mut self, token: &str) -> bool {
        self.introspect(token)["active"] == true
    }

    fn me(&mut self, authorization: Option<&str>) -> Response {
        let mut request = request(Method::GET, "/api/me", None, "");
        if let Some(value) = authorization {
            request.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        self.send(&request)
    }
}

struct Tokens {
    access: String,
    refresh: String,
}

impl Tokens {
    fn of((status, body): &(StatusCode, Value)) -> Self {
        assert_eq!(*status, StatusCode::OK, "{body}");
        let text =
            |name: &str| body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

fn encode(parameters: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish()
}

fn request(method: Method, path: &str, credentials: Option<&str>, body: &str) -> Request {
    let mut request = Request::new(Bytes::copy_from_slice(body.as_bytes()));
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    let content_type = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Some(credentials) = credentials {
        let value = format!("Basic {}", STANDARD.encode(credentials));
        request.headers_mut().insert(header::AUTHORIZATION, value.parse().unwrap());
    }
    request
}

fn read(response: &Response) -> (StatusCode, Value) {
    (response.status(), serde_json::from_slice(response.body()).unwrap_or(Value::Null))
}

fn header_of<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers().get(name).map(|value| value.to_str().unwrap())
}

/// A parameter of the address that the browser is sent to.
fn parameter(response: &Response, name: &str) -> Option<String> {
    let location = Url::parse(header_of(response, "location")?).unwrap();
    location.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}
