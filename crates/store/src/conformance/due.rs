use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use vestal_core::connection::Connection;
use vestal_core::schedule::Plan;
use vestal_core::store::{Brought, Due, Finish, Held};

use super::data::*;
use super::{ManualClock, Subject};

async fn planned(store: &Arc<dyn Subject>, n: u128, due_at: Option<i64>, dies_at: Option<i64>) -> Connection {
    let plan = Plan { due_at: due_at.map(at), dies_at: dies_at.map(at), warned_at: None };
    added(store, &Connection { plan, ..connection(n) }).await
}

async fn due(store: &Arc<dyn Subject>, second: i64, limit: u32) -> Vec<u128> {
    due_but(store, second, limit, &Held::default()).await
}

async fn due_but(store: &Arc<dyn Subject>, second: i64, limit: u32, held: &Held) -> Vec<u128> {
    let due = store.due(at(second), limit, held).await.unwrap();
    due.iter().map(|due| (1..99).find(|n| connection_id(*n) == due.connection).unwrap()).collect()
}

async fn next_due(store: &Arc<dyn Subject>) -> Option<Timestamp> {
    store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await.unwrap()
}

pub async fn what_dies_first_is_due_first(store: Arc<dyn Subject>, _: &ManualClock) {
    assert_eq!(next_due(&store).await, None);
    for (n, due_at, dies_at) in [
        (1, Some(10), None),
        (2, Some(20), Some(100)),
        (3, Some(5), None),
        (4, Some(15), Some(90)),
        (5, None, Some(50)),
        (6, Some(30), Some(40)),
        (7, Some(12), Some(100)),
    ] {
        planned(&store, n, due_at, dies_at).await;
    }
    assert_eq!(due(&store, 4, 10).await, []);
    assert_eq!(due(&store, 5, 10).await, [3], "from that time on");
    assert_eq!(due(&store, 20, 10).await, [4, 7, 2, 3, 1]);
    assert_eq!(due(&store, 20, 3).await, [4, 7, 2]);
    assert_eq!(due(&store, 9999, 10).await, [6, 4, 7, 2, 3, 1], "what is never due is not");
    assert_eq!(next_due(&store).await, Some(at(5)));
    assert_eq!(
        store.next_due(at(5), Timestamp::MAX, &Held::default()).await.unwrap(),
        Some(at(10)),
        "after that time"
    );
    assert_eq!(store.next_due(at(5), at(10), &Held::default()).await.unwrap(), Some(at(10)), "and by that");
    assert_eq!(store.next_due(at(5), at(9), &Held::default()).await.unwrap(), None);
    assert_eq!(store.next_due(at(30), Timestamp::MAX, &Held::default()).await.unwrap(), None);
}

pub async fn what_is_leased_is_not_due(store: Arc<dyn Subject>, clock: &ManualClock) {
    let first = planned(&store, 1, Some(-10), None).await;
    planned(&store, 2, Some(-5), None).await;
    assert_eq!(due(&store, 0, 10).await, [1, 2]);
    let held = begun(&store, &first, 1).await;
    assert_eq!(held.plan, first.plan, "the plan stays what was decided");
    assert_eq!(due(&store, 0, 10).await, [2]);
    assert_eq!(due(&store, 9999, 10).await, [2], "asked ahead, the lease is valid all the same");
    assert_eq!(next_due(&store).await, Some(at(-5)));

    clock.advance(LEASE);
    assert_eq!(due(&store, 60, 10).await, [2, 1]);
    store.renew_lease(attempt_id(1), LEASE).await.unwrap();
    assert_eq!(due(&store, 60, 10).await, [2]);
    assert_eq!(next_due(&store).await, Some(at(-5)));
    let held = read(&store, held.id).await;
    let plan = Plan { due_at: Some(at(70)), ..Plan::default() };
    store.finish_attempt(&Finish { plan, ..finish(&held, 1, Brought::Nothing) }).await.unwrap();
    assert_eq!(due(&store, 69, 10).await, [2]);
    assert_eq!(due(&store, 70, 10).await, [2, 1]);
}

pub async fn an_ended_lease_is_due_whatever_the_plan(store: Arc<dyn Subject>, clock: &ManualClock) {
    for (n, due_at) in [(1, None), (2, Some(100_000))] {
        let connection = planned(&store, n, due_at, None).await;
        begun(&store, &connection, n).await;
    }
    // Also when a write in between had it planned for never.
    store.mark_read(connection_id(2), 2, at(0), &Plan::default()).await.unwrap();
    store.update_connection(&update(&read(&store, connection_id(1)).await)).await.unwrap();
    clock.advance(Duration::from_secs(59));
    assert_eq!(due(&store, 59, 10).await, []);
    assert_eq!(next_due(&store).await, Some(at(60)), "the lease's end is known ahead");
    clock.advance(Duration::from_secs(1));
    assert_eq!(due(&store, 60, 10).await, [1, 2]);
    assert_eq!(next_due(&store).await, Some(at(60)));

    for n in [1, 2] {
        let ended = read(&store, connection_id(n)).await;
        store.finish_attempt(&finish(&ended, n, Brought::Nothing)).await.unwrap();
    }
    assert_eq!(due(&store, 9_999_999, 10).await, []);
}

pub async fn what_is_held_is_not_due(store: Arc<dyn Subject>, clock: &ManualClock) {
    for n in [2, 3] {
        store.add_client(&client(n)).await.unwrap();
    }
    // Connections 1 and 4 of client 1, 2 and 5 of client 2, 3 and 6 of client 3. The leases of 4 to 6 have ended.
    for n in 1..=6_u128 {
        let plan = Plan { due_at: Some(at(i64::try_from(n).unwrap())), ..Plan::default() };
        let of = Connection { client: client_id((n - 1) % 3 + 1), plan, ..connection(n) };
        let added = added(&store, &of).await;
        if n > 3 {
            begun(&store, &added, n).await;
        }
    }
    clock.advance(LEASE);
    let held = |clients: &[u128], but: &[u128]| Held {
        clients: clients.iter().copied().map(client_id).collect(),
        but: but.iter().copied().map(connection_id).collect(),
    };
    for (held, expected, next) in [
        (held(&[], &[]), &[1, 2, 3, 4, 5, 6][..], Some(1)),
        (held(&[1], &[]), &[2, 3, 5, 6], Some(2)),
        (held(&[1, 2], &[]), &[3, 6], Some(3)),
        (held(&[1, 2], &[5]), &[3, 5, 6], Some(3)),
        (held(&[1, 2], &[1, 3]), &[1, 3, 6], Some(1)),
        (held(&[1, 2, 3], &[4]), &[4], Some(60)),
        (held(&[1, 2, 3, 9], &[]), &[], None),
        (held(&[9], &[1]), &[1, 2, 3, 4, 5, 6], Some(1)),
    ] {
        assert_eq!(due_but(&store, 60, 10, &held).await, expected, "{held:?}");
        assert_eq!(due_but(&store, 60, 1, &held).await, expected.get(..1).unwrap_or_default(), "{held:?}");
        assert_eq!(
            store.next_due(Timestamp::MIN, Timestamp::MAX, &held).await.unwrap(),
            next.map(at),
            "{held:?}"
        );
    }
    let due = store.due(at(2), 10, &held(&[1], &[])).await.unwrap();
    assert_eq!(due, [Due { connection: connection_id(2), client: client_id(2) }]);
}
