//! How the refreshes that a client's connections want fit into its provider's quotas. Where they do not, keep-alive comes
//! first, and freshness is stretched into what is left.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use vestal_core::client::Client;
use vestal_core::id::ClientId;
use vestal_core::provider::Provider;
use vestal_core::schedule::{QuotaPlan, schedule};
use vestal_core::warnings::{Demand, Fit};

use crate::{Engine, Error, Inner};

/// A fleet is measured again after this time.
pub(crate) const MEASURED_EVERY: Duration = Duration::from_secs(3600);

/// So many connections stand for all of a client.
const SAMPLE: u32 = 500;

/// What was measured.
#[derive(Default)]
pub(crate) struct Quotas {
    plans: Mutex<HashMap<ClientId, QuotaPlan>>,
}

impl Quotas {
    /// What a client's quotas leave; ample where nothing was measured.
    pub(crate) fn of(&self, client: ClientId) -> QuotaPlan {
        self.plans().get(&client).copied().unwrap_or(QuotaPlan::AMPLE)
    }

    fn plans(&self) -> MutexGuard<'_, HashMap<ClientId, QuotaPlan>> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// Measures how the connections fit into their providers' quotas. Plans that are made from then on go by it; those that
    /// were made before are made anew when they are due.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub async fn measure_quotas(&self) -> Result<(), Error> {
        for client in self.inner.store.clients().await?.clients {
            self.measure_quotas_of(&client).await?;
        }
        Ok(())
    }

    /// The same, of one client's connections.
    ///
    /// # Errors
    ///
    /// As [`Engine::measure_quotas`].
    pub async fn measure_quotas_of(&self, client: &Client) -> Result<(), Error> {
        if let Some(Fit { stretch, .. }) = self.fit_of(client).await? {
            let plan = QuotaPlan { stretch, ..QuotaPlan::AMPLE };
            self.inner.quotas.plans().insert(client.id, plan);
        }
        Ok(())
    }

    /// How the refreshes that a client's connections want fit into its provider's quotas; `None` where no quota counts the
    /// refreshes of a whole client.
    ///
    /// # Errors
    ///
    /// As [`Engine::measure_quotas`].
    pub async fn fit_of(&self, client: &Client) -> Result<Option<Fit>, Error> {
        match self.inner.catalogue.get(&client.provider) {
            Ok(provider) => self.inner.measure(client, &provider).await,
            Err(_) => Ok(None),
        }
    }

    /// The same of all, in a task of its own: what is due does not wait for that.
    pub(crate) fn measure_quotas_aside(&self) {
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(error) = engine.measure_quotas().await {
                tracing::warn!(%error, "whether the refreshes fit into the providers' quotas could not be measured");
            }
        });
    }
}

impl Inner {
    async fn measure(&self, client: &Client, provider: &Provider) -> Result<Option<Fit>, Error> {
        if Demand::default().fit(provider).is_none() {
            return Ok(None);
        }
        let counts = self.store.count_states(Some(client.id)).await?;
        let refreshed = |state: &str| matches!(state, "active" | "unverified" | "failing");
        let count: u64 = counts.iter().filter(|(state, _)| refreshed(state)).map(|(_, count)| count).sum();
        let sample = self.store.sample(client.id, SAMPLE).await?;
        let sample = self.store.connections_by_id(&sample).await?;
        let (mut demand, mut sampled) = (Demand::default(), 0_u32);
        for connection in sample.iter().filter(|connection| refreshed(connection.state.name())) {
            let Some(grant) = &connection.grant else { continue };
            let wanted = schedule(connection, provider, &QuotaPlan::AMPLE, self.clock.now(), self.seed);
            demand.add(&wanted, grant.tokens.issued_at);
            sampled += 1;
        }
        if sampled == 0 {
            return Ok(Demand::default().fit(provider));
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let all = demand.times(count as f64 / f64::from(sampled));
        Ok(all.fit(provider))
    }
}
