use super::*;
use crate::conformance::{ManualClock, Subject};

async fn make(clock: Arc<ManualClock>) -> (Arc<dyn Subject>, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::create_or_open(&dir.path().join("db"), clock).await.unwrap();
    (Arc::new(store), dir)
}

crate::conformance_tests!(make);
