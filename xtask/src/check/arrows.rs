//! Which crate may depend on which: the shape of the code, held by the build.

use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::process::{cargo, text};

/// A crate of the workspace, and what it may depend on in it.
struct Allowed {
    name: &'static str,
    on: &'static [&'static str],
    /// What its tests may depend on besides.
    in_tests: &'static [&'static str],
}

const ALL: &[&str] =
    &["vestal-api", "vestal-core", "vestal-engine", "vestal-oauth", "vestal-sandbox", "vestal-store"];

const INTERNAL: &[Allowed] = &[
    Allowed { name: "vestal-core", on: &[], in_tests: &[] },
    Allowed { name: "vestal-sandbox", on: &[], in_tests: &[] },
    Allowed { name: "vestal-oauth", on: &["vestal-core"], in_tests: &[] },
    Allowed { name: "vestal-store", on: &["vestal-core"], in_tests: &[] },
    Allowed { name: "vestal-api", on: &["vestal-core"], in_tests: &[] },
    Allowed {
        name: "vestal-engine",
        on: &["vestal-core", "vestal-oauth"],
        in_tests: &["vestal-sandbox", "vestal-store"],
    },
    Allowed { name: "vestal", on: ALL, in_tests: &["opt-in-form"] },
    // An example is what somebody else would write: it knows the command line alone.
    Allowed { name: "opt-in-form", on: &[], in_tests: &["vestal-sandbox"] },
    Allowed {
        name: "vestal-simulation",
        on: &[
            "opt-in-form",
            "vestal-core",
            "vestal-engine",
            "vestal-oauth",
            "vestal-sandbox",
            "vestal-store",
        ],
        in_tests: &[],
    },
    Allowed {
        name: "vestal-bench",
        on: &["vestal-core", "vestal-engine", "vestal-oauth", "vestal-sandbox", "vestal-store"],
        in_tests: &[],
    },
    Allowed { name: "xtask", on: &[], in_tests: &[] },
];

/// Crates from outside that have their place.
struct Placed {
    crates: &'static [&'static str],
    /// The only crates of the workspace that may depend on them.
    only_in: &'static [&'static str],
    why: &'static str,
}

const EXTERNAL: &[Placed] = &[
    Placed { crates: &["rusqlite"], only_in: &["vestal-store"], why: "SQL is the store's secret" },
    Placed {
        crates: &["axum"],
        only_in: &["vestal-sandbox", "vestal", "opt-in-form"],
        why: "only these listen",
    },
    Placed {
        crates: &["reqwest"],
        only_in: &["vestal-oauth", "vestal-api", "opt-in-form"],
        why: "only these call others, each with its limits",
    },
    Placed {
        crates: &["hyper", "hyper-util"],
        only_in: &["vestal-oauth", "vestal-api", "vestal-sandbox", "opt-in-form"],
        why: "the others speak HTTP through these",
    },
    Placed {
        crates: &["tokio"],
        only_in: &[
            "opt-in-form",
            "vestal-api",
            "vestal-bench",
            "vestal-engine",
            "vestal-oauth",
            "vestal-sandbox",
            "vestal-simulation",
            "vestal-store",
            "vestal",
        ],
        why: "the core is pure",
    },
];

pub(crate) fn check() -> Result {
    let metadata = text(&mut metadata())?;
    let metadata = serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let violations = violations(&metadata);
    if violations.is_empty() { Ok(()) } else { Err(violations.join("\n")) }
}

fn metadata() -> Command {
    cargo(&["metadata", "--no-deps", "--format-version=1", "--locked"])
}

/// One sentence for each arrow that must not be there.
fn violations(metadata: &Value) -> Vec<String> {
    let mut violations = Vec::new();
    for package in items(&metadata["packages"]) {
        let name = word(&package["name"]);
        let Some(allowed) = INTERNAL.iter().find(|allowed| allowed.name == name) else {
            violations.push(format!(
                "{name} is a new crate: say in xtask/src/check/arrows.rs what it may depend on"
            ));
            continue;
        };
        for dependency in items(&package["dependencies"]) {
            violations.extend(violation(allowed, word(&dependency["name"]), word(&dependency["kind"])));
        }
    }
    violations
}

/// What is wrong with one arrow; `kind` is empty, `dev` or `build`, as cargo says it.
fn violation(from: &Allowed, to: &str, kind: &str) -> Option<String> {
    let arrow = if kind.is_empty() {
        format!("{} → {to}", from.name)
    } else {
        format!("{} → {to} ({kind})", from.name)
    };
    if INTERNAL.iter().any(|allowed| allowed.name == to) {
        let fits = from.on.contains(&to) || (kind == "dev" && from.in_tests.contains(&to));
        return (!fits).then(|| format!("{arrow}: {}", rule(from)));
    }
    let placed = EXTERNAL.iter().find(|placed| placed.crates.contains(&to))?;
    let fits = placed.only_in.contains(&from.name);
    (!fits).then(|| format!("{arrow}: {to} belongs only in {}: {}", placed.only_in.join(", "), placed.why))
}

fn rule(from: &Allowed) -> String {
    let on = if from.on.is_empty() {
        "nothing internal".to_owned()
    } else {
        format!("only {}", from.on.join(", "))
    };
    let in_tests = if from.in_tests.is_empty() {
        String::new()
    } else {
        format!(", its tests also on {}", from.in_tests.join(", "))
    };
    format!("{} may depend on {on}{in_tests}", from.name)
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn found(package: &str, dependency: &str, kind: &Value) -> Vec<String> {
        violations(&json!({
            "packages": [{ "name": package, "dependencies": [{ "name": dependency, "kind": kind }] }]
        }))
    }

    #[test]
    fn arrows_of_the_design_are_allowed() {
        for (from, to) in [
            ("vestal-oauth", "vestal-core"),
            ("vestal-engine", "vestal-oauth"),
            ("vestal", "vestal-store"),
            ("vestal-store", "rusqlite"),
            ("vestal-sandbox", "axum"),
            ("vestal-sandbox", "hyper"),
            ("vestal-api", "reqwest"),
            ("vestal-store", "tokio"),
            ("vestal-core", "serde"),
        ] {
            assert_eq!(found(from, to, &Value::Null), Vec::<String>::new(), "{from} → {to}");
        }
    }

    #[test]
    fn other_arrows_are_named_with_their_rule() {
        for (from, to, rule) in [
            ("vestal-core", "vestal-oauth", "vestal-core may depend on nothing internal"),
            ("vestal-sandbox", "vestal-core", "vestal-sandbox may depend on nothing internal"),
            ("vestal-engine", "vestal-store", "vestal-engine may depend on only vestal-core, vestal-oauth"),
            ("vestal-core", "tokio", "the core is pure"),
            ("vestal", "rusqlite", "rusqlite belongs only in vestal-store"),
            ("vestal-engine", "reqwest", "reqwest belongs only in"),
            ("vestal-core", "vestal", "vestal-core may depend on nothing internal"),
        ] {
            let found = found(from, to, &Value::Null);
            assert_eq!(found.len(), 1, "{from} → {to}: {found:?}");
            assert!(
                found[0].starts_with(&format!("{from} → {to}: ")) && found[0].contains(rule),
                "{found:?}"
            );
        }
    }

    #[test]
    fn tests_may_reach_further() {
        assert_eq!(found("vestal-engine", "vestal-store", &json!("dev")), Vec::<String>::new());
        assert_eq!(found("vestal-oauth", "vestal-sandbox", &json!("dev")).len(), 1);
        assert_eq!(found("vestal-engine", "vestal-store", &json!("build")).len(), 1);
    }

    #[test]
    fn a_new_crate_has_to_be_placed() {
        let found = found("vestal-astrology", "serde", &Value::Null);
        assert!(found[0].contains("vestal-astrology is a new crate"), "{found:?}");
    }

    #[test]
    fn this_workspace_can_be_read() {
        let metadata = text(metadata().current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))).unwrap();
        let metadata: Value = serde_json::from_str(&metadata).unwrap();
        let names: Vec<&str> =
            items(&metadata["packages"]).iter().map(|package| word(&package["name"])).collect();
        assert!(names.contains(&"vestal-core") && names.contains(&"xtask"), "{names:?}");
    }
}
