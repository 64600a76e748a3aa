//! Changing what a person decides of a connection: its policy and its tags.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

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
        let (changed, refused) = (AtomicBool::new(false), OnceLock::new());
        let is_there = inner
            .change_connection(connection, |stored| {
                // It ends with the first: nothing is decided anew.
                let refuse = |error| refused.set(error).err().and(None);
                let name = name.clone();
                if stored.state == State::Disconnecting {
                    return refuse(Error::Disconnecting { name });
                }
                let tags = changes.tags_of(stored);
                if let Err(why) = check_labels(None, &tags) {
                    return refuse(Error::BadTags { name, why });
                }
                let policy = changes.policy.unwrap_or(stored.policy);
                // Decided anew where somebody wrote in between: the last time counts.
                changed.store((policy, &tags) != (stored.policy, &stored.tags), Ordering::Relaxed);
                if !changed.load(Ordering::Relaxed) {
                    return None;
                }
                let now = inner.clock.now();
                let mut after = Connection { policy, ..stored.clone() };
                after.plan = inner.plan(&after, &provider, now);
                let is_new = policy != stored.policy;
                let told = is_new.then_some(Event {
                    connection: after.id,
                    at: now,
                    what: What::PolicySet { policy },
                });
                let tags = (tags != stored.tags).then_some(tags);
                Some(Update { tags, ..update_to(&after, told.into_iter().collect()) })
            })
            .await?;
        match refused.into_inner() {
            Some(error) => Err(error),
            None if !is_there => Err(Error::NoSuchConnection { name: name.to_string() }),
            None => Ok(changed.into_inner()),
        }
    }
}
