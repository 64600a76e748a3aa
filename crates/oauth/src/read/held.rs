//! Refresh tokens in answers that are no token set, wherever they stand.

use serde_json::{Map, Value};
use vestal_core::secret::Redactor;

use super::lenient::string_end;

const NAME: &str = "\"refresh_token\"";

/// Whether an answer brought a refresh token, other than the one that was `sent`: among its `fields`, or anywhere in its
/// `text`, which may be a list, hold it within something else, or have broken off.
pub(super) fn a_refresh_token(text: &str, fields: Option<&Map<String, Value>>, sent: &Redactor) -> bool {
    let among_fields = match fields.and_then(|fields| fields.get("refresh_token")) {
        Some(Value::String(token)) => is_new(token, sent),
        Some(Value::Number(number)) => is_new(&number.to_string(), sent),
        _ => false,
    };
    among_fields || text.match_indices(NAME).any(|(at, name)| is_new(value(&text[at + name.len()..]), sent))
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
            assert_eq!(a_refresh_token(text, None, &sent), held, "{text}");
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
            assert_eq!(a_refresh_token("", Some(&fields), &sent), held, "{fields:?}");
        }
    }
}
