//! The master keys of a process that runs while they are rotated.
//!
//! Which key seals is said by the store, and which one everybody is to hold by whoever rotates
//! ([`vestal_store::rotation`]). Both are looked at every few seconds; the source of the keys is read again only where one
//! of them is lacking.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;
use vestal_core::clock::Clock;
use vestal_core::seal::{KeyRing, OpenError, StoreIdentity};
use vestal_engine::Engine;
use vestal_store::rotation;

use crate::clock::SystemClock;
use crate::config::{Environment, KeySource};
use crate::failure::{Failure, why_sealed};
use crate::node::Node;

/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// After so many times in vain, a source that lacks a key is read as seldom as this many looks apart.
const SELDOM: u32 = 60;

/// The master keys of this process.
pub(crate) struct Keys {
    source: KeySource,
    environment: Environment,
    engine: Engine,
    node: Arc<Node>,
}

/// Looks after the keys for as long as it is there.
pub(crate) struct KeyWatch(AbortHandle);

impl KeyWatch {
    pub(crate) fn stop(&self) {
        self.0.abort();
    }
}

impl Drop for KeyWatch {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Keys {
    pub(crate) fn new(
        source: KeySource,
        environment: Environment,
        engine: Engine,
        node: Arc<Node>,
    ) -> Arc<Self> {
        Arc::new(Self { source, environment, engine, node })
    }

    /// Where they come from.
    pub(crate) fn source(&self) -> &KeySource {
        &self.source
    }

    /// Reads the source again.
    pub(crate) async fn read_again(&self) -> Result<KeyRing, Failure> {
        let (source, environment) = (self.source.clone(), self.environment.clone());
        // A command may take its time.
        let read = tokio::task::spawn_blocking(move || source.read(&environment)).await;
        let ring = read.map_err(|error| Failure::failed("the master key was not read").why(error))??;
        self.engine.vault().add(&ring);
        Ok(ring)
    }

    /// Seals with the key that the store says by the time others see this process: whoever rotates has not waited for it until
    /// then.
    pub(crate) async fn begin(&self) -> Result<(), Failure> {
        let followed = self.follow().await;
        if followed.is_ok() || !self.source.may_change() {
            return followed;
        }
        self.read_again().await?;
        self.follow().await
    }

    /// Seals with the key that the store says, and tells others. Where it lacks that one, it goes on with the one before:
    /// what others seal cannot be opened here, and is left as it is.
    pub(crate) async fn follow(&self) -> Result<(), Failure> {
        let identity = self.engine.store().identity().await?;
        self.follow_to(identity.as_ref())
    }

    fn follow_to(&self, identity: Option<&StoreIdentity>) -> Result<(), Failure> {
        let vault = self.engine.vault();
        let followed = identity.map_or(Ok(false), |identity| vault.follow(identity));
        self.node.show(vault);
        if followed.map_err(|error| not_followed(&error))? {
            tracing::info!(key = %vault.seals_with(), "what is new is sealed with another master key from now on");
        }
        Ok(())
    }

    /// Looks after the keys until the handle is dropped.
    pub(crate) fn watch(self: Arc<Self>) -> KeyWatch {
        let watching = async move {
            let mut in_vain: u32 = 0;
            loop {
                SystemClock.sleep(LOOK_EVERY).await;
                match self.look(in_vain).await {
                    Ok(true) => in_vain = in_vain.saturating_add(1),
                    Ok(false) => in_vain = 0,
                    // What keeps the store from being read is told by whoever needs it.
                    Err(failure) => tracing::debug!(?failure, "the master keys were not looked at"),
                }
            }
        };
        KeyWatch(tokio::spawn(watching).abort_handle())
    }

    /// Looks once. Returns whether a key is lacking.
    async fn look(&self, in_vain: u32) -> Result<bool, Failure> {
        let identity = self.engine.store().identity().await?;
        if self.is_lacking(identity.as_ref())
            && self.source.may_change()
            && is_worth_a_try(in_vain)
            && let Err(failure) = self.read_again().await
        {
            tracing::warn!(?failure, "the master keys cannot be read again");
        }
        if let Err(failure) = self.follow_to(identity.as_ref())
            && in_vain == 0
        {
            tracing::error!(?failure, "this process has to be given the new master key, and started anew");
        }
        Ok(self.is_lacking(identity.as_ref()))
    }

    /// Whether there is a key that it should hold and does not.
    fn is_lacking(&self, identity: Option<&StoreIdentity>) -> bool {
        let sealed_with = identity.and_then(|identity| identity.fingerprint_key.key().ok());
        let wanted = rotation::wanted(self.node.folder()).unwrap_or_default();
        let holds = self.engine.vault().holds();
        sealed_with.into_iter().chain(wanted).any(|key| !holds.contains(&key))
    }
}

fn not_followed(error: &OpenError) -> Failure {
    let (why, next) = why_sealed(error);
    Failure::failed("the store is sealed with another master key by now").why(why).next(next)
}

/// Whether a source that has lacked a key so often is read once more: a file is changed soon, or never.
fn is_worth_a_try(in_vain: u32) -> bool {
    in_vain < SELDOM || in_vain.is_multiple_of(SELDOM)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_goes_on_lacking_a_key_is_read_seldom() {
        let tries = (0..10 * SELDOM).filter(|in_vain| is_worth_a_try(*in_vain)).count();
        assert_eq!(tries, SELDOM as usize + 9);
    }
}
