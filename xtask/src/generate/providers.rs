//! `docs/providers.md`: the catalogue, and what Vestal makes of it.

use crate::Result;
use crate::process::{cargo, text};

pub(crate) fn page() -> Result<String> {
    text(&mut cargo(&["run", "--quiet", "--locked", "--package=vestal-core", "--example=catalogue"]))
}
