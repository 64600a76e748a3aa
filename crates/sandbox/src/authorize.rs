//! The authorization endpoint (RFC 6749 §4.1.1 and §4.1.2), where the user answers at once.

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use url::Url;

use crate::form::Form;
use crate::grants::GrantId;
use crate::{Client, Consent, Request, Response, Sandbox, answer};

/// An authorization code: what was consented to, and how its bearer proves to be the one who asked.
pub(crate) struct Code {
    pub(crate) client_id: String,
    /// As in the authorization request; the exchange must repeat it if it was there (RFC 6749 §4.1.3).
    pub(crate) redirect_uri: Option<String>,
    /// The S256 challenge (RFC 7636 §4.2).
    pub(crate) challenge: Option<String>,
    pub(crate) subject: String,
    pub(crate) scope: String,
    pub(crate) expires_ms: u64,
    /// The grant it was exchanged for.
    pub(crate) exchanged: Option<GrantId>,
}

/// What the client is told at its redirect URI when it gets no code: `error` and `error_description`.
type Refusal = (&'static str, &'static str);

impl Sandbox {
    pub(crate) fn authorize(&mut self, request: &Request, now_ms: u64) -> Response {
        // Until it is known where the client may be answered, the user is told instead (RFC 6749 §4.1.2.1).
        let page = |message: &'static str| answer::text(StatusCode::BAD_REQUEST, message);
        let Ok(form) = Form::of_query(request, &self.settings.dialect) else {
            return page("A parameter is there twice.\n");
        };
        let asking = self.settings.clients.iter().find(|client| Some(&*client.id) == form.get("client_id"));
        let Some(client) = asking.cloned() else {
            return page("The client_id is missing or not registered.\n");
        };
        let Some(mut target) = redirect_target(&client, &form) else {
            return page("The redirect_uri is missing or not registered for this client.\n");
        };
        match self.consent(&client, &form, now_ms) {
            Ok(code) => target.query_pairs_mut().append_pair("code", &code),
            Err((error, description)) => target
                .query_pairs_mut()
                .append_pair("error", error)
                .append_pair("error_description", description),
        };
        if let Some(state) = form.get("state") {
            target.query_pairs_mut().append_pair("state", state);
        }
        // RFC 9207: which server answered.
        target.query_pairs_mut().append_pair("iss", &self.settings.issuer);
        let Ok(location) = HeaderValue::try_from(target.as_str()) else {
            return page("The redirect_uri does not fit into a header.\n");
        };
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert(header::LOCATION, location);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }

    /// Asks the user, who answers at once, and makes a code of a yes.
    fn consent(&mut self, client: &Client, form: &Form, now_ms: u64) -> Result<String, Refusal> {
        if form.get("response_type") != Some("code") {
            return Err(("unsupported_response_type", "only response_type=code is supported"));
        }
        match (form.get("code_challenge"), form.get("code_challenge_method")) {
            (Some(_), _) if self.settings.dialect.refuses_pkce => {
                return Err(("invalid_request", "code_challenge is not supported"));
            }
            (Some(_), Some("S256")) => {}
            (None, None) if !client.is_public() => {}
            (None, None) => return Err(("invalid_request", "a public client must use PKCE")),
            _ => return Err(("invalid_request", "PKCE is supported with S256 only")),
        }
        if self.settings.consent == Consent::Denied {
            self.stats.denials += 1;
            return Err(("access_denied", "the user said no"));
        }
        let code = Code {
            client_id: client.id.clone(),
            redirect_uri: form.get("redirect_uri").map(str::to_owned),
            challenge: form.get("code_challenge").map(str::to_owned),
            subject: self.settings.subject.clone(),
            scope: form.get("scope").unwrap_or_default().to_owned(),
            expires_ms: now_ms.saturating_add(self.settings.code_life_ms),
            exchanged: None,
        };
        let value = self.random.token("code_");
        self.codes.insert(value.clone(), code);
        self.stats.authorizations += 1;
        Ok(value)
    }
}

/// Where the answer goes: the registered URI that was asked for, or the only one there is.
fn redirect_target(client: &Client, form: &Form) -> Option<Url> {
    let uri = match (form.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), _) => match client.redirect_names.iter().find(|(name, _)| name == asked) {
            Some((_, uri)) => Some(uri.as_str()),
            None => Some(asked).filter(|asked| client.may_redirect_to(asked)),
        },
        (None, [only]) => Some(only.as_str()),
        (None, _) => None,
    };
    Url::parse(uri?).ok()
}
