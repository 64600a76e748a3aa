//! The JSON Schema of providers' files: made from the types that they are read into.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::transform::transform_subschemas;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use super::{Grace, Identity, Life, Limit, Pattern, Provider, Rate, Wait, catalogue};

/// The schema. Of the dialects, draft 7 is the one that editors of TOML know best.
pub fn schema() -> Value {
    let settings = SchemaSettings::draft07().with_transform(as_toml_has_it);
    let mut schema = settings.into_generator().into_root_schema_for::<Provider>();
    let required = schema.insert("required".to_owned(), json!(["id"]));
    // A file with the identifier of one of ours is laid over that, and says only what is otherwise.
    let ours: Vec<_> = catalogue::ids().collect();
    schema.insert("if".to_owned(), json!({ "properties": { "id": { "enum": ours } } }));
    schema.insert("else".to_owned(), json!({ "required": required }));
    schema.to_value()
}

/// What the types do not say.
fn as_toml_has_it(schema: &mut Schema) {
    without_null(schema);
    if schema.get("format").is_some_and(|format| format == "uri") {
        // Variables in braces may stand in it, where RFC 3986 has none.
        schema.remove("format");
        schema.insert("pattern".to_owned(), json!("^https?://[^/]+"));
    }
    let has = |name: &str| schema.pointer(&format!("/properties/{name}")).is_some();
    if has("source") && has("unverified") {
        // Somebody has read it somewhere, or nobody has.
        let hearsay =
            json!({ "properties": { "unverified": { "const": true } }, "required": ["unverified"] });
        schema.insert("anyOf".to_owned(), json!([{ "required": ["source"] }, hearsay]));
    }
    transform_subschemas(&mut as_toml_has_it, schema);
}

/// TOML has no null: what there is not is left out.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(either)) = schema.get_mut("anyOf") {
        either.retain(|one| *one != json!({ "type": "null" }));
        if let [only] = either.as_slice() {
            let only = json!([only]);
            schema.remove("anyOf");
            schema.insert("allOf".to_owned(), only);
        }
    }
}

/// Lengths of time, as `humantime` reads them.
const LENGTH: &str = "([0-9.]+ *(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d\
     |weeks?|wks?|w|months?|M|years?|yrs?|y) *)+";

/// What is written as a text: how, and by which of these patterns.
macro_rules! written {
    ($($name:ident: $($pattern:expr),+;)+) => {$(
        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                text(Self::WRITTEN, &[$($pattern),+])
            }
        }
    )+};
}

written! {
    Life: LENGTH;
    Limit: "none", LENGTH;
    Grace: "none", "until-successor-used", "old-stays-valid", LENGTH;
    Wait: "utc-midnight", LENGTH;
    Rate: "[0-9]+ per (second|minute|hour|day)", &format!("[0-9]+ per {LENGTH}");
    Pattern: r"(\*|[a-z0-9:-]+)(\.(\*|[a-z0-9:-]+))*";
}

fn text(written: &str, patterns: &[&str]) -> Schema {
    json_schema!({ "description": written, "type": "string", "pattern": format!("^({})$", patterns.join("|")) })
}

impl JsonSchema for Identity {
    fn schema_name() -> Cow<'static, str> {
        "Identity".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let get = generator.subschema_for::<url::Url>();
        json_schema!({
            "description": Self::WRITTEN,
            "oneOf": [
                { "type": "string", "pattern": r"^(id_token\.sub|(redirect|site|token)\..+)$" },
                {
                    "type": "object",
                    "properties": { "get": get, "path": { "type": "string" } },
                    "required": ["get", "path"],
                    "additionalProperties": false
                }
            ]
        })
    }
}
