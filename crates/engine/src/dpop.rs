//! Tokens that are bound to a key (RFC 9449): a proof with each request for them, and proofs for those who use them.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_core::secret::SecretString;
use vestal_oauth::client_auth::assert_anew;
use vestal_oauth::dpop::{Proof, attach, next_nonce, wants_nonce};
use vestal_oauth::http::Exchange;
use vestal_oauth::jwt::SigningKey;

use crate::{Engine, Error, Inner, IssuedToken};

/// Of how many servers a nonce is remembered. Who forgets one is told it again.
const SERVERS_MAX: usize = 1024;

/// The nonces that servers asked for last, by their origin.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    fn of(&self, server: &str) -> Option<String> {
        self.lock().get(server).cloned()
    }

    fn remember(&self, server: &str, nonce: String) {
        let mut nonces = self.lock();
        if nonces.len() >= SERVERS_MAX && !nonces.contains_key(server) {
            nonces.clear();
        }
        nonces.insert(server.to_owned(), nonce);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The key that a token is bound to.
#[derive(Clone)]
pub struct BoundKey(pub(crate) Arc<SigningKey>);

impl fmt::Debug for BoundKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BoundKey")
    }
}

impl Engine {
    /// A proof for one request to an API, made by whoever has the token. `nonce` is what the API asked for. `None`: the
    /// token is bound to no key.
    ///
    /// # Errors
    ///
    /// [`Error::Unsigned`].
    pub fn proof(
        &self,
        issued: &IssuedToken,
        method: &str,
        url: &Url,
        nonce: Option<&str>,
    ) -> Result<Option<SecretString>, Error> {
        let Some(BoundKey(key)) = &issued.bound_to else { return Ok(None) };
        let proof = Proof { method, url, nonce, access_token: Some(&issued.access_token) };
        let signed = proof.sign(key, self.inner.clock.now(), &*self.inner.entropy);
        signed.map(Some).map_err(|error| Error::Unsigned { detail: error.to_string() })
    }
}

impl Inner {
    /// Sends a token request, with a proof where its tokens are bound to a key.
    ///
    /// A server that answers `use_dpop_nonce` has looked at the proof and at nothing else: the request is sent once more,
    /// with the nonce, as docs/decisions/0010-dpop-nonce.md has it. Never a third time, and never when the first one might
    /// have been worked on. Who proves itself by an assertion makes another one for it: the server may have taken the first.
    pub(crate) async fn send(
        &self,
        mut request: Request<Bytes>,
        key: Option<&SigningKey>,
        deadline: Duration,
    ) -> Exchange {
        let Some(key) = key else { return self.http.send(request, deadline).await };
        let server = server(&request);
        let started = self.clock.uptime();
        let nonce = self.nonces.of(&server);
        let first = match self.proven(request.clone(), key, nonce.as_deref()) {
            Ok(proven) => self.http.send(proven, deadline).await,
            Err(detail) => return Exchange::NotSent { detail },
        };
        let Some(next) = next_nonce(&first) else { return first };
        self.nonces.remember(&server, next.clone());
        let left = deadline.saturating_sub(self.clock.uptime().saturating_sub(started));
        if !wants_nonce(&first) || nonce.as_ref() == Some(&next) || left.is_zero() {
            return first;
        }
        let anew = assert_anew(&mut request, self.clock.now(), &*self.entropy);
        let proven =
            anew.map_err(|error| error.to_string()).and_then(|()| self.proven(request, key, Some(&next)));
        let second = match proven {
            Ok(proven) => self.http.send(proven, left).await,
            Err(detail) => return Exchange::NotSent { detail },
        };
        if let Some(next) = next_nonce(&second) {
            self.nonces.remember(&server, next);
        }
        second
    }

    /// A request with a proof; or that it is not sent, and why.
    fn proven(
        &self,
        mut request: Request<Bytes>,
        key: &SigningKey,
        nonce: Option<&str>,
    ) -> Result<Request<Bytes>, String> {
        let url: Url = request
            .uri()
            .to_string()
            .parse()
            .map_err(|_| "the token endpoint's URL cannot be put into a proof".to_owned())?;
        let proof = Proof { method: request.method().as_str(), url: &url, nonce, access_token: None };
        let proof = proof.sign(key, self.clock.now(), &*self.entropy).map_err(|error| error.to_string())?;
        attach(&mut request, &proof);
        Ok(request)
    }
}

/// Whether a token of this type is of use only with a proof (RFC 9449 §5). Types are compared without case (RFC 6749 §5.1).
pub(crate) fn is_bound(token_type: &str) -> bool {
    token_type.eq_ignore_ascii_case("DPoP")
}

/// Where a request goes: what a nonce is remembered for.
fn server(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    format!("{}://{}", uri.scheme_str().unwrap_or_default(), uri.authority().map_or("", |it| it.as_str()))
}
