//! What is SQLite's own: the file, several processes, damage, and a disk that fails.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rusqlite::StatementStatus;
use tempfile::TempDir;
use vestal_core::client::ClientNotes;
use vestal_core::state::State;

use super::failure::Failure;
use super::*;
use crate::conformance::data::{
    added, at, attempt_id, begin, begun, client, connection, connection_id, event, finish, grant,
    next_tokens, read, update,
};
use crate::conformance::races::hammer;
use crate::conformance::{ManualClock, Subject};

async fn make(clock: Arc<ManualClock>) -> (Arc<dyn Subject>, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::create_or_open(&dir.path().join("db"), clock).await.unwrap();
    (Arc::new(store), dir)
}

mod damage;
mod history;
mod migration;
mod processes;

mod suite {
    use super::*;
    crate::conformance_tests!(make);
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::new())
}

/// A store with connection 1 in it, closed.
async fn closed_store() -> (TempDir, PathBuf) {
    let (store, dir) = make(clock()).await;
    added(&store, &connection(1)).await;
    store.close().await;
    let path = dir.path().join("db");
    (dir, path)
}

async fn open(path: &Path) -> Result<Arc<dyn Subject>, StoreError> {
    Ok(Arc::new(SqliteStore::open(path, clock()).await?))
}

/// A connection past the store.
fn raw(path: &Path) -> Db {
    Db::open(path).unwrap()
}

fn meddle(path: &Path, sql: &str) {
    raw(path).execute_batch(sql).unwrap();
}

fn unfit(opened: Result<Arc<dyn Subject>, StoreError>) -> String {
    match opened {
        Err(StoreError::Unfit { detail }) => detail,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was opened"),
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn files_and_folders_are_for_the_user_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b/db");
    let store = SqliteStore::create_or_open(&path, clock()).await.unwrap();
    store.check_writable().await.unwrap();
    assert_eq!((mode(&dir.path().join("a")), mode(&dir.path().join("a/b"))), (0o700, 0o700));
    let mut files: Vec<_> = fs::read_dir(dir.path().join("a/b")).unwrap().map(|file| file.unwrap()).collect();
    files.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["db", "db-shm", "db-wal"], "nothing is left of the making");
    assert!(files.iter().all(|file| mode(&file.path()) == 0o600));

    store.close().await;
    assert!(!path.with_file_name("db-wal").exists(), "closing moves the log into the database");
}

#[tokio::test]
async fn what_is_no_store_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    assert!(unfit(open(&path).await).contains("there is no store"));
    assert!(!path.exists(), "opening makes nothing");

    for content in
        ["", "these are a shopping list's bytes, and long enough to have a page's header: milk, eggs"]
    {
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        let detail = unfit(open(&path).await);
        assert!(detail.contains("another path"), "{detail}");
        let made = SqliteStore::create_or_open(&path, clock()).await;
        assert!(matches!(made, Err(StoreError::Unfit { .. })));
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        fs::remove_file(&path).unwrap();
    }

    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    meddle(&path, "CREATE TABLE recipes (x); PRAGMA user_version = 1");
    assert!(unfit(open(&path).await).contains("not a Vestal store"));
    assert!(unfit(open(dir.path()).await).contains("not a file"));
}

#[tokio::test]
async fn what_others_can_read_is_refused() {
    let (_dir, path) = closed_store().await;
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(unfit(open(&path).await).contains("chmod 600"));
    assert_eq!(mode(&path), 0o644, "whoever it belongs to decides");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let (_dir, path) = closed_store().await;
    meddle(&path, "PRAGMA user_version = 99");
    let before = fs::read(&path).unwrap();
    let refused = open(&path).await.err().unwrap();
    let newest = i64::try_from(open::MIGRATIONS.len()).unwrap();
    assert!(
        matches!(refused, StoreError::NewerSchema { found: 99, known } if known == newest),
        "{refused:?}"
    );
    assert!(SqliteStore::create_or_open(&path, clock()).await.is_err());
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn what_a_later_version_has_migrated_is_not_written_to() {
    let (_dir, path) = closed_store().await;
    let store = open(&path).await.unwrap();
    let held = begun(&store, &read(&store, connection_id(1)).await, 1).await;
    let newest = i64::try_from(open::MIGRATIONS.len()).unwrap();
    meddle(&path, &format!("PRAGMA user_version = {}", newest + 1));
    let done = finish(&held, 1, next_tokens(&held));
    let refusals = [
        store.finish_attempt(&done).await.map(drop),
        store.update_connection(&update(&held)).await.map(drop),
        store.check_writable().await,
    ];
    for refused in refusals {
        assert!(
            matches!(refused, Err(StoreError::NewerSchema { found, known }) if (found, known) == (newest + 1, newest)),
            "{refused:?}"
        );
    }
    assert_eq!(read(&store, held.id).await, held, "what it can still read, it serves");
    meddle(&path, &format!("PRAGMA user_version = {newest}"));
    assert_eq!(store.finish_attempt(&done).await.unwrap(), Finished::Done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_make_the_same_store_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("new/db");
    let tasks: Vec<_> = (0..8_u128)
        .map(|n| {
            let path = path.clone();
            tokio::spawn(async move {
                let store = SqliteStore::create_or_open(&path, clock()).await.unwrap();
                assert_eq!(store.add_client(&client(n)).await.unwrap(), Add::Done);
                store
            })
        })
        .collect();
    let mut stores = Vec::new();
    for task in tasks {
        stores.push(task.await.unwrap());
    }
    for store in &stores {
        assert_eq!(store.clients().await.unwrap().clients.len(), 8, "all in the same one");
    }
    let left = fs::read_dir(path.parent().unwrap()).unwrap().count();
    assert_eq!(left, 3, "the database, its log and its shared memory");
}

#[tokio::test]
async fn two_views_of_one_file_see_each_other() {
    let (one, dir) = make(clock()).await;
    let two = open(&dir.path().join("db")).await.unwrap();
    let start = added(&one, &connection(1)).await;
    assert_eq!(read(&two, start.id).await, start);
    assert_eq!(two.update_connection(&update(&start)).await.unwrap(), Write::Done);
    let current = read(&one, start.id).await;
    assert_eq!(current.revision, 2);
    let stale = one.begin_attempt(&begin(&start, 1)).await.unwrap();
    assert_eq!(stale, Write::Moved(Box::new(current.clone())));
    let held = begun(&one, &current, 2).await;
    assert_eq!(read(&two, start.id).await, held);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_of_many_views_wins_each_revision() {
    let (one, dir) = make(clock()).await;
    let start = added(&one, &connection(1)).await;
    let mut stores = vec![one];
    for _ in 0..3 {
        stores.push(open(&dir.path().join("db")).await.unwrap());
    }
    hammer(&stores, start).await;
}

#[tokio::test]
async fn what_is_asked_often_goes_along_an_index() {
    let (_dir, path) = closed_store().await;
    let connection = raw(&path);
    for query in [
        connections::BY_NAME,
        tokens::HOLDERS_OF,
        due::DUE,
        due::ENDED,
        due::NEXT,
        due::NEXT_TO_END,
        events::PRUNE_ATTEMPTS,
    ] {
        let mut plan = connection.prepare(&format!("EXPLAIN QUERY PLAN {query}")).unwrap();
        let parameters = vec![0; plan.parameter_count()];
        let steps = plan.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail")).unwrap();
        for step in steps {
            let step: String = step.unwrap();
            // Leases are few.
            let few = ["SCAN json_each", "SCAN leases"].iter().any(|few| step.starts_with(few));
            assert!(!step.starts_with("SCAN") || few, "{query}: {step}");
            let sorted = [tokens::HOLDERS_OF, due::DUE, due::NEXT_TO_END].contains(&query);
            assert!(!step.contains("TEMP B-TREE FOR ORDER BY") || sorted, "{query}: {step}");
        }
    }
}

/// SQLite would plan each of them anew for other values.
#[tokio::test]
async fn what_a_refresh_asks_is_prepared_once() {
    let (_dir, path) = closed_store().await;
    let opener = Opener::existing(&path).unwrap();
    let opened = opener.writer().map_err(StoreError::from).unwrap();
    let db = &opened.connection;
    let refresh = |n| -> Result<(), Failure> {
        let start = connections::by_id(db, connection_id(1), at(0))?.unwrap();
        attempts::begin(db, &begin(&start, n), at(60), at(0))?;
        let held = connections::by_id(db, start.id, at(0))?.unwrap();
        attempts::finish(db, &finish(&held, n, next_tokens(&held)), at(0))?;
        let look = due::Look { by: at(0), now: at(0), limit: 9, held: Held::default() };
        due::due(db, &look)?;
        due::next(db, at(0), at(9), &Held::default())?;
        Ok(())
    };
    for n in 1..=3 {
        refresh(n).map_err(StoreError::from).unwrap();
    }
    for sql in [
        connections::BY_ID,
        current::CURRENT,
        attempts::INSERT_ATTEMPT,
        attempts::TAKE_LEASE,
        attempts::IS_STORED,
        attempts::END_LEASE,
        attempts::STORE_TOKENS,
        attempts::CLOSE_ATTEMPT,
        attempts::FORGET_EARLIER,
        attempts::FORGET_BEGINNING,
        due::DUE,
        due::NEXT,
    ] {
        let statement = db.prepare_cached(sql).unwrap();
        let counted = [StatementStatus::Run, StatementStatus::RePrepare].map(|it| statement.get_status(it));
        assert!(counted[0] >= 3 && counted[1] == 0, "{sql}: {counted:?}");
    }
}

#[tokio::test]
async fn an_older_store_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("db");
    fs::write(&path, "").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let older = raw(&path);
    older.execute_batch("PRAGMA journal_mode = WAL").unwrap();
    open::migrate(&older, &open::MIGRATIONS[..1]).map_err(StoreError::from).unwrap();
    drop(older);
    meddle(
        &path,
        "INSERT INTO store VALUES (1, zeroblob(16), x'00');
         INSERT INTO clients VALUES (zeroblob(16), 'a', 'p', 'f00', 'none', NULL, 'http://localhost/', '[]',
             '{\"token\":\"https://provider.example/token\",\"sends_iss\":false}', 0);
         INSERT INTO connections (id, revision, name, client, tags, policy, created_at, state, state_data, due_at,
                                  lease_attempt, lease_until, grant_id, generation)
             VALUES (zeroblob(16), 5, 'b', zeroblob(16), '{}', 'auto', 0, 'active', '{\"state\":\"active\"}', 7,
                     zeroblob(16), 9, zeroblob(16), 4);
         INSERT INTO grants VALUES (zeroblob(16), zeroblob(16), 6, 'refresh_token');
         INSERT INTO token_sets (grant_id, generation, issued_at, token_type, access_token)
             VALUES (zeroblob(16), 3, 5, 'Bearer', x'03'), (zeroblob(16), 4, 6, 'Bearer', x'04');
         INSERT INTO attempts VALUES (zeroblob(16), zeroblob(16), zeroblob(16), zeroblob(16), 1, NULL, 8, 'open', NULL)",
    );

    let store = open(&path).await.unwrap();
    assert_eq!(store.mark().await.unwrap(), None);
    assert!(store.identity().await.unwrap().is_some());
    let client = store.client_named("a").await.unwrap().unwrap();
    assert_eq!((client.revision, client.second_secret, client.notes), (1, None, ClientNotes::default()));
    let connection = store.connection_named(&"b".parse().unwrap()).await.unwrap().unwrap();
    let plan = Plan { due_at: Some("1970-01-01T00:00:00.007Z".parse().unwrap()), ..Plan::default() };
    assert_eq!((connection.revision, &connection.state, connection.plan), (5, &State::Active, plan));
    assert_eq!(connection.lease.as_ref().unwrap().until, "1970-01-01T00:00:00.009Z".parse().unwrap());
    let grant = connection.grant.as_ref().unwrap();
    let access_token = grant.tokens.access_token.as_ref().unwrap();
    assert_eq!((grant.tokens.generation, access_token.as_bytes()), (4, &[4][..]));
    let attempt = connection.lease.as_ref().unwrap().attempt.id;
    let finish = Finish { attempt, ..finish(&connection, 1, next_tokens(&connection)) };
    assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Done);
    assert_eq!(store.token_sets(connection.id).await, [(grant.id, 4), (grant.id, 5)]);
}

#[tokio::test]
async fn token_sets_go_with_their_connection() {
    let (store, dir) = make(clock()).await;
    let start = added(&store, &connection(1)).await;
    let again = Update { grant: Some(grant(9, 3)), ..update(&start) };
    assert_eq!(store.update_connection(&again).await.unwrap(), Write::Done);
    assert_eq!(store.token_sets(start.id).await.len(), 2);
    assert!(store.remove_connection(start.id).await.unwrap());
    let count = "SELECT count(*) FROM earlier_token_sets";
    let left: i64 = raw(&dir.path().join("db")).query_row(count, [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}
