//! What the program that ships is made of, as cargo tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::Result;
use crate::process::{cargo, text};

/// A crate's name and its version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Id {
    pub(crate) name: String,
    pub(crate) version: String,
}

/// One of the crates.
#[derive(Clone, Debug)]
pub(crate) struct Crate {
    /// What its author allows, as an SPDX expression.
    pub(crate) licence: String,
    pub(crate) description: Option<String>,
    pub(crate) repository: Option<String>,
    /// The folder that its source is in.
    pub(crate) folder: PathBuf,
    /// Whether it is of this workspace.
    pub(crate) is_ours: bool,
    /// Whether it links what is not written in Rust.
    pub(crate) links: bool,
    /// Which of its features are on.
    pub(crate) features: Vec<String>,
    /// What it is made of itself.
    pub(crate) needs: BTreeSet<Id>,
}

/// Everything that `vestal` is made of, itself included, for this machine and with the features that ship.
pub(crate) fn of_vestal() -> Result<BTreeMap<Id, Crate>> {
    let tree = text(&mut cargo(&[
        "tree",
        "--locked",
        "--package=vestal",
        "--edges=normal",
        "--prefix=depth",
        "--format= {p}",
    ]))?;
    let here = format!("--filter-platform={}", host()?);
    let metadata = text(&mut cargo(&["metadata", "--locked", "--format-version=1", &here]))?;
    let metadata: Value =
        serde_json::from_str(&metadata).map_err(|error| format!("cargo metadata: {error}"))?;
    let known = crates(&metadata);
    let needed = edges(&tree)?;
    let with = |(id, needs): (Id, BTreeSet<Id>)| {
        let found =
            known.get(&id).cloned().ok_or_else(|| format!("cargo metadata does not tell of {}", id.name))?;
        Ok((id, Crate { needs, ..found }))
    };
    needed.into_iter().map(with).collect()
}

/// This machine, as rustc calls it.
fn host() -> Result<String> {
    let said = text(Command::new("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| format!("rustc does not say what this machine is: {said}"))
}

/// Who needs whom, from lines such as `2serde v1.0.1 (proc-macro) (*)`: the depth, and the crate.
fn edges(tree: &str) -> Result<BTreeMap<Id, BTreeSet<Id>>> {
    let mut edges = BTreeMap::<Id, BTreeSet<Id>>::new();
    let mut above = Vec::<Id>::new();
    for line in tree.lines().filter(|line| !line.is_empty()) {
        let (depth, id) = read(line).ok_or_else(|| format!("cargo tree says {line:?}"))?;
        above.truncate(depth);
        edges.entry(id.clone()).or_default();
        if let Some(parent) = above.last() {
            edges.entry(parent.clone()).or_default().insert(id.clone());
        }
        above.push(id);
    }
    Ok(edges)
}

fn read(line: &str) -> Option<(usize, Id)> {
    let (depth, rest) = line.split_once(' ')?;
    let mut words = rest.split(' ');
    let name = words.next()?.to_owned();
    let version = words.next()?.strip_prefix('v')?.to_owned();
    Some((depth.parse().ok()?, Id { name, version }))
}

fn crates(metadata: &Value) -> BTreeMap<Id, Crate> {
    let packages = metadata["packages"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let texts = |value: &Value| value.as_array().into_iter().flatten().filter_map(text).collect::<Vec<_>>();
    let nodes = metadata["resolve"]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let features =
        |id: &Value| nodes.iter().find(|node| node["id"] == *id).map(|node| texts(&node["features"]));
    let package = |package: &Value| {
        let id = Id { name: text(&package["name"])?, version: text(&package["version"])? };
        let manifest = PathBuf::from(package["manifest_path"].as_str()?);
        let found = Crate {
            licence: text(&package["license"]).unwrap_or_default().replace('/', " OR "),
            description: text(&package["description"]),
            repository: text(&package["repository"]),
            folder: manifest.parent()?.to_owned(),
            is_ours: package["source"].is_null(),
            links: package["links"].is_string(),
            features: features(&package["id"]).unwrap_or_default(),
            needs: BTreeSet::new(),
        };
        Some((id, found))
    };
    packages.iter().filter_map(package).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> Id {
        Id { name: name.to_owned(), version: "1.0.0".to_owned() }
    }

    #[test]
    fn a_tree_tells_who_needs_whom() {
        let tree = "0 a v1.0.0 (/src/a)\n1 b v1.0.0\n2 c v1.0.0 (proc-macro)\n1 c v1.0.0 (proc-macro) (*)\n1 d v1.0.0\n";
        let edges = edges(tree).unwrap();
        assert_eq!(edges[&id("a")], BTreeSet::from([id("b"), id("c"), id("d")]));
        assert_eq!(edges[&id("b")], BTreeSet::from([id("c")]));
        assert_eq!((edges.len(), edges[&id("d")].len()), (4, 0));
        assert!(super::edges("b v1.0.0\n").is_err());
    }

    #[test]
    fn what_is_linked_and_which_features_are_on_is_read() {
        let metadata = serde_json::json!({
            "packages": [
                {"name": "a", "version": "1.0.0", "id": "of-a", "manifest_path": "/src/a/Cargo.toml", "links": "c"},
                {"name": "b", "version": "1.0.0", "id": "of-b", "manifest_path": "/src/b/Cargo.toml", "links": null},
            ],
            "resolve": {"nodes": [{"id": "of-a", "features": ["v2"]}, {"id": "of-b", "features": []}]},
        });
        let crates = crates(&metadata);
        let (a, b) = (&crates[&id("a")], &crates[&id("b")]);
        assert_eq!((a.links, &a.features[..], b.links), (true, &["v2".to_owned()][..], false));
    }

    #[test]
    fn an_old_way_of_writing_a_choice_of_licences_is_written_as_spdx_has_it() {
        let metadata = serde_json::json!({"packages": [{
            "name": "a", "version": "1.0.0", "license": "MIT/Apache-2.0", "manifest_path": "/src/a/Cargo.toml", "source": null,
        }]});
        let a = &crates(&metadata)[&id("a")];
        assert_eq!(
            (a.licence.as_str(), a.folder.as_path(), a.is_ours),
            ("MIT OR Apache-2.0", "/src/a".as_ref(), true)
        );
    }
}
