//! The OAuth 2.0 client.
//!
//! Requests are built by pure functions, one file per grant ([`authorization_code`], [`refresh_token`],
//! [`client_credentials`], [`device`], [`exchange`]) beside [`revocation`], [`introspection`] and [`discovery`]; how
//! a client proves itself is in [`client_auth`]; answers are read tolerantly by [`read`].
//! In between lies the port [`http::Http`], from request bytes to response bytes, so that whatever stands in
//! for the network in a test or a simulation goes through the real reader.
//!
//! Nothing here retries, follows a redirect or keeps a connection open: one call is at most one request on
//! the wire, because a refresh token that rotates may be sent once only.

pub mod account;
pub mod api;
pub mod authorization_code;
pub mod callback;
pub mod certificate;
pub mod client_auth;
pub mod client_credentials;
#[cfg(feature = "reqwest")]
mod connected;
pub mod departure;
pub mod device;
pub mod discovery;
pub mod document;
pub mod dpop;
pub mod endpoint;
pub mod exchange;
pub mod http;
pub mod id_token;
pub mod introspection;
pub mod issuer;
pub mod jwks;
pub mod jwt;
pub mod jwt_bearer;
pub mod lookup;
#[cfg(feature = "reqwest")]
mod patience;
pub mod pkce;
pub mod pushed_authorization;
pub mod read;
pub mod refresh_token;
#[cfg(feature = "reqwest")]
pub mod reqwest_http;
pub mod revocation;
pub mod sent;
pub mod token_exchange;

mod form;
pub mod http_date;
mod words;

pub use form::Unsendable;
