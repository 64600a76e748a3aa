//! JSON objects field by field: `serde_json` refuses one as a whole for the sake of one value (a number beyond a double,
//! half a surrogate pair, a nesting too deep), and of two fields with one name it forgets the first.

use serde_json::{Map, Value};

/// The fields of the object that `text` is. A field that cannot be read is as if absent, unless it is the refresh
/// token: without it, the one before would wrongly be kept. `None` also where the object is not whole.
///
/// Where `serde_json` reads an object, this is the same object, save for fields that come twice: see [`put`].
pub(super) fn object(text: &str) -> Option<Map<String, Value>> {
    let mut fields = Map::new();
    let mut rest = text.trim_ascii().strip_prefix('{')?.trim_ascii_start();
    if rest == "}" {
        return Some(fields);
    }
    loop {
        let (name, after) = split_value(rest)?;
        let (value, after) = split_value(after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start())?;
        if !name.starts_with('"') {
            return None;
        }
        if let Ok(name) = serde_json::from_str::<String>(name) {
            let name = customary(name);
            match serde_json::from_str(value) {
                Ok(value) => put(&mut fields, name, value)?,
                Err(_) if name == "refresh_token" => return None,
                Err(_) => drop(fields.remove(&name)),
            }
        }
        let after = after.trim_ascii_start();
        if after == "}" {
            return Some(fields);
        }
        rest = after.strip_prefix(',')?.trim_ascii_start();
    }
}

/// The name of RFC 6749, also where it is written in camel case.
fn customary(name: String) -> String {
    let customary = match name.as_str() {
        "accessToken" => "access_token",
        "refreshToken" => "refresh_token",
        "tokenType" => "token_type",
        "expiresIn" => "expires_in",
        "expiresAt" => "expires_at",
        "idToken" => "id_token",
        _ => return name,
    };
    customary.to_owned()
}

/// The value that stands within another one, as it is written: by its name in an object, by its number in a list. `None`
/// also where a name comes twice.
pub(super) fn within<'a>(text: &'a str, step: &str) -> Option<&'a str> {
    let (mut rest, is_list) = match text.strip_prefix('{') {
        Some(rest) => (rest.trim_ascii_start(), false),
        None => (text.strip_prefix('[')?.trim_ascii_start(), true),
    };
    let mut found = None;
    for number in 0_usize.. {
        let (first, after) = split_value(rest)?;
        let (value, after, fits) = match is_list {
            true => (first, after, step.parse() == Ok(number)),
            false => {
                let value = after.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
                let (value, after) = split_value(value)?;
                (value, after, serde_json::from_str::<String>(first).is_ok_and(|name| name == step))
            }
        };
        if fits && found.replace(value).is_some() {
            return None;
        }
        match after.trim_ascii_start().strip_prefix(',') {
            Some(after) => rest = after.trim_ascii_start(),
            None => break,
        }
    }
    found
}

/// Puts a field beside those before it. Of two with one name the last counts that says something. `None` for two refresh
/// tokens that differ: which of them counts nobody knows.
pub(super) fn put(fields: &mut Map<String, Value>, name: String, value: Value) -> Option<()> {
    let before = fields.get(&name).filter(|before| says_something(before));
    match before {
        Some(_) if !says_something(&value) => {}
        Some(before) if name == "refresh_token" && *before != value => return None,
        _ => drop(fields.insert(name, value)),
    }
    Some(())
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        _ => true,
    }
}

/// Splits off the value that `text` begins with. Only where it ends is looked for, and without recursion.
fn split_value(text: &str) -> Option<(&str, &str)> {
    let bytes = text.as_bytes();
    let mut closing = Vec::new();
    let mut at = 0;
    loop {
        match *bytes.get(at)? {
            b'"' => at = string_end(bytes, at)?,
            b'{' => {
                closing.push(b'}');
                at += 1;
            }
            b'[' => {
                closing.push(b']');
                at += 1;
            }
            byte @ (b'}' | b']') => {
                if closing.pop()? != byte {
                    return None;
                }
                at += 1;
            }
            _ if closing.is_empty() => {
                at = text.find(|c: char| ",:{}[]\"".contains(c) || c.is_ascii_whitespace())?;
            }
            _ => at += 1,
        }
        if closing.is_empty() {
            return text.split_at_checked(at);
        }
    }
}

/// Where the string that begins at `start` has ended.
pub(super) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let mut at = start + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn one_bad_value_hides_no_other() {
        let deep = format!("{}{}", "[".repeat(500_000), "]".repeat(500_000));
        for bad in [
            "1e400",
            r#""\ud800""#,
            r#"["\ud800", {"a": 1e400}]"#,
            "NaN",
            "'x'",
            "\"two\nlines\"",
            r#""\x""#,
            "[1 2]",
            "",
            &deep,
        ] {
            let text = format!(r#" {{"a" : "b\"}}", "x" : {bad} , "c":[{{"d":"]"}}], "e":2.5}} "#);
            let read = object(&text).unwrap();
            assert_eq!(read.get("a"), Some(&json!("b\"}")), "{text:.80}");
            assert_eq!(read.get("c"), Some(&json!([{"d": "]"}])), "{text:.80}");
            assert_eq!(read.get("e"), Some(&json!(2.5)), "{text:.80}");
            assert!(!read.contains_key("x"), "{text:.80}");
        }
    }

    #[test]
    fn the_last_of_two_counts_also_if_it_is_bad() {
        assert_eq!(object(r#"{"a":1e400,"a":1}"#), object(r#"{"a":1}"#));
        assert_eq!(object(r#"{"a":1,"a":1e400}"#), Some(Map::new()));
        assert_eq!(object(r#"{"\u0061":1e400,"\ud800":1}"#), Some(Map::new()));
    }

    #[test]
    fn what_is_no_whole_object() {
        for text in [
            "",
            "{",
            "[]",
            "{]",
            "{,}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1"#,
            r#"{"a":"1}"#,
            r#"{"a":"1\"#,
            r#"{"a":[1}"#,
            r#"{"a":[}]}"#,
            r#"{"a":1]"#,
            r#"{"a":1,}"#,
            r#"{"a":1}{"a":1}"#,
            r#"{"a":1} x"#,
            r#"{"a":1 "b":2}"#,
            "{a:1}",
            r#"{["a"]:1}"#,
            r#"{"refresh_token":1e400}"#,
            r#"{"refresh_token":"\ud800"}"#,
        ] {
            assert_eq!(object(text), None, "{text}");
        }
    }

    #[test]
    fn of_two_the_last_counts_that_says_something() {
        for (text, one) in [
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#"{"a":1,"a":null}"#, r#"{"a":1}"#),
            (r#"{"a":"x","a":" "}"#, r#"{"a":"x"}"#),
            (r#"{"a":null,"a":""}"#, r#"{"a":""}"#),
            (r#"{"refresh_token":"new","refresh_token":null}"#, r#"{"refresh_token":"new"}"#),
            (r#"{"refresh_token":"","refresh_token":"new"}"#, r#"{"refresh_token":"new"}"#),
            (r#"{"refresh_token":"new","refresh_token":"new"}"#, r#"{"refresh_token":"new"}"#),
        ] {
            assert_eq!(object(text), object(one), "{text}");
            assert!(object(text).is_some(), "{text}");
        }
        for other in ["\"other\"", "7", "[]", "{}", "false", "\"\\ud800\""] {
            assert_eq!(object(&format!(r#"{{"refresh_token":"new","refresh_token":{other}}}"#)), None);
            assert_eq!(object(&format!(r#"{{"refresh_token":{other},"refresh_token":"new"}}"#)), None);
        }
    }

    /// Whether both are one object, save for names that come twice: of these another may count than the last, if that
    /// says nothing.
    fn agree(read: &Map<String, Value>, whole: &Map<String, Value>) -> bool {
        read.keys().eq(whole.keys())
            && whole.iter().all(|(name, value)| read[name] == *value || !says_something(value))
    }

    fn json() -> impl Strategy<Value = String> {
        let scalar = prop_oneof![
            Just("null".to_owned()),
            Just("true".to_owned()),
            any::<i64>().prop_map(|number| number.to_string()),
            any::<f64>().prop_map(|number| json!(number).to_string()),
            any::<String>().prop_map(|text| json!(text).to_string()),
            "[\"\\\\{}\\[\\],:é\u{1f600}]{0,6}".prop_map(|text| json!(text).to_string()),
        ];
        let value = scalar.prop_recursive(4, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                members(inner),
            ]
        });
        members(value)
    }

    fn members(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        let member = ("[ab\"{}\\\\]{0,2}", "[ \t\r\n]{0,2}", value)
            .prop_map(|(name, space, value)| format!("{space}{}{space}:{space}{value}{space}", json!(name)));
        prop::collection::vec(member, 0..4).prop_map(|members| format!("{{{}}}", members.join(",")))
    }

    proptest! {
        #[test]
        fn it_agrees_with_serde_json(text in json(), at in any::<prop::sample::Index>(), other in "\\PC?|[\"{}\\[\\],:\\\\1e ]") {
            let whole: Map<String, Value> = serde_json::from_str(&text).unwrap();
            prop_assert!(agree(&object(&text).unwrap(), &whole));

            // And where it reads what has been damaged.
            let (place, old) = text.char_indices().nth(at.index(text.chars().count())).unwrap();
            let damaged = format!("{}{other}{}", &text[..place], &text[place + old.len_utf8()..]);
            let read = object(&damaged);
            if let Ok(whole) = serde_json::from_str::<Map<String, Value>>(&damaged) {
                prop_assert!(agree(&read.unwrap(), &whole));
            }
        }

        #[test]
        fn any_text_can_be_scanned(text in "\\{?(\\PC|[\"{}\\[\\],:\\\\1e ]){0,40}\\}?") {
            let read = object(&text);
            if let Ok(whole) = serde_json::from_str::<Map<String, Value>>(&text) {
                prop_assert!(agree(&read.unwrap(), &whole));
            }
        }
    }
}
