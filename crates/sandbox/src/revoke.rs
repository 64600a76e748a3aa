//! Revocation (RFC 7009).

use http::StatusCode;

use crate::answer::{OAuthError, text};
use crate::client_auth::authenticate;
use crate::form::Form;
use crate::{DeathReason, Request, Response, Sandbox};

impl Sandbox {
    pub(crate) fn revoke(&mut self, request: &Request, now_ms: u64) -> Response {
        match self.try_revoke(request, now_ms) {
            Ok(()) => text(StatusCode::OK, ""),
            Err(error) => error.into_response(&self.settings.wordings),
        }
    }

    /// A refresh token, superseded or not, takes its grant with it; an access token goes alone. A token that
    /// is no longer there is revoked enough (§2.2).
    fn try_revoke(&mut self, request: &Request, now_ms: u64) -> Result<(), OAuthError> {
        let form = Form::of_body(request, &self.settings.dialect)?;
        let client = authenticate(&self.settings, request, &form)?;
        let value = form.need("token")?;
        let theirs = || OAuthError::invalid_grant("the token was issued to another client");
        if let Some(token) = self.grants.refresh_token(value) {
            let grant = token.grant;
            if self.grants.grant(grant).client_id() != client.id {
                return Err(theirs());
            }
            self.grants.kill(grant, DeathReason::RevokedByClient, now_ms);
            self.stats.revocations += 1;
        } else if let Some(token) = self.active_access_token(value, now_ms) {
            if self.grants.client_of(token) != client.id {
                return Err(theirs());
            }
            self.grants.remove_access_token(value);
            self.stats.revocations += 1;
        }
        Ok(())
    }
}
