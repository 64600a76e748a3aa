//! Changing what a person decides of a connection: its policy and its tags.

use std::collections::BTreeMap;

use vestal_core::connection::{Connection, Policy, check_labels};
use vestal_core::event::{Event, What};
use vestal_core::state::State;
use vestal_core::store::Update;

use crate::change::update_to;
use crate::{Engine, Error};

/// What to change of a connection. What is not named here stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// When it is refreshed from now on.
    pub policy: Option<Policy>,
    /// Tags to set, by name; those without a value go.
    pub tags: BTreeMap<String, Option<String>>,
}

impl Changes {
    fn tags_of(&self, connection: &Connection) -> BTreeMap<String, String> {
        let mut tags = connection.tags.clone();
        for (name, value) in &self.tags {
            match value {
                Some(value) => tags.insert(name.clone(), value.clone()),
                None => tags.remove(name),
            };
        }
        tags
    }
}

impl Engine {
    /// Changes a connection, and plans it anew. A refresh that is under way goes on. Returns whether anything is different now.
    ///
    /// # Errors
    ///
    /// [`Error::BadTags`], [`Error::Disconnecting`], [`Error::NoSuchConnection`], [`Error::Provider`], [`Error::Store`].
    pub async fn set(&self, connection: Connection, changes: &Changes) -> Result<bool, Error> {
        let inner = &self.inner;
        let provider = inner.provider_of(&connection).await?;
        let name = connection.name.clone();
        let decide = |stored: &Connection| {
            if stored.state == State::Disconnecting {
                return Err(Error::Disconnecting { name: name.clone() });
            }
            let tags = changes.tags_of(stored);
            check_labels(None, &tags).map_err(|why| Error::BadTags { name: name.clone(), why })?;
            let policy = changes.policy.unwrap_or(stored.policy);
            if (policy, &tags) == (stored.policy, &stored.tags) {
                return Ok(None);
            }
            let now = inner.clock.now();
            let mut after = Connection { policy, ..stored.clone() };
            after.plan = inner.plan(&after, &provider, now);
            let is_new = policy != stored.policy;
            let told =
                is_new.then_some(Event { connection: after.id, at: now, what: What::PolicySet { policy } });
            let tags = (tags != stored.tags).then_some(tags);
            Ok(Some(Update { tags, ..update_to(&after, told.into_iter().collect()) }))
        };
        inner.change_connection(connection, decide).await?.to_one_that_exists(&name)
    }
}
