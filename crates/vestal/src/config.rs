//! Configuration: the only place that reads the file, the environment, and the key.
//!
//! What is set where, the first one that says something wins: a flag, a variable, the file, the default.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vestal_core::connection::ConnectionName;
use vestal_engine::{Catalogue, Limits, OwnFile};

use crate::failure::Failure;
use crate::heartbeat::HeartbeatUrl;
use crate::lazy_http::HttpSettings;
use crate::logging::Level;
use crate::token_files::KeptFile;

mod create;
mod environment;
mod file;
mod key_file;
mod master_key;
mod providers;
pub(crate) mod text_file;

pub(crate) use create::{Made, create, write_new};
pub(crate) use environment::Environment;
pub(crate) use key_file::KeyFileTurn;
pub(crate) use master_key::{KeySource, read_secret_file};

/// How many files are kept up to date, at most: each is looked at every few seconds.
const FILES_MAX: usize = 1000;

/// Everything that is configured.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// Where the file is, or would be.
    pub(crate) path: PathBuf,
    /// Whether it is there.
    pub(crate) exists: bool,
    /// The store.
    pub(crate) store: PathBuf,
    /// Where the master key comes from.
    pub(crate) master_key: KeySource,
    /// The variable that the file says the master key is in, whether or not it is read from there.
    pub(crate) key_variable: Option<String>,
    /// The files that hold the master key, or may.
    pub(crate) key_files: Vec<PathBuf>,
    /// Where the user's own files about providers are.
    pub(crate) providers: PathBuf,
    /// The engine's bounds.
    pub(crate) limits: Limits,
    /// How to reach providers.
    pub(crate) http: HttpSettings,
    /// What to fetch while connections are kept alive.
    pub(crate) heartbeat: Option<HeartbeatUrl>,
    /// The files that are to hold tokens.
    pub(crate) files: Vec<KeptFile>,
    /// What `vestal serve` logs.
    pub(crate) serve_log: Level,
    /// Folders in which something may be kept for this user when the store's own takes nothing.
    pub(crate) states: Vec<PathBuf>,
}

impl Config {
    /// Reads the configuration. `flag` is `--config`.
    ///
    /// A file that was named and is not there is no failure here: `init` and `connect` make it.
    pub(crate) fn load(environment: &Environment, flag: Option<&Path>) -> Result<Self, Failure> {
        let place = Place::find(environment, flag)?;
        let (file, exists) = match text_file::read(&place.config) {
            Ok(text) => (file::parse(&text, &place.config)?, true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (file::File::default(), false),
            Err(error) => {
                return Err(Failure::failed(format!("{} cannot be read", place.config.display()))
                    .why(error)
                    .next("name a configuration that this user may read, with --config FILE"));
            }
        };
        let store = match file.store.path {
            Some(path) => place.beside(&path),
            None => place.default_store(environment)?,
        };
        // What lies beside it is found by whoever opens it, also through a link.
        let store = std::fs::canonicalize(&store).unwrap_or(store);
        let key_variable = file.master_key.env.clone();
        let named = file.master_key.file.clone();
        let master_key = KeySource::choose(environment, file.master_key, &place)?;
        let key_files = master_key.files(named.as_deref(), &place);
        let defaults = Limits::default();
        let limits = Limits {
            requests_per_host: file
                .limits
                .requests_per_host
                .map_or(defaults.requests_per_host, |n| n.get().into()),
            flights: file.limits.refreshes_at_once.map_or(defaults.flights, |n| n.get().into()),
            answer: file.limits.answer.map_or(defaults.answer, Duration::from),
            reader: file.limits.reader_wait.map_or(defaults.reader, Duration::from),
            ..defaults
        };
        let http = HttpSettings {
            proxy: file.http.proxy,
            ca_file: file.http.ca_file.map(|path| place.beside(&path)),
        };
        let serve_log = file.serve.log.unwrap_or(Level::Info);
        let providers = place.beside(&file.providers.folder.unwrap_or_else(|| "providers".into()));
        let files = kept_files(file.files, &place)?;
        let path = place.config;
        let states = states(environment);
        let heartbeat = file.heartbeat.url;
        let config = Self {
            states,
            providers,
            path,
            exists,
            store,
            master_key,
            key_variable,
            key_files,
            limits,
            http,
            heartbeat,
            files,
            serve_log,
        };
        config.files.iter().try_for_each(|file| config.spare(&file.path))?;
        Ok(config)
    }

    /// What is known of providers: what comes with Vestal, and what the user's own files say.
    ///
    /// A file with mistakes stops nothing but what needs its own provider: nobody knows what it was to say of that, and the
    /// others must be kept alive all the same.
    pub(crate) fn catalogue(&self) -> Result<Catalogue, Failure> {
        let mut catalogue = Catalogue::builtin();
        for path in providers::paths(&self.providers)? {
            let name = path.display().to_string();
            match text_file::read(&path) {
                // The catalogue keeps what is wrong with it.
                Ok(text) => drop(catalogue.add(OwnFile { name, text })),
                Err(why) => catalogue.add_unread(name, &why),
            }
        }
        Ok(catalogue)
    }

    /// The user's own files about providers.
    pub(crate) fn own_files(&self) -> Result<Vec<OwnFile>, Failure> {
        providers::paths(&self.providers)?.iter().map(|path| providers::read(path)).collect()
    }

    /// Where the nodes of the store's processes show that they live.
    pub(crate) fn nodes(&self) -> PathBuf {
        self.store.with_file_name("nodes")
    }

    /// Where answers are written down that the store does not take: beside the store, or, should that fail too, where
    /// else something is kept for this user. All of them are looked at for what is left.
    pub(crate) fn journals(&self) -> Vec<PathBuf> {
        let beside = self.store.with_file_name("journal");
        let elsewhere = self.states.iter().map(|state| state.join("journal"));
        let mut folders = Vec::new();
        for folder in std::iter::once(beside).chain(elsewhere).map(|folder| resolved(&folder)) {
            // The same one again would be no fallback.
            if !folders.contains(&folder) {
                folders.push(folder);
            }
        }
        folders
    }

    /// Whether a file is one that Vestal itself needs: its configuration, its master key, its store, what lies beside that, or a
    /// provider's file.
    pub(crate) fn needs(&self, path: &Path) -> bool {
        let path = resolved(&std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let is = |own: &Path| resolved(own) == path;
        let store = resolved(&self.store);
        let beside_store =
            path.parent() == store.parent() && path.to_string_lossy().starts_with(&*store.to_string_lossy());
        let folders = self.journals().into_iter().chain([self.nodes(), self.providers.clone()]);
        is(&self.path)
            || self.key_files.iter().any(|file| is(file))
            || beside_store
            || folders.into_iter().any(|folder| path.starts_with(resolved(&folder)))
    }

    /// Refuses to put a token where [`Config::needs`] a file.
    pub(crate) fn spare(&self, path: &Path) -> Result<(), Failure> {
        if !self.needs(path) {
            return Ok(());
        }
        Err(Failure::usage(format!("{} is a file of Vestal's own", path.display()))
            .why("a token would take the place of what every connection depends on")
            .next("name another file"))
    }

    /// Whether nothing at all is set up: no file, no key, no store.
    pub(crate) fn is_blank(&self) -> bool {
        !self.exists && !self.store.exists() && self.master_key.missing_file().is_some()
    }
}

/// The files that are to hold tokens, each with its own path.
fn kept_files(
    files: BTreeMap<ConnectionName, file::TokenFile>,
    place: &Place,
) -> Result<Vec<KeptFile>, Failure> {
    let refuse =
        |what: String| Failure::failed(what).next(format!("correct [files] in {}", place.config.display()));
    if files.len() > FILES_MAX {
        return Err(refuse(format!("{} files are to hold tokens", files.len()))
            .why(format!("at most {FILES_MAX} are kept up to date")));
    }
    // By what each leads to, whichever way it is named.
    let mut taken = BTreeMap::<PathBuf, ConnectionName>::new();
    let mut kept = Vec::with_capacity(files.len());
    for (connection, file) in files {
        let path = place.beside(&file.path);
        if let Some(other) = taken.insert(resolved(&path), connection.clone()) {
            return Err(refuse(format!("the file {} cannot hold two tokens", path.display())).why(format!(
                "it is named for {:?} and for {:?}",
                other.as_str(),
                connection.as_str()
            )));
        }
        kept.push(KeptFile { connection, path, format: file.format });
    }
    Ok(kept)
}

/// Where things are.
#[derive(Debug)]
pub(crate) struct Place {
    /// The configuration file; absolute.
    config: PathBuf,
    /// Whether that is the default place.
    default: bool,
}

impl Place {
    fn find(environment: &Environment, flag: Option<&Path>) -> Result<Self, Failure> {
        let named = flag.map(Path::to_owned).or_else(|| environment.path("VESTAL_CONFIG"));
        let (config, default) = match named {
            Some(path) => (path, false),
            None => (base(environment, "XDG_CONFIG_HOME", ".config")?.join("vestal/vestal.toml"), true),
        };
        let config = std::path::absolute(&config).map_err(|error| {
            Failure::usage(format!("{config:?} is no place for a configuration file")).why(error)
        })?;
        Ok(Self { config, default })
    }

    /// A path that the file names: relative ones are relative to the file.
    fn beside(&self, path: &Path) -> PathBuf {
        self.config.parent().unwrap_or(Path::new("/")).join(path)
    }

    fn default_store(&self, environment: &Environment) -> Result<PathBuf, Failure> {
        if self.default {
            Ok(base(environment, "XDG_STATE_HOME", ".local/state")?.join("vestal/vestal.db"))
        } else {
            Ok(self.beside(Path::new("vestal.db")))
        }
    }
}

/// Folders in which something may be kept for this user: what the system gave this service, and the user's own. None that
/// others can write to, such as /var/tmp.
fn states(environment: &Environment) -> Vec<PathBuf> {
    // systemd may name several, separated by colons.
    let given = environment.path("STATE_DIRECTORY");
    let given = given.iter().flat_map(|paths| std::env::split_paths(paths)).filter(|path| path.is_absolute());
    let own = base(environment, "XDG_STATE_HOME", ".local/state").map(|state| state.join("vestal"));
    given.chain(own.ok()).collect()
}

/// A path without links, as far as it is there: one name for what may be reached by several.
fn resolved(path: &Path) -> PathBuf {
    let there = path.ancestors().find_map(|above| Some((above, std::fs::canonicalize(above).ok()?)));
    let Some((above, real)) = there else { return path.to_owned() };
    // By its components: to join nothing would end the name with a slash.
    path.components().skip(above.components().count()).fold(real, |real, left| real.join(left))
}

/// A base directory of the XDG Base Directory Specification.
fn base(environment: &Environment, variable: &'static str, in_home: &str) -> Result<PathBuf, Failure> {
    // The specification: a relative path is to be ignored.
    let set = environment.path(variable).filter(|path| path.is_absolute());
    let home = || environment.path("HOME").filter(|path| path.is_absolute()).map(|home| home.join(in_home));
    set.or_else(home).ok_or_else(|| {
        Failure::usage("there is no place for the configuration")
            .why(format!("neither {variable} nor HOME is set"))
            .next("name the file: vestal --config FILE, or VESTAL_CONFIG=FILE")
    })
}

#[cfg(test)]
mod tests;
