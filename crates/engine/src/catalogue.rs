//! What is known of providers: the files that come with Vestal, read when they are needed.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use vestal_core::provider::parse::Mistake;
use vestal_core::provider::{Provider, catalogue};

/// Finds providers by their identifiers.
#[derive(Default)]
pub struct Catalogue {
    read: Mutex<HashMap<String, Arc<Provider>>>,
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
        nearest: Option<&'static str>,
    },
    /// Its file has mistakes.
    #[error("the file of the provider {id:?} cannot be used: {}", first(mistakes))]
    Mistaken {
        /// What was asked for.
        id: String,
        /// What is wrong with it.
        mistakes: Vec<Mistake>,
    },
}

fn first(mistakes: &[Mistake]) -> String {
    mistakes.first().map(Mistake::to_string).unwrap_or_default()
}

impl Catalogue {
    /// The providers that come with Vestal.
    pub fn builtin() -> Self {
        Self::default()
    }

    /// Adds a provider, or replaces the one of that identifier.
    pub fn insert(&self, provider: Provider) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.insert(provider.id.clone(), Arc::new(provider));
    }

    /// What tells this catalogue's facts from those of another version: plans that were made by others are made anew.
    pub fn fingerprint(&self) -> String {
        static FINGERPRINT: OnceLock<String> = OnceLock::new();
        let compute = || {
            let mut hash = DefaultHasher::new();
            env!("CARGO_PKG_VERSION").hash(&mut hash);
            catalogue::ids().map(catalogue::text).for_each(|text| text.hash(&mut hash));
            format!("{:016x}", hash.finish())
        };
        FINGERPRINT.get_or_init(compute).clone()
    }

    /// One provider.
    ///
    /// # Errors
    ///
    /// When there is none, or its file has mistakes.
    pub fn get(&self, id: &str) -> Result<Arc<Provider>, CatalogueError> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(provider) = read.get(id) {
            return Ok(Arc::clone(provider));
        }
        match catalogue::builtin(id) {
            None => Err(CatalogueError::Unknown { id: id.to_owned(), nearest: catalogue::nearest(id) }),
            Some(Err(mistakes)) => Err(CatalogueError::Mistaken { id: id.to_owned(), mistakes }),
            Some(Ok(provider)) => {
                let provider = Arc::new(provider);
                read.insert(id.to_owned(), Arc::clone(&provider));
                Ok(provider)
            }
        }
    }
}
