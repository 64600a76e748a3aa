//! Grants (token families) and the tokens issued within them.

use crate::memory::Memory;
use crate::{Families, Grace, RefreshTokens, Rotation};

/// How many tokens of each kind are remembered. A token that is forgotten is an unknown one.
const TOKENS: usize = 1_000_000;

/// One consent and everything that was issued because of it. Numbered from 0 in the order of their beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GrantId(usize);

/// Why a grant can give no more tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathReason {
    /// Its refresh token was not used for longer than the idle limit.
    Idle,
    /// Its refresh token reached its absolute end.
    AbsoluteEnd,
    /// There never was a refresh token, and its only access token has expired.
    NeverRefreshable,
    /// A superseded refresh token came back, and reuse is punished.
    RefreshTokenReused,
    /// Its authorization code came back (RFC 6749 §4.1.2).
    CodeReused,
    /// The client revoked its refresh token (RFC 7009).
    RevokedByClient,
    /// The user withdrew the consent.
    RevokedByUser,
}

impl DeathReason {
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Idle => "the refresh token was not used for too long",
            Self::AbsoluteEnd => "the refresh token has reached the end of its life",
            Self::NeverRefreshable => "the grant never had a refresh token",
            Self::RefreshTokenReused => "the grant was revoked because a refresh token was used twice",
            Self::CodeReused => "the grant was revoked because its authorization code was used twice",
            Self::RevokedByClient => "the client revoked the grant",
            Self::RevokedByUser => "the user revoked the grant",
        }
    }
}

/// The end of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// Why.
    pub reason: DeathReason,
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: u64,
}

/// A grant as it stands. Times are in milliseconds since the Unix epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantFacts {
    /// Its number.
    pub id: GrantId,
    /// The client it was given to.
    pub client_id: String,
    /// The user who gave it.
    pub subject: String,
    /// What it allows, separated by spaces.
    pub scope: String,
    /// When its authorization code was exchanged.
    pub begun_ms: u64,
    /// How often it was refreshed; the last time is in `last_refresh_ms`.
    pub refreshes: u64,
    /// When it was last refreshed.
    pub last_refresh_ms: Option<u64>,
    /// How often a superseded refresh token of it came back outside its grace.
    pub reuses: u64,
    /// Its end, once that is past.
    pub death: Option<Death>,
}

/// What the server keeps about a grant.
pub(crate) struct Grant {
    /// Its facts, but for the death.
    facts: GrantFacts,
    killed: Option<Death>,
    /// When it ends by itself unless it is refreshed. Follows the newest refresh token, which lives longest.
    natural_end: Option<Death>,
}

impl Grant {
    pub(crate) fn client_id(&self) -> &str {
        &self.facts.client_id
    }

    pub(crate) fn subject(&self) -> &str {
        &self.facts.subject
    }

    pub(crate) fn scope(&self) -> &str {
        &self.facts.scope
    }

    pub(crate) fn death(&self, now_ms: u64) -> Option<Death> {
        let natural = self.natural_end.filter(|death| death.at_ms <= now_ms);
        [self.killed, natural].into_iter().flatten().min_by_key(|death| death.at_ms)
    }
}

/// Whom an access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The user of a grant.
    Grant(GrantId),
    /// The client itself (RFC 6749 §4.4).
    Client(String),
    /// A user, by what the client has brought.
    SpokenFor {
        /// The client.
        client: String,
        /// The user.
        subject: String,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct AccessToken {
    pub(crate) holder: Holder,
    pub(crate) scope: String,
    pub(crate) issued_ms: u64,
    pub(crate) expires_ms: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct RefreshToken {
    pub(crate) grant: GrantId,
    /// The token it was rotated from.
    pub(crate) parent: Option<String>,
    /// When it was issued or last used, whichever is later.
    pub(crate) used_ms: u64,
    pub(crate) idle_end_ms: Option<u64>,
    pub(crate) absolute_end_ms: Option<u64>,
    /// Set once a successor was issued.
    pub(crate) superseded: Option<Superseded>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Superseded {
    /// When the first successor was issued.
    pub(crate) at_ms: u64,
    /// Whether any successor was used for a refresh.
    pub(crate) successor_used: bool,
}

/// What a refresh token is good for at some time, the fate of its grant aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It may be used.
    Current,
    /// It is superseded, and may be retried.
    InGrace,
    /// It is superseded for good.
    Superseded,
    /// It has died by itself.
    Ended(Death),
}

impl RefreshToken {
    pub(crate) fn end(&self) -> Option<Death> {
        let idle = self.idle_end_ms.map(|at_ms| Death { reason: DeathReason::Idle, at_ms });
        let absolute = self.absolute_end_ms.map(|at_ms| Death { reason: DeathReason::AbsoluteEnd, at_ms });
        [idle, absolute].into_iter().flatten().min_by_key(|death| death.at_ms)
    }

    pub(crate) fn standing(&self, rotation: Rotation, now_ms: u64) -> Standing {
        let grace = match rotation {
            Rotation::Always { grace, .. } => grace,
            Rotation::Never { .. } => Grace::None,
        };
        let in_grace = self.superseded.map(|Superseded { at_ms, successor_used }| match grace {
            Grace::None => false,
            Grace::For(grace_ms) => now_ms.saturating_sub(at_ms) < grace_ms,
            Grace::UntilSuccessorUsed => !successor_used,
            Grace::OldStaysValid => true,
        });
        // Reuse outranks age: a token that comes back late was stolen no less.
        if in_grace == Some(false) {
            return Standing::Superseded;
        }
        match (self.end(), in_grace) {
            (Some(end), _) if end.at_ms <= now_ms => Standing::Ended(end),
            (_, None) => Standing::Current,
            (_, Some(_)) => Standing::InGrace,
        }
    }
}

/// Everything that was granted.
pub(crate) struct Grants {
    grants: Vec<Grant>,
    access_tokens: Memory<AccessToken>,
    refresh_tokens: Memory<RefreshToken>,
}

impl Grants {
    pub(crate) fn new() -> Self {
        Self { grants: Vec::new(), access_tokens: Memory::new(TOKENS), refresh_tokens: Memory::new(TOKENS) }
    }

    /// Begins a grant with no tokens yet.
    pub(crate) fn begin(&mut self, client_id: &str, subject: &str, scope: &str, now_ms: u64) -> GrantId {
        let id = GrantId(self.grants.len());
        let facts = GrantFacts {
            id,
            client_id: client_id.to_owned(),
            subject: subject.to_owned(),
            scope: scope.to_owned(),
            begun_ms: now_ms,
            refreshes: 0,
            last_refresh_ms: None,
            reuses: 0,
            death: None,
        };
        self.grants.push(Grant { facts, killed: None, natural_end: None });
        id
    }

    pub(crate) fn grant(&self, id: GrantId) -> &Grant {
        &self.grants[id.0]
    }

    pub(crate) fn families(&self, now_ms: u64) -> Families {
        let dead = self.grants.iter().filter(|grant| grant.death(now_ms).is_some()).count();
        Families { alive: self.grants.len() - dead, dead }
    }

    pub(crate) fn facts(&self, now_ms: u64) -> Vec<GrantFacts> {
        let facts = |grant: &Grant| GrantFacts { death: grant.death(now_ms), ..grant.facts.clone() };
        self.grants.iter().map(facts).collect()
    }

    /// Revokes a grant and its access tokens. One that is dead already keeps its first death.
    pub(crate) fn kill(&mut self, id: GrantId, reason: DeathReason, now_ms: u64) {
        self.grants[id.0].killed.get_or_insert(Death { reason, at_ms: now_ms });
        self.access_tokens.retain(|token| token.holder != Holder::Grant(id));
    }

    pub(crate) fn count_refresh(&mut self, id: GrantId, now_ms: u64) {
        let facts = &mut self.grants[id.0].facts;
        facts.refreshes += 1;
        facts.last_refresh_ms = Some(now_ms);
    }

    pub(crate) fn count_reuse(&mut self, id: GrantId) {
        self.grants[id.0].facts.reuses += 1;
    }

    pub(crate) fn add_access_token(&mut self, value: String, token: AccessToken) {
        self.access_tokens.insert(value, token);
    }

    /// Notes that a grant gets no refresh token, so that it ends when its access token does.
    pub(crate) fn never_refreshable(&mut self, id: GrantId, at_ms: u64) {
        self.grants[id.0].natural_end = Some(Death { reason: DeathReason::NeverRefreshable, at_ms });
    }

    pub(crate) fn add_refresh_token(&mut self, value: String, token: RefreshToken) {
        self.grants[token.grant.0].natural_end = token.end();
        self.refresh_tokens.insert(value, token);
    }

    /// An access token that has neither expired nor been revoked.
    pub(crate) fn access_token(&self, value: &str, now_ms: u64) -> Option<&AccessToken> {
        self.access_tokens.get(value).filter(|token| now_ms < token.expires_ms)
    }

    /// The client an access token was issued to.
    pub(crate) fn client_of<'a>(&'a self, token: &'a AccessToken) -> &'a str {
        match &token.holder {
            Holder::Grant(id) => self.grant(*id).client_id(),
            Holder::Client(id) | Holder::SpokenFor { client: id, .. } => id,
        }
    }

    pub(crate) fn remove_access_token(&mut self, value: &str) {
        self.access_tokens.remove(value);
    }

    /// A refresh token, whatever its standing.
    pub(crate) fn refresh_token(&self, value: &str) -> Option<&RefreshToken> {
        self.refresh_tokens.get(value)
    }

    /// Restarts the idle limit of a refresh token that does not rotate.
    pub(crate) fn prolong(&mut self, value: &str, rules: &RefreshTokens, now_ms: u64) {
        if let Some(token) = self.refresh_tokens.get_mut(value) {
            token.used_ms = now_ms;
            token.idle_end_ms = rules.idle_limit_ms.map(|limit_ms| now_ms.saturating_add(limit_ms));
            self.grants[token.grant.0].natural_end = token.end();
        }
    }

    /// Notes that a refresh token was used and a successor is about to be issued.
    pub(crate) fn supersede(&mut self, value: &str, now_ms: u64) {
        let Some(token) = self.refresh_tokens.get_mut(value) else {
            return;
        };
        token.used_ms = now_ms;
        token.superseded.get_or_insert(Superseded { at_ms: now_ms, successor_used: false });
        if let Some(parent) = token.parent.clone()
            && let Some(RefreshToken { superseded: Some(superseded), .. }) =
                self.refresh_tokens.get_mut(&parent)
        {
            superseded.successor_used = true;
        }
    }
}
