//! The bill of materials, held against the schema of CycloneDX by its own library.

use std::fs;

use crate::Result;
use crate::install::tool;
use crate::package;
use crate::process::quiet;

const FILE: &str = "target/check.cdx.json";

const VALIDATE: &str = "\
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
with open(sys.argv[1], encoding='utf-8') as file:
    mistake = JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read())
sys.exit(str(mistake) if mistake else 0)
";

pub(super) fn check() -> Result {
    // Of no program in particular.
    let bill = package::bill("0.0.0", &"0".repeat(64))?;
    fs::write(FILE, bill).map_err(|error| format!("{FILE}: {error}"))?;
    quiet(tool("python").args(["-c", VALIDATE, FILE])).map(|_| ())
}
