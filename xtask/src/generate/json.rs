//! `docs/json.schema.json`, what `--json` prints, and `docs/json.md`, which tells it to people.

use serde_json::{Map, Value};

use crate::Result;
use crate::process;

const HEAD: &str = "\
# What `--json` prints

<!-- Made by `cargo xtask generate` from the types that are printed: edit their comments. -->

Every verb takes `--json`. What it prints then is on stdout, in UTF-8: objects on lines of their own, or one list. `run`,
`completions` and `man` print what somebody else reads, with it and without.

- Times are RFC 3339 in UTC, and may have fractions of a second. Lengths of time are whole seconds.
- Further fields and further codes may come in later versions: pass over those that you do not know.
- What fails says so in its [exit code](cli.md#vestal), and why in an [object](#error) on stderr, in the last line there. Lines before it,
  if there are any, are for people, or of the log as `serve` prints it. A list is complete only where the exit code is 0.
- A command that changes something does all of it, and ends as it would have ended, though whoever reads what it prints stops reading.
- Nothing of it holds a secret but what `token` prints, and `export --with-secrets`.

[json.schema.json](json.schema.json) says the same to programs (JSON Schema 2020-12): a property of it for each verb.

";

pub(crate) fn schema() -> Result<String> {
    let example = ["--package=vestal-api", "--features=schema", "--example=schema"];
    process::text(&mut process::cargo(&[&["run", "--quiet", "--locked"], &example[..]].concat()))
}

pub(crate) fn page() -> Result<String> {
    let schema =
        serde_json::from_str(&schema()?).map_err(|error| format!("the schema is no JSON: {error}"))?;
    page_of(&schema).ok_or_else(|| "the schema says of a shape what no page tells".to_owned())
}

/// The page; `None` where there is something in the schema that it could not tell.
fn page_of(schema: &Value) -> Option<String> {
    let shapes = Shapes(schema["$defs"].as_object()?);
    let mut page = format!("{HEAD}| verb | prints | |\n| --- | --- | --- |\n");
    for (verb, prints) in schema["properties"].as_object()? {
        page.push_str(&format!("| `{verb}` | {} | {} |\n", shapes.kind(prints)?, words(prints)));
    }
    for (name, shape) in shapes.0.iter().filter(|(_, shape)| !is_plain(shape)) {
        page.push_str(&format!("\n## {}\n\n{}\n", title(name), words(shape)));
        shapes.tell(shape, &mut page)?;
    }
    Some(page)
}

struct Shapes<'a>(&'a Map<String, Value>);

impl Shapes<'_> {
    /// What kind of value it is, in a word or two.
    fn kind(&self, of: &Value) -> Option<String> {
        if *of == Value::Bool(true) {
            return Some("anything".to_owned());
        }
        if let Some(name) = of["$ref"].as_str() {
            let name = name.strip_prefix("#/$defs/")?;
            let shape = self.0.get(name)?;
            return if is_plain(shape) { self.kind(shape) } else { Some(link(name)) };
        }
        if let Some(either) = ["anyOf", "oneOf", "allOf"].iter().find_map(|key| of[key].as_array()) {
            return either
                .iter()
                .map(|one| self.kind(one))
                .collect::<Option<Vec<_>>>()
                .map(|it| it.join(" or "));
        }
        let kinds = match &of["type"] {
            Value::Array(several) => several.iter().map(Value::as_str).collect::<Option<Vec<_>>>()?,
            one => vec![one.as_str()?],
        };
        let told = kinds.into_iter().map(|kind| match (kind, of["format"].as_str()) {
            ("string", Some("date-time")) => Some("time".to_owned()),
            ("string", Some("date")) => Some("day".to_owned()),
            ("string", Some("uri")) => Some("URL".to_owned()),
            ("string", _) => Some("text".to_owned()),
            ("integer" | "number", _) => Some("number".to_owned()),
            ("array", _) => Some(format!("list of {}", self.kind(&of["items"])?)),
            ("object", _) if of["additionalProperties"].is_object() => {
                Some(format!("object of {}", self.kind(&of["additionalProperties"])?))
            }
            ("boolean" | "object", _) => Some(kind.to_owned()),
            ("null", _) => Some("`null`".to_owned()),
            _ => None,
        });
        told.collect::<Option<Vec<_>>>().map(|it| it.join(" or "))
    }

    /// What is in a shape: its fields, its codes, or what it may be.
    fn tell(&self, shape: &Value, page: &mut String) -> Option<()> {
        let fields = fields(shape);
        if !fields.is_empty() {
            page.push_str("\n| field | is | |\n| --- | --- | --- |\n");
        }
        for field in fields {
            let absent = if field.is_always_there { "" } else { ", or absent" };
            let kind = self.kind(field.value)?;
            page.push_str(&format!("| `{}` | {kind}{absent} | {} |\n", field.name, words(field.value)));
        }
        let Some(either) = ["oneOf", "anyOf"].iter().find_map(|key| shape[key].as_array()) else {
            return Some(());
        };
        if either.iter().all(|one| one["const"].is_string()) {
            page.push_str("\n| code | |\n| --- | --- |\n");
            for one in either {
                page.push_str(&format!("| `{}` | {} |\n", one["const"].as_str()?, words(one)));
            }
            return Some(());
        }
        page.push('\n');
        either.iter().try_for_each(|one| self.tell_variant(one, 0, page))
    }

    /// One of the things that a shape may be.
    fn tell_variant(&self, variant: &Value, depth: usize, page: &mut String) -> Option<()> {
        let indent = "  ".repeat(depth);
        let tag = variant["properties"].as_object().and_then(|properties| {
            properties.iter().find_map(|(name, value)| Some((name, value["const"].as_str()?)))
        });
        let other = variant["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/"));
        let name = match (tag, other) {
            (Some((name, code)), Some(other)) => {
                format!("`{name}`: `{code}`, and what is in {}", link(other))
            }
            (Some((name, code)), None) => format!("`{name}`: `{code}`"),
            (None, Some(other)) => link(other),
            (None, None) => return None,
        };
        page.push_str(&format!("{indent}- {name}. {}\n", words(variant)));
        for field in fields(variant) {
            let absent = if field.is_always_there { "" } else { ", or absent" };
            let kind = self.kind(field.value)?;
            page.push_str(&format!(
                "{indent}  - `{}` ({kind}{absent}): {}\n",
                field.name,
                words(field.value)
            ));
        }
        let within = variant["oneOf"].as_array();
        within.into_iter().flatten().try_for_each(|one| self.tell_variant(one, depth + 1, page))
    }
}

/// A field of a shape.
struct Field<'a> {
    name: &'a str,
    value: &'a Value,
    is_always_there: bool,
}

/// The fields of a shape, but for the code that tells which one it is: as the types have them, those at the end that may be absent.
fn fields(shape: &Value) -> Vec<Field<'_>> {
    let Some(properties) = shape["properties"].as_object() else { return Vec::new() };
    let required: Vec<&str> =
        shape["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let there = required.iter().filter_map(|name| Some((*name, properties.get(*name)?, true)));
    let others = properties.iter().filter(|(name, _)| !required.contains(&name.as_str()));
    let all = there.chain(others.map(|(name, value)| (name.as_str(), value, false)));
    all.filter(|(_, value, _)| value["const"].is_null())
        .map(|(name, value, is_always_there)| Field { name, value, is_always_there })
        .collect()
}

/// Whether a shape has nothing of its own to tell: an identifier, say.
fn is_plain(shape: &Value) -> bool {
    ["properties", "oneOf", "anyOf"].iter().all(|key| shape[key].is_null())
}

/// What a comment says, in one line that may stand in a table.
fn words(shape: &Value) -> String {
    let text = shape["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace("[`", "`")
        .replace("`]", "`")
        .replace('|', "\\|")
}

/// A type's name as a heading: `IdleEndView` is "Idle end".
fn title(name: &str) -> String {
    let mut title = String::new();
    for character in name.strip_suffix("View").unwrap_or(name).chars() {
        match character.is_uppercase() && !title.is_empty() {
            true => title.extend([' ', character.to_ascii_lowercase()]),
            false => title.push(character),
        }
    }
    title
}

fn link(name: &str) -> String {
    let title = title(name);
    format!("[{}](#{})", title.to_lowercase(), title.to_lowercase().replace(' ', "-"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes_are_told_with_their_fields_and_codes() {
        let schema = json!({
            "properties": { "list": { "type": "array", "items": { "$ref": "#/$defs/ShopView" }, "description": "All." } },
            "$defs": {
                "ShopId": { "type": "string", "description": "An identifier." },
                "ShopView": {
                    "description": "A shop\nof [`Kind`].",
                    "properties": {
                        "at": { "type": ["string", "null"], "format": "date-time" },
                        "id": { "$ref": "#/$defs/ShopId", "description": "Its a|b." },
                        "kind": { "$ref": "#/$defs/Kind" }
                    },
                    "required": ["id", "at"]
                },
                "Kind": { "oneOf": [{ "const": "big", "type": "string", "description": "Large." }] },
                "What": { "oneOf": [{
                    "description": "It was sold.",
                    "properties": { "event": { "const": "sold" }, "to": { "type": "string", "description": "Whom." } },
                    "required": ["event", "to"]
                }] }
            }
        });
        let page = page_of(&schema).unwrap();
        for told in [
            "| `list` | list of [shop](#shop) | All. |\n",
            "## Shop\n\nA shop of `Kind`.\n",
            "| `id` | text | Its a\\|b. |\n| `at` | time or `null` |  |\n| `kind` | [kind](#kind), or absent |  |\n",
            "| `big` | Large. |\n",
            "- `event`: `sold`. It was sold.\n  - `to` (text): Whom.\n",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        assert!(!page.contains("Shop id"), "{page}");
        assert_eq!(page_of(&json!({ "properties": { "x": { "type": "complex" } }, "$defs": {} })), None);
    }
}
