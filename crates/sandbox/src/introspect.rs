//! Introspection (RFC 7662), for confidential clients.

use http::StatusCode;
use serde_json::{Value, json};

use crate::answer::{OAuthError, json as json_answer};
use crate::client_auth::authenticate;
use crate::form::Form;
use crate::grants::{AccessToken, Holder, RefreshToken, Standing};
use crate::{Request, Response, Sandbox};

impl Sandbox {
    pub(crate) fn introspect(&mut self, request: &Request, now_ms: u64) -> Response {
        match self.try_introspect(request, now_ms) {
            Ok(body) => json_answer(StatusCode::OK, &body),
            Err(error) => error.into_response(&self.settings.wordings),
        }
    }

    fn try_introspect(&self, request: &Request, now_ms: u64) -> Result<Value, OAuthError> {
        let form = Form::of_body(request, &self.settings.dialect)?;
        let client = authenticate(&self.settings, request, &form)?;
        if client.is_public() {
            // RFC 7662 §2.1: or anybody could scan for tokens.
            return Err(OAuthError::invalid_client("introspection needs a confidential client"));
        }
        let value = form.need("token")?;
        if let Some(token) = self.active_access_token(value, now_ms) {
            return Ok(self.describe_access_token(token));
        }
        if let Some(token) = self.active_refresh_token(value, now_ms) {
            return Ok(self.describe_refresh_token(token));
        }
        Ok(json!({"active": false}))
    }

    pub(crate) fn active_access_token(&self, value: &str, now_ms: u64) -> Option<&AccessToken> {
        self.grants.access_token(value, now_ms)
    }

    /// A refresh token that would be accepted, its minimum age aside.
    pub(crate) fn active_refresh_token(&self, value: &str, now_ms: u64) -> Option<&RefreshToken> {
        let rotation = self.settings.refresh_tokens.rotation;
        self.grants.refresh_token(value).filter(|token| {
            let usable = matches!(token.standing(rotation, now_ms), Standing::Current | Standing::InGrace);
            usable && self.grants.grant(token.grant).death(now_ms).is_none()
        })
    }

    /// Whom an access token speaks for: the user, or the client itself.
    pub(crate) fn subject_of<'a>(&'a self, token: &'a AccessToken) -> &'a str {
        match &token.holder {
            Holder::Grant(id) => self.grants.grant(*id).subject(),
            Holder::Client(id) | Holder::SpokenFor { subject: id, .. } => id,
        }
    }

    fn describe_access_token(&self, token: &AccessToken) -> Value {
        json!({
            "active": true,
            "iss": self.settings.issuer,
            "client_id": self.grants.client_of(token),
            "sub": self.subject_of(token),
            "scope": token.scope,
            "token_type": self.settings.token_type,
            "iat": token.issued_ms / 1000,
            "exp": token.expires_ms / 1000,
        })
    }

    fn describe_refresh_token(&self, token: &RefreshToken) -> Value {
        let grant = self.grants.grant(token.grant);
        let mut body = json!({
            "active": true,
            "iss": self.settings.issuer,
            "client_id": grant.client_id(),
            "sub": grant.subject(),
            "scope": grant.scope(),
        });
        if let Some(end) = token.end() {
            body["exp"] = json!(end.at_ms / 1000);
        }
        body
    }
}
