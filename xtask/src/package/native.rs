//! What is written in C and comes in the folder of a crate, which links it: cargo knows of the crate alone, and holes are known by
//! the library's own name and version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Result;
use crate::dependencies::{Crate, Id};

/// A library in C.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Native {
    /// The crate that brings it.
    pub(super) of: Id,
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) licence: String,
    /// Its package URL.
    pub(super) url: String,
    /// Its name in the National Vulnerability Database, where it has one.
    pub(super) cpe: Option<String>,
}

/// Where a library says which version it is.
struct Known {
    of: &'static str,
    name: &'static str,
    /// What a C compiler is told of it, and in which file.
    define: &'static str,
    header: fn(&Crate) -> &'static str,
    /// Its licence as SPDX has it, where that is not its crate's.
    licence: Option<&'static str>,
    url: fn(&str) -> String,
    cpe: Option<fn(&str) -> String>,
}

const KNOWN: [Known; 3] = [
    Known {
        of: "libsqlite3-sys",
        name: "sqlite",
        define: "SQLITE_VERSION",
        header: |_| "sqlite3/sqlite3.h",
        licence: Some("blessing"),
        url: |version| format!("pkg:generic/sqlite@{version}"),
        cpe: Some(|version| format!("cpe:2.3:a:sqlite:sqlite:{version}:*:*:*:*:*:*:*")),
    },
    Known {
        of: "aws-lc-sys",
        name: "aws-lc",
        define: "AWSLC_VERSION_NUMBER_STRING",
        header: |_| "aws-lc/include/openssl/base.h",
        licence: None,
        url: |version| format!("pkg:github/aws/aws-lc@v{version}"),
        cpe: None,
    },
    Known {
        of: "libmimalloc-sys",
        name: "mimalloc",
        define: "MI_MALLOC_VERSION",
        // It brings two, and builds the newer one unless it is asked for the other.
        header: |one| match one.features.iter().any(|feature| feature == "v2") {
            true => "c_src/mimalloc/v2/include/mimalloc.h",
            false => "c_src/mimalloc/v3/include/mimalloc.h",
        },
        licence: None,
        url: |version| format!("pkg:github/microsoft/mimalloc@v{version}"),
        cpe: None,
    },
];

/// Crates that link what another one brings.
const LINKS_ANOTHERS: [&str; 1] = ["aws-lc-rs"];

/// All that these crates link. One of which nobody has written here what it is, is an error.
pub(super) fn of(crates: &BTreeMap<Id, Crate>) -> Result<Vec<Native>> {
    let linking = crates.iter().filter(|(id, one)| one.links && !LINKS_ANOTHERS.contains(&id.name.as_str()));
    linking.map(|(id, one)| read(id, one)).collect()
}

fn read(id: &Id, one: &Crate) -> Result<Native> {
    let known = KNOWN.iter().find(|known| known.of == id.name).ok_or_else(|| {
        format!(
            "{} links a library: say in xtask/src/package/native.rs which, and where its version stands",
            id.name
        )
    })?;
    let header = one.folder.join((known.header)(one));
    let version = defined(&header, known.define)?;
    Ok(Native {
        of: id.clone(),
        name: known.name,
        licence: known.licence.map_or_else(|| one.licence.clone(), str::to_owned),
        url: (known.url)(&version),
        cpe: known.cpe.map(|cpe| cpe(&version)),
        version,
    })
}

fn defined(header: &Path, name: &str) -> Result<String> {
    let text = fs::read_to_string(header).map_err(|error| format!("{}: {error}", header.display()))?;
    let value = text.lines().find_map(|line| value_of(line, name));
    value.ok_or_else(|| format!("{} does not define {name}", header.display()))
}

/// The version in a line such as `#define SQLITE_VERSION "3.54.1"`, or `#define MI_MALLOC_VERSION 30302`: two digits each of the minor
/// one and of the patch.
fn value_of(line: &str, name: &str) -> Option<String> {
    let mut words = line.strip_prefix("#define")?.split_whitespace();
    if words.next()? != name {
        return None;
    }
    let value = words.next()?;
    if let Some(text) = value.strip_prefix('"') {
        return text.strip_suffix('"').map(str::to_owned);
    }
    let number: u32 = value.parse().ok()?;
    Some(format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn one(name: &str, folder: &Path, features: &[&str]) -> (Id, Crate) {
        let one = Crate {
            licence: "MIT".to_owned(),
            description: None,
            repository: None,
            folder: folder.to_owned(),
            is_ours: false,
            links: true,
            features: features.iter().map(|feature| (*feature).to_owned()).collect(),
            needs: BTreeSet::new(),
        };
        (Id { name: name.to_owned(), version: "0.1.0".to_owned() }, one)
    }

    #[test]
    fn a_version_is_read_from_what_a_compiler_is_told() {
        assert_eq!(value_of("#define SQLITE_VERSION        \"3.54.1\"", "SQLITE_VERSION").unwrap(), "3.54.1");
        assert_eq!(
            value_of("#define MI_MALLOC_VERSION 30302   // major + …", "MI_MALLOC_VERSION").unwrap(),
            "3.3.2"
        );
        assert_eq!(value_of("#define SQLITE_VERSION_NUMBER 3054001", "SQLITE_VERSION"), None);
        assert_eq!(value_of("// #define SQLITE_VERSION \"3\"", "SQLITE_VERSION"), None);
    }

    #[test]
    fn the_library_that_is_built_is_the_one_that_is_told_of() {
        let folder = std::env::temp_dir().join(format!("native-{}", std::process::id()));
        for (which, version) in [("v2", 20_302), ("v3", 30_302)] {
            let include = folder.join("c_src/mimalloc").join(which).join("include");
            fs::create_dir_all(&include).unwrap();
            fs::write(include.join("mimalloc.h"), format!("#define MI_MALLOC_VERSION {version}\n")).unwrap();
        }
        let built =
            |features: &[&str]| of(&BTreeMap::from([one("libmimalloc-sys", &folder, features)])).unwrap();
        assert_eq!(built(&[])[0].url, "pkg:github/microsoft/mimalloc@v3.3.2");
        assert_eq!(
            (built(&["v2"])[0].version.as_str(), built(&["v2"])[0].licence.as_str()),
            ("2.3.2", "MIT")
        );
        fs::remove_dir_all(&folder).unwrap();
        let unknown = of(&BTreeMap::from([one("libz-sys", &folder, &[])])).unwrap_err();
        assert!(unknown.contains("libz-sys"), "{unknown}");
    }
}
