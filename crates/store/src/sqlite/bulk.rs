//! Adding very many connections at once, for benches.

use rusqlite::Connection as Db;
use vestal_core::connection::Connection;
use vestal_core::store::{Add, StoreError};

use super::SqliteStore;
use super::connections;
use super::failure::Failure;
use super::query::query;
use super::rows::{previous_columns, token_columns};
use crate::rules::damaged;

impl SqliteStore {
    /// Adds connections in one transaction, without history, and beside each token set one before it, as if it had been
    /// refreshed. None of them may be there.
    ///
    /// # Errors
    ///
    /// Those of every write; [`StoreError::Corrupt`] where one is there. Nothing is added then.
    pub async fn add_connections(&self, connections: Vec<Connection>) -> Result<(), StoreError> {
        self.writer.write(move |db| add(db, &connections)).await
    }
}

fn add(db: &Db, connections: &[Connection]) -> Result<(), Failure> {
    for connection in connections {
        if let Add::Taken = connections::add(db, connection, &[])? {
            return Err(damaged(format!("connection {} is there already", connection.id)).into());
        }
        if connection.grant.is_some() {
            let before = concat!(
                "UPDATE connections SET (",
                previous_columns!(),
                ") = (",
                token_columns!(),
                "), previous_generation = generation - 1, begun_with = NULL WHERE id = ?"
            );
            query(before).bind(connection.id.as_uuid()).execute(db)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::conformance::ManualClock;
    use crate::conformance::data::{client, connection, connection_id};
    use vestal_core::state::State;
    use vestal_core::store::Store as _;

    #[tokio::test]
    async fn many_are_added_as_one_is() {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let store = SqliteStore::create_or_open(&dir.path().join("db"), clock).await.unwrap();
        store.add_client(&client(1)).await.unwrap();
        let pending = Connection { state: State::Pending, grant: None, ..connection(3) };
        let many = [(4..700).map(connection).collect(), vec![connection(1), connection(2), pending]].concat();
        store.add_connections(many.clone()).await.unwrap();
        for added in many.iter().rev().take(3) {
            assert_eq!(store.connection(added.id).await.unwrap().as_ref(), Some(added));
        }
        assert_eq!(
            store.count_states(None).await.unwrap(),
            [("active".to_owned(), 698), ("pending".to_owned(), 1)]
        );

        let twice = store.add_connections(vec![connection(1000), connection(1)]).await;
        assert!(matches!(twice, Err(StoreError::Corrupt { .. })), "{twice:?}");
        assert_eq!(store.connection(connection_id(1000)).await.unwrap(), None, "all or none");
    }
}
