//! What is known of providers: the files that come with Vestal, read when they are needed, and those that users have written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vestal_core::provider::parse::Mistake;
use vestal_core::provider::{Provider, catalogue};

/// Finds providers by their identifiers.
#[derive(Default)]
pub struct Catalogue {
    read: Mutex<HashMap<String, Arc<Provider>>>,
    /// What users have written themselves, by the providers' identifiers.
    own: BTreeMap<String, OwnFile>,
    /// What is wrong with what they have written: of these providers nobody knows what they meant.
    unfit: BTreeMap<String, OwnMistake>,
}

/// A file that a user has written: a provider of its own, or what is laid over one that comes with Vestal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnFile {
    /// Its name, for people.
    pub name: String,
    /// What it says.
    pub text: String,
}

/// What is wrong with a user's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}:{}:{}: {}", mistake.line, mistake.column, mistake.what)]
pub struct OwnMistake {
    /// The file's name.
    pub name: String,
    /// What is wrong with it.
    pub mistake: Mistake,
}

impl OwnFile {
    /// The provider that it describes, laid over the one of that identifier that comes with Vestal, if there is one.
    ///
    /// # Errors
    ///
    /// Every mistake there is.
    pub fn read(&self) -> Result<Provider, Vec<OwnMistake>> {
        let beneath = Provider::id_in(&self.text).and_then(|id| catalogue::text(&id));
        let read = match beneath {
            Some(beneath) => Provider::overlay(beneath, &self.text),
            None => Provider::parse(&self.text),
        };
        let own = |mistake| OwnMistake { name: self.name.clone(), mistake };
        read.map_err(|mistakes| mistakes.into_iter().map(own).collect())
    }
}

/// Why there is no such provider.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CatalogueError {
    /// Nobody has described it.
    #[error("there is no provider {id:?}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// The identifier most like it.
        nearest: Option<String>,
    },
    /// Its file has mistakes.
    #[error("the file of the provider {id:?} cannot be used: {}", first(mistakes))]
    Mistaken {
        /// What was asked for.
        id: String,
        /// What is wrong with it.
        mistakes: Vec<Mistake>,
    },
    /// The user's own file about it has mistakes.
    #[error("{mistake}")]
    Unfit {
        /// What was asked for.
        id: String,
        /// The first thing that is wrong.
        mistake: OwnMistake,
    },
}

/// Which provider a file is about by its name, where its text does not say it.
fn stem(name: &str) -> String {
    Path::new(name).file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn first(mistakes: &[Mistake]) -> String {
    mistakes.first().map(Mistake::to_string).unwrap_or_default()
}

impl Catalogue {
    /// The providers that come with Vestal.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Adds a user's own file: a provider of its own, or what is laid over one that comes with Vestal. Where it has mistakes,
    /// which are returned, its provider is known to be [unfit], and no other one is.
    ///
    /// [unfit]: CatalogueError::Unfit
    pub fn add(&mut self, file: OwnFile) -> Vec<OwnMistake> {
        let provider = match file.read() {
            Ok(provider) => provider,
            Err(mistakes) => {
                let id = Provider::id_in(&file.text).unwrap_or_else(|| stem(&file.name));
                self.unfit.extend(mistakes.first().map(|first| (id, first.clone())));
                return mistakes;
            }
        };
        let id = provider.id.clone();
        if let Some(other) = self.own.get(&id) {
            let what = format!("{} describes the provider {id:?} too: put both into one file", other.name);
            let mistake = OwnMistake { name: file.name, mistake: Mistake { line: 1, column: 1, what } };
            self.unfit.insert(id, mistake.clone());
            return vec![mistake];
        }
        self.insert(provider);
        self.own.insert(id, file);
        Vec::new()
    }

    /// Notes that a user's own file cannot be read: whose it is, its name has to say.
    pub fn add_unread(&mut self, name: String, why: &io::Error) {
        let id = stem(&name);
        let mistake = Mistake { line: 1, column: 1, what: format!("the file cannot be read: {why}") };
        self.unfit.insert(id, OwnMistake { name, mistake });
    }

    /// Why the providers that are known to be unfit are: the first mistake about each.
    pub fn unfit(&self) -> impl Iterator<Item = &OwnMistake> {
        self.unfit.values()
    }

    /// The identifiers of all providers, in order.
    pub fn ids(&self) -> Vec<String> {
        let builtin = catalogue::ids().map(str::to_owned);
        let all: BTreeSet<String> = builtin.chain(self.own.keys().cloned()).collect();
        all.into_iter().collect()
    }

    /// The user's own file about a provider, where there is one.
    pub fn own(&self, id: &str) -> Option<&OwnFile> {
        self.own.get(id)
    }

    /// Adds a provider, or replaces the one of that identifier.
    pub fn insert(&self, provider: Provider) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(provider.id.clone(), Arc::new(provider));
    }

    /// What tells this catalogue's facts from those of another version: plans that were made by others are made anew.
    pub fn fingerprint(&self) -> String {
        static BUILTIN: OnceLock<u64> = OnceLock::new();
        let compute = || {
            let mut hash = DefaultHasher::new();
            env!("CARGO_PKG_VERSION").hash(&mut hash);
            catalogue::ids().map(catalogue::text).for_each(|text| text.hash(&mut hash));
            hash.finish()
        };
        let mut hash = DefaultHasher::new();
        BUILTIN.get_or_init(compute).hash(&mut hash);
        self.own.values().for_each(|file| file.text.hash(&mut hash));
        format!("{:016x}", hash.finish())
    }

    /// The known identifier that is most like this one, if any is like it.
    fn nearest(&self, id: &str) -> Option<String> {
        catalogue::nearest_of(id, self.own.keys().map(String::as_str)).map(str::to_owned)
    }

    /// One provider.
    ///
    /// # Errors
    ///
    /// When there is none, or its file has mistakes.
    pub fn get(&self, id: &str) -> Result<Arc<Provider>, CatalogueError> {
        if let Some(mistake) = self.unfit.get(id) {
            return Err(CatalogueError::Unfit { id: id.to_owned(), mistake: mistake.clone() });
        }
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = read.get(id) {
            return Ok(Arc::clone(provider));
        }
        match catalogue::builtin(id) {
            None => Err(CatalogueError::Unknown { id: id.to_owned(), nearest: self.nearest(id) }),
            Some(Err(mistakes)) => Err(CatalogueError::Mistaken { id: id.to_owned(), mistakes }),
            Some(Ok(provider)) => {
                let provider = Arc::new(provider);
                read.insert(id.to_owned(), Arc::clone(&provider));
                Ok(provider)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, text: &str) -> OwnFile {
        OwnFile { name: name.to_owned(), text: text.to_owned() }
    }

    const ACME: &str = "id = \"acme\"\nname = \"Acme\"\nregister = \"Ask Acme.\"\n[endpoints]\nissuer = { kind = \"ask\" }\n";
    const OVER_OKTA: &str =
        "id = \"okta\"\n[refresh_token]\nidle_limit = { is = \"30d\", unverified = true }\n";

    #[test]
    fn own_files_add_providers_and_are_laid_over_those_that_come_with_vestal() {
        let builtin = Catalogue::builtin();
        let mut own = Catalogue::builtin();
        for (name, text) in [("a.toml", ACME), ("okta.toml", OVER_OKTA)] {
            assert_eq!(own.add(file(name, text)), []);
        }
        assert_eq!(own.get("acme").unwrap().name, "Acme");
        let (ours, theirs) = (builtin.get("okta").unwrap(), own.get("okta").unwrap());
        assert_eq!(
            (&theirs.name, &theirs.laid_over),
            (&ours.name, &vec!["refresh_token.idle_limit".to_owned()])
        );
        assert_ne!(theirs.idle_limit(), ours.idle_limit());
        assert_eq!(own.ids().len(), builtin.ids().len() + 1);
        assert_ne!(own.fingerprint(), builtin.fingerprint(), "plans are made anew");
        let unknown = own.get("acne").unwrap_err();
        assert!(
            matches!(&unknown, CatalogueError::Unknown { nearest: Some(it), .. } if it == "acme"),
            "{unknown:?}"
        );
    }

    #[test]
    fn mistakes_of_all_own_files_are_told_with_their_places() {
        let mistaken = OVER_OKTA.replace("idle_limit", "idle_limt");
        let files = [file("a.toml", ACME), file("b.toml", ACME), file("okta.toml", &mistaken)];
        let mut catalogue = Catalogue::builtin();
        let told: Vec<String> = files
            .into_iter()
            .flat_map(|file| catalogue.add(file))
            .map(|mistake| mistake.to_string())
            .collect();
        assert!(told[0].starts_with("b.toml:1:1: a.toml describes the provider \"acme\" too"), "{told:?}");
        assert!(told[1].starts_with("okta.toml:3:1: unknown field `idle_limt`"), "{told:?}");
        assert_eq!(catalogue.unfit().map(ToString::to_string).collect::<Vec<_>>(), told);
    }

    #[test]
    fn a_file_with_mistakes_stops_its_own_provider_alone() {
        let mut catalogue = Catalogue::builtin();
        let mistaken = OVER_OKTA.replace("idle_limit", "idle_limt");
        for (name, text) in [("x.toml", &*mistaken), ("/etc/google.toml", "no TOML"), ("a.toml", ACME)] {
            catalogue.add(file(name, text));
        }
        for id in ["okta", "google"] {
            assert!(matches!(catalogue.get(id), Err(CatalogueError::Unfit { .. })), "{id}");
        }
        assert!(catalogue.get("acme").is_ok() && catalogue.get("spotify").is_ok());
        assert_eq!(catalogue.add(file("b.toml", ACME)).len(), 1);
        assert!(catalogue.get("acme").is_err(), "nobody knows which of them is meant");
    }
}
