//! The JSON Schema of what `--json` prints: made from the types that are printed.

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator, json_schema};
use serde_json::{Map, Value, json};

use crate::{
    ChangedView, ClientView, ConnectedView, ConnectionRecord, ConnectionView, ConsentView, DemoSummary,
    DeviceConsentView, DisconnectedView, DoctorView, ErrorView, EventView, ImportView, InitView,
    MasterKeyView, MistakeView, NewFileView, ProviderView, RefreshView, RotationView, ScheduleView,
    StatusView, TokenView,
};

/// The schema: each verb is a property of it, and says what is in a line that it prints.
pub fn schema() -> Value {
    let mut generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let verbs = verbs(&mut generator);
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "What each verb of vestal prints with --json",
        "type": "object",
        "properties": verbs,
        "$defs": generator.take_definitions(true),
    })
}

/// What is in a line that each verb prints, and when it is what.
fn verbs(of: &mut SchemaGenerator) -> Map<String, Value> {
    let mut verbs = Map::new();
    let mut prints = |verb: &str, when: &str, shapes: &[Value]| {
        let schema = match shapes {
            [only] => json!({ "description": when, "allOf": [only] }),
            several => json!({ "description": when, "anyOf": several }),
        };
        verbs.insert(verb.to_owned(), schema);
    };
    let connection = one::<ConnectionView>(of);
    let client = one::<ClientView>(of);
    let consents = [one::<ConsentView>(of), one::<DeviceConsentView>(of), one::<ConnectedView>(of)];
    prints("init", "", &[one::<InitView>(of)]);
    prints("connect", "Two lines: who is to consent where, if anybody, and then what came of it.", &consents);
    prints("token", "", &[one::<TokenView>(of)]);
    let refreshes = [one::<RefreshView>(of), many::<RefreshView>(of)];
    prints("refresh", "A list with `--due` and `--all`.", &refreshes);
    let status = [one::<StatusView>(of), connection.clone()];
    prints(
        "status",
        "The second with a NAME. With `--watch`, a line whenever something has changed.",
        &status,
    );
    prints("list", "", &[many::<ConnectionView>(of)]);
    prints("explain", "", &[one::<ScheduleView>(of)]);
    prints("events", "", &[many::<EventView>(of)]);
    let imports = "A line for each connection, in no order.";
    prints("import", imports, &[one::<ImportView>(of)]);
    let exports = "A line for each connection, also without `--json`.";
    prints("export", exports, &[one::<ConnectionRecord>(of)]);
    prints("set", "", &[connection]);
    prints("pause", "", &[one::<ChangedView>(of)]);
    prints("resume", "", &[one::<ChangedView>(of)]);
    prints("disconnect", "", &[one::<DisconnectedView>(of)]);
    for verb in ["client add", "client show", "client set-secret"] {
        prints(verb, "", std::slice::from_ref(&client));
    }
    prints("client list", "", &[many::<ClientView>(of)]);
    prints("client remove", "The one that was.", &[client]);
    prints("master-key list", "", &[many::<MasterKeyView>(of)]);
    prints("master-key rotate", "", &[one::<RotationView>(of)]);
    prints("doctor", "", &[one::<DoctorView>(of)]);
    prints("providers list", "", &[many::<ProviderView>(of)]);
    prints("providers show", "", &[one::<ProviderView>(of)]);
    prints("providers check", "", &[many::<MistakeView>(of)]);
    prints("providers new", "", &[one::<NewFileView>(of)]);
    prints("demo", "", &[one::<DemoSummary>(of)]);
    let texts = ["time", "level", "target", "message"].map(|name| (name, json!({ "type": "string" })));
    let texts: std::collections::BTreeMap<_, _> = texts.into_iter().collect();
    let line = json!({ "type": "object", "properties": texts, "required": ["time", "level", "target"] });
    let log =
        "A line of the log each, on stderr: `time`, `level`, `target`, `message`, and what belongs to it.";
    prints("serve", log, &[line]);
    let schema = "A JSON Schema, also without `--json`.";
    prints("providers schema", schema, &[json_schema!({ "type": "object" }).to_value()]);
    prints("whatever fails", "In the last line on stderr.", &[one::<ErrorView>(of)]);
    verbs
}

fn one<T: JsonSchema>(of: &mut SchemaGenerator) -> Value {
    of.subschema_for::<T>().to_value()
}

fn many<T: JsonSchema>(of: &mut SchemaGenerator) -> Value {
    json!({ "type": "array", "items": one::<T>(of) })
}
