//! Processes that live and conclude nothing, as one that was stopped with Ctrl-Z.

use std::sync::Arc;
use std::time::Duration;

use uuid::Uuid;
use vestal_core::connection::Attempt;
use vestal_core::id::{AttemptId, NodeId};
use vestal_core::store::{Begin, Write};

use super::world::{Behaviour, DAY, World, shop, start_refresh};
use crate::{Engine, Fate, Nodes, Parts, Want};

/// A node that was started now, and to which all others live.
fn command(world: &World) -> Engine {
    struct AllAlive;
    impl Nodes for AllAlive {
        fn fate(&self, _: NodeId) -> Fate {
            Fate::Alive
        }
    }
    world.node_with(|parts| Parts { nodes: Arc::new(AllAlive), ..parts })
}

/// Where `shop` was being refreshed by a process that was stopped then, two days ago.
async fn stopped(behaviour: &Behaviour) -> World {
    let world = World::new(behaviour);
    let engine = world.connected().await;
    let before = world.shop().await;
    let grant = before.grant.unwrap();
    let attempt = Attempt {
        id: AttemptId::new(world.now(), &*engine.inner.entropy),
        node: NodeId::from_uuid(Uuid::from_u128(1_000)),
        grant: grant.id,
        generation: grant.tokens.generation,
        fingerprint: grant.tokens.refresh_token.map(|token| token.fingerprint),
        started_at: world.now(),
    };
    let lease_for = Duration::from_secs(45);
    let begin = Begin { id: before.id, expected: before.revision, attempt, lease_for };
    assert!(matches!(world.store.begin_attempt(&begin).await.unwrap(), Write::Done));
    drop(engine);
    world.pass(2 * DAY).await;
    world
}

#[tokio::test(start_paused = true)]
async fn a_stopped_process_does_not_block_those_that_run_for_a_moment_only() {
    let world = stopped(&Behaviour::strict()).await;
    assert_eq!(command(&world).issue_token(&shop(), Want::default()).await.unwrap().generation, 2);

    let world = stopped(&Behaviour::strict()).await;
    assert_eq!(command(&world).refresh(&shop()).await.unwrap().generation, 2);

    let world = stopped(&Behaviour::strict()).await;
    command(&world).run_due().await.unwrap();
    assert_eq!(world.shop().await.generation(), 2);

    let world = stopped(&Behaviour::strict()).await;
    command(&world).disconnect(&shop(), false).await.unwrap();
    assert_eq!(world.families(), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_reader_who_can_be_served_does_not_wait_for_a_stopped_process() {
    let world = stopped(&Behaviour { access_token_life: 3 * DAY, ..Behaviour::strict() }).await;
    let (engine, asked) = (command(&world), world.now());
    let want = Want { min_ttl: Some(Duration::from_secs(36 * 3600)), ..Want::default() };
    let issued = engine.issue_token(&shop(), want).await.unwrap();
    assert!(issued.short);
    assert!(world.now().duration_since(asked).as_secs() < 36, "{}", world.now().duration_since(asked));
}

#[tokio::test(start_paused = true)]
async fn a_command_after_the_clock_was_set_waits_for_a_process_that_is_at_it() {
    let world = World::new(&Behaviour::strict());
    drop(world.connected().await);
    // The longest that a provider may take, less a little.
    *world.wire.latency.lock().unwrap() = Duration::from_millis(14_500);
    let refreshing = start_refresh(&command(&world));
    world.pass(Duration::from_secs(1)).await;
    world.set_clock_by(3600);
    assert_eq!(command(&world).refresh(&shop()).await.unwrap().generation, 2, "what that one brings will do");
    assert_eq!(refreshing.await.unwrap().unwrap().generation, 2);
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0));
}
