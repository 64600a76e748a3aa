//! `providers/schema.json`: what may stand in a provider's file, as a JSON Schema.

use crate::Result;
use crate::process;

pub(crate) fn text() -> Result<String> {
    let example = ["--package=vestal-core", "--features=schema", "--example=schema"];
    process::text(&mut process::cargo(&[&["run", "--quiet", "--locked"], &example[..]].concat()))
}
