//! The bill of materials: what the program is made of, in CycloneDX 1.6, for whoever has to look after known holes.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::native::Native;
use crate::dependencies::{Crate, Id};

/// `built_at` is in RFC 3339; `hash` is the program's, SHA-256 in hexadecimal.
pub(super) fn of(
    crates: &BTreeMap<Id, Crate>,
    natives: &[Native],
    version: &str,
    built_at: &str,
    hash: &str,
) -> Value {
    let is_program = |id: &Id| id.name == "vestal";
    let program = crates.iter().find(|(id, _)| is_program(id)).map(|(id, one)| {
        let mut program = component(id, one);
        program["type"] = "application".into();
        program["version"] = version.into();
        program["hashes"] = json!([{ "alg": "SHA-256", "content": hash }]);
        program
    });
    let parts = crates.iter().filter(|(id, _)| !is_program(id)).map(|(id, one)| component(id, one));
    let parts = parts.chain(natives.iter().map(library));
    let needs = crates.iter().map(|(id, one)| {
        let brought = natives.iter().filter(|native| native.of == *id).map(|native| native.url.clone());
        let needs: Vec<String> = one.needs.iter().map(reference).chain(brought).collect();
        json!({ "ref": reference(id), "dependsOn": needs })
    });
    let needs = needs.chain(natives.iter().map(|native| json!({ "ref": native.url, "dependsOn": [] })));
    json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": { "timestamp": built_at, "component": program },
        "components": parts.collect::<Vec<_>>(),
        "dependencies": needs.collect::<Vec<_>>(),
    })
}

fn component(id: &Id, one: &Crate) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": reference(id),
        "name": id.name,
        "version": id.version,
        "licenses": [{ "expression": one.licence }],
        "scope": "required",
    });
    if let Some(description) = &one.description {
        component["description"] = description.trim().into();
    }
    // What is ours is in no registry.
    if !one.is_ours {
        component["purl"] = reference(id).into();
    }
    if let Some(repository) = &one.repository {
        component["externalReferences"] = json!([{ "type": "vcs", "url": repository }]);
    }
    component
}

fn library(native: &Native) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": native.url,
        "name": native.name,
        "version": native.version,
        "licenses": [{ "expression": native.licence }],
        "scope": "required",
        "purl": native.url,
    });
    if let Some(cpe) = &native.cpe {
        component["cpe"] = cpe.as_str().into();
    }
    component
}

/// Its package URL, by which the advisory databases know it.
fn reference(Id { name, version }: &Id) -> String {
    format!("pkg:cargo/{name}@{}", version.replace('+', "%2B"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_bill_names_the_program_its_parts_and_who_needs_whom() {
        let id = |name: &str, version: &str| Id { name: name.to_owned(), version: version.to_owned() };
        let one = |needs: &[Id], is_ours| Crate {
            licence: "MIT".to_owned(),
            description: None,
            repository: Some("https://example.com/it".to_owned()),
            folder: "/src".into(),
            is_ours,
            links: false,
            features: Vec::new(),
            needs: needs.iter().cloned().collect::<BTreeSet<_>>(),
        };
        let sys = id("some-sys", "1.2.0+3.4");
        let native = Native {
            of: sys.clone(),
            name: "some",
            version: "3.4".to_owned(),
            licence: "blessing".to_owned(),
            url: "pkg:generic/some@3.4".to_owned(),
            cpe: Some("cpe:2.3:a:some:some:3.4:*:*:*:*:*:*:*".to_owned()),
        };
        let crates = BTreeMap::from([
            (id("vestal", "0.1.0"), one(std::slice::from_ref(&sys), true)),
            (sys, one(&[], false)),
        ]);
        let bill = of(&crates, &[native], "0.1.0-2", "2026-11-29T00:00:00Z", "ab");
        let program = &bill["metadata"]["component"];
        assert_eq!((&program["version"], &program["purl"]), (&"0.1.0-2".into(), &Value::Null));
        assert_eq!(bill["components"].as_array().unwrap().len(), 2);
        assert_eq!(bill["components"][1]["cpe"], "cpe:2.3:a:some:some:3.4:*:*:*:*:*:*:*");
        assert_eq!(
            bill["dependencies"][0]["dependsOn"][0], bill["components"][1]["bom-ref"],
            "a crate brings it"
        );
        assert_eq!(bill["components"][0]["purl"], "pkg:cargo/some-sys@1.2.0%2B3.4");
        assert_eq!(bill["dependencies"][1]["dependsOn"][0], bill["components"][0]["bom-ref"]);
    }
}
