//! Histories are chains: of each connection, through the one table of events.

use super::*;

/// Everything that is kept of events, as it lies there: number, connection and the one before.
fn rows(path: &Path) -> Vec<(i64, u8, Option<i64>)> {
    let connection = raw(path);
    let mut select =
        connection.prepare("SELECT seq, substr(connection, 16), previous FROM events ORDER BY seq").unwrap();
    let read = |row: &rusqlite::Row<'_>| {
        let id: Vec<u8> = row.get(1)?;
        Ok((row.get(0)?, id[0], row.get(2)?))
    };
    select.query_map([], read).unwrap().map(Result::unwrap).collect()
}

async fn record(store: &Arc<dyn Subject>, n: u128, marks: std::ops::Range<u64>) {
    let current = read(store, connection_id(n)).await;
    let events = marks.map(|mark| event(current.id, mark)).collect();
    assert_eq!(store.update_connection(&Update { events, ..update(&current) }).await.unwrap(), Write::Done);
}

async fn seqs(store: &Arc<dyn Subject>, n: u128) -> Vec<u64> {
    let events = store.events(Some(connection_id(n)), 0, 999).await.unwrap();
    events.iter().map(|stored| stored.seq).collect()
}

#[tokio::test]
async fn what_is_too_much_of_a_history_is_dropped_for_many_events_at_once() {
    let (store, dir) = make(clock()).await;
    for n in [1, 2] {
        added(&store, &connection(n)).await;
    }
    let mut most = 0;
    for mark in 0..450 {
        record(&store, 1, mark..mark + 1).await;
        record(&store, 2, mark..mark + 1).await;
        let rows = rows(&dir.path().join("db"));
        most = most.max(rows.len());
        let listed = seqs(&store, 1).await;
        assert_eq!(listed.len() as u64, (mark + 1).min(100));
        assert_eq!(listed.last(), Some(&(2 * mark + 1)));
    }
    assert_eq!(most, 2 * 199);
}

#[tokio::test]
async fn a_history_goes_with_its_connection() {
    let (store, dir) = make(clock()).await;
    for n in [1, 2] {
        added(&store, &connection(n)).await;
        record(&store, n, 0..150).await;
    }
    assert!(store.remove_connection(connection_id(1)).await.unwrap());
    let left = rows(&dir.path().join("db"));
    assert!(left.len() == 150 && left.iter().all(|(_, id, _)| *id == 2), "{left:?}");
    added(&store, &connection(1)).await;
    record(&store, 1, 0..1).await;
    assert_eq!(seqs(&store, 1).await, [301]);
}

#[tokio::test]
async fn a_lease_goes_with_its_connection() {
    let (store, dir) = make(clock()).await;
    let start = added(&store, &connection(1)).await;
    begun(&store, &start, 1).await;
    assert!(store.remove_connection(start.id).await.unwrap());
    let count = "SELECT (SELECT count(*) FROM leases) + (SELECT count(*) FROM attempts)";
    let left: i64 = raw(&dir.path().join("db")).query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
    assert_eq!(added(&store, &connection(1)).await.lease, None);
}

#[tokio::test]
async fn a_broken_chain_ends_where_it_is_broken() {
    let (store, dir) = make(clock()).await;
    for n in [1, 2] {
        added(&store, &connection(n)).await;
    }
    record(&store, 1, 0..3).await;
    record(&store, 2, 0..1).await;
    record(&store, 1, 3..5).await;
    // One is not there, another's is no part of it, and what comes later is none before it.
    for (meddled, left) in [
        ("DELETE FROM events WHERE seq = 2", &[3, 5, 6][..]),
        ("UPDATE events SET previous = 4 WHERE seq = 5", &[5, 6]),
        ("UPDATE events SET previous = 6 WHERE seq = 5", &[5, 6]),
    ] {
        meddle(&dir.path().join("db"), meddled);
        assert_eq!(seqs(&store, 1).await, left);
    }
    record(&store, 1, 5..250).await;
    assert_eq!(seqs(&store, 1).await.len(), 100);
    assert!(store.remove_connection(connection_id(1)).await.unwrap());
}

#[tokio::test]
async fn histories_are_chained_when_a_store_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let older = raw(&path);
    older.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    open::migrate(&older, &open::MIGRATIONS[..2]).map_err(StoreError::from).unwrap();
    drop(older);
    let id = |n: u128| connection_id(n).as_uuid().simple().to_string();
    let connections = [1, 2, 3].map(|n| {
        format!(
            "INSERT INTO connections (id, revision, name, client, tags, policy, created_at, state, state_data)
                 VALUES (x'{}', 1, 'c{n}', zeroblob(16), '{{}}', 'auto', 0, 'pending', '{{\"state\":\"pending\"}}');",
            id(n)
        )
    });
    let events = [(1, 1), (2, 2), (4, 1), (5, 1), (7, 2), (9, 1)].map(|(seq, n)| {
        let what = serde_json::to_string(&event(connection_id(n), 0).what).unwrap();
        format!("INSERT INTO events VALUES ({seq}, x'{}', 0, '{what}');", id(n))
    });
    meddle(
        &path,
        &format!(
            "INSERT INTO clients (id, name, provider, client_id, auth, redirect_uri, scopes, endpoints, created_at)
                 VALUES (zeroblob(16), 'a', 'p', 'f00', 'none', 'http://localhost/', '[]',
                     '{{\"token\":\"https://provider.example/token\",\"sends_iss\":false}}', 0);
             {}{} DELETE FROM events WHERE seq = 9",
            connections.concat(),
            events.concat()
        ),
    );

    let store = open(&path).await.unwrap();
    assert_eq!(seqs(&store, 1).await, [1, 4, 5]);
    assert_eq!(seqs(&store, 2).await, [2, 7]);
    assert!(seqs(&store, 3).await.is_empty());
    record(&store, 1, 0..2).await;
    record(&store, 3, 0..1).await;
    assert_eq!(seqs(&store, 1).await, [1, 4, 5, 10, 11], "no number is used twice");
    assert_eq!(seqs(&store, 3).await, [12]);
}
