//! Kinds of mistake: what is changed in the sound file, and all that is said of it.

use super::*;
use meanings::MEANINGS;
use shapes::SHAPES;

mod meanings;
mod schema;
mod shapes;

type Kind = (&'static str, &'static str, &'static [&'static str]);

const SYNTAX: &[Kind] = &[
    ("name = \"Small\"", "name = ", &["2:8: string values must be quoted, expected literal string"]),
    ("name = \"Small\"", "name = \"Small", &["2:14: invalid basic string, expected `\"`"]),
    ("name = \"Small\"", "name \"Small\"", &["2:6: key with no value, expected `=`"]),
    ("[endpoints]", "[endpoints", &["9:11: unclosed table, expected `]`"]),
    ("docs = ", "name = ", &["3:1: duplicate key"]),
    ("[client]", "[endpoints]", &["15:2: duplicate key"]),
    (
        "\"read\", \"offline\"]",
        "\"read\" \"offline\"]",
        &["24:33: missing comma between array elements, expected `,`"],
    ),
    ("is = 10", "is = 1_", &["30:23: `_` may only go between digits, expected nothing"]),
];

#[test]
fn every_kind_of_mistake_is_told_with_its_place_and_what_to_do() {
    let kinds = [SYNTAX, SHAPES, MEANINGS].concat();
    assert!(kinds.len() > 50);
    for (from, to, expected) in kinds {
        let said: Vec<String> = said(from, to).iter().map(|said| without_keys(said)).collect();
        assert_eq!(said, expected, "{from} → {to}");
    }
}

/// What is said, without the keys that there are: they become more.
fn without_keys(said: &str) -> String {
    match said.split_once(", expected one of ") {
        Some((unknown, keys)) if unknown.contains("unknown field") => {
            let hint = keys.split_once(';').map(|(_, hint)| format!(";{hint}")).unwrap_or_default();
            format!("{unknown}, expected one of …{hint}")
        }
        _ => said.to_owned(),
    }
}
