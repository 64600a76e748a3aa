//! A successful answer (RFC 6749 §5.1), field by field.

use serde_json::{Map, Value};
use vestal_core::text::is_disruptive;
use vestal_core::token::TokenAnswer;

use super::life::{self, Reference};

/// What a token set says, besides what its provider adds.
pub(super) const FIELDS: [&str; 11] = [
    "access_token",
    "token_type",
    "expires_in",
    "expires_at",
    "refresh_token",
    "refresh_token_expires_in",
    "refresh_token_expires_at",
    "refresh_expires_in",
    "scope",
    "scopes",
    "id_token",
];

/// Whether a token can be used: one in which bytes could not be read cannot, nor one with a control character, which could end a
/// header early.
pub fn is_usable(token: &str) -> bool {
    !token.contains(|c: char| c == char::REPLACEMENT_CHARACTER || c.is_control())
}

/// Whether these fields are a token set: whether there is an access token that can be used. With a refresh token that cannot it is
/// none either: what is there must not pass for "no new one".
pub(super) fn is_one(fields: &Map<String, Value>) -> bool {
    let access_token = fields.get("access_token").and_then(Value::as_str);
    access_token.is_some_and(|token| !token.trim().is_empty() && is_usable(token))
        && match fields.get("refresh_token") {
            None | Some(Value::Null) => true,
            Some(Value::String(token)) => is_usable(token),
            // Of any other number it is unknown how it was written.
            Some(Value::Number(number)) => number.is_u64() || number.is_i64(),
            Some(_) => false,
        }
}

/// Reads a token set, for which [`is_one`] is true. A field of an unexpected type is kept as it is.
pub(super) fn read(mut fields: Map<String, Value>, reference: Reference) -> TokenAnswer {
    let access_token = take_text(&mut fields, "access_token").unwrap_or_default();
    let expires_in = life::access_token(&mut fields, &access_token, reference);
    TokenAnswer {
        expires_in,
        access_token: access_token.into(),
        token_type: token_type(take_text(&mut fields, "token_type")),
        refresh_token: take_refresh_token(&mut fields).map(Into::into),
        refresh_expires_in: life::refresh_token(&mut fields, reference),
        scope: take_scope(&mut fields, "scope").or_else(|| take_scope(&mut fields, "scopes")),
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

/// The refresh token, which may be a number.
fn take_refresh_token(fields: &mut Map<String, Value>) -> Option<String> {
    let Some(Value::Number(number)) = fields.get("refresh_token") else {
        return take_text(fields, "refresh_token");
    };
    let token = number.to_string();
    fields.remove("refresh_token");
    Some(token)
}

/// The type is spelled in any case (RFC 6749 §5.1), or left out.
fn token_type(said: Option<String>) -> String {
    let said = said.map(without_controls).unwrap_or_default();
    match said.trim() {
        "" => "Bearer".to_owned(),
        bearer if bearer.eq_ignore_ascii_case("bearer") => "Bearer".to_owned(),
        other => other.to_owned(),
    }
}

/// Scopes in a string, or in an array (Twitch).
fn take_scope(fields: &mut Map<String, Value>, name: &str) -> Option<String> {
    let said = if let Some(Value::Array(scopes)) = fields.get(name) {
        let scopes: Option<Vec<&str>> = scopes.iter().map(Value::as_str).collect();
        let joined = scopes?.join(" ");
        fields.remove(name);
        joined
    } else {
        take_text(fields, name)?
    };
    let scope = without_controls(said);
    (!scope.trim().is_empty()).then_some(scope)
}

/// Text that reaches headers and terminals.
fn without_controls(mut text: String) -> String {
    text.retain(|c| !is_disruptive(c));
    text
}
