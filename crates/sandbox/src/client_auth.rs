//! Registered clients, and how they prove who they are at the token, introspection and revocation endpoints
//! (RFC 6749 §2.3).

use std::fmt;
use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header;
use url::{Url, form_urlencoded};

use crate::answer::OAuthError;
use crate::form::Form;
use crate::{HeaderCredentials, Request, Settings};

/// A client's registration.
#[derive(Clone, Debug)]
pub struct Client {
    /// Its `client_id`.
    pub id: String,
    /// How it proves who it is.
    pub authentication: Authentication,
    /// Where answers of the authorization endpoint may go. Compared exactly (RFC 9700 §2.1), but for the port
    /// of a loopback address, which may be any (RFC 8252 §7.3; `localhost` is a name, not an address).
    pub redirect_uris: Vec<String>,
    /// Names by which answers are asked for in the place of where they go, and where that is (as eBay's RuNames).
    pub redirect_names: Vec<(String, String)>,
}

/// How a client proves who it is.
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// A public client, which only names itself. It must use PKCE.
    None,
    /// A confidential client with one secret, or several while they are being exchanged.
    Secret {
        /// The secrets it may use.
        secrets: Vec<String>,
        /// Whether `client_secret_basic` is allowed: the `Authorization` header.
        basic: bool,
        /// Whether `client_secret_post` is allowed: the body.
        post: bool,
    },
}

impl Client {
    /// A public client.
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            authentication: Authentication::None,
            redirect_uris: Vec::new(),
            redirect_names: Vec::new(),
        }
    }

    /// A confidential client with one secret, sent either way.
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        let authentication = Authentication::Secret { secrets: vec![secret.into()], basic: true, post: true };
        Self { id: id.into(), authentication, redirect_uris: Vec::new(), redirect_names: Vec::new() }
    }

    /// Registers one more redirect URI.
    #[must_use]
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    /// Registers a name for a redirect URI, by which alone it is asked for.
    #[must_use]
    pub fn redirect_name(mut self, name: impl Into<String>, uri: impl Into<String>) -> Self {
        self.redirect_names.push((name.into(), uri.into()));
        self
    }

    pub(crate) fn is_public(&self) -> bool {
        self.authentication == Authentication::None
    }

    pub(crate) fn may_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris
            .iter()
            .any(|registered| registered == uri || same_but_loopback_port(registered, uri))
    }
}

impl fmt::Debug for Authentication {
    /// Tells the methods, never a secret.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("None"),
            Self::Secret { secrets, basic, post } => out
                .debug_struct("Secret")
                .field("secrets", &secrets.len())
                .field("basic", basic)
                .field("post", post)
                .finish(),
        }
    }
}

fn same_but_loopback_port(registered: &str, asked: &str) -> bool {
    let portless = |uri: &str| {
        let mut uri = Url::parse(uri).ok()?;
        let host = uri.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok()?;
        let loopback = uri.scheme() == "http" && host.is_loopback();
        (loopback && uri.set_port(None).is_ok()).then_some(uri)
    };
    portless(registered).is_some_and(|registered| portless(asked) == Some(registered))
}

/// The credentials of one request.
struct Presented {
    id: String,
    secret: Option<String>,
    /// Whether they came in the `Authorization` header.
    basic: bool,
}

/// Finds out which client sent the request. Whatever is wrong is told as `invalid_client` with a 401 and a
/// challenge, but for two methods at once, which is an `invalid_request`.
pub(crate) fn authenticate(
    settings: &Settings,
    request: &Request,
    form: &Form,
) -> Result<Client, OAuthError> {
    let Settings { clients, dialect, .. } = settings;
    if let HeaderCredentials::BasicSecret | HeaderCredentials::BearerSecret = dialect.credentials {
        return by_secret_alone(clients, dialect.credentials, request);
    }
    if dialect.credentials == HeaderCredentials::BasicAlways && form.get("client_id").is_some() {
        return Err(OAuthError::invalid_client("the client has to prove itself in the header"));
    }
    let presented = match request.headers().get(header::AUTHORIZATION) {
        Some(_) if form.get("client_secret").is_some() => {
            return Err(OAuthError::invalid_request("the client used two ways to authenticate at once"));
        }
        Some(value) => {
            let (id, secret) = value.to_str().ok().and_then(read_basic).ok_or_else(|| {
                OAuthError::invalid_client("the Authorization header holds no readable Basic credentials")
            })?;
            if form.get("client_id").is_some_and(|other| other != id) {
                return Err(OAuthError::invalid_request("the header and the body name different clients"));
            }
            Presented { id, secret: Some(secret).filter(|secret| !secret.is_empty()), basic: true }
        }
        None => Presented {
            id: form
                .get("client_id")
                .ok_or_else(|| OAuthError::invalid_client("the request names no client"))?
                .to_owned(),
            secret: form.get("client_secret").map(str::to_owned),
            basic: false,
        },
    };
    let client = clients
        .iter()
        .find(|client| client.id == presented.id)
        .ok_or_else(|| OAuthError::invalid_client("no such client is registered"))?;
    match (&client.authentication, presented.secret) {
        (Authentication::None, None) => Ok(client.clone()),
        (Authentication::None, Some(_)) => {
            Err(OAuthError::invalid_client("the client is public and has no secret"))
        }
        (Authentication::Secret { .. }, None) => {
            Err(OAuthError::invalid_client("the client's secret is missing"))
        }
        (Authentication::Secret { secrets, basic, post }, Some(secret)) => {
            if !(if presented.basic { *basic } else { *post }) {
                Err(OAuthError::invalid_client("the client may not authenticate in this way"))
            } else if !secrets.contains(&secret) {
                Err(OAuthError::invalid_client("the client's secret is wrong"))
            } else {
                Ok(client.clone())
            }
        }
    }
}

/// Finds the client whose secret the header holds, and nothing else.
fn by_secret_alone(
    clients: &[Client],
    wanted: HeaderCredentials,
    request: &Request,
) -> Result<Client, OAuthError> {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let presented = header.and_then(|header| match wanted {
        HeaderCredentials::BearerSecret => header.strip_prefix("Bearer ").map(str::to_owned),
        _ => read_basic(header).filter(|(_, password)| password.is_empty()).map(|(user, _)| user),
    });
    let theirs = |client: &&Client| match (&client.authentication, &presented) {
        (Authentication::Secret { secrets, .. }, Some(presented)) => secrets.contains(presented),
        _ => false,
    };
    let known = clients.iter().find(theirs).cloned();
    known.ok_or_else(|| OAuthError::invalid_client("the header does not hold a secret alone that is known"))
}

/// Reads Basic credentials, of which id and secret were form-encoded before (RFC 6749 §2.3.1).
fn read_basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let credentials = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = credentials.split_once(':')?;
    Some((form_decode(id)?, form_decode(secret)?))
}

/// Decodes one form-encoded value. An `&` in it means that it never was encoded.
fn form_decode(encoded: &str) -> Option<String> {
    if encoded.contains('&') {
        return None;
    }
    let as_pair = format!("={encoded}");
    Some(form_urlencoded::parse(as_pair.as_bytes()).next()?.1.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_credentials_are_form_decoded() {
        for (credentials, expected) in [
            ("id:secret", Some(("id", "secret"))),
            ("a%3Ab:c+d%2B%26%25", Some(("a:b", "c d+&%"))),
            ("id:base64==", Some(("id", "base64=="))),
            ("id:", Some(("id", ""))),
            ("id:never&encoded", None),
            ("no colon", None),
        ] {
            let read = read_basic(&format!("bAsIc {}", STANDARD.encode(credentials)));
            assert_eq!(read, expected.map(|(id, secret)| (id.into(), secret.into())), "{credentials}");
        }
        assert_eq!(read_basic("Bearer aWQ6c2VjcmV0"), None);
    }

    #[test]
    fn redirect_uris_match_exactly_but_for_loopback_ports() {
        for (registered, asked, allowed) in [
            ("https://app.example/cb", "https://app.example/cb", true),
            ("https://app.example/cb", "https://app.example/cb/", false),
            ("https://app.example/cb", "https://app.example:444/cb", false),
            ("com.example:/cb", "com.example:/cb", true),
            ("http://localhost:8724/callback", "http://localhost:8724/callback", true),
            ("http://localhost:8724/callback", "http://localhost:9/callback", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1:1/cb", "http://127.0.0.1:5000/cb", true),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/other", false),
            ("http://127.0.0.1/cb", "http://127.0.0.1:5000/cb?x=1", false),
            ("http://127.0.0.1/cb", "http://127.0.0.2:5000/cb", false),
            ("http://127.0.0.1/cb", "https://127.0.0.1:5000/cb", false),
            ("http://[::1]/cb", "http://[::1]:5000/cb", true),
            ("http://10.0.0.1/cb", "http://10.0.0.1:5000/cb", false),
        ] {
            let client = Client::public("app").redirect_uri(registered);
            assert_eq!(client.may_redirect_to(asked), allowed, "{registered} {asked}");
        }
    }

    #[test]
    fn a_secret_is_not_in_the_debug_output() {
        assert!(!format!("{:?}", Client::confidential("app", "hunter2")).contains("hunter2"));
    }
}
