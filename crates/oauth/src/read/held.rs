//! Refresh tokens in answers that are no token set, wherever they stand.

use serde_json::{Map, Value};
use vestal_core::secret::Redactor;

use super::lenient::string_end;

const NAMES: [&str; 2] = ["\"refresh_token\"", "\"refreshToken\""];

/// What providers say is wrong with the one that was sent, where they say it in a word.
const WORDS: [&str; 14] = [
    "absent",
    "blank",
    "denied",
    "empty",
    "expired",
    "invalid",
    "malformed",
    "missing",
    "not_found",
    "null",
    "required",
    "revoked",
    "unknown",
    "used",
];

/// Whether an answer brought a refresh token, other than the one that was `sent`: among its `fields`, or anywhere in its
/// `text`, which may be a list, hold it within something else, or have broken off. In one that `is_refusal`, a word may
/// stand there that says what is wrong.
pub(super) fn a_refresh_token(
    text: &str,
    fields: Option<&Map<String, Value>>,
    is_refusal: bool,
    sent: &Redactor,
) -> bool {
    let is_one = |token: &str| is_new(token, sent) && !(is_refusal && is_said_of_one(token));
    let among_fields = match fields.and_then(|fields| fields.get("refresh_token")) {
        Some(Value::String(token)) => is_one(token),
        Some(Value::Number(number)) => is_one(&number.to_string()),
        _ => false,
    };
    let mut anywhere = NAMES.iter().flat_map(|name| text.match_indices(name));
    among_fields || anywhere.any(|(at, name)| is_one(value(&text[at + name.len()..])))
}

/// The text or the number that a member of an object has, as it is written; empty where it has another value.
fn value(after_name: &str) -> &str {
    let Some(value) = after_name.trim_ascii_start().strip_prefix(':') else { return "" };
    let value = value.trim_ascii_start();
    match value.strip_prefix('"') {
        Some(broken_off) => string_end(value.as_bytes(), 0).map_or(broken_off, |end| &value[1..end - 1]),
        None => &value[..value.find(|c: char| !"+-.0123456789eE".contains(c)).unwrap_or(value.len())],
    }
}

/// Whether this may be a refresh token. A sentence is none, but what is wrong with the one that was sent.
fn is_new(token: &str, sent: &Redactor) -> bool {
    !token.is_empty() && !token.contains(char::is_whitespace) && !sent.knows(token)
}

/// Whether this is no refresh token, but a word about one, or the one that was sent with its letters covered.
fn is_said_of_one(text: &str) -> bool {
    let word = text.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let words = || WORDS.iter().any(|known| word.eq_ignore_ascii_case(known));
    words() || ["***", "…", "•••"].iter().any(|cover| text.contains(cover))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn anywhere_in_a_text() {
        let sent = Redactor::knowing(["sent/once".into(), "7".into(), "sent\"twice".into()]);
        for (text, held) in [
            (r#"{"refresh_token":"new"}"#, true),
            (r#"{"refresh_token" : "new"}"#, true),
            (r#"{"refresh_token":8}"#, true),
            (r#"{"data":{"refreshToken":"new"}}"#, true),
            (r#"[{"a":1},{"refresh_token":"new"}]"#, true),
            (r#"{"data":{"refresh_token":"new"}}"#, true),
            (r#"{"refresh_token":"new","refresh_token":null}"#, true),
            (r#"{"refresh_token":null,"refresh_token":"new"}"#, true),
            (r#"{"access_token":"at","refresh_token":"ne"#, true),
            (r#"{"refresh_token":"ne\"w"}"#, true),
            // What was sent is no news.
            (r#"{"refresh_token":"sent/once"}"#, false),
            (r#"{"refresh_token":"sent\/once"}"#, false),
            (r#"{"refresh_token":7}"#, false),
            (r#"{"refresh_token":"sent\"twice"}"#, false),
            // Nor is what is wrong with it.
            (r#"{"refresh_token":"is required"}"#, false),
            (r#"{"refresh_token":["Invalid."]}"#, false),
            (r#"{"refresh_token":{"code":"invalid"}}"#, false),
            (r#"{"error_description":"\"refresh_token\":\"x\" is unknown"}"#, false),
            (r#"{"refresh_token":null}"#, false),
            (r#"{"refresh_token":""}"#, false),
            (r#"{"refresh_token"}"#, false),
            (r#"{"refresh_token":"#, false),
            (r#"["refresh_token","new"]"#, false),
            ("refresh_token=new", false),
            ("", false),
        ] {
            assert_eq!(a_refresh_token(text, None, false, &sent), held, "{text}");
        }
    }

    #[test]
    fn among_fields() {
        let sent = Redactor::knowing(["sent".into()]);
        for (token, held) in [
            (Value::from("new"), true),
            (Value::from(8), true),
            (Value::from("sent"), false),
            (Value::from("is required"), false),
            (Value::from(" "), false),
            (Value::Null, false),
        ] {
            let fields = Map::from_iter([("refresh_token".to_owned(), token)]);
            assert_eq!(a_refresh_token("", Some(&fields), false, &sent), held, "{fields:?}");
        }
    }
    #[test]
    fn beside_an_error_a_word_is_none() {
        for (token, held) in [
            ("required", false),
            ("MISSING", false),
            ("Invalid.", false),
            ("(expired)", false),
            ("abc***", false),
            ("abcd…wxyz", false),
            ("new", true),
            ("requiredness", true),
            ("1//0g*abc", true),
        ] {
            let text = format!(r#"{{"errors":{{"refresh_token":"{token}"}}}}"#);
            let fields = Map::from_iter([("refresh_token".to_owned(), Value::from(token))]);
            for (text, fields) in [(text.as_str(), None), ("", Some(&fields))] {
                assert_eq!(a_refresh_token(text, fields, true, &Redactor::default()), held, "{token}");
                assert!(a_refresh_token(text, fields, false, &Redactor::default()), "{token}");
            }
        }
    }
}
