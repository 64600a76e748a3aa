//! What a person has set up: the configuration and what it names, the environment, the master key.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use vestal_api::{Finding, Trouble};
use vestal_core::seal::KeyRing;

use super::finding::{fail, failed, ok, warn};
use crate::config::{Config, Environment};
use crate::context::listed;
use crate::lazy_http;
use crate::open_files;

/// What other programs take a proxy from.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];

/// Looks at it. The keys are of use later: a command that prints them may ask a person each time.
pub(super) fn look(config: &Config, environment: &Environment) -> (Vec<Finding>, Option<KeyRing>) {
    let mut findings = vec![configuration(config)];
    findings.extend(unknown_variables(config, environment));
    findings.extend(ignored_proxy(config, environment));
    findings.extend(files_open(open_files::most(), config.limits.flights));
    findings.extend(authorities(config));
    findings.extend(own_providers(config));
    let (finding, ring) = match config.master_key.read(environment) {
        Ok(ring) => {
            let (source, keys) = (config.master_key.describe(), ring.ids());
            let noun = if keys.len() == 1 { "key" } else { "keys" };
            (ok("master key", format!("{source} holds the {noun} {}", listed(&keys))), Some(ring))
        }
        Err(failure) => (failed(Trouble::NoMasterKey, failure), None),
    };
    findings.push(finding);
    (findings, ring)
}

fn configuration(config: &Config) -> Finding {
    let path = config.path.display();
    if !config.exists {
        let found = format!("there is none at {path}; the defaults are used");
        return warn(Trouble::NotConfigured, found, "vestal init");
    }
    let mode = fs::metadata(&config.path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    match mode & 0o022 {
        0 => ok("configuration", path.to_string()),
        _ => fail(
            Trouble::ConfigurationOpen,
            format!(
                "others may write to {path} (mode {mode:04o}), and have Vestal run a command, or send secrets elsewhere"
            ),
            &format!("chmod go-w '{path}'"),
        ),
    }
}

fn unknown_variables(config: &Config, environment: &Environment) -> Vec<Finding> {
    let unknown = environment.unknown(config.key_variable.as_deref()).into_iter();
    let told = unknown.map(|(name, nearest)| {
        let next = match nearest {
            Some(nearest) => format!("set {nearest} instead, if that is meant; or unset {name}"),
            None => format!("unset {name}, if nothing else needs it"),
        };
        warn(Trouble::UnknownVariable, format!("the variable {name} means nothing to Vestal"), &next)
    });
    told.collect()
}

/// A proxy that everybody else would go through. Its address, which may hold a password, is not told.
fn ignored_proxy(config: &Config, environment: &Environment) -> Option<Finding> {
    let name = PROXY_VARIABLES.into_iter().find(|name| environment.get(name).is_some())?;
    config.http.proxy.is_none().then(|| {
        warn(
            Trouble::ProxyIgnored,
            format!(
                "{name} is set, and not used: a proxy sees where secrets go, so it has to be named on purpose"
            ),
            &format!("name it in the configuration, [http] proxy; or unset {name}"),
        )
    })
}

/// Each refresh that is under way has a connection open.
fn files_open(most: Option<u64>, flights: usize) -> Option<Finding> {
    let needed = open_files::needed(flights);
    let few = most.filter(|most| *most < needed)?;
    Some(warn(
        Trouble::FewOpenFiles,
        format!(
            "a process of this user may have {few} files open, and as many refreshes at once as are configured need {needed}"
        ),
        &format!("ulimit -n {needed}; in a unit of systemd: LimitNOFILE={needed}"),
    ))
}

/// Whether the extra certificate authorities can be read, where there are to be some.
fn authorities(config: &Config) -> Option<Finding> {
    let path = config.http.ca_file.as_ref()?;
    Some(match lazy_http::authorities(path) {
        Ok(()) => ok("authorities", path.display().to_string()),
        Err(error) => fail(
            Trouble::BadAuthorities,
            format!("{} cannot be used: {error}", path.display()),
            "correct [http] ca_file in the configuration",
        ),
    })
}

/// Whether the user's own files about providers can be read, where there are some.
fn own_providers(config: &Config) -> Option<Finding> {
    let catalogue = match config.catalogue() {
        Ok(catalogue) => catalogue,
        Err(failure) => return Some(failed(Trouble::BadProviderFiles, failure)),
    };
    if let Some(mistake) = catalogue.unfit().next() {
        let next = "correct that line; for all that there are: vestal providers check";
        return Some(fail(Trouble::BadProviderFiles, mistake.to_string(), next));
    }
    match catalogue.ids().iter().filter(|id| catalogue.own(id).is_some()).count() {
        0 => None,
        own => Some(ok("providers", format!("{own} of your own, in {}", config.providers.display()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_few_files_are_told_of() {
        assert!(files_open(Some(100), 256).unwrap().next.unwrap().starts_with("ulimit -n 320"));
        assert_eq!(files_open(Some(1_024), 256), None);
        assert_eq!(files_open(None, 256), None, "there is no limit");
    }
}
