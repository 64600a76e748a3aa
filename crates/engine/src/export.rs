//! Giving away what is known of a connection, its secrets too.

use std::fmt;

use serde_json::{Map, Value};
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::seal::Field;
use vestal_core::secret::{ExposeSecret, SecretString};

use crate::secrets::place;
use crate::{Engine, Error};

/// The secrets of a connection, opened.
#[derive(Default)]
pub struct Secrets {
    /// Its refresh token.
    pub refresh_token: Option<SecretString>,
    /// Its access token.
    pub access_token: Option<SecretString>,
    /// Its id token.
    pub id_token: Option<SecretString>,
    /// Further fields of the token answer.
    pub extra: Map<String, Value>,
    /// What renewing it needs besides, as [`Engine::import`] takes it: keys, or what is exchanged.
    pub means: Map<String, Value>,
    /// What renews it is gone: it cannot be imported again.
    pub is_stranded: bool,
}

impl fmt::Debug for Secrets {
    /// Shows nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Engine {
    /// Opens the access token that a connection holds, whether it is still of use or not.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`].
    pub fn held_access_token(&self, connection: &Connection) -> Result<Option<SecretString>, Error> {
        match &connection.grant {
            Some(grant) => self.inner.access_token(connection, grant),
            None => Ok(None),
        }
    }

    /// Opens the secrets of a connection that was made with this client.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`], [`Error::Store`].
    pub async fn export(&self, connection: &Connection, client: &Client) -> Result<Secrets, Error> {
        let inner = &self.inner;
        let Some(grant) = &connection.grant else { return Ok(Secrets::default()) };
        let tokens = &grant.tokens;
        let open = |field, what: &str, sealed: &Option<_>| match sealed {
            None => Ok(None),
            Some(sealed) => {
                let place = place(connection.id, field, grant.id, tokens.generation);
                let what = || format!("{what} of {:?}", connection.name);
                inner.open_text(&place, sealed, what).map(Some)
            }
        };
        let extra = open(Field::Extra, "what came with the tokens", &tokens.extra)?;
        let extra = extra.and_then(|json| serde_json::from_str(json.expose_secret()).ok());
        let client = inner.at_site_of(client, Some(grant))?;
        let means = inner.exported_means(&inner.means(connection, grant, &client)?).await?;
        Ok(Secrets {
            refresh_token: inner.refresh_token(connection, grant, &client)?,
            access_token: inner.access_token(connection, grant)?,
            id_token: open(Field::IdToken, "the id token", &tokens.id_token)?,
            extra: extra.unwrap_or_default(),
            is_stranded: means.is_none(),
            means: means.unwrap_or_default(),
        })
    }
}
