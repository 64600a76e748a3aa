//! The licences of everything that is in the program, with their texts: most of them ask for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::native::Native;
use crate::Result;
use crate::dependencies::{Crate, Id};

/// How deep in a crate's folder they are looked for: what it brings of others lies below.
const DEPTH_MAX: usize = 5;

/// What the file of a licence is called, in capitals.
const NAMES: [&str; 5] = ["LICENSE", "LICENCE", "COPYING", "COPYRIGHT", "NOTICE"];

/// What ends the name of a file that is about licences, and is none. Any other end may be the licence's own name: `LICENSE.MIT`,
/// `LICENSE-APACHE-2.0`.
const NO_TEXTS: [&str; 20] = [
    "C", "CC", "CPP", "CSS", "GO", "H", "HTML", "JS", "JSON", "MJS", "PEM", "PL", "PY", "RS", "SH", "TOML",
    "TS", "XML", "YAML", "YML",
];

const RULE: &str = "────────────────────────────────────────────────────────────────────────";

/// Everything in one text: each of the licences once, with the crates whose it is.
pub(super) fn of(crates: &BTreeMap<Id, Crate>, natives: &[Native]) -> Result<String> {
    let own = read(Path::new("LICENSE-MIT"))?;
    let apache = read(Path::new("LICENSE-APACHE"))?;
    let mut whose = BTreeMap::<String, BTreeSet<&Id>>::new();
    let others = || crates.iter().filter(|(_, one)| !one.is_ours);
    for (id, one) in others() {
        let mut texts = BTreeSet::new();
        for file in files(&one.folder, DEPTH_MAX)? {
            texts.insert(read(&file)?);
        }
        if texts.is_empty() {
            texts.insert(standard(id, &one.licence, &apache)?);
        }
        for text in texts {
            whose.entry(text).or_default().insert(id);
        }
    }
    let mut all = format!(
        "Vestal is licensed under the MIT License or the Apache License 2.0, as you like.\n\n{own}\n{RULE}\n\n{apache}\n{RULE}\n\n\
         It is made of these too, each under its own licence. The texts follow.\n\n"
    );
    // Writing to a text cannot fail.
    for (id, one) in others() {
        let _ = writeln!(all, "{} {}: {}", id.name, id.version, one.licence);
    }
    for Native { of, name, version, licence, .. } in natives {
        let _ = writeln!(all, "{name} {version}: {licence} (in {})", of.name);
    }
    for (text, ids) in whose {
        let names: Vec<&str> = ids.iter().map(|id| id.name.as_str()).collect();
        let _ = write!(all, "\n{RULE}\n\n{}:\n\n{text}", names.join(", "));
    }
    Ok(all)
}

/// What stands in for a text that a crate does not bring. The Apache License is the same whoever's it is; others begin with a name.
fn standard(id: &Id, licence: &str, apache: &str) -> Result<String> {
    let allows_apache = licence.split(" OR ").any(|choice| choice.trim_matches(['(', ')']) == "Apache-2.0");
    if allows_apache {
        return Ok(apache.to_owned());
    }
    Err(format!("{} {} brings no text of its licence ({licence})", id.name, id.version))
}

/// The files of licences in a folder, and below it.
fn files(folder: &Path, depth: usize) -> Result<Vec<PathBuf>> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        if kind.is_dir() && depth > 0 {
            found.extend(files(&path, depth - 1)?);
        } else if kind.is_file() && is_licence(&entry.file_name().to_string_lossy()) {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_licence(name: &str) -> bool {
    let name = name.to_uppercase();
    let is_text =
        Path::new(&name).extension().is_none_or(|kind| NO_TEXTS.iter().all(|no_text| kind != *no_text));
    is_text && NAMES.iter().any(|beginning| name.starts_with(beginning))
}

/// A text, with line ends of one kind and one at its end.
fn read(path: &Path) -> Result<String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
    Ok(format!("{}\n", text.trim_matches('\n')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_licences_are_known_by_their_names() {
        for name in [
            "LICENSE",
            "LICENSE-MIT",
            "license.txt",
            "COPYING",
            "NOTICE.md",
            "LICENSE.Apache",
            "LICENSE.Mit",
            "LICENSE.BSD",
            "LICENSE.Apache-2.0",
            "license-apache-2.0",
            "LICENSE.BSD-3-Clause",
            "LICENCE",
        ] {
            assert!(is_licence(name), "{name}");
        }
        for name in ["license.rs", "README.md", "licenses.json", "license.html", "license_data.py", "MIT"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_text_that_is_missing_is_made_up_for_only_where_it_is_the_same_for_all() {
        let id = Id { name: "a".to_owned(), version: "1.0.0".to_owned() };
        assert_eq!(standard(&id, "MIT OR Apache-2.0", "text"), Ok("text".to_owned()));
        assert_eq!(standard(&id, "(MIT OR Apache-2.0)", "text"), Ok("text".to_owned()));
        assert!(standard(&id, "MIT", "text").is_err_and(|told| told.contains("a 1.0.0")));
    }
}
