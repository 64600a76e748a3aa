//! `cargo xtask generate`: files that are made from code, so that they cannot drift from it.

mod cli;
mod configuration;
mod json;
mod providers;
mod schema;
mod story;

use std::fs;
use std::path::Path;

use crate::Result;

struct Generated {
    path: &'static str,
    make: fn() -> Result<String>,
    /// Whether a test compares it already, in which it is made anyway.
    is_tested: bool,
}

const FILES: &[Generated] = &[
    Generated { path: "docs/cli.md", make: cli::page, is_tested: false },
    Generated { path: "docs/configuration.md", make: configuration::page, is_tested: false },
    Generated { path: "docs/json.schema.json", make: json::schema, is_tested: false },
    Generated { path: "docs/json.md", make: json::page, is_tested: false },
    Generated { path: "docs/providers.md", make: providers::page, is_tested: false },
    Generated { path: "providers/schema.json", make: schema::text, is_tested: false },
    Generated { path: "README.md", make: story::page, is_tested: true },
];

/// Rewrites what is out of date.
pub(crate) fn rewrite() -> Result {
    for file in FILES {
        let text = (file.make)()?;
        if is_current(file.path, &text) {
            println!("{} is up to date", file.path);
            continue;
        }
        let written = match Path::new(file.path).parent() {
            Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(file.path, text)),
            None => fs::write(file.path, text),
        };
        written.map_err(|error| format!("cannot write {}: {error}", file.path))?;
        println!("{} is rewritten", file.path);
    }
    Ok(())
}

/// Names what is out of date, but for what a test compares.
pub(crate) fn compare() -> Result {
    let mut stale = Vec::new();
    for file in FILES.iter().filter(|file| !file.is_tested) {
        if !is_current(file.path, &(file.make)()?) {
            stale.push(file.path);
        }
    }
    if stale.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} no longer says what the code says; run `cargo xtask generate` and commit it",
        stale.join(", ")
    ))
}

fn is_current(path: &str, text: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|present| present == text)
}
