//! A successful answer (RFC 6749 §5.1), field by field.

use serde_json::{Map, Value};
use vestal_core::token::TokenAnswer;

use super::life::{self, Reference};

/// Whether these fields are a token set: whether there is an access token. A token in which bytes could not
/// be read does not count.
pub(super) fn is_one(fields: &Map<String, Value>) -> bool {
    let text = |name| fields.get(name).and_then(Value::as_str);
    let damaged = |token: &str| token.contains(char::REPLACEMENT_CHARACTER);
    text("access_token").is_some_and(|token| !token.trim().is_empty() && !damaged(token))
        && !text("refresh_token").is_some_and(damaged)
}

/// Reads a token set, for which [`is_one`] is true. A field of an unexpected type is kept as it is.
pub(super) fn read(mut fields: Map<String, Value>, reference: Reference) -> TokenAnswer {
    let access_token = take_text(&mut fields, "access_token").unwrap_or_default();
    let expires_in = life::access_token(&mut fields, &access_token, reference);
    TokenAnswer {
        expires_in,
        access_token: access_token.into(),
        token_type: token_type(take_text(&mut fields, "token_type")),
        refresh_token: take_text(&mut fields, "refresh_token").map(Into::into),
        refresh_expires_in: life::refresh_token(&mut fields),
        scope: take_scope(&mut fields),
        id_token: take_text(&mut fields, "id_token").map(Into::into),
        extra: fields,
    }
}

/// Takes a string out; null and blanks are taken out too, and are nothing.
fn take_text(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    if !matches!(fields.get(name)?, Value::String(_) | Value::Null) {
        return None;
    }
    match fields.remove(name)? {
        Value::String(text) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// The type is spelled in any case (RFC 6749 §5.1), or left out.
fn token_type(said: Option<String>) -> String {
    match said {
        Some(other) if !other.trim().eq_ignore_ascii_case("bearer") => other.trim().to_owned(),
        _ => "Bearer".to_owned(),
    }
}

/// Scopes in a string, or in an array (Twitch).
fn take_scope(fields: &mut Map<String, Value>) -> Option<String> {
    let Some(Value::Array(scopes)) = fields.get("scope") else { return take_text(fields, "scope") };
    let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
    let joined = scopes?.join(" ");
    fields.remove("scope");
    (!joined.is_empty()).then_some(joined)
}
