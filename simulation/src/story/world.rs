//! Where the stories happen: time, Constant Contact, and what stands between it and everybody else.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, header};
use tokio::sync::Notify;
use url::Url;
use vestal_core::provider::{IdleLimit, Provider, catalogue};
use vestal_sandbox::{
    Authentication, Client, ContactsApi, Grace, RefreshTokens as Rules, Reuse, Rotation, Sandbox, Settings,
};

use crate::dice::Dice;
use crate::lock;
use crate::story::{Keeper, RefreshTokens, TROUBLE_AT, Tale, Trouble};
use crate::time::{DAY, MINUTE, Timeline, sleep};

/// Below this are Constant Contact's endpoints, as its file has them.
pub(super) const ISSUER: &str = "https://authz.constantcontact.com/oauth2/default/v1";
pub(super) const CLIENT_ID: &str = "the API key";
pub(super) const SECRET: &str = "the client's secret";
pub(super) const NEW_SECRET: &str = "another secret of the client";
pub(super) const REDIRECT_URI: &str = "http://localhost:8724/callback";
pub(super) const SCOPES: [&str; 2] = ["contact_data", "offline_access"];
pub(super) const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";

/// Everything outside of whoever keeps the token.
pub(super) struct World {
    pub(super) tale: Tale,
    pub(super) timeline: Timeline,
    pub(super) provider: Provider,
    begun_ms: u64,
    sandbox: Mutex<Sandbox>,
    dice: Mutex<Dice>,
    state: Mutex<State>,
    /// Rings when a process has been killed.
    pub(super) killed: Notify,
}

#[derive(Default)]
struct State {
    /// Nothing gets through.
    is_down: bool,
    /// Whoever gets the next answer to a refresh is killed by it.
    kills_next: bool,
    /// When something went wrong.
    went_wrong_at: Option<Duration>,
}

/// What came of a request.
pub(super) enum Heard {
    /// An answer.
    Answer(Response<Bytes>),
    /// Nobody is there.
    Nobody,
    /// An answer, but whoever asked is not there any more.
    Killed,
}

impl World {
    pub(super) fn new(tale: Tale, tokens: RefreshTokens) -> Self {
        let timeline = Timeline::start();
        let provider = catalogue::builtin("constant-contact");
        let provider = provider.expect("it comes with Vestal").expect("a file without mistakes");
        let settings = settings(&provider, tokens);
        Self {
            tale,
            timeline,
            provider,
            begun_ms: timeline.unix_ms(),
            sandbox: Mutex::new(Sandbox::new(settings, 1)),
            dice: Mutex::new(Dice::new(5)),
            state: Mutex::default(),
            killed: Notify::new(),
        }
    }

    /// Carries a request to the provider or its API, and the answer back.
    pub(super) async fn carry(&self, request: &Request<Bytes>) -> Heard {
        let latency = self.between(Duration::from_millis(50), Duration::from_millis(500));
        sleep(latency).await;
        if lock(&self.state).is_down {
            return Heard::Nobody;
        }
        let (response, refreshed) = {
            let mut sandbox = lock(&self.sandbox);
            let before = sandbox.stats().refreshes;
            let reply = sandbox.handle(request, self.timeline.unix_ms());
            (reply.response, sandbox.stats().refreshes > before)
        };
        sleep(latency).await;
        if refreshed && std::mem::take(&mut lock(&self.state).kills_next) {
            self.killed.notify_one();
            return Heard::Killed;
        }
        Heard::Answer(response)
    }

    /// Waits for what goes wrong, and lets it happen: right after a refresh, when it takes longest until somebody can notice.
    /// A second copy, and a reboot, are for those to bring about who keep the token.
    pub(super) async fn bring_trouble(&self) {
        sleep(TROUBLE_AT.saturating_sub(self.timeline.elapsed())).await;
        if self.tale.keeper != Keeper::Use {
            let before = self.refreshes();
            while self.refreshes() == before {
                sleep(MINUTE).await;
            }
        }
        lock(&self.state).went_wrong_at = Some(self.timeline.elapsed());
        match self.tale.trouble {
            Trouble::None | Trouble::SecondCopy | Trouble::Reboot => {}
            Trouble::Killed => lock(&self.state).kills_next = true,
            Trouble::Withdrawn => {
                let mut sandbox = lock(&self.sandbox);
                let now_ms = self.timeline.unix_ms();
                if let Some(grant) = sandbox.grants(now_ms).first() {
                    sandbox.revoke_by_user(grant.id, now_ms);
                }
            }
            Trouble::SecretReplaced => {
                lock(&self.sandbox).settings_mut().clients = vec![client(NEW_SECRET)];
            }
            Trouble::Down(days) => {
                lock(&self.state).is_down = true;
                sleep(DAY * days).await;
                lock(&self.state).is_down = false;
            }
        }
    }

    /// What a browser is redirected to whose user says yes; `None` while the provider is down.
    pub(super) fn browse(&self, url: &Url) -> Option<Url> {
        if lock(&self.state).is_down {
            return None;
        }
        let request = Request::get(url.as_str()).body(Bytes::new()).ok()?;
        let response = lock(&self.sandbox).handle(&request, self.timeline.unix_ms()).response;
        response.headers().get(header::LOCATION)?.to_str().ok()?.parse().ok()
    }

    /// An access token does not serve any more, though nobody was told (RFC 7009).
    #[cfg(test)]
    pub(super) fn reject_access_token(&self, token: &str) {
        use base64::Engine as _;
        let basic = base64::engine::general_purpose::STANDARD.encode("the+API+key:the+client%27s+secret");
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("token", token).finish();
        let request = Request::post(format!("{ISSUER}/revoke"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {basic}"))
            .body(Bytes::from(form));
        let request = request.expect("a request");
        let response = lock(&self.sandbox).handle(&request, self.timeline.unix_ms()).response;
        assert_eq!(response.status(), 200);
    }

    /// A length of chance.
    pub(super) fn between(&self, shortest: Duration, longest: Duration) -> Duration {
        lock(&self.dice).between(shortest, longest)
    }

    /// Whether this has happened.
    pub(super) fn has_come(&self, trouble: Trouble) -> bool {
        self.tale.trouble == trouble && self.went_wrong_at().is_some()
    }

    /// When the first consent ended, as the provider knows.
    pub(super) fn died_at(&self) -> Option<Duration> {
        let grants = lock(&self.sandbox).grants(self.timeline.unix_ms());
        Some(self.since_begin(grants.first()?.death?.at_ms))
    }

    /// A time since the Unix epoch, in milliseconds, counted from when the world began.
    pub(super) fn since_begin(&self, unix_ms: u64) -> Duration {
        Duration::from_millis(unix_ms.saturating_sub(self.begun_ms))
    }

    /// When something went wrong, where it has.
    pub(super) fn went_wrong_at(&self) -> Option<Duration> {
        lock(&self.state).went_wrong_at
    }

    pub(super) fn contacts(&self) -> usize {
        lock(&self.sandbox).contacts().count()
    }

    pub(super) fn refreshes(&self) -> u64 {
        lock(&self.sandbox).stats().refreshes
    }
}

fn client(secret: &str) -> Client {
    let authentication =
        Authentication::Secret { secrets: vec![secret.to_owned()], basic: true, post: false };
    Client { authentication, ..Client::confidential(CLIENT_ID, secret) }.redirect_uri(REDIRECT_URI)
}

/// Constant Contact, as its file says.
fn settings(provider: &Provider, tokens: RefreshTokens) -> Settings {
    let ms = |length: Duration| u64::try_from(length.as_millis()).unwrap_or(u64::MAX);
    let IdleLimit::After { limit, .. } = provider.idle_limit() else {
        panic!("its file says when a refresh token dies of disuse");
    };
    let mut settings = Settings::new(ISSUER).client(client(SECRET));
    settings.code_life_ms = 5 * 60_000;
    settings.access_token_life_ms = provider.access_token_life().map_or(0, ms);
    settings.refresh_tokens = Rules {
        only_with_scope: provider.authorization.offline_scope.as_ref().map(|fact| fact.value.clone()),
        idle_limit_ms: Some(ms(limit)),
        rotation: match tokens {
            RefreshTokens::Rotating => Rotation::Always { grace: Grace::None, reuse: Reuse::Punished },
            RefreshTokens::LongLived => Rotation::Never { returns_old: true },
        },
        ..Rules::default()
    };
    settings.contacts = Some(ContactsApi::new([LIST]));
    settings
}
