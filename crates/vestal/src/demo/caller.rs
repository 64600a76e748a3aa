//! What the demo itself says to the sandbox over HTTP: as the person's browser, as the program that uses the
//! token, and as the program that leaves its grant alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use http::{Method, Request, header};
use url::{Url, form_urlencoded};
use vestal_core::secret::{ExposeSecret as _, SecretString};
use vestal_oauth::http::{Answer, Exchange, Http};

/// The longest time the sandbox, on this very machine, may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// Sends requests to the sandbox.
#[derive(Clone)]
pub(crate) struct Caller {
    http: Arc<dyn Http>,
    issuer: String,
}

impl Caller {
    pub(crate) fn new(http: Arc<dyn Http>, issuer: &str) -> Self {
        Self { http, issuer: issuer.to_owned() }
    }

    /// Opens an authorization request as the person's browser does. The sandbox consents by itself and answers
    /// with a redirect (RFC 6749 §4.1.2), which is returned rather than followed: the demo is the client that
    /// waits at its other end.
    pub(crate) async fn consent(&self, authorization: &Url) -> anyhow::Result<Url> {
        let answer = self.send(Request::get(authorization.as_str()), Bytes::new()).await?;
        let location = answer.headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location =
            location.with_context(|| format!("the sandbox answered {} and no redirect", answer.status))?;
        Url::parse(location).context("the sandbox redirected to something that is no URL")
    }

    /// Posts a form to the token endpoint (RFC 6749 §3.2).
    pub(crate) async fn token(&self, form: &[(&str, &str)]) -> anyhow::Result<Answer> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/token", self.issuer))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request, body.into()).await
    }

    /// Uses an access token at the protected resource (RFC 6750 §2.1).
    pub(crate) async fn me(&self, access_token: &SecretString) -> anyhow::Result<Answer> {
        let request = Request::get(format!("{}/api/me", self.issuer))
            .header(header::AUTHORIZATION, format!("Bearer {}", access_token.expose_secret()));
        self.send(request, Bytes::new()).await
    }

    async fn send(&self, request: http::request::Builder, body: Bytes) -> anyhow::Result<Answer> {
        let request = request.body(body).context("a request to the sandbox could not be made")?;
        match self.http.send(request, DEADLINE).await {
            Exchange::Answered(answer) => Ok(answer),
            Exchange::NotSent { detail }
            | Exchange::ClientUnfit { detail }
            | Exchange::NoAnswer { detail } => {
                bail!("the sandbox does not answer: {detail}")
            }
        }
    }
}
