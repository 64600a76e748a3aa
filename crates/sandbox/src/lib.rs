//! An OAuth 2.0 authorization server in a box, for demos, tests and simulation.
//!
//! The heart is a pure state machine: [`Sandbox::handle`] takes a request and the time and gives a [`Reply`].
//! It reads no clock, draws all randomness from the seed it was made with, and does no I/O, so that the same
//! seed, requests and times always give the same answers. [`serve`] (cargo feature `http`, on by default) puts
//! it on a loopback socket.
//!
//! It behaves as RFC 6749 (the framework), RFC 6750 (bearer tokens), RFC 7636 (PKCE), RFC 7009 (revocation),
//! RFC 7662 (introspection), RFC 8252 (loopback redirects), RFC 8414 (metadata), RFC 8628 (devices), RFC 9207 (issuer
//! identification) and RFC 9700 (security practice) say, and models what providers do differently from one
//! another: lifetimes, rotation, grace, quotas and the shapes of their answers (see [`Settings`]). On top, it
//! misbehaves on request (see [`Fault`]).
//!
//! It is no place for real secrets: whoever knows the seed knows every token.

mod answer;
mod assertion;
mod authorize;
mod client_auth;
mod contacts;
mod device;
mod endpoint;
mod exchange;
mod fault;
mod form;
mod grants;
mod introspect;
mod memory;
mod metadata;
mod quota;
mod random;
mod refresh;
mod resource;
mod revoke;
mod settings;
#[cfg(feature = "http")]
mod shell;
mod stats;
mod token;
mod wording;

#[cfg(test)]
mod tests;

use std::fmt;

use bytes::Bytes;
use http::{HeaderValue, Method, header};

pub use assertion::ServiceAccount;
pub use client_auth::{Authentication, Client};
pub use contacts::{ApiErrorShape, Contact, ContactsApi};
pub use endpoint::Endpoint;
pub use fault::{Delivery, Fault, GrantType, Trouble};
pub use grants::{Death, DeathReason, GrantFacts, GrantId};
pub use settings::{
    Consent, Dialect, ExpiresIn, Grace, HeaderCredentials, Per, Quota, RefreshTokens, RetryAfter, Reuse,
    Rotation, Settings, TokenExchange,
};
#[cfg(feature = "http")]
pub use shell::{Server, Shared, serve};
pub use stats::{Families, Stats};
pub use wording::{Wording, Wordings};

use authorize::Code;
use contacts::Contacts;
use device::Device;
use fault::Faults;
use grants::Grants;
use memory::Memory;
use quota::Quotas;
use random::Random;

/// A request with its whole body. Only the path and query of its URI count.
pub type Request = http::Request<Bytes>;

/// A response with its whole body.
pub type Response = http::Response<Bytes>;

/// What the server answers, and how the answer travels.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The answer. Nobody sees it when the delivery is [`Delivery::DropConnection`].
    pub response: Response,
    /// What whoever carries the answer (the HTTP shell or a simulated network) must do with it.
    pub delivery: Delivery,
}

/// How many authorization codes and how many devices' codes are remembered; used ones of the former included, so that a
/// replay is recognised.
const CODES: usize = 10_000;

/// The authorization server: its settings and everything it has issued.
pub struct Sandbox {
    settings: Settings,
    random: Random,
    codes: Memory<Code>,
    devices: Memory<Device>,
    grants: Grants,
    quotas: Quotas,
    contacts: Contacts,
    faults: Faults,
    stats: Stats,
}

impl Sandbox {
    /// A server that has issued nothing yet. All its randomness comes from `seed`.
    pub fn new(settings: Settings, seed: u64) -> Self {
        Self {
            settings,
            random: Random::new(seed),
            codes: Memory::new(CODES),
            devices: Memory::new(CODES),
            grants: Grants::new(),
            quotas: Quotas::default(),
            contacts: Contacts::default(),
            faults: Faults::default(),
            stats: Stats::default(),
        }
    }

    /// For how long, in milliseconds, to hold a request that has just arrived before it is handed to
    /// [`Sandbox::handle`]: 0 unless a [`Trouble::Hold`] awaits it. Ask once per request: it consumes the fault.
    pub fn hold_ms(&mut self, request: &Request) -> u64 {
        let hold_ms = self.faults.take_hold(Endpoint::of(&self.settings, request), request);
        self.stats.faults += u64::from(hold_ms.is_some());
        hold_ms.unwrap_or(0)
    }

    /// Processes one request at `now_ms`, in milliseconds since the Unix epoch.
    ///
    /// A fault that awaits such a request is applied and used up. Every answer carries a `Date` made from
    /// `now_ms`. Never fails: a bad request gets the answer its endpoint's RFC prescribes.
    pub fn handle(&mut self, request: &Request, now_ms: u64) -> Reply {
        let endpoint = Endpoint::of(&self.settings, request);
        *self.stats.requests.entry(endpoint).or_default() += 1;
        let trouble = self.faults.take(endpoint, request);
        self.stats.faults += u64::from(trouble.is_some());
        let Reply { mut response, delivery } =
            fault::carry_out(trouble, || self.process(endpoint, request, now_ms));
        if let Ok(date) = HeaderValue::try_from(answer::http_date(now_ms)) {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        Reply { response, delivery }
    }

    fn process(&mut self, endpoint: Endpoint, request: &Request, now_ms: u64) -> Response {
        let exchanges = endpoint == Endpoint::Token && self.settings.dialect.exchange.is_some();
        if exchanges && request.method() == Method::GET {
            return self.exchange_access_token(request, now_ms);
        }
        if let Some(allowed) = endpoint.method()
            && request.method() != allowed
        {
            return answer::method_not_allowed(&allowed);
        }
        match endpoint {
            Endpoint::Metadata => self.metadata(),
            Endpoint::Authorize => self.authorize(request, now_ms),
            Endpoint::Token => self.token(request, now_ms),
            Endpoint::DeviceAuthorization => self.device_authorization(request, now_ms),
            Endpoint::Introspect => self.introspect(request, now_ms),
            Endpoint::Revoke => self.revoke(request, now_ms),
            Endpoint::Resource => self.resource(request, now_ms),
            Endpoint::SignUpForm => self.sign_up(request, now_ms),
            Endpoint::Unknown => answer::not_found(),
        }
    }

    /// Lets `fault` strike the next requests it matches. Faults strike in the order they were added.
    pub fn add_fault(&mut self, fault: Fault) {
        self.faults.add(fault);
    }

    /// Takes back every fault that has not struck yet.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The settings, to be changed while it runs, as providers do. What was issued keeps the lifetimes it was
    /// issued with; rules of rotation and clients' secrets change at once.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// What has happened so far, in numbers.
    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Every grant (token family) ever begun, oldest first, as it stands at `now_ms`.
    pub fn grants(&self, now_ms: u64) -> Vec<GrantFacts> {
        self.grants.facts(now_ms)
    }

    /// How many grants are alive and dead at `now_ms`.
    pub fn families(&self, now_ms: u64) -> Families {
        self.grants.families(now_ms)
    }

    /// Whether an access or refresh token would be accepted at `now_ms`: what introspection tells, without a
    /// client.
    pub fn is_active(&self, token: &str, now_ms: u64) -> bool {
        self.active_access_token(token, now_ms).is_some()
            || self.active_refresh_token(token, now_ms).is_some()
    }

    /// The user withdraws the consent in the provider's own pages: the grant and its tokens die at once.
    pub fn revoke_by_user(&mut self, grant: GrantId, now_ms: u64) {
        self.grants.kill(grant, DeathReason::RevokedByUser, now_ms);
    }
}

impl fmt::Debug for Sandbox {
    /// Tells the issuer and the numbers, never a token.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Sandbox")
            .field("issuer", &self.settings.issuer)
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
