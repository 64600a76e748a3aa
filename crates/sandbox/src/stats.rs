//! What has happened, in numbers.

use std::collections::BTreeMap;

use crate::Endpoint;

/// Counters since the sandbox began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests that arrived at each endpoint, whatever became of them.
    pub requests: BTreeMap<Endpoint, u64>,
    /// Codes handed out by the authorization endpoint.
    pub authorizations: u64,
    /// Times the user said no.
    pub denials: u64,
    /// Codes exchanged for tokens.
    pub exchanges: u64,
    /// Device codes exchanged for tokens.
    pub device_grants: u64,
    /// Tokens given to clients for themselves.
    pub client_credentials: u64,
    /// Tokens given for assertions.
    pub assertions: u64,
    /// Tokens given for others.
    pub token_exchanges: u64,
    /// Refreshes granted, retries inside a grace included.
    pub refreshes: u64,
    /// Refreshes granted for a superseded token inside its grace.
    pub grace_retries: u64,
    /// Superseded refresh tokens that came back outside their grace.
    pub reuses: u64,
    /// Requests answered with an error by the token endpoint; by a fault's answer not included.
    pub refusals: u64,
    /// Those among them that went over a quota.
    pub throttled: u64,
    /// Those among them that came before a token was old enough to be refreshed.
    pub too_early: u64,
    /// Tokens revoked by their clients.
    pub revocations: u64,
    /// Faults that struck.
    pub faults: u64,
}

/// Grants alive and dead at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// Those that can still give tokens.
    pub alive: usize,
    /// Those that cannot.
    pub dead: usize,
}
