//! What only a look at all connections shows: quotas that they do not fit, and refresh tokens that two of them share.

use std::collections::HashMap;

use vestal_api::Finding;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ClientId;
use vestal_core::seal::Fingerprint;
use vestal_core::store::{Filter, StoreError};
use vestal_core::token::Grant;
use vestal_core::warnings::Demand;

use super::{failed, ok, warn};
use crate::context::Vestal;
use crate::failure::word;
use crate::warnings;

/// As many connections are read at once.
const PAGE: u32 = 500;

/// As many connections are looked at: what is remembered of each takes some hundred bytes.
const LOOKED_AT: usize = 1_000_000;

/// As many pairs are told of.
const PAIRS_TOLD: usize = 10;

/// What was seen of all connections.
#[derive(Default)]
struct Fleet {
    looked_at: usize,
    /// Who holds which refresh token, by its fingerprint: the name that was seen first.
    holders: HashMap<Fingerprint, ConnectionName>,
    /// Those that hold the same one.
    pairs: Vec<(ConnectionName, ConnectionName)>,
    demands: HashMap<ClientId, Demand>,
}

pub(super) async fn look_over(vestal: &Vestal) -> Vec<Finding> {
    let clients = match vestal.engine.store().clients().await {
        // Damaged ones are told of with the clients.
        Ok(clients) => clients.clients,
        Err(error) => return vec![failed("connections", error.into())],
    };
    let fleet = match read(vestal, &clients).await {
        Ok(fleet) => fleet,
        Err(error) => return vec![failed("connections", error.into())],
    };
    let mut findings = fleet.shared();
    for client in &clients {
        let fit = vestal.engine.catalogue().get(&client.provider).ok();
        let fit = fit.zip(fleet.demands.get(&client.id)).and_then(|(provider, demand)| demand.fit(&provider));
        match warnings::of_client(vestal, client, fit).await {
            Ok(told) => findings.extend(told.into_iter().map(|told| {
                warn("client", format!("{}: {}: {}", client.name, told.what, told.why), &told.next)
            })),
            Err(failure) => findings.push(failed("client", failure)),
        }
    }
    findings
}

async fn read(vestal: &Vestal, clients: &[Client]) -> Result<Fleet, StoreError> {
    let store = vestal.engine.store();
    let mut fleet = Fleet::default();
    let mut after: Option<ConnectionName> = None;
    while fleet.looked_at < LOOKED_AT {
        let page = store.connections(&Filter::default(), after.as_ref(), PAGE).await?;
        for connection in &page.connections {
            fleet.looked_at += 1;
            let Some(grant) = &connection.grant else { continue };
            fleet.hold(connection, grant);
            let client = clients.iter().find(|client| client.id == connection.client);
            let provider = client.and_then(|client| vestal.engine.catalogue().get(&client.provider).ok());
            if let Some(provider) = provider.filter(|provider| !provider.quotas.is_empty()) {
                let schedule = vestal.engine.schedule(connection, &provider);
                let demand = fleet.demands.entry(connection.client).or_default();
                demand.add(&schedule, grant.tokens.issued_at);
            }
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    Ok(fleet)
}

impl Fleet {
    fn hold(&mut self, connection: &Connection, grant: &Grant) {
        let Some(token) = &grant.tokens.refresh_token else { return };
        match self.holders.get(&token.fingerprint) {
            Some(first) => self.pairs.push((first.clone(), connection.name.clone())),
            None => drop(self.holders.insert(token.fingerprint, connection.name.clone())),
        }
    }

    fn shared(&self) -> Vec<Finding> {
        let about = "refresh tokens";
        if self.pairs.is_empty() {
            return match self.holders.len() {
                0 => Vec::new(),
                held => vec![ok(about, format!("no two connections share one of {held}"))],
            };
        }
        let told = self.pairs.iter().take(PAIRS_TOLD).map(|(first, second)| {
            warn(
                about,
                format!(
                    "{:?} and {:?} hold the same one: where a refresh replaces it, each ends the other's",
                    first.as_str(),
                    second.as_str()
                ),
                &format!("vestal disconnect --keep-grant {}", word(second.as_str())),
            )
        });
        let more = self.pairs.len().saturating_sub(PAIRS_TOLD);
        let more = (more > 0).then(|| {
            warn(about, format!("{more} more connections share one"), "mend these first, then: vestal doctor")
        });
        told.chain(more).collect()
    }
}
