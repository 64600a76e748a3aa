//! The store: whether it opens, and what is in it.

use std::sync::Arc;

use vestal_api::{Finding, Trouble};
use vestal_core::clock::Clock;
use vestal_core::seal::{KeyRing, OpenError};
use vestal_core::store::Store as _;
use vestal_store::SqliteStore;

use super::finding::{fail, failed, of_store, ok, warn};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::context::{Context, Locked, Vestal, unlock};

/// Opens it, or tells why it cannot be opened. What was never claimed is left so.
pub(super) async fn open(config: Config, ring: KeyRing, context: &Context) -> Result<Vestal, Box<Finding>> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let unusable = |error| Box::new(of_store(error));
    let (found, known) = SqliteStore::schema(&config.store).await.map_err(unusable)?;
    if found < known {
        return Err(Box::new(older(found, known)));
    }
    let store = SqliteStore::open(&config.store, Arc::clone(&clock)).await.map_err(unusable)?;
    let Some(identity) = store.identity().await.map_err(unusable)? else {
        let states = store.count_states(None).await.map_err(unusable)?;
        let clients = store.clients().await.map_err(unusable)?;
        let is_empty = clients.clients.is_empty()
            && clients.damaged.is_empty()
            && states.iter().all(|(_, count)| *count == 0);
        return Err(Box::new(unclaimed(&config, is_empty)));
    };
    let vault = unlock(&config, ring, &identity).map_err(|locked| Box::new(locked_by(locked)))?;
    let opened = context.assemble(config, store, vault, clock).await;
    opened.map_err(|failure| Box::new(failed(Trouble::BadStore, failure)))
}

/// It was made, and nothing was ever sealed in it; or what says by which key is gone.
fn unclaimed(config: &Config, is_empty: bool) -> Finding {
    let store = config.store.display();
    if is_empty {
        let found = format!("{store} is empty: it belongs to no master key yet");
        return warn(Trouble::NoStore, found, "vestal connect NAME --provider P");
    }
    let found =
        format!("{store} has lost what says by which key it is sealed, and nothing in it can be opened");
    fail(Trouble::BadStore, found, "put a backup of it in its place")
}

fn locked_by(Locked { error, failure }: Locked) -> Finding {
    let trouble = match error {
        OpenError::KeyMissing(_) => Trouble::OtherKey,
        OpenError::Corrupt => Trouble::BadStore,
        OpenError::UnknownFormat(_) => Trouble::StoreNewer,
    };
    failed(trouble, failure)
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

pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let store = vestal.engine.store();
    let opens = ok("store", format!("{} opens with the key", vestal.config.store.display()));
    let written = match store.check_writable().await {
        Ok(()) => ok("store", "it can be written"),
        Err(error) => of_store(error),
    };
    let connections = match store.count_states(None).await {
        Ok(states) if states.iter().all(|(_, count)| *count == 0) => ok("connections", "none yet"),
        Ok(states) => {
            let states: Vec<String> =
                states.into_iter().map(|(state, count)| format!("{count} {state}")).collect();
            ok("connections", states.join(", "))
        }
        Err(error) => of_store(error),
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

#[cfg(test)]
mod tests {
    use vestal_core::seal::KeyId;

    use super::*;
    use crate::failure::Failure;

    #[test]
    fn what_keeps_a_store_locked_is_told_apart() {
        let of = |error| locked_by(Locked { error, failure: Failure::failed("it is locked") }).trouble;
        let key = "0011223344556677".parse::<KeyId>().unwrap();
        assert_eq!(of(OpenError::KeyMissing(key)), Some(Trouble::OtherKey));
        assert_eq!(of(OpenError::Corrupt), Some(Trouble::BadStore));
        assert_eq!(of(OpenError::UnknownFormat(9)), Some(Trouble::StoreNewer));
    }
}
