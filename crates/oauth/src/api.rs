//! What an API answers to whoever asks it with an access token.

use bytes::Bytes;
use http::header::USER_AGENT;
use http::{HeaderName, HeaderValue, Request};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value};
use url::Url;
use vestal_core::provider::RequestFacts;

use crate::form::{Unsendable, get};
use crate::http::{BodyEnd, Exchange};

/// The longest text that is taken for a value.
const LONGEST: usize = 1024;

/// The request, with these header fields, in which `{token}` and `{client_id}` are filled in.
pub(crate) fn request<'a>(
    url: &Url,
    fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    access_token: &SecretString,
    client_id: &str,
    requests: &RequestFacts,
) -> Result<Request<Bytes>, Unsendable> {
    let unsendable = || Unsendable::of(url);
    let mut request = get(url)?;
    let headers = request.headers_mut();
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| unsendable())?;
        let value = value.replace("{client_id}", client_id);
        // What the account has of its own is not known before it is known whose the token is.
        if value.replace("{token}", "").contains('{') {
            continue;
        }
        // The token comes last: what is in it stands for nothing.
        let value = value.replace("{token}", access_token.expose_secret());
        let mut value = HeaderValue::from_str(&value).map_err(|_| unsendable())?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    if let Some(user_agent) = requests.user_agent(client_id) {
        let user_agent = HeaderValue::from_str(&user_agent).map_err(|_| unsendable())?;
        headers.insert(USER_AGENT, user_agent);
    }
    Ok(request)
}

/// What it said, or a sentence that says why it said nothing.
pub(crate) fn json(exchange: Exchange) -> Result<Value, String> {
    let answer = match exchange {
        Exchange::NotSent { detail } | Exchange::ClientUnfit { detail } | Exchange::NoAnswer { detail } => {
            return Err(detail);
        }
        Exchange::Answered(answer) => answer,
    };
    if answer.status != 200 || answer.end != BodyEnd::Complete {
        return Err(format!("it answered {}", answer.status));
    }
    serde_json::from_slice(&answer.body).map_err(|_| "its answer is no JSON".to_owned())
}

/// The text or the whole number at a path, if there is one that can tell accounts apart.
pub fn at(fields: &Map<String, Value>, path: &[String]) -> Option<String> {
    let (first, rest) = path.split_first()?;
    let found = rest.iter().try_fold(fields.get(first)?, |value, name| value.get(name))?;
    let text = match found {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_u64() || number.is_i64() => number.to_string(),
        _ => return None,
    };
    (!text.trim().is_empty() && text.len() <= LONGEST).then_some(text)
}
