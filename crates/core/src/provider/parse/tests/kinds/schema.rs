//! The schema of files, by a validator of others: it takes what is read, and refuses what fits no file.

use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;

use super::*;
use crate::provider::catalogue;

struct Validator {
    schemas: Schemas,
    schema: SchemaIndex,
}

impl Validator {
    fn new() -> Self {
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        compiler.enable_format_assertions();
        compiler.add_resource("schema.json", serde_json::from_str(catalogue::SCHEMA).unwrap()).unwrap();
        let schema = compiler.compile("schema.json", &mut schemas).unwrap();
        Self { schemas, schema }
    }

    /// Why it refuses a file, if it does.
    fn refuses(&self, text: &str) -> Option<String> {
        let file: Value = toml::from_str(text).unwrap();
        self.schemas.validate(&file, self.schema).err().map(|error| format!("{error:#}"))
    }
}

#[test]
fn the_schema_takes_every_file_that_is_read() {
    let validator = Validator::new();
    for id in catalogue::ids() {
        assert_eq!(validator.refuses(catalogue::text(id).unwrap()), None, "{id}");
    }
    assert_eq!(validator.refuses(SOUND), None);
    // What is laid over another file needs no more than it changes.
    let over = "id = \"okta\"\n[refresh_token]\nidle_limit = { is = \"30d\", unverified = true }\n";
    assert_eq!(validator.refuses(over), None);
    assert!(validator.refuses(&over.replace("okta", "ours")).unwrap().contains("'name', 'register'"));
}

#[test]
fn the_schema_refuses_whatever_fits_no_file() {
    let validator = Validator::new();
    let missed: Vec<_> = SHAPES
        .iter()
        .filter(|(from, to, _)| validator.refuses(&SOUND.replacen(from, to, 1)).is_none())
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
    // Where a fact comes from is not a matter of its form alone, and it knows of it all the same.
    for unfounded in [
        SOUND.replacen(", source = \"page\" }", " }", 1),
        SOUND.replacen("unverified = true", "unverified = false", 1),
    ] {
        assert!(validator.refuses(&unfounded).is_some());
    }
}

#[test]
fn lengths_of_time_are_taken_as_they_are_read() {
    let validator = Validator::new();
    for (text, fits) in [
        ("none", true),
        ("36min", true),
        ("2h 37min", true),
        ("1.5h", true),
        ("4 weeks", true),
        ("2months 1y", true),
        ("4 fortnights", false),
        ("60", false),
        ("d", false),
        ("-1d", false),
        ("", false),
    ] {
        let file = SOUND.replacen("\"60d\"", &format!("{text:?}"), 1).replacen("365d", "30y", 1);
        assert_eq!(Provider::parse(&file).is_ok(), fits, "{text:?}");
        assert_eq!(validator.refuses(&file).is_none(), fits, "{text:?}");
    }
}
