//! What kind of provider the sandbox plays.

use serde_json::Value;

use crate::{Client, ContactsApi, ServiceAccount, Wordings};

/// How the server behaves. All times are in milliseconds, so that a demo may let a "day" last seconds.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier (RFC 8414 §2), for example `http://127.0.0.1:9000` or, with a path,
    /// `http://127.0.0.1:9000/tenant`. All endpoints lie below it, but for [`contacts`](Self::contacts).
    pub issuer: String,
    /// The registered clients.
    pub clients: Vec<Client>,
    /// Those whose assertions are believed (RFC 7523 §2.1).
    pub service_accounts: Vec<ServiceAccount>,
    /// Who consents: the `sub` of every grant begun from now on.
    pub subject: String,
    /// What the user answers at the authorization endpoint.
    pub consent: Consent,
    /// How long an authorization code lives.
    pub code_life_ms: u64,
    /// How long a device's codes live (RFC 8628 §3.2).
    pub device_code_life_ms: u64,
    /// How long a device has to wait between two polls.
    pub device_interval_ms: u64,
    /// How long an access token lives.
    pub access_token_life_ms: u64,
    /// How a token answer tells the access token's life.
    pub expires_in: ExpiresIn,
    /// The `token_type` of token answers as it is written: `Bearer`, or `bearer` as some providers do.
    pub token_type: &'static str,
    /// What refresh tokens there are and how they live.
    pub refresh_tokens: RefreshTokens,
    /// How many token requests are answered: each of these counts for itself. Without any: all.
    pub quotas: Vec<Quota>,
    /// The API for opt-in forms, where there is one.
    pub contacts: Option<ContactsApi>,
    /// How it words its errors.
    pub wordings: Wordings,
    /// How it wants its requests.
    pub dialect: Dialect,
}

impl Settings {
    /// A strict provider with customary lifetimes and no client yet: codes live 1 minute, access tokens 1 hour;
    /// refresh tokens rotate at every use, reuse is punished, and nothing else ends them.
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            clients: Vec::new(),
            service_accounts: Vec::new(),
            subject: "vesta".to_owned(),
            consent: Consent::Given,
            code_life_ms: 60_000,
            device_code_life_ms: 600_000,
            device_interval_ms: 5_000,
            access_token_life_ms: 3_600_000,
            expires_in: ExpiresIn::Number,
            token_type: "Bearer",
            refresh_tokens: RefreshTokens::default(),
            quotas: Vec::new(),
            contacts: None,
            wordings: Wordings::default(),
            dialect: Dialect::default(),
        }
    }

    /// Registers one more client.
    #[must_use]
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }
}

/// What the user answers when a client asks for access. Either way the answer comes at once, without a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Yes, to every scope.
    Given,
    /// No: `error=access_denied` (RFC 6749 §4.1.2.1).
    Denied,
}

/// Where a provider's requests are not those of RFC 6749.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// Bodies are JSON objects of texts, and forms are refused.
    pub json: bool,
    /// The parameters of token requests are in the query, and those in a body are not seen.
    pub query: bool,
    /// What the parameter `client_id` is called.
    pub client_id: &'static str,
    /// What the parameter `client_secret` is called.
    pub client_secret: &'static str,
    /// What the parameter `code` is called.
    pub code: &'static str,
    /// What the parameter `scope` of an authorization request is called.
    pub scope: &'static str,
    /// Whether a code challenge is refused.
    pub refuses_pkce: bool,
    /// What the `Authorization` header holds.
    pub credentials: HeaderCredentials,
    /// How the `User-Agent` of token requests has to begin.
    pub user_agent: &'static str,
    /// Whether a refresh has to repeat a registered redirect URI.
    pub repeats_redirect_uri: bool,
    /// Parameters without which no code is exchanged.
    pub exchange_parameters: Vec<(&'static str, &'static str)>,
    /// Parameters without which nothing is refreshed.
    pub refresh_parameters: Vec<(&'static str, &'static str)>,
    /// The field of the answer to a code within which the token set stands; none: the answer is the token set.
    pub exchange_place: Option<&'static str>,
    /// The same for the answer to a refresh.
    pub refresh_place: Option<&'static str>,
    /// What every success says. Errors then come with HTTP 200 and say something else.
    pub success: Option<(&'static str, Value)>,
    /// How access tokens themselves are exchanged. There are no refresh tokens then.
    pub exchange: Option<TokenExchange>,
}

/// What the `Authorization` header of a client holds that proves itself there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderCredentials {
    /// Identifier and secret (RFC 6749 §2.3.1).
    Basic,
    /// The same, and nothing else is taken: a public client sends an empty password.
    BasicAlways,
    /// The secret as the user name, with an empty password.
    BasicSecret,
    /// The secret as a bearer token.
    BearerSecret,
}

/// How access tokens themselves are exchanged: by a GET at the token endpoint. The one before stays valid.
#[derive(Clone, Copy, Debug)]
pub struct TokenExchange {
    /// The `grant_type` that makes a short-lived one a long-lived one, and needs the client's secret.
    pub lengthen: &'static str,
    /// The `grant_type` that makes a long-lived one a newer one; none where it cannot be renewed.
    pub renew: Option<&'static str>,
    /// The parameter that holds the access token.
    pub token: &'static str,
    /// How long a long-lived one lives.
    pub long_life_ms: u64,
    /// One that is younger is not renewed.
    pub minimum_age_ms: u64,
}

impl Default for Dialect {
    fn default() -> Self {
        Self {
            json: false,
            query: false,
            client_id: "client_id",
            client_secret: "client_secret",
            code: "code",
            scope: "scope",
            refuses_pkce: false,
            credentials: HeaderCredentials::Basic,
            user_agent: "",
            repeats_redirect_uri: false,
            exchange_parameters: Vec::new(),
            refresh_parameters: Vec::new(),
            exchange_place: None,
            refresh_place: None,
            success: None,
            exchange: None,
        }
    }
}

/// How a token answer tells the access token's life, which is counted in whole seconds, rounded down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiresIn {
    /// `"expires_in": 3600`, as RFC 6749 §5.1 says.
    Number,
    /// `"expires_in": "3600"`.
    Text,
    /// Not at all.
    Absent,
    /// `"expires_in": 0`, whatever the true life.
    Zero,
}

/// Which refresh tokens are issued and how they live and die.
#[derive(Clone, Debug)]
pub struct RefreshTokens {
    /// Issue one only when this is among the granted scopes, `offline_access` mostly; without it silently issue none.
    pub only_with_scope: Option<String>,
    /// What happens to a refresh token when it is used.
    pub rotation: Rotation,
    /// A refresh token not used for this long is dead. `None`: disuse does no harm.
    pub idle_limit_ms: Option<u64>,
    /// A refresh token this old is dead, used or not. `None`: age does no harm.
    pub absolute_limit_ms: Option<u64>,
    /// Whether a rotated token inherits its predecessor's absolute end (true) or starts a new life (false).
    pub absolute_end_is_inherited: bool,
    /// A refresh less than this after the token's issue or last use is refused with `invalid_request`. A retry
    /// inside a grace is exempt.
    pub minimum_age_ms: u64,
    /// Whether an answer with a refresh token also tells `refresh_token_expires_in`, in seconds: until
    /// whichever end comes first, 0 if there is none.
    pub tells_expires_in: bool,
}

impl Default for RefreshTokens {
    /// Always one; rotates at every use, reuse is punished; no other limit.
    fn default() -> Self {
        Self {
            only_with_scope: None,
            rotation: Rotation::Always { grace: Grace::None, reuse: Reuse::Punished },
            idle_limit_ms: None,
            absolute_limit_ms: None,
            absolute_end_is_inherited: true,
            minimum_age_ms: 0,
            tells_expires_in: false,
        }
    }
}

/// What happens to a refresh token when it is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It stays the same for ever; each use restarts its idle limit.
    Never {
        /// Whether the answer repeats it (true) or has no `refresh_token` (false).
        returns_old: bool,
    },
    /// A successor replaces it (RFC 9700 §4.14.2).
    Always {
        /// For how long the old one may be retried.
        grace: Grace,
        /// What happens when it comes back after that.
        reuse: Reuse,
    },
}

/// For how long a superseded refresh token is still good.
///
/// A retry inside the grace is answered with a fresh token set, never with a copy of the lost answer. The
/// successor that the earlier answer brought stays valid beside the new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grace {
    /// Not at all.
    None,
    /// This many milliseconds after its first use (Okta, Xero, Atlassian).
    For(u64),
    /// Until a successor of it has been used for a refresh (Shopify).
    UntilSuccessorUsed,
    /// For its whole own life (Entra).
    OldStaysValid,
}

/// What happens when a superseded refresh token comes back outside its grace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The whole grant is revoked, its access tokens included (RFC 9700 §4.14.2).
    Punished,
    /// The request is refused with `invalid_grant` and nothing else happens.
    Refused,
}

/// How many token requests may be made. Windows are fixed, and begin with a first request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// By whom.
    pub per: Per,
    /// The number of requests answered within a window, granted or not.
    pub requests: u32,
    /// The length of a window.
    pub window_ms: u64,
    /// How the 429 tells when to come back.
    pub retry_after: RetryAfter,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    /// A client's, whatever they ask for.
    Client,
    /// The refreshes of one grant.
    Grant,
}

/// The form of the `Retry-After` header (RFC 9110 §10.2.3), rounded up to whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// No such header.
    Absent,
    /// A number of seconds.
    Seconds,
    /// An HTTP date.
    HttpDate,
}
