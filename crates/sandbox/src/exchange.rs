//! The exchange of an access token for a longer-lived or newer one, as Meta's APIs have it.

use crate::answer::OAuthError;
use crate::client_auth::Authentication;
use crate::form::Form;
use crate::grants::Holder;
use crate::token::TokenSet;
use crate::{Request, Response, Sandbox};

impl Sandbox {
    pub(crate) fn exchange_access_token(&mut self, request: &Request, now_ms: u64) -> Response {
        match self.try_exchange(request, now_ms) {
            Ok(set) => self.token_answer(set, None, now_ms),
            Err(error) => {
                self.stats.refusals += 1;
                error.into_response(&self.settings.wordings)
            }
        }
    }

    fn try_exchange(&mut self, request: &Request, now_ms: u64) -> Result<TokenSet, OAuthError> {
        let wanted =
            self.settings.dialect.exchange.ok_or_else(|| OAuthError::invalid_request("no exchange"))?;
        let form = Form::of_query(request, &self.settings.dialect)
            .map_err(|name| OAuthError::invalid_request(format!("the parameter {name} is there twice")))?;
        let value = form.need(wanted.token)?;
        let dead = || OAuthError::invalid_grant("the access token has ended");
        let token = self.grants.access_token(value, now_ms).ok_or_else(dead)?.clone();
        let Holder::Grant(grant) = token.holder else { return Err(dead()) };
        let is_long_lived = token.expires_ms.saturating_sub(token.issued_ms) == wanted.long_life_ms;
        match form.need("grant_type")? {
            asked if asked == wanted.lengthen && !is_long_lived => {
                let secret = form.need("client_secret")?;
                let known = self.settings.clients.iter().any(|client| match &client.authentication {
                    Authentication::Secret { secrets, .. } => secrets.iter().any(|known| known == secret),
                    Authentication::None => false,
                });
                if !known {
                    return Err(OAuthError::invalid_client("the client's secret is wrong"));
                }
            }
            asked if Some(asked) == wanted.renew && is_long_lived => {
                if now_ms.saturating_sub(token.issued_ms) < wanted.minimum_age_ms {
                    self.stats.too_early += 1;
                    return Err(OAuthError::invalid_request("the access token is too young to be renewed"));
                }
            }
            _ => return Err(OAuthError::unsupported_grant_type("this access token is not exchanged so")),
        }
        self.stats.refreshes += 1;
        self.grants.count_refresh(grant, now_ms);
        let (holder, scope) = (Holder::Grant(grant), token.scope);
        let access_token = self.issue_access_token_for(wanted.long_life_ms, holder, &scope, now_ms);
        self.grants.never_refreshable(grant, now_ms.saturating_add(wanted.long_life_ms));
        Ok(TokenSet { access_token, scope, refresh_token: None })
    }
}
