//! The device authorization grant (RFC 8628), where a person answers when a test says so.

use http::StatusCode;
use serde_json::json;

use crate::answer::{OAuthError, json as json_answer};
use crate::client_auth::authenticate;
use crate::form::Form;
use crate::token::TokenSet;
use crate::{Client, Consent, Request, Response, Sandbox};

/// The grant's name (RFC 8628 §3.4).
pub(crate) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// By how much whoever polls too fast has to slow down, for good (RFC 8628 §3.5).
const SLOW_DOWN_MS: u64 = 5_000;

/// Somebody waits for a person.
pub(crate) struct Device {
    client_id: String,
    user_code: String,
    scope: String,
    expires_ms: u64,
    /// How long to wait between two polls.
    interval_ms: u64,
    polled_ms: Option<u64>,
    answer: Option<Consent>,
}

impl Sandbox {
    /// The device authorization endpoint (RFC 8628 §3.1).
    pub(crate) fn device_authorization(&mut self, request: &Request, now_ms: u64) -> Response {
        match self.begin_device(request, now_ms) {
            Ok(body) => json_answer(StatusCode::OK, &body),
            Err(error) => error.into_response(&self.settings.wordings),
        }
    }

    fn begin_device(&mut self, request: &Request, now_ms: u64) -> Result<serde_json::Value, OAuthError> {
        let form = Form::of_body(request, &self.settings.dialect)?;
        let client = authenticate(&self.settings, request, &form)?;
        let user_code = self.random.user_code();
        let device = Device {
            client_id: client.id,
            user_code: user_code.clone(),
            scope: form.get("scope").unwrap_or_default().to_owned(),
            expires_ms: now_ms.saturating_add(self.settings.device_code_life_ms),
            interval_ms: self.settings.device_interval_ms,
            polled_ms: None,
            answer: None,
        };
        let device_code = self.random.token("device_");
        self.devices.insert(device_code.clone(), device);
        let page = format!("{}/device", self.settings.issuer.trim_end_matches('/'));
        Ok(json!({
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri_complete": format!("{page}?user_code={user_code}"),
            "verification_uri": page,
            "expires_in": self.settings.device_code_life_ms / 1000,
            "interval": self.settings.device_interval_ms / 1000,
        }))
    }

    /// A person types in a code, and answers. `false`: nobody waits for that code.
    pub fn answer_device(&mut self, user_code: &str, answer: Consent) -> bool {
        let device = self.devices.find_mut(|device| device.user_code == user_code && device.answer.is_none());
        device.map(|device| device.answer = Some(answer)).is_some()
    }

    /// RFC 8628 §3.4 and §3.5.
    pub(crate) fn poll(&mut self, client: &Client, form: &Form, now_ms: u64) -> Result<TokenSet, OAuthError> {
        let value = form.need("device_code")?;
        let device =
            self.devices.get_mut(value).filter(|device| device.client_id == client.id).ok_or_else(|| {
                OAuthError::invalid_grant("the device code is unknown, used or another client's")
            })?;
        if now_ms >= device.expires_ms {
            return Err(OAuthError::bad_request("expired_token", "the device code has expired"));
        }
        let waited_ms = device.polled_ms.map(|polled_ms| now_ms.saturating_sub(polled_ms));
        device.polled_ms = Some(now_ms);
        if waited_ms.is_some_and(|waited_ms| waited_ms < device.interval_ms) {
            device.interval_ms += SLOW_DOWN_MS;
            return Err(OAuthError::bad_request("slow_down", "the polls come too fast"));
        }
        match device.answer {
            None => Err(OAuthError::bad_request("authorization_pending", "nobody has answered yet")),
            Some(Consent::Denied) => {
                self.stats.denials += 1;
                Err(OAuthError::bad_request("access_denied", "the user said no"))
            }
            Some(Consent::Given) => {
                let scope = device.scope.clone();
                self.devices.remove(value);
                self.stats.device_grants += 1;
                let subject = self.settings.subject.clone();
                let grant = self.grants.begin(&client.id, &subject, &scope, now_ms);
                Ok(self.first_tokens(grant, scope, now_ms))
            }
        }
    }
}
