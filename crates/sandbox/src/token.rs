//! The token endpoint (RFC 6749 §3.2): the authorization code and client credentials grants, and the shape of
//! a token answer. The refresh token grant is in `refresh.rs`, that of devices in `device.rs`,
//! and those that need nobody's answer in `assertion.rs`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{StatusCode, header};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::answer::OAuthError;
use crate::client_auth::authenticate;
use crate::form::Form;
use crate::grants::{AccessToken, Death, GrantId, Holder, RefreshToken};
use crate::quota::Whose;
use crate::{Client, DeathReason, ExpiresIn, Request, Response, Sandbox, answer, assertion, device};

/// What a successful token request brings.
pub(crate) struct TokenSet {
    pub(crate) access_token: String,
    pub(crate) scope: String,
    pub(crate) refresh_token: Option<String>,
}

impl Sandbox {
    pub(crate) fn token(&mut self, request: &Request, now_ms: u64) -> Response {
        match self.try_token(request, now_ms) {
            Ok((set, place)) => self.token_answer(set, place, now_ms),
            Err(error) => {
                self.stats.refusals += 1;
                error.into_response_of(&self.settings)
            }
        }
    }

    /// What a request brings, and where it stands in the answer.
    fn try_token(
        &mut self,
        request: &Request,
        now_ms: u64,
    ) -> Result<(TokenSet, Option<&'static str>), OAuthError> {
        let form = Form::of_body(request, &self.settings.dialect)?;
        self.check_dialect(request, &form)?;
        if form.get("grant_type") == Some(assertion::JWT_BEARER) {
            return Ok((self.jwt_bearer(&form, now_ms)?, None));
        }
        let client = authenticate(&self.settings, request, &form)?;
        let used = form.get("refresh_token").and_then(|value| self.grants.refresh_token(value));
        let whose = Whose { client: &client.id, grant: used.map(|token| token.grant) };
        self.quotas.count(whose, &self.settings.quotas, now_ms).inspect_err(|_| self.stats.throttled += 1)?;
        let (exchanged, refreshed) =
            (self.settings.dialect.exchange_place, self.settings.dialect.refresh_place);
        let (set, place) = match form.need("grant_type")? {
            "authorization_code" => (self.exchange(&client, &form, now_ms)?, exchanged),
            "refresh_token" => (self.refresh(&client, &form, now_ms)?, refreshed),
            "client_credentials" => (self.client_credentials(&client, &form, now_ms)?, None),
            assertion::TOKEN_EXCHANGE => (self.token_exchange(&client, &form, now_ms)?, None),
            device::GRANT_TYPE => (self.poll(&client, &form, now_ms)?, exchanged),
            _ => return Err(OAuthError::unsupported_grant_type("the server has no such grant type")),
        };
        Ok((set, place))
    }

    /// Whether a token request is as the dialect has it, beyond its names.
    fn check_dialect(&self, request: &Request, form: &Form) -> Result<(), OAuthError> {
        let dialect = &self.settings.dialect;
        let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        if !user_agent.unwrap_or_default().starts_with(dialect.user_agent) {
            return Err(OAuthError::invalid_request("the User-Agent does not tell who asks"));
        }
        let refreshes = form.get("grant_type") == Some("refresh_token");
        let needed = if refreshes { &dialect.refresh_parameters } else { &dialect.exchange_parameters };
        for (name, value) in needed {
            if form.get(name) != Some(value) {
                return Err(OAuthError::invalid_request(format!("the parameter {name} has to be {value}")));
            }
        }
        let registered = |uri: &str| self.settings.clients.iter().any(|client| client.may_redirect_to(uri));
        if refreshes && dialect.repeats_redirect_uri && !registered(form.need("redirect_uri")?) {
            return Err(OAuthError::invalid_request("the redirect_uri is not registered"));
        }
        Ok(())
    }

    /// RFC 6749 §4.1.3, RFC 7636 §4.6.
    fn exchange(&mut self, client: &Client, form: &Form, now_ms: u64) -> Result<TokenSet, OAuthError> {
        let value = form.need("code")?;
        let code = self
            .codes
            .get_mut(value)
            .filter(|code| code.client_id == client.id)
            .ok_or_else(|| OAuthError::invalid_grant("the code is unknown or another client's"))?;
        if let Some(grant) = code.exchanged {
            self.grants.kill(grant, DeathReason::CodeReused, now_ms);
            return Err(OAuthError::invalid_grant("the code was used before; its grant is revoked"));
        }
        if now_ms >= code.expires_ms {
            return Err(OAuthError::invalid_grant("the code has expired"));
        }
        if code.redirect_uri.is_some() && form.get("redirect_uri") != code.redirect_uri.as_deref() {
            return Err(OAuthError::invalid_grant("the redirect_uri is not the one of the authorization"));
        }
        match (&code.challenge, form.get("code_verifier")) {
            (None, None) => {}
            (Some(challenge), Some(verifier)) if s256(verifier) == *challenge => {}
            (Some(_), Some(_)) => return Err(OAuthError::invalid_grant("the code_verifier is wrong")),
            (Some(_), None) => return Err(OAuthError::invalid_grant("the code_verifier is missing")),
            // RFC 9700 §4.8.2: somebody may have stripped the challenge.
            (None, Some(_)) => return Err(OAuthError::invalid_grant("the authorization was without PKCE")),
        }
        let grant = self.grants.begin(&client.id, &code.subject, &code.scope, now_ms);
        code.exchanged = Some(grant);
        let scope = code.scope.clone();
        self.stats.exchanges += 1;
        Ok(self.first_tokens(grant, scope, now_ms))
    }

    /// The first tokens of a grant.
    pub(crate) fn first_tokens(&mut self, grant: GrantId, scope: String, now_ms: u64) -> TokenSet {
        let access_token = self.issue_access_token(Holder::Grant(grant), &scope, now_ms);
        let needed = self.settings.refresh_tokens.only_with_scope.as_deref();
        let refreshable = self.settings.dialect.exchange.is_none()
            && needed.is_none_or(|needed| scope.split(' ').any(|value| value == needed));
        let refresh_token = refreshable.then(|| self.issue_refresh_token(grant, None, now_ms));
        if !refreshable {
            self.grants.never_refreshable(grant, now_ms.saturating_add(self.settings.access_token_life_ms));
        }
        TokenSet { access_token, scope, refresh_token }
    }

    /// RFC 6749 §4.4: for confidential clients only, and never with a refresh token.
    fn client_credentials(
        &mut self,
        client: &Client,
        form: &Form,
        now_ms: u64,
    ) -> Result<TokenSet, OAuthError> {
        if client.is_public() {
            return Err(OAuthError::unauthorized_client("a public client has no credentials"));
        }
        let scope = form.get("scope").unwrap_or_default().to_owned();
        self.stats.client_credentials += 1;
        let access_token = self.issue_access_token(Holder::Client(client.id.clone()), &scope, now_ms);
        Ok(TokenSet { access_token, scope, refresh_token: None })
    }

    pub(crate) fn issue_access_token(&mut self, holder: Holder, scope: &str, now_ms: u64) -> String {
        self.issue_access_token_for(self.settings.access_token_life_ms, holder, scope, now_ms)
    }

    pub(crate) fn issue_access_token_for(
        &mut self,
        life_ms: u64,
        holder: Holder,
        scope: &str,
        now_ms: u64,
    ) -> String {
        let value = self.random.token("at_");
        let expires_ms = now_ms.saturating_add(life_ms);
        let token = AccessToken { holder, scope: scope.to_owned(), issued_ms: now_ms, expires_ms };
        self.grants.add_access_token(value.clone(), token);
        value
    }

    /// Issues the first refresh token of a grant, or the successor of `parent`.
    pub(crate) fn issue_refresh_token(
        &mut self,
        grant: GrantId,
        parent: Option<(&str, &RefreshToken)>,
        now_ms: u64,
    ) -> String {
        let rules = &self.settings.refresh_tokens;
        let after = |limit_ms: Option<u64>| limit_ms.map(|limit_ms| now_ms.saturating_add(limit_ms));
        let absolute_end_ms = match parent {
            Some((_, parent)) if rules.absolute_end_is_inherited => parent.absolute_end_ms,
            _ => after(rules.absolute_limit_ms),
        };
        let token = RefreshToken {
            grant,
            parent: parent.map(|(value, _)| value.to_owned()),
            used_ms: now_ms,
            idle_end_ms: after(rules.idle_limit_ms),
            absolute_end_ms,
            superseded: None,
        };
        let value = self.random.token("rt_");
        self.grants.add_refresh_token(value.clone(), token);
        value
    }

    /// RFC 6749 §5.1, in the dialect that the settings ask for.
    pub(crate) fn token_answer(&self, set: TokenSet, place: Option<&'static str>, now_ms: u64) -> Response {
        let mut body = Map::new();
        let issued = self.grants.access_token(&set.access_token, now_ms);
        let life_ms = issued.map_or(0, |token| token.expires_ms.saturating_sub(now_ms));
        let life_s = life_ms / 1000;
        match self.settings.expires_in {
            ExpiresIn::Number => body.insert("expires_in".to_owned(), json!(life_s)),
            ExpiresIn::Text => body.insert("expires_in".to_owned(), json!(life_s.to_string())),
            ExpiresIn::Absent => None,
            ExpiresIn::Zero => body.insert("expires_in".to_owned(), json!(0)),
        };
        if let Some(value) = set.refresh_token {
            if self.settings.refresh_tokens.tells_expires_in {
                let end = self.grants.refresh_token(&value).and_then(RefreshToken::end);
                let left_s = end.map_or(0, |Death { at_ms, .. }| at_ms.saturating_sub(now_ms) / 1000);
                body.insert("refresh_token_expires_in".to_owned(), json!(left_s));
            }
            body.insert("refresh_token".to_owned(), json!(value));
        }
        if !set.scope.is_empty() {
            body.insert("scope".to_owned(), json!(set.scope));
        }
        body.insert("access_token".to_owned(), json!(set.access_token));
        body.insert("token_type".to_owned(), json!(self.settings.token_type));
        if let Some(place) = place {
            body = Map::from_iter([(place.to_owned(), Value::Object(body))]);
        }
        body.extend(self.settings.dialect.success.clone().map(|(field, says)| (field.to_owned(), says)));
        answer::json(StatusCode::OK, &Value::Object(body))
    }
}

/// The S256 transformation (RFC 7636 §4.6).
fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}

#[cfg(test)]
mod tests {
    #[test]
    fn s256_agrees_with_rfc_7636_appendix_b() {
        let challenge = super::s256("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
