//! The store: whether it opens, and what is in it.

use std::sync::Arc;

use vestal_api::{Finding, Trouble};
use vestal_core::clock::Clock;
use vestal_core::store::StoreError;
use vestal_store::SqliteStore;

use super::finding::{failed, ok, warn};
use crate::config::Config;
use crate::context::{Context, Vestal, unlock};

/// What helps where nothing else does.
const ELSEWHERE: &str =
    "put a backup of it in its place, or keep the store elsewhere: [store] path in the configuration";

/// Opens it, or tells why it cannot be opened.
pub(super) async fn open(
    config: Config,
    context: &Context,
    clock: Arc<dyn Clock>,
) -> Result<Vestal, Box<Finding>> {
    let (found, known) = SqliteStore::schema(&config.store).await.map_err(unusable)?;
    if found < known {
        return Err(Box::new(older(found, known)));
    }
    let store = SqliteStore::open(&config.store, Arc::clone(&clock)).await.map_err(unusable)?;
    if let Err(failure) = unlock(&config, &store, &context.environment).await {
        return Err(Box::new(failed(Trouble::OtherKey, failure)));
    }
    let opened = context.assemble(config, store, clock).await;
    opened.map_err(|failure| Box::new(failed(Trouble::BadStore, failure)))
}

fn unusable(error: StoreError) -> Box<Finding> {
    let mut finding = failed(trouble(&error), error.into());
    finding.next.get_or_insert_with(|| ELSEWHERE.to_owned());
    Box::new(finding)
}

/// Whoever only looks does not bring it to this version: what still runs of the older one could not use it any more.
fn older(found: i64, known: i64) -> Finding {
    warn(
        Trouble::StoreOlder,
        format!(
            "it was written by an older version: its schema is {found}, and this version makes it {known} when it opens it, for good"
        ),
        "stop what runs of the older version, and copy the store; then: vestal list",
    )
}

fn trouble(error: &StoreError) -> Trouble {
    match error {
        StoreError::NewerSchema { .. } => Trouble::StoreNewer,
        StoreError::ReadOnly { .. } => Trouble::StoreReadOnly,
        StoreError::Corrupt { .. } => Trouble::Damaged,
        StoreError::Unavailable { .. } | StoreError::OutcomeUnknown { .. } | StoreError::Unfit { .. } => {
            Trouble::BadStore
        }
    }
}

pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let store = vestal.engine.store();
    let opens = ok("store", format!("{} opens with the key", vestal.config.store.display()));
    let written = match store.check_writable().await {
        Ok(()) => ok("store", "it can be written"),
        Err(error) => failed(Trouble::StoreReadOnly, error.into()),
    };
    let connections = match store.count_states(None).await {
        Ok(states) if states.iter().all(|(_, count)| *count == 0) => ok("connections", "none yet"),
        Ok(states) => {
            let states: Vec<String> =
                states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
            ok("connections", states.join(", "))
        }
        Err(error) => failed(trouble(&error), error.into()),
    };
    [opens].into_iter().chain(rotation(vestal)).chain([written, connections]).collect()
}

/// Whether the master key is being exchanged. To count what each key still seals would take too long.
fn rotation(vestal: &Vestal) -> Option<Finding> {
    let (given, seals) = (vestal.engine.vault().holds(), vestal.engine.vault().seals_with());
    let newest = given.last().filter(|newest| **newest != seals)?;
    let found =
        format!("the newest key is {newest}, and the store is sealed with {seals}: an exchange was begun");
    Some(warn(Trouble::RotationBegun, found, "vestal master-key rotate"))
}
