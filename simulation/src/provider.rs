//! Providers of every kind: how each behaves, and what its file says of that.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use url::Url;
use vestal_core::client::{ClientAuth, Endpoints};
use vestal_core::provider::Provider;
use vestal_engine::NewClient;
use vestal_sandbox::{
    Client, Grace, GrantFacts, GrantId, Per, Quota, RefreshTokens, Request, RetryAfter, Reuse, Rotation,
    Sandbox, Settings,
};

use crate::dice::Dice;
use crate::lock;
use crate::time::{DAY, HOUR, MINUTE, SECOND, Timeline};

pub(crate) const REDIRECT_URI: &str = "http://localhost:8724/callback";
const SECRET: &str = "the client's secret";

/// How a provider treats a refresh token that it has replaced. The truth; its file may be silent about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It is never replaced.
    NoRotation,
    /// The old one revokes the grant.
    Punished,
    /// The old one is refused.
    Refused,
    /// The old one is good for this long; then it revokes the grant.
    GraceThenPunished(Duration),
    /// The old one is good until the new one was used; then it revokes the grant.
    UntilSuccessorUsed,
    /// The old one is as good as the new one.
    OldStaysValid,
}

impl Kind {
    /// Whether trying a refresh token again, whose answer was lost, always brings another answer.
    pub(crate) fn loses_nothing(self) -> bool {
        matches!(self, Self::NoRotation | Self::UntilSuccessorUsed | Self::OldStaysValid)
    }
}

/// One provider of a world.
pub(crate) struct Place {
    pub(crate) index: usize,
    pub(crate) kind: Kind,
    /// Whether its file says of what kind it is.
    pub(crate) declared: bool,
    pub(crate) access_token_life: Duration,
    pub(crate) idle_limit: Option<Duration>,
    pub(crate) absolute_life: Option<Duration>,
    /// Its file, read.
    pub(crate) profile: Provider,
    sandbox: Mutex<Sandbox>,
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p{}: {:?}{}, access token {:?}, idle limit {:?}, absolute end {:?}",
            self.index,
            self.kind,
            if self.declared { "" } else { " (its file does not say)" },
            self.access_token_life,
            self.idle_limit,
            self.absolute_life
        )
    }
}

impl Place {
    /// A provider as the dice fall.
    pub(crate) fn draw(index: usize, dice: &mut Dice) -> Self {
        let kind = match dice.below(8) {
            0 => Kind::NoRotation,
            1 | 2 => Kind::Punished,
            3 => Kind::GraceThenPunished(30 * SECOND),
            4 => Kind::GraceThenPunished(10 * MINUTE),
            5 => Kind::UntilSuccessorUsed,
            6 => Kind::OldStaysValid,
            _ => Kind::Refused,
        };
        let access_token_life = dice.pick(&[HOUR, 8 * HOUR, 12 * HOUR, 24 * HOUR, 24 * HOUR, 10 * DAY]);
        let minimum_age = (access_token_life >= 10 * DAY && dice.chance(0.5)).then_some(DAY);
        let idle_limit = dice.pick(&[None, Some(14 * DAY), Some(30 * DAY), Some(180 * DAY)]);
        let absolute_life = dice.chance(0.2).then(|| dice.pick(&[40 * DAY, 180 * DAY, 365 * DAY]));
        // A file cannot say that something may lie unused for longer than it lives.
        let idle_limit = idle_limit.filter(|idle| absolute_life.is_none_or(|life| *idle <= life));
        let tells = dice.chance(0.3) && (idle_limit.is_some() || absolute_life.is_some());
        let quota = dice.chance(0.3).then(|| {
            let (requests, window) = dice.pick(&[(30, MINUTE), (60, HOUR), (4, 10 * SECOND)]);
            let retry_after = dice.pick(&[RetryAfter::Absent, RetryAfter::Seconds, RetryAfter::HttpDate]);
            Quota { per: Per::Client, requests, window_ms: ms(window), retry_after }
        });
        let returns_old = dice.chance(0.5);

        let issuer = issuer(index);
        let mut settings =
            Settings::new(&issuer).client(Client::confidential("vestal", SECRET).redirect_uri(REDIRECT_URI));
        settings.access_token_life_ms = ms(access_token_life);
        settings.quotas = quota.into_iter().collect();
        settings.refresh_tokens = RefreshTokens {
            rotation: rotation(kind, returns_old),
            idle_limit_ms: idle_limit.map(ms),
            absolute_limit_ms: absolute_life.map(ms),
            absolute_end_is_inherited: true,
            minimum_age_ms: minimum_age.map_or(0, ms),
            tells_expires_in: tells,
            ..RefreshTokens::default()
        };
        // What a file does not say is either learned or assumed; an idle limit shorter than is assumed has to be said.
        let declared = dice.chance(0.8);
        let facts = Facts { kind: declared.then_some(kind), idle_limit, absolute_life, minimum_age };
        let text = facts.file(index, &issuer);
        let profile = Provider::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:?} in\n{text}"));
        let sandbox = Mutex::new(Sandbox::new(settings, dice.roll()));
        Self { index, kind, declared, access_token_life, idle_limit, absolute_life, profile, sandbox }
    }

    pub(crate) fn host(&self) -> String {
        format!("p{}.example", self.index)
    }

    /// Hands a request over.
    pub(crate) fn handle(&self, request: &Request, timeline: Timeline) -> vestal_sandbox::Reply {
        lock(&self.sandbox).handle(request, timeline.unix_ms())
    }

    /// What the user is redirected to who says yes to what this URL asks for.
    pub(crate) fn consent(&self, url: &Url, subject: &str, timeline: Timeline) -> Option<Url> {
        let request = http::Request::get(url.as_str()).body(Bytes::new()).ok()?;
        let mut sandbox = lock(&self.sandbox);
        subject.clone_into(&mut sandbox.settings_mut().subject);
        let reply = sandbox.handle(&request, timeline.unix_ms());
        reply.response.headers().get("location")?.to_str().ok()?.parse().ok()
    }

    /// The grant begun last.
    pub(crate) fn newest_grant(&self, timeline: Timeline) -> Option<GrantFacts> {
        lock(&self.sandbox).grants(timeline.unix_ms()).pop()
    }

    /// One grant as it stands.
    pub(crate) fn grant(&self, id: GrantId, timeline: Timeline) -> Option<GrantFacts> {
        lock(&self.sandbox).grants(timeline.unix_ms()).into_iter().find(|facts| facts.id == id)
    }

    pub(crate) fn revoke_by_user(&self, id: GrantId, timeline: Timeline) {
        lock(&self.sandbox).revoke_by_user(id, timeline.unix_ms());
    }

    /// Whether it would accept an access or a refresh token.
    pub(crate) fn accepts(&self, token: &str, timeline: Timeline) -> bool {
        lock(&self.sandbox).is_active(token, timeline.unix_ms())
    }

    pub(crate) fn refreshes(&self) -> u64 {
        lock(&self.sandbox).stats().refreshes
    }

    /// Our registration with it.
    pub(crate) fn client(&self) -> NewClient {
        let issuer = issuer(self.index);
        let at =
            |path: &str| format!("{issuer}/{path}").parse().unwrap_or_else(|_| panic!("{issuer} is a URL"));
        NewClient {
            name: self.profile.id.clone(),
            provider: self.profile.id.clone(),
            client_id: "vestal".into(),
            auth: ClientAuth::ClientSecretBasic,
            secret: Some(SECRET.into()),
            redirect_uri: REDIRECT_URI.parse().unwrap_or_else(|_| panic!("{REDIRECT_URI} is a URL")),
            scopes: vec!["contacts".into(), "offline_access".into()],
            endpoints: Endpoints {
                issuer: Some(issuer.clone()),
                authorization: Some(at("authorize")),
                revocation: Some(at("revoke")),
                sends_iss: true,
                ..Endpoints::at(at("token"))
            },
        }
    }
}

fn issuer(index: usize) -> String {
    format!("https://p{index}.example")
}

fn rotation(kind: Kind, returns_old: bool) -> Rotation {
    let always = |grace, reuse| Rotation::Always { grace, reuse };
    match kind {
        Kind::NoRotation => Rotation::Never { returns_old },
        Kind::Punished => always(Grace::None, Reuse::Punished),
        Kind::Refused => always(Grace::None, Reuse::Refused),
        Kind::GraceThenPunished(grace) => always(Grace::For(ms(grace)), Reuse::Punished),
        Kind::UntilSuccessorUsed => always(Grace::UntilSuccessorUsed, Reuse::Punished),
        Kind::OldStaysValid => always(Grace::OldStaysValid, Reuse::Refused),
    }
}

/// What a provider's file says.
struct Facts {
    kind: Option<Kind>,
    idle_limit: Option<Duration>,
    absolute_life: Option<Duration>,
    minimum_age: Option<Duration>,
}

impl Facts {
    fn file(&self, index: usize, issuer: &str) -> String {
        let mut text = format!(
            "id = \"p{index}\"\nname = \"Provider {index}\"\nregister = \"Nothing to do.\"\n\
             [endpoints]\ntoken = {{ is = \"{issuer}/token\", unverified = true }}\n"
        );
        if let Some(age) = self.minimum_age {
            text += &format!("[access_token]\n{}", fact("minimum_age", &length(age)));
        }
        text += "[refresh_token]\n";
        text += &fact("idle_limit", &self.idle_limit.map_or("none".into(), length));
        text += &self.absolute_life.map_or(String::new(), |life| fact("absolute_life", &length(life)));
        let (rotation, grace, reuse) = match self.kind {
            None => return text,
            Some(Kind::NoRotation) => return text + &fact("rotation", "never"),
            Some(Kind::Punished) => ("always", "none".to_owned(), "punished"),
            Some(Kind::Refused) => ("always", "none".to_owned(), "harmless"),
            Some(Kind::GraceThenPunished(grace)) => ("always", length(grace), "punished"),
            Some(Kind::UntilSuccessorUsed) => ("always", "until-successor-used".to_owned(), "punished"),
            Some(Kind::OldStaysValid) => ("always", "old-stays-valid".to_owned(), "harmless"),
        };
        text + &fact("rotation", rotation) + &fact("grace", &grace) + &fact("reuse", reuse)
    }
}

fn fact(name: &str, value: &str) -> String {
    format!("{name} = {{ is = \"{value}\", unverified = true }}\n")
}

fn length(length: Duration) -> String {
    format!("{}s", length.as_secs())
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The providers of a world.
pub(crate) type Places = Arc<Vec<Place>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_file_that_can_be_read() {
        for seed in 0..200 {
            let place = Place::draw(0, &mut Dice::new(seed));
            let says_nothing = place.profile.grace() == vestal_core::provider::Grace::Unknown;
            assert_eq!(place.declared && place.kind != Kind::NoRotation, !says_nothing, "{place:?}");
        }
    }
}
