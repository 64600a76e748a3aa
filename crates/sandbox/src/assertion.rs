//! Grants without a person's answer here: an assertion that somebody known has signed (RFC 7523 §2.1), and the exchange of
//! a token (RFC 8693).

use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use crate::answer::OAuthError;
use crate::form::Form;
use crate::grants::Holder;
use crate::token::TokenSet;
use crate::{Client, Sandbox};

/// The grants' names.
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";

/// What an access token is called (RFC 8693 §3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// An assertion that lives longer is refused (RFC 7523 §3).
const LONGEST_LIFE_S: u64 = 3600;

/// Somebody whose assertions are believed.
#[derive(Clone, Debug)]
pub struct ServiceAccount {
    /// Who it is: `iss`.
    pub id: String,
    /// What its key is called; any, where it is empty.
    pub key_id: String,
    /// Its RSA key's modulus, in base64url (RFC 7518 §6.3.1).
    pub modulus: String,
    /// Its RSA key's exponent, in base64url.
    pub exponent: String,
    /// Whom it may speak for besides itself.
    pub may_speak_for: Vec<String>,
}

impl Sandbox {
    /// RFC 7523 §3. Nothing but the assertion says who asks.
    pub(crate) fn jwt_bearer(&mut self, form: &Form, now_ms: u64) -> Result<TokenSet, OAuthError> {
        let refused = |why: &'static str| OAuthError::invalid_grant(why);
        let assertion = form.need("assertion")?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or_else(|| refused("this is no JWT"))?;
        let (header, claims) = signed.split_once('.').ok_or_else(|| refused("this is no JWT"))?;
        let (header, claims) =
            object(header).zip(object(claims)).ok_or_else(|| refused("the assertion cannot be read"))?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        let seconds = |name: &str| claims.get(name).and_then(Value::as_u64);
        let account = self.settings.service_accounts.iter().find(|account| Some(&*account.id) == text("iss"));
        let account = account.ok_or_else(|| refused("the issuer of the assertion is unknown"))?;
        let key_id = header.get("kid").and_then(Value::as_str).unwrap_or_default();
        if !account.key_id.is_empty() && account.key_id != key_id {
            return Err(refused("the account has no such key"));
        }
        if header.get("alg").and_then(Value::as_str) != Some("RS256") || !verifies(account, signed, signature)
        {
            return Err(refused("the signature of the assertion is wrong"));
        }
        let endpoint = format!("{}/token", self.settings.issuer.trim_end_matches('/'));
        if text("aud") != Some(endpoint.as_str()) {
            return Err(refused("the assertion is for somebody else"));
        }
        let now_s = now_ms / 1000;
        let (from, until) = seconds("iat")
            .zip(seconds("exp"))
            .ok_or_else(|| refused("the assertion does not say when it holds"))?;
        if until <= now_s || from > now_s + 60 || until.saturating_sub(from) > LONGEST_LIFE_S {
            return Err(refused("the assertion does not hold now"));
        }
        let subject = text("sub").unwrap_or(&account.id).to_owned();
        if subject != account.id && !account.may_speak_for.contains(&subject) {
            return Err(OAuthError::unauthorized_client("the account may not speak for that user"));
        }
        let scope = text("scope").unwrap_or_default().to_owned();
        let holder = Holder::SpokenFor { client: account.id.clone(), subject };
        self.stats.assertions += 1;
        let access_token = self.issue_access_token(holder, &scope, now_ms);
        Ok(TokenSet { access_token, scope, refresh_token: None })
    }

    /// RFC 8693 §2.1: the same user, for another audience.
    pub(crate) fn token_exchange(
        &mut self,
        client: &Client,
        form: &Form,
        now_ms: u64,
    ) -> Result<TokenSet, OAuthError> {
        if form.need("subject_token_type")? != ACCESS_TOKEN {
            return Err(OAuthError::invalid_request("only access tokens are exchanged"));
        }
        let token = self
            .active_access_token(form.need("subject_token")?, now_ms)
            .ok_or_else(|| OAuthError::invalid_request("the subject token is not valid"))?;
        let subject = self.subject_of(token).to_owned();
        let scope = form.get("scope").unwrap_or_default().to_owned();
        let holder = Holder::SpokenFor { client: client.id.clone(), subject };
        self.stats.token_exchanges += 1;
        let access_token = self.issue_access_token(holder, &scope, now_ms);
        Ok(TokenSet { access_token, scope, refresh_token: None })
    }
}

fn object(part: &str) -> Option<Map<String, Value>> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}

fn verifies(account: &ServiceAccount, signed: &str, signature: &str) -> bool {
    let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let parts = bytes(&account.modulus).zip(bytes(&account.exponent)).zip(bytes(signature));
    let Some(((n, e), signature)) = parts else { return false };
    let key = RsaPublicKeyComponents { n, e };
    key.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &signature).is_ok()
}
