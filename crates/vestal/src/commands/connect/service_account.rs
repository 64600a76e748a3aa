//! The file of a service account: Google's JSON, or a private key alone.

use std::path::Path;

use serde::Deserialize;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_engine::Bearer;

use crate::config::read_secret_file;
use crate::failure::Failure;

/// What such a file says.
pub(super) struct ServiceAccount {
    /// The client that it is, where the file says.
    pub(super) client_id: Option<String>,
    key: SecretString,
    key_id: Option<String>,
}

/// What Google writes (`"type": "service_account"`), as far as it is needed.
#[derive(Deserialize)]
struct Google {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

impl ServiceAccount {
    /// Reads it.
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        let text = read_secret_file(path)?;
        Ok(match serde_json::from_str::<Google>(text.expose_secret()) {
            Ok(google) => Self {
                client_id: Some(google.client_email),
                key: google.private_key.into(),
                key_id: google.private_key_id,
            },
            Err(_) => Self { client_id: None, key: text, key_id: None },
        })
    }

    /// What the client signs with it.
    pub(super) fn bearer(
        self,
        subject: Option<String>,
        audience: Option<String>,
        scopes: Option<Vec<String>>,
    ) -> Bearer {
        Bearer { key: self.key, key_id: self.key_id, subject, audience, scopes }
    }
}
