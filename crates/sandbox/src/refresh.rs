//! The refresh token grant (RFC 6749 §6) with its rotation (RFC 9700 §4.14).

use crate::answer::OAuthError;
use crate::form::Form;
use crate::grants::{GrantId, Holder, Standing};
use crate::token::TokenSet;
use crate::{Client, DeathReason, Reuse, Rotation, Sandbox};

impl Sandbox {
    pub(crate) fn refresh(
        &mut self,
        client: &Client,
        form: &Form,
        now_ms: u64,
    ) -> Result<TokenSet, OAuthError> {
        let value = form.need("refresh_token")?;
        let token = self
            .grants
            .refresh_token(value)
            .filter(|token| self.grants.grant(token.grant).client_id() == client.id)
            .ok_or_else(|| OAuthError::invalid_grant("the refresh token is unknown or another client's"))?
            .clone();
        let rotation = self.settings.refresh_tokens.rotation;
        let standing = token.standing(rotation, now_ms);
        if standing == Standing::Superseded {
            return Err(self.reused(token.grant, rotation, now_ms));
        }
        let grant = self.grants.grant(token.grant);
        if let Some(death) = grant.death(now_ms) {
            return Err(OAuthError::invalid_grant(death.reason.describe()));
        }
        match standing {
            Standing::Ended(death) => return Err(OAuthError::invalid_grant(death.reason.describe())),
            Standing::Current
                if now_ms.saturating_sub(token.used_ms) < self.settings.refresh_tokens.minimum_age_ms =>
            {
                self.stats.too_early += 1;
                return Err(OAuthError::invalid_request("the token is too young to be refreshed"));
            }
            _ => {}
        }
        let scope = form.get("scope").unwrap_or(grant.scope()).to_owned();
        if !scope.split(' ').all(|asked| grant.scope().split(' ').any(|granted| granted == asked)) {
            return Err(OAuthError::invalid_scope("the grant does not cover the scope"));
        }

        self.stats.refreshes += 1;
        if standing == Standing::InGrace {
            self.stats.grace_retries += 1;
        }
        self.grants.count_refresh(token.grant, now_ms);
        let access_token = self.issue_access_token(Holder::Grant(token.grant), &scope, now_ms);
        let refresh_token = match rotation {
            Rotation::Never { returns_old } => {
                self.grants.prolong(value, &self.settings.refresh_tokens, now_ms);
                returns_old.then(|| value.to_owned())
            }
            Rotation::Always { .. } => {
                self.grants.supersede(value, now_ms);
                Some(self.issue_refresh_token(token.grant, Some((value, &token)), now_ms))
            }
        };
        Ok(TokenSet { access_token, scope, refresh_token })
    }

    fn reused(&mut self, grant: GrantId, rotation: Rotation, now_ms: u64) -> OAuthError {
        self.stats.reuses += 1;
        self.grants.count_reuse(grant);
        if let Rotation::Always { reuse: Reuse::Punished, .. } = rotation {
            self.grants.kill(grant, DeathReason::RefreshTokenReused, now_ms);
            return OAuthError::invalid_grant("the refresh token was used before; its grant is revoked");
        }
        OAuthError::invalid_grant("the refresh token was used before")
    }
}
