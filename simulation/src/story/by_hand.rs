//! How people keep tokens by hand: in a file, refreshed when they are used, or by a script that cron runs.
//!
//! Neither does anything foolish: an answer that is no success changes nothing, and the refresh token that comes is kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Request, StatusCode};
use opt_in_form::{NoToken, Token, Tokens};
use serde_json::Value;
use url::{Url, form_urlencoded};

use crate::lock;
use crate::story::world::{CLIENT_ID, Heard, ISSUER, REDIRECT_URI, SCOPES, SECRET, World};
use crate::story::{Keeper, Trouble};
use crate::time::{HOUR, SECOND, sleep};

/// When the script runs: `0 */12 * * * refresh-token >> refresh.log 2>&1`.
const EVERY: Duration = Duration::from_secs(12 * 3600);

/// A token that ends within this time is refreshed before it is used.
const MARGIN: Duration = Duration::from_secs(60);

/// The form's tokens, in a file.
pub(super) struct ByHand {
    world: Arc<World>,
    file: Mutex<TokenFile>,
}

/// `token.json`.
#[derive(Clone, Debug)]
struct TokenFile {
    access_token: String,
    refresh_token: String,
    expires_at: Duration,
    /// How often it was written.
    written: u64,
}

impl ByHand {
    /// Somebody consents, and the tokens are put into the file.
    pub(super) async fn connect(world: &Arc<World>) -> Arc<Self> {
        let mut url: Url = format!("{ISSUER}/authorize").parse().expect("a URL");
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", CLIENT_ID)
            .append_pair("redirect_uri", REDIRECT_URI)
            .append_pair("scope", &SCOPES.join(" "));
        let redirected = world.browse(&url).expect("a redirect");
        let code = redirected.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned();
        let empty = TokenFile {
            access_token: String::new(),
            refresh_token: String::new(),
            expires_at: Duration::ZERO,
            written: 0,
        };
        let by_hand = Arc::new(Self { world: Arc::clone(world), file: Mutex::new(empty) });
        let fields = [("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", REDIRECT_URI)];
        by_hand.ask(&fields).await.expect("tokens for a code");
        by_hand
    }

    /// Puts the script into a crontab; and at some time, perhaps, into a second one.
    pub(super) fn schedule(self: &Arc<Self>) {
        assert_eq!(self.world.tale.keeper, Keeper::Cron);
        tokio::spawn(Arc::clone(self).run_by_cron(Trouble::None));
        if self.world.tale.trouble == Trouble::SecondCopy {
            tokio::spawn(Arc::clone(self).run_by_cron(Trouble::SecondCopy));
        }
    }

    /// Cron, with the first crontab, or the one that comes with `since`.
    async fn run_by_cron(self: Arc<Self>, since: Trouble) {
        loop {
            let until_next = EVERY.as_secs() - self.world.timeline.elapsed().as_secs() % EVERY.as_secs();
            sleep(Duration::from_secs(until_next)).await;
            if self.world.has_come(Trouble::Reboot) {
                return;
            }
            if since == Trouble::None || self.world.has_come(since) {
                // A script takes a moment to start.
                sleep(self.world.between(SECOND / 20, SECOND)).await;
                self.run_script().await;
            }
        }
    }

    /// The script: refresh, and write the file. What goes wrong goes to a log.
    async fn run_script(&self) {
        let _log = self.refresh().await;
    }

    async fn refresh(&self) -> Result<(), String> {
        let refresh_token = lock(&self.file).refresh_token.clone();
        self.ask(&[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)]).await
    }

    /// Asks for tokens, and puts them into the file; or says why not.
    async fn ask(&self, fields: &[(&str, &str)]) -> Result<(), String> {
        let asked_at = self.world.timeline.elapsed();
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(SECRET)));
        let request = Request::post(format!("{ISSUER}/token"))
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", format!("Basic {basic}"))
            .body(Bytes::from(form))
            .expect("a request");
        let response = match self.world.carry(&request).await {
            Heard::Answer(response) => response,
            Heard::Nobody => return Err("nobody is there".to_owned()),
            Heard::Killed => return Err("killed".to_owned()),
        };
        let json: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let (Some(access_token), StatusCode::OK) = (json["access_token"].as_str(), response.status()) else {
            return Err(json["error"].to_string());
        };
        let mut file = lock(&self.file);
        file.access_token = access_token.to_owned();
        if let Some(refresh_token) = json["refresh_token"].as_str() {
            file.refresh_token = refresh_token.to_owned();
        }
        file.expires_at =
            asked_at + Duration::from_secs(json["expires_in"].as_u64().unwrap_or(HOUR.as_secs()));
        file.written += 1;
        Ok(())
    }
}

#[async_trait]
impl Tokens for ByHand {
    async fn token(&self) -> Result<Token, NoToken> {
        let ends = lock(&self.file).expires_at;
        let is_fresh = self.world.timeline.elapsed() + MARGIN < ends;
        if !is_fresh && self.world.tale.keeper == Keeper::Use {
            self.refresh().await.map_err(NoToken::NotNow)?;
        }
        let file = lock(&self.file);
        Ok(Token { access_token: file.access_token.clone(), generation: file.written })
    }

    async fn rejected(&self, _: u64) {
        // Whoever uses it may refresh it; what cron keeps is cron's.
        if self.world.tale.keeper == Keeper::Use {
            let _log = self.refresh().await;
        }
    }
}
