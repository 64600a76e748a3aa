//! The clients: whether they can be used, each by itself, and where a consent comes back to.

use std::collections::BTreeSet;

use url::Url;
use vestal_api::{Finding, Trouble};
use vestal_core::client::Client;
use vestal_engine::Engine;
use vestal_oauth::endpoint;

use super::finding::{fail, of_store, ok, warn};
use crate::context::Vestal;
use crate::failure::word;
use crate::loopback::Loopback;

pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let clients = match vestal.engine.store().clients().await {
        Ok(clients) => clients,
        Err(error) => return vec![of_store(error)],
    };
    let damaged = clients.damaged.into_iter().map(of_store);
    let mut findings: Vec<_> =
        clients.clients.iter().map(|one| client(one, &vestal.engine)).chain(damaged).collect();
    if findings.is_empty() {
        return vec![ok("clients", "none yet")];
    }
    let redirects: BTreeSet<&Url> = clients.clients.iter().map(|client| &client.redirect_uri).collect();
    for uri in redirects {
        findings.extend(taken(uri).await);
    }
    findings
}

fn client(client: &Client, engine: &Engine) -> Finding {
    let name = &client.name;
    let again = format!("add it anew with: vestal client add, and remove {name:?}");
    let provider = match engine.catalogue().get(&client.provider) {
        Ok(provider) => provider,
        Err(_) => {
            let found = format!("{name}: nothing is known of its provider {:?}", client.provider);
            return fail(Trouble::BadClient, found, &again);
        }
    };
    let set_secret = format!("vestal client set-secret {}", word(name));
    if let Some(trouble) = client.notes.trouble.as_ref().filter(|trouble| trouble.agreed) {
        let found =
            format!("{name}: {} refuses it since {}: {}", provider.name, trouble.since, trouble.detail);
        return fail(Trouble::ClientRefused, found, &set_secret);
    }
    for url in client.endpoints.all() {
        if let Err(error) = endpoint::check(url) {
            return fail(Trouble::BadClient, format!("{name}: {error}"), &again);
        }
    }
    if let Err(error) = engine.check_client(client) {
        return fail(Trouble::BadClient, format!("{name}: {error}"), &set_secret);
    }
    ok("client", format!("{name}: {}, {}", provider.name, client.auth))
}

/// Whether a browser that comes back to this machine would find another program there.
async fn taken(redirect_uri: &Url) -> Option<Finding> {
    let port = redirect_uri.port().filter(|_| Loopback::can_serve(redirect_uri))?;
    Loopback::is_taken(redirect_uri).await.then(|| {
        warn(
            Trouble::RedirectTaken,
            format!("another program listens on port {port}, where a browser comes back to after a consent: {redirect_uri}"),
            "end that program, or a vestal connect that still waits; or use --no-browser and paste the final URL",
        )
    })
}
