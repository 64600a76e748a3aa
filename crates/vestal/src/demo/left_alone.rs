//! The other way: a grant taken by a plain program, which would refresh it when it next needs to.

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use serde_json::Value;
use url::Url;
use vestal_core::clock::Clock;
use vestal_core::secret::{ExposeSecret as _, SecretString};
use vestal_oauth::http::Answer;

use super::caller::Caller;

/// Who the program is to the sandbox.
pub(crate) struct Program<'a> {
    pub(crate) client_id: &'a str,
    pub(crate) client_secret: &'a SecretString,
    pub(crate) redirect_uri: &'a str,
    pub(crate) scope: &'a str,
}

/// A grant that nobody refreshes.
pub(crate) struct LeftAlone<'a> {
    program: Program<'a>,
    caller: Caller,
    refresh_token: SecretString,
    /// When the request that brought it was over.
    pub(crate) issued_at: Timestamp,
    /// What came of trying it.
    pub(crate) verdict: Option<Verdict>,
}

/// What the sandbox said to a refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether it was refused.
    pub(crate) refused: bool,
    /// The error code (RFC 6749 §5.2), or what else it was.
    pub(crate) said: String,
}

impl<'a> LeftAlone<'a> {
    /// Gets consent and exchanges the code, as plainly as can be (RFC 6749 §4.1).
    pub(crate) async fn take(
        program: Program<'a>,
        caller: Caller,
        authorization_endpoint: &Url,
        clock: &dyn Clock,
    ) -> anyhow::Result<Self> {
        let mut url = authorization_endpoint.clone();
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", program.client_id),
            ("redirect_uri", program.redirect_uri),
            ("scope", program.scope),
        ]);
        let redirected = caller.consent(&url).await?;
        let code = redirected.query_pairs().find(|(name, _)| name == "code");
        let (_, code) = code.context("the sandbox sent no authorization code")?;
        let answer = caller
            .token(&[
                ("grant_type", "authorization_code"),
                ("code", &code),
                ("redirect_uri", program.redirect_uri),
                ("client_id", program.client_id),
                ("client_secret", program.client_secret.expose_secret()),
            ])
            .await?;
        let Some(Value::String(refresh_token)) = field(&answer, "refresh_token") else {
            bail!("the sandbox answered {} and no refresh token", answer.status)
        };
        Ok(Self {
            program,
            caller,
            refresh_token: refresh_token.into(),
            issued_at: clock.now(),
            verdict: None,
        })
    }

    /// Needs an access token at last, and tries to refresh (RFC 6749 §6).
    pub(crate) async fn try_to_refresh(&mut self) -> anyhow::Result<Verdict> {
        let answer = self
            .caller
            .token(&[
                ("grant_type", "refresh_token"),
                ("refresh_token", self.refresh_token.expose_secret()),
                ("client_id", self.program.client_id),
                ("client_secret", self.program.client_secret.expose_secret()),
            ])
            .await?;
        let said = match field(&answer, "error") {
            Some(Value::String(error)) => error,
            _ => answer.status.to_string(),
        };
        let verdict = Verdict { refused: answer.status != 200, said };
        self.verdict = Some(verdict.clone());
        Ok(verdict)
    }
}

fn field(answer: &Answer, name: &str) -> Option<Value> {
    serde_json::from_slice::<Value>(&answer.body).ok()?.get_mut(name).map(Value::take)
}
