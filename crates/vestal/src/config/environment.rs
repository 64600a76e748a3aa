//! The environment, read once.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

/// The variables that mean something to Vestal.
const KNOWN: [&str; 5] =
    ["VESTAL_COMPLETE", "VESTAL_CONFIG", "VESTAL_LOG", "VESTAL_MASTER_KEY", "VESTAL_MASTER_KEY_FILE"];

/// Others that are read, by whoever.
const READ: [&str; 21] = [
    "ALL_PROXY",
    "BROWSER",
    "COLUMNS",
    "CREDENTIALS_DIRECTORY",
    "HOME",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NANGO_SECRET_KEY",
    "NO_COLOR",
    "STATE_DIRECTORY",
    "TERM",
    "XDG_CONFIG_HOME",
    "XDG_STATE_HOME",
    "all_proxy",
    "http_proxy",
    "https_proxy",
    // By libraries.
    "NOTIFY_SOCKET",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TMPDIR",
    "TZ",
];

/// The variables of the process.
#[derive(Clone)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        Self(std::env::vars_os().collect())
    }

    #[cfg(test)]
    pub(crate) fn of(variables: &[(&str, &str)]) -> Self {
        Self(variables.iter().map(|(name, value)| (name.into(), value.into())).collect())
    }

    /// A variable that is set, and not to nothing.
    pub(crate) fn get(&self, name: &'static str) -> Option<&OsStr> {
        debug_assert!(
            KNOWN.contains(&name) || READ.contains(&name),
            "{name} would be read, and nobody told of it"
        );
        self.named(name)
    }

    /// The same of one that the configuration names.
    pub(crate) fn named(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// The same, as a path.
    pub(crate) fn path(&self, name: &'static str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// Whether colours are welcome on a terminal (<https://no-color.org>).
    pub(crate) fn wants_colour(&self) -> bool {
        self.get("NO_COLOR").is_none() && self.can_draw()
    }

    /// Whether a terminal understands more than lines.
    pub(crate) fn can_draw(&self) -> bool {
        self.get("TERM") != Some(OsStr::new("dumb"))
    }

    /// How many columns somebody wants.
    pub(crate) fn columns(&self) -> Option<usize> {
        self.get("COLUMNS")?.to_str()?.parse().ok()
    }

    /// Keeps from a child what it is not to inherit: our own variables, which may hold the master key, and the one
    /// that the configuration says it is in.
    pub(crate) fn hide_from(&self, child: &mut Command, key_variable: Option<&str>) {
        self.ours().chain(key_variable.map(OsStr::new)).for_each(|name| {
            child.env_remove(name);
        });
    }

    fn ours(&self) -> impl Iterator<Item = &OsStr> {
        self.0.keys().map(OsString::as_os_str).filter(|name| is_ours(name))
    }

    /// Our own variables that mean nothing, each with the one that may be meant. `named` are the names that the
    /// configuration speaks of.
    pub(crate) fn unknown(&self, named: Option<&str>) -> Vec<(String, Option<&'static str>)> {
        let known = |name: &str| KNOWN.contains(&name) || named == Some(name);
        let names = self.ours().map(|name| name.to_string_lossy().into_owned());
        names
            .filter(|name| !known(name))
            .map(|name| {
                let likeness = |known: &&str| strsim::jaro_winkler(&name, known);
                // They all begin alike, so that only a great likeness means something.
                let nearest = KNOWN.into_iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
                let nearest = nearest.filter(|nearest| likeness(nearest) > 0.93);
                (name, nearest)
            })
            .collect()
    }
}

fn is_ours(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"VESTAL_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_variables_are_named_with_what_may_be_meant() {
        let environment = Environment::of(&[
            ("VESTAL_CONFIG", "x"),
            ("VESTAL_CONFGI", "x"),
            ("VESTAL_PORT", "tcp://10.0.0.1:80"),
            ("VESTAL_OWN_KEY", "x"),
            ("HOME", "/home/v"),
        ]);
        let unknown = environment.unknown(Some("VESTAL_OWN_KEY"));
        assert_eq!(unknown, [("VESTAL_CONFGI".into(), Some("VESTAL_CONFIG")), ("VESTAL_PORT".into(), None)]);
    }

    #[test]
    fn every_variable_is_documented() {
        let page = include_str!("../../../../docs/configuration.md");
        let (_, variables) = page.split_once("\n## Variables\n").unwrap();
        let is_told = |name: &str| ["`", "="].iter().any(|end| variables.contains(&format!("`{name}{end}")));
        for name in KNOWN.into_iter().chain(READ) {
            // Of a proxy's variables, there are twins in small letters.
            assert!(is_told(name) || is_told(&name.to_uppercase()), "{name}");
        }
    }

    /// `get` looks for that wherever a variable is read.
    #[test]
    #[should_panic(expected = "VESTAL_PORT would be read")]
    #[cfg(debug_assertions)]
    fn no_variable_is_read_that_is_not_documented() {
        Environment::of(&[]).get("VESTAL_PORT");
    }

    #[test]
    fn a_child_gets_neither_our_variables_nor_the_key_s() {
        let environment =
            Environment::of(&[("VESTAL_MASTER_KEY", "x"), ("MY_KEY", "x"), ("HOME", "/home/v")]);
        let mut child = Command::new("true");
        environment.hide_from(&mut child, Some("MY_KEY"));
        let hidden: Vec<_> = child.get_envs().collect();
        assert_eq!(hidden, [("MY_KEY".as_ref(), None), ("VESTAL_MASTER_KEY".as_ref(), None)]);
    }

    #[test]
    fn colours_can_be_refused() {
        assert!(Environment::of(&[("NO_COLOR", "")]).wants_colour());
        assert!(!Environment::of(&[("NO_COLOR", "1")]).wants_colour());
        assert!(!Environment::of(&[("TERM", "dumb")]).wants_colour());
    }
}
