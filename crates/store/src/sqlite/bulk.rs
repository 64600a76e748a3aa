//! Adding very many connections at once, for benches.

use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;
use vestal_core::connection::Connection;
use vestal_core::store::StoreError;

use super::SqliteStore;
use super::connections::{added_columns, bind_added, bind_grant};
use super::failure::Failure;
use super::rows::{bind_tokens, key, token_columns};

/// How many rows go into one statement: a statement has 32,766 parameters at the most.
const ROWS: usize = 500;

impl SqliteStore {
    /// Adds connections in one transaction, without history. None of them may be there.
    ///
    /// # Errors
    ///
    /// Those of every write; [`StoreError::Corrupt`] where one is there. Nothing is added then.
    pub async fn add_connections(&self, connections: Vec<Connection>) -> Result<(), StoreError> {
        self.writer.write(connections, |db, connections| Box::pin(add(db, connections))).await
    }
}

async fn add(db: &mut SqliteConnection, connections: &[Connection]) -> Result<(), Failure> {
    for connections in connections.chunks(ROWS) {
        let insert = rows(concat!("connections (", added_columns!(), ")"), 16, connections.len());
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for connection in connections {
            query = bind_added(query, connection)?;
        }
        query.execute(&mut *db).await?;

        let grants: Vec<_> =
            connections.iter().filter_map(|one| Some((one.id, one.grant.as_ref()?))).collect();
        if grants.is_empty() {
            continue;
        }
        let insert = rows("grants (id, connection, consented_at, renewal)", 4, grants.len());
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for (id, grant) in &grants {
            query = bind_grant(query, *id, grant)?;
        }
        query.execute(&mut *db).await?;

        let insert = rows(concat!("token_sets (grant_id, ", token_columns!(), ")"), 12, grants.len());
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for (_, grant) in &grants {
            query = bind_tokens(query.bind(key(grant.id.as_uuid())), Some(&grant.tokens))?;
        }
        query.execute(&mut *db).await?;
    }
    Ok(())
}

/// A statement that inserts so many rows of so many columns.
fn rows(into: &str, columns: usize, count: usize) -> String {
    let row = format!("({})", vec!["?"; columns].join(", "));
    format!("INSERT INTO {into} VALUES {}", vec![row; count].join(", "))
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
            store.count_states().await.unwrap(),
            [("active".to_owned(), 698), ("pending".to_owned(), 1)]
        );

        let twice = store.add_connections(vec![connection(1000), connection(1)]).await;
        assert!(matches!(twice, Err(StoreError::Corrupt { .. })), "{twice:?}");
        assert_eq!(store.connection(connection_id(1000)).await.unwrap(), None, "all or none");
    }
}
