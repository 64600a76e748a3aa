//! Stores of earlier versions, with all that may be in one.

use uuid::Uuid;
use vestal_core::connection::ConnectionName;
use vestal_core::id::GrantId;
use vestal_core::store::AttemptStatus;

use super::*;

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

/// As SQL.
fn blob(n: u128) -> String {
    format!("x'{}'", id(n).simple())
}

/// A connection of the second schema: its id and its name, its current grant and generation, its lease's attempt.
fn connection_row(n: u128, name: &str, grant: Option<(u128, u64)>, attempt: Option<u128>) -> String {
    let null = || "NULL".to_owned();
    let (grant, generation) = match grant {
        Some((grant, generation)) => (blob(grant), generation.to_string()),
        None => (null(), null()),
    };
    let (attempt, until) =
        attempt.map_or_else(|| (null(), null()), |attempt| (blob(attempt), "9".to_owned()));
    format!(
        "INSERT INTO connections (id, revision, name, client, tags, policy, created_at, state, state_data,
                                  grant_id, generation, lease_attempt, lease_until)
         VALUES ({}, 5, '{name}', {}, '{{}}', 'auto', 0, 'active', '{{\"state\":\"active\"}}',
                 {grant}, {generation}, {attempt}, {until});",
        blob(n),
        blob(1),
    )
}

fn grant_row(grant: u128, connection: u128, generations: &[u64]) -> String {
    let mut sql =
        format!("INSERT INTO grants VALUES ({}, {}, 6, 'refresh_token');", blob(grant), blob(connection));
    for generation in generations {
        sql += &format!(
            "INSERT INTO token_sets (grant_id, generation, issued_at, token_type, access_token)
             VALUES ({}, {generation}, 6, 'Bearer', x'{generation:02x}');",
            blob(grant)
        );
    }
    sql
}

fn attempt_row(attempt: u128, connection: u128, status: &str) -> String {
    let closed_at = if status == "open" { "NULL" } else { "9" };
    let (attempt, connection, grant) = (blob(attempt), blob(connection), blob(21));
    format!(
        "INSERT INTO attempts VALUES ({attempt}, {connection}, zeroblob(16), {grant}, 4, NULL, 8, '{status}', {closed_at});"
    )
}

async fn named(store: &Arc<dyn Subject>, name: &str) -> Result<Connection, StoreError> {
    let name: ConnectionName = name.parse().unwrap();
    Ok(store.connection_named(&name).await?.unwrap())
}

/// A store of so many migrations, with a client in it.
fn of_an_earlier_version(path: &Path, migrations: usize) -> Db {
    fs::write(path, "").unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    let older = raw(path);
    older.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    open::migrate(&older, &open::MIGRATIONS[..migrations]).map_err(StoreError::from).unwrap();
    let client = format!(
        "INSERT INTO clients (id, name, provider, client_id, auth, redirect_uri, scopes, endpoints, created_at)
         VALUES ({}, 'a', 'p', 'f00', 'none', 'http://localhost/', '[]',
                 '{{\"token\":\"https://provider.example/token\",\"sends_iss\":false}}', 0);",
        blob(1)
    );
    older.execute_batch(&client).unwrap();
    older
}

#[tokio::test]
async fn who_shares_a_refresh_token_is_found_in_an_older_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let older = of_an_earlier_version(&path, 7);
    let (same, other) = (format!("x'{}'", "07".repeat(32)), format!("x'{}'", "08".repeat(32)));
    for (n, name, before) in [(11, "new", "NULL"), (12, "lasting", &*same), (13, "rotated", &*other)] {
        let row = format!(
            "INSERT INTO connections (id, revision, name, client, tags, policy, created_at, state, state_data,
                                      refresh_fingerprint, previous_refresh_fingerprint)
             VALUES ({}, 1, '{name}', {}, '{{}}', 'auto', 0, 'active', '{{\"state\":\"active\"}}', {same}, {before})",
            blob(n),
            blob(1)
        );
        older.execute_batch(&row).unwrap();
    }
    drop(older);
    let store = open(&path).await.unwrap();
    let token = Fingerprint::from_bytes([7; 32]);
    let holders = store.holders_of(&token, 9).await.unwrap();
    assert_eq!(holders.iter().map(ConnectionName::as_str).collect::<Vec<_>>(), ["lasting", "new"]);
    assert_eq!(store.shared_tokens(9).await.unwrap(), [token]);
}

#[tokio::test]
async fn all_that_may_be_in_an_older_store_is_brought_along() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    let older = of_an_earlier_version(&path, 2);
    let rows = [
        // A new grant, which has not worked yet, and the one before it.
        connection_row(11, "reconnected", Some((21, 4)), Some(31)),
        grant_row(20, 11, &[2, 3]),
        grant_row(21, 11, &[4]),
        attempt_row(31, 11, "open"),
        // An earlier attempt of it that nobody closed, and two that were.
        attempt_row(32, 11, "open"),
        attempt_row(33, 11, "finished"),
        attempt_row(34, 11, "abandoned"),
        connection_row(12, "pending", None, None),
        attempt_row(35, 12, "open"),
        // Its grant is not there.
        connection_row(13, "damaged", Some((29, 1)), None),
        // Its current token set is not there.
        connection_row(14, "emptied", Some((22, 7)), None),
        grant_row(22, 14, &[6]),
    ];
    older.execute_batch(&rows.concat()).unwrap();
    drop(older);

    let store = open(&path).await.unwrap();
    let reconnected = named(&store, "reconnected").await.unwrap();
    assert_eq!((reconnected.revision, reconnected.generation()), (5, 4));
    assert_eq!(reconnected.lease.as_ref().unwrap().attempt.id.as_uuid(), id(31));
    let (before, current) = (GrantId::from_uuid(id(20)), GrantId::from_uuid(id(21)));
    assert_eq!(store.token_sets(reconnected.id).await, [(before, 2), (before, 3), (current, 4)]);
    assert_eq!(named(&store, "pending").await.unwrap().grant, None);
    for name in ["damaged", "emptied"] {
        let found = named(&store, name).await;
        assert!(matches!(found, Err(StoreError::Corrupt { .. })), "{name}: {found:?}");
    }

    let attempts = [31, 32, 33, 34, 35].map(|n| AttemptId::from_uuid(id(n)));
    let mut statuses = Vec::new();
    for attempt in attempts {
        statuses.push(store.attempt(attempt).await.unwrap().unwrap());
    }
    use AttemptStatus::{Abandoned, Finished as Stored, Open};
    assert_eq!(statuses, [Open, Abandoned, Stored, Abandoned, Abandoned], "what is open is its lease's");

    let done = Finish { attempt: attempts[0], ..finish(&reconnected, 1, next_tokens(&reconnected)) };
    assert_eq!(store.finish_attempt(&done).await.unwrap(), Finished::Done);
    assert_eq!(store.token_sets(reconnected.id).await, [(current, 4), (current, 5)]);
    let pruned = store.prune(at(0)).await.unwrap();
    assert_eq!(pruned, 4, "and nothing is left open for good");
}
