//! From what a provider's file says to how the sandbox behaves. Pure.
//!
//! What the file does not say is lived in each way that it may be.

use std::time::Duration;

use vestal_core::client::ClientAuth;
use vestal_core::provider::{self, Encoding, IdleLimit, Provider};
use vestal_sandbox::{
    Authentication, Client, Dialect, ExpiresIn, Grace, HeaderCredentials, RefreshTokens, Reuse, Rotation,
    Settings,
};

use crate::lives::{alone, wordings};
use crate::time::{DAY, HOUR, SECOND};

/// Where the sandbox thinks that it is.
pub(crate) const ISSUER: &str = "https://provider.example";

/// Where its users come back to: https, which everybody accepts.
pub(crate) const REDIRECT_URI: &str = "https://app.example/callback";

/// Our registration.
pub(crate) const CLIENT_ID: &str = "vestal";
pub(crate) const SECRET: &str = "the client's secret";

/// The idle limit that Vestal assumes where none is known (design, "Keep-alive"). No provider that is known has a
/// shorter one.
const ASSUMED_IDLE_LIMIT: Duration = Duration::from_secs(7 * 86_400);

/// A grace that nobody has written down, as many providers have one.
const SILENT_GRACE: Duration = Duration::from_secs(60);

/// What has no end outlives every course.
pub(crate) const ENDLESS: Duration = Duration::from_secs(100 * 365 * 86_400);

/// One way in which a provider may behave.
#[derive(Clone, Debug)]
pub struct Behaviour {
    /// What tells it from the others: what the file leaves open, and what was chosen.
    pub chosen: Vec<String>,
    /// How long an access token lives.
    pub access_token_life: Duration,
    /// After which time of disuse a refresh token dies, or an access token that is exchanged itself.
    pub idle_limit: Option<Duration>,
    /// When it dies whatever is done; an access token, where there is nothing else.
    pub absolute_life: Option<Duration>,
    /// Whether an answer that is lost can be asked for again.
    pub survives_lost_answers: bool,
    /// What the sandbox is to be.
    pub settings: Settings,
}

/// Something that a file leaves open: what is chosen, in words where it says nothing, and its value.
type Ways<T> = Vec<(Option<String>, T)>;

/// Every way in which a provider may behave.
pub fn behaviours(provider: &Provider) -> Vec<Behaviour> {
    if !provider.issues_refresh_tokens() {
        return alone::behaviours(provider);
    }
    let mut all = Vec::new();
    for (life_said, life) in access_tokens(provider) {
        for (rotation_said, rotation) in rotations(provider) {
            for (idle_said, idle_limit) in idle_limits(provider) {
                let told = if all.len().is_multiple_of(2) { Told::Yes } else { Told::No };
                let absolute_life = provider.absolute_life().map(|known| known.life);
                // Where there is an end, whether answers say it decides who has to know it.
                let tolds = if absolute_life.is_some() { vec![Told::Yes, Told::No] } else { vec![told] };
                for told in tolds {
                    let tells = told == Told::Yes && (idle_limit.is_some() || absolute_life.is_some());
                    let said = [life_said.clone(), rotation_said.clone(), idle_said.clone()];
                    let mut chosen: Vec<String> = said.into_iter().flatten().collect();
                    chosen.extend(tells.then(|| "answers say when the refresh token ends".to_owned()));
                    let tokens = RefreshTokens {
                        rotation,
                        idle_limit_ms: idle_limit.map(ms),
                        absolute_limit_ms: absolute_life.map(ms),
                        absolute_end_is_inherited: true,
                        minimum_age_ms: provider.minimum_age().map_or(0, ms),
                        tells_expires_in: tells,
                        only_with_scope: provider
                            .authorization
                            .offline_scope
                            .as_ref()
                            .map(|fact| fact.value.clone()),
                    };
                    all.push(Behaviour {
                        chosen,
                        access_token_life: life.life,
                        idle_limit,
                        absolute_life,
                        survives_lost_answers: survives_lost_answers(rotation),
                        settings: Settings {
                            wordings: wordings::of(provider, all.len()),
                            ..settings(provider, life, tokens)
                        },
                    });
                }
            }
        }
    }
    all
}

/// Whether answers say when the refresh token ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Yes,
    No,
}

/// An access token's life, and how answers tell it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AccessTokens {
    pub(crate) life: Duration,
    pub(crate) told: ExpiresIn,
}

fn access_tokens(provider: &Provider) -> Ways<AccessTokens> {
    match provider.access_token_life() {
        None if provider.access_tokens_are_endless() => {
            vec![(None, AccessTokens { life: ENDLESS, told: ExpiresIn::Absent })]
        }
        Some(life) => vec![(None, AccessTokens { life, told: ExpiresIn::Number })],
        None => vec![
            (
                Some("access tokens live 1 h, as answers say".to_owned()),
                AccessTokens { life: HOUR, told: ExpiresIn::Number },
            ),
            (
                Some("access tokens live 1 d, which nobody says".to_owned()),
                AccessTokens { life: DAY, told: ExpiresIn::Absent },
            ),
        ],
    }
}

fn idle_limits(provider: &Provider) -> Ways<Option<Duration>> {
    match provider.idle_limit() {
        IdleLimit::After { limit, .. } => vec![(None, Some(limit))],
        IdleLimit::Endless => vec![(None, None)],
        IdleLimit::Unknown => vec![
            (Some("dies after 7 d of disuse".to_owned()), Some(ASSUMED_IDLE_LIMIT)),
            (Some("never dies of disuse".to_owned()), None),
        ],
    }
}

fn rotations(provider: &Provider) -> Ways<Rotation> {
    let never = |returns_old| {
        let said =
            if returns_old { "the same refresh token comes back" } else { "no refresh token comes back" };
        (Some(said.to_owned()), Rotation::Never { returns_old })
    };
    match provider.rotation() {
        provider::Rotation::Never => vec![never(true), never(false)],
        provider::Rotation::Always => replacing(provider),
        provider::Rotation::AppSetting => {
            let mut ways = vec![never(true)];
            ways.extend(replacing(provider).into_iter().map(|(said, way)| (also("rotates", said), way)));
            ways
        }
        provider::Rotation::Unknown => {
            let mut ways = vec![never(true), never(false)];
            ways.extend(replacing(provider).into_iter().map(|(said, way)| (also("rotates", said), way)));
            ways
        }
    }
}

/// Refresh tokens that are replaced when they are used.
fn replacing(provider: &Provider) -> Ways<Rotation> {
    let graces: Ways<Grace> = match provider.grace() {
        provider::Grace::None => vec![(None, Grace::None)],
        provider::Grace::For(grace) => vec![(None, Grace::For(ms(grace)))],
        provider::Grace::UntilSuccessorUsed => vec![(None, Grace::UntilSuccessorUsed)],
        provider::Grace::OldStaysValid => vec![(None, Grace::OldStaysValid)],
        provider::Grace::Unknown => vec![
            (Some("no grace".to_owned()), Grace::None),
            (Some("a grace of a minute".to_owned()), Grace::For(ms(SILENT_GRACE))),
        ],
    };
    let reuses: Ways<Reuse> = match provider.reuse() {
        provider::Reuse::Punished => vec![(None, Reuse::Punished)],
        provider::Reuse::Harmless => vec![(None, Reuse::Refused)],
        provider::Reuse::Unknown => vec![
            (Some("reuse is punished".to_owned()), Reuse::Punished),
            (Some("reuse is refused".to_owned()), Reuse::Refused),
        ],
    };
    let mut ways = Vec::new();
    for (grace_said, grace) in graces {
        for (reuse_said, reuse) in &reuses {
            let said: Vec<String> = [grace_said.clone(), reuse_said.clone()].into_iter().flatten().collect();
            let said = Some(said.join(", ")).filter(|said| !said.is_empty());
            ways.push((said, Rotation::Always { grace, reuse: *reuse }));
        }
    }
    ways
}

fn also(first: &str, said: Option<String>) -> Option<String> {
    Some(said.map_or_else(|| first.to_owned(), |said| format!("{first}, {said}")))
}

/// Whether a refresh token whose answer was lost brings another one.
fn survives_lost_answers(rotation: Rotation) -> bool {
    match rotation {
        Rotation::Never { .. } => true,
        Rotation::Always { grace, .. } => grace != Grace::None,
    }
}

/// What the sandbox is to be, but for its words.
pub(crate) fn settings(provider: &Provider, life: AccessTokens, refresh_tokens: RefreshTokens) -> Settings {
    let mut settings = Settings::new(ISSUER).client(client(provider));
    settings.access_token_life_ms = ms(life.life);
    settings.expires_in = life.told;
    settings.refresh_tokens = refresh_tokens;
    settings.dialect = Dialect {
        json: provider.requests.encoding() == Encoding::Json,
        query: provider.requests.encoding() == Encoding::Query,
        client_id: known(provider.requests.name("client_id")),
        client_secret: known(provider.requests.name("client_secret")),
        code: known(provider.requests.name("code")),
        scope: known(provider.requests.name("scope")),
        refuses_pkce: !provider.requests.pkce(),
        credentials: match provider.requests.credentials() {
            provider::HeaderCredentials::Basic => HeaderCredentials::Basic,
            provider::HeaderCredentials::BasicAlways => HeaderCredentials::BasicAlways,
            provider::HeaderCredentials::BasicSecret => HeaderCredentials::BasicSecret,
            provider::HeaderCredentials::BearerSecret => HeaderCredentials::BearerSecret,
        },
        repeats_redirect_uri: provider.requests.repeats_redirect_uri(),
        exchange_place: place(provider.answers.to_exchange().places),
        refresh_place: place(provider.answers.to_refresh().places),
        ..Dialect::default()
    };
    settings
}

/// The sandbox knows the names by which it was made: those of parameters, and of ways to exchange an access token.
pub(crate) fn known(name: &str) -> &'static str {
    const NAMES: [&str; 13] = [
        "access_token",
        "app_id",
        "auth_code",
        "client_id",
        "client_key",
        "client_secret",
        "code",
        "fb_exchange_token",
        "ig_exchange_token",
        "ig_refresh_token",
        "scope",
        "secret",
        "user_scope",
    ];
    let found = NAMES.into_iter().find(|known| *known == name);
    found.unwrap_or_else(|| panic!("the sandbox has to be told that there is a name {name:?}"))
}

/// Where the token set stands in an answer, if not by itself.
fn place(places: &[String]) -> Option<&'static str> {
    match places.first().map(String::as_str) {
        Some("authed_user") => Some("authed_user"),
        Some("data") => Some("data"),
        _ => None,
    }
}

/// How the client proves itself: as the file says first, of what the sandbox knows.
pub(crate) fn auth(provider: &Provider) -> ClientAuth {
    let stated = provider.client.auth.as_ref().and_then(|fact| {
        let known = |auth: &&ClientAuth| {
            matches!(auth, ClientAuth::ClientSecretBasic | ClientAuth::ClientSecretPost | ClientAuth::None)
        };
        fact.value.iter().find(known)
    });
    stated.copied().unwrap_or(ClientAuth::ClientSecretBasic)
}

/// Our registration, which takes one way of proving itself alone: the other would be refused.
fn client(provider: &Provider) -> Client {
    let auth = auth(provider);
    let authentication = match auth {
        ClientAuth::None => Authentication::None,
        _ => Authentication::Secret {
            secrets: vec![SECRET.to_owned()],
            basic: auth == ClientAuth::ClientSecretBasic,
            post: auth == ClientAuth::ClientSecretPost,
        },
    };
    Client {
        id: CLIENT_ID.to_owned(),
        authentication,
        redirect_uris: vec![REDIRECT_URI.to_owned()],
        redirect_names: vec![],
    }
}

pub(crate) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// The longest outage that a refresh token survives if all goes well: keep-alive begins at half of its idle limit.
pub(crate) fn longest_outage(behaviour: &Behaviour) -> Duration {
    const LONGEST: Duration = Duration::from_secs(3 * 86_400);
    behaviour.idle_limit.map_or(LONGEST, |limit| limit.mul_f64(0.43).min(LONGEST)).max(SECOND)
}
