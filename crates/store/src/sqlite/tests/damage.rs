//! Rows and files that are damaged: named, and left alone.

use super::*;

#[tokio::test]
async fn a_damaged_row_is_named_and_left_alone() {
    let id = connection_id(1);
    for (damage, place) in [
        (
            "UPDATE connections SET state_data = '{\"state\":\"act'",
            format!("connections, row {id}, column state_data"),
        ),
        ("UPDATE connections SET tags = '[]'", format!("connections, row {id}, column tags")),
        ("UPDATE connections SET policy = 'never'", format!("connections, row {id}, column policy")),
        ("UPDATE connections SET revision = -1", format!("connections, row {id}, column revision")),
        ("UPDATE connections SET created_at = 9e18", format!("connections, row {id}, column created_at")),
        ("UPDATE connections SET generation = NULL", format!("connections, row {id}, column generation")),
        ("UPDATE connections SET consented_at = NULL", format!("connections, row {id}, column consented_at")),
        ("UPDATE connections SET access_token = NULL", format!("connections, row {id}, column access_token")),
        (
            "UPDATE connections SET refresh_fingerprint = x'00'",
            format!("row {id}, column refresh_fingerprint"),
        ),
        ("INSERT INTO leases SELECT id, x'00', 0, 1 FROM connections", "attempts, row 00".to_owned()),
        (
            "INSERT INTO leases SELECT id, x'00', 9000000000000000000, 1 FROM connections",
            format!("connections, row {id}, column lease_until"),
        ),
        (
            "UPDATE connections SET dies_at = 9000000000000000000, due_at = 1",
            format!("connections, row {id}, column dies_at"),
        ),
        (
            "UPDATE connections SET due_at = -9000000000000000000",
            format!("connections, row {id}, column due_at"),
        ),
        (
            "PRAGMA foreign_keys = OFF; UPDATE connections SET revision = -1; INSERT INTO leases VALUES (x'00', x'00', 0, 1)",
            format!("connections, row {id}, column revision"),
        ),
    ] {
        let (_dir, path) = closed_store().await;
        meddle(&path, damage);
        let store = open(&path).await.unwrap();
        let found = store.connection(id).await.unwrap_err();
        assert!(
            matches!(&found, StoreError::Corrupt { what } if what.contains(&place)),
            "{damage}: {found:?}"
        );
        // Others are served, and a write to this one is refused.
        let plan = Plan { due_at: Some(at(0)), ..Plan::default() };
        store.add_connection(&Connection { plan, ..connection(2) }, &[]).await.unwrap();
        let due = store.due(at(1), 9, &Held::default()).await.unwrap();
        assert!(due.iter().any(|due| due.connection == connection_id(2)), "{damage}: {due:?}");
        store.next_due(at(0), at(9), &Held::default()).await.unwrap();
        let found = store.connections_by_id(&[id, connection_id(2), connection_id(3)]).await.unwrap();
        assert_eq!(found, [read(&store, connection_id(2)).await], "{damage}");
        let page = store.connections(&Filter::default(), None, 2).await.unwrap();
        assert_eq!(page.connections, found, "{damage}");
        assert!(matches!(page.damaged.as_slice(), [StoreError::Corrupt { .. }]), "{damage}: {page:?}");
        assert_eq!(page.next.as_ref(), Some(&found[0].name));
        let stale = update(&Connection { revision: 5, ..connection(1) });
        let refused = store.update_connection(&stale).await;
        assert!(matches!(refused, Err(StoreError::Corrupt { .. })), "{damage}: {refused:?}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_corrupt() {
    let (_dir, path) = closed_store().await;
    let mut bytes = fs::read(&path).unwrap();
    bytes[4096..].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let found = open(&path).await.err().unwrap();
    assert!(matches!(found, StoreError::Corrupt { .. }), "{found:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "nothing is overwritten");
}
