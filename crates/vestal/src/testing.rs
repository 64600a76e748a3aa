//! What the tests of this crate build their cases from.

use vestal_core::client::{Client, ClientAuth, ClientNotes, Endpoints};

#[path = "../../../tests/harness/ports.rs"]
pub(crate) mod ports;

/// A client at a provider that is nothing but a token endpoint.
pub(crate) fn client_at(provider: &str, token_endpoint: &str) -> Client {
    Client {
        id: "00000000-0000-7000-8000-000000000000".parse().unwrap(),
        revision: 1,
        name: provider.to_owned(),
        provider: provider.to_owned(),
        client_id: "id".to_owned(),
        auth: ClientAuth::ClientSecretBasic,
        secret: None,
        second_secret: None,
        redirect_uri: "http://localhost:8724/callback".parse().unwrap(),
        scopes: vec![],
        endpoints: Endpoints::at(token_endpoint.parse().unwrap()),
        created_at: "2026-11-03T12:00:00Z".parse().unwrap(),
        notes: ClientNotes::default(),
    }
}
