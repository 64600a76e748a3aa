//! What lies in the journal goes into the store before anything else happens to its connection.

use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::journal::Journal as _;
use vestal_core::seal::Sealed;
use vestal_core::state::State;

use super::faulty_store::{Fault, FaultyStore};
use super::warnings::Warnings;
use super::world::{Behaviour, World, shop, start_refresh};
use crate::{Error, Revocation, Want};

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_in_the_journal_and_is_served_from_there() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Journalled { .. }), "{error:?}");
    assert_eq!(world.shop().await.generation(), 1);
    let served = engine.issue_token(&shop(), Want::default()).await.unwrap();
    assert_eq!(served.generation, 2, "it is as safe as in the store");
    assert_eq!(world.journal.entries().await.unwrap().len(), 1);

    // Whoever wants it refreshed finds the answer first, and sends nothing while the store does not take it.
    for engine in [&engine, &world.node_that_knows_of_the_dead()] {
        let error = engine.refresh(&shop()).await.unwrap_err();
        assert!(matches!(error, Error::Journalled { .. }), "{error:?}");
    }
    assert_eq!(world.wire.refreshes_sent(), 1);

    store.finish.lock().unwrap().clear();
    let replayed = engine.inner.replay(None).await.unwrap();
    assert_eq!((replayed.stored, replayed.left.len()), (1, 0));
    assert_eq!((world.shop().await.generation(), world.shop().await.state), (2, State::Active));
    assert!(world.shop().await.lease.is_none());
    assert!(world.journal.entries().await.unwrap().is_empty());
    assert_eq!(
        engine.refresh(&shop()).await.unwrap().generation,
        3,
        "with the refresh token that came in it"
    );
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_committed_to_a_store_that_went_away_is_in_the_journal() {
    // The store comes back as it was before, or with the answer in it.
    for fault in [Fault::Vanished, Fault::Unheard] {
        let (world, store) = World::faulty(&Behaviour::strict());
        let engine = world.connected().await;
        let gone = std::iter::once(fault).chain(std::iter::repeat_n(Fault::Refused, 100_000));
        store.finish.lock().unwrap().extend(gone);
        let error = engine.refresh(&shop()).await.unwrap_err();
        assert!(matches!(error, Error::Journalled { .. }), "{fault:?}: {error:?}");
        assert_eq!(world.journal.entries().await.unwrap().len(), 1, "{fault:?}");
        drop(engine);
        store.finish.lock().unwrap().clear();

        let next = world.node_that_knows_of_the_dead();
        next.inner.replay(None).await.unwrap();
        assert_eq!(world.shop().await.generation(), 2, "{fault:?}");
        assert!(world.journal.entries().await.unwrap().is_empty(), "{fault:?}");
        assert_eq!(next.refresh(&shop()).await.unwrap().generation, 3, "{fault:?}");
        assert_eq!((world.wire.refreshes_sent(), world.reuses()), (2, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_in_the_journal_is_taken_before_anything_is_sent() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    engine.refresh(&shop()).await.unwrap_err();
    drop(engine);
    store.finish.lock().unwrap().clear();

    let next = world.node_that_knows_of_the_dead();
    let left = world.journal.entries().await.unwrap();
    assert_eq!(next.refresh(&shop()).await.unwrap().generation, 2, "what somebody else brought will do");
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0));
    assert!(world.journal.entries().await.unwrap().is_empty());

    // Written once more, as by somebody who did not know: it is stored only once.
    world.journal.append(&left[0]).await.unwrap();
    assert_eq!(next.refresh(&shop()).await.unwrap().generation, 3);
    next.inner.replay(None).await.unwrap();
    let after = world.shop().await;
    assert_eq!((after.generation(), after.state), (3, State::Active));
    assert!(world.store.candidates(after.id, 10).await.unwrap().is_empty());
    assert_eq!(next.refresh(&shop()).await.unwrap().generation, 4);
    assert_eq!(world.reuses(), 0);
}

/// The store of before an attempt whose answer lies in the journal, as after a backup was put back: it knows of no attempt.
async fn put_back(world: &World, before: &Connection) {
    world.store.remove_connection(before.id).await.unwrap();
    let restored = Connection { revision: 1, ..before.clone() };
    world.store.add_connection(&restored, &[]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_lies_in_the_journal_is_taken_also_where_the_store_knows_of_no_attempt() {
    for nobody_can_open_it in [false, true] {
        let (world, store) = World::faulty(&Behaviour::strict());
        let engine = world.connected().await;
        let before = world.shop().await;
        store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
        engine.refresh(&shop()).await.unwrap_err();
        drop(engine);
        put_back(&world, &before).await;
        store.finish.lock().unwrap().clear();
        if nobody_can_open_it {
            let mut entry = world.journal.entries().await.unwrap().remove(0);
            world.journal.settle(&[entry.attempt.id]).await.unwrap();
            entry.answer = Sealed::from_bytes(b"sealed with another key".to_vec());
            world.journal.append(&entry).await.unwrap();
        }

        let next = world.node();
        for _ in 0..2 {
            match next.refresh(&shop()).await {
                Ok(refreshed) => assert_eq!(refreshed.generation, 2, "it was there already"),
                Err(error) => assert!(matches!(error, Error::Untaken { .. }), "{error:?}"),
            }
            if !nobody_can_open_it {
                break;
            }
        }
        assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0), "it is not sent a second time");
        assert_eq!(world.journal.entries().await.unwrap().len(), usize::from(nobody_can_open_it));
        if nobody_can_open_it {
            let error = next.disconnect(&shop(), false).await.unwrap_err();
            assert!(matches!(error, Error::Untaken { .. }), "{error:?}");
            assert_eq!(world.shop().await.state, State::Active, "nothing was begun that cannot be ended");
        }
        // It says nothing of another grant.
        world.consent(&next, &["contacts", "offline_access"]).await.unwrap();
        next.refresh(&shop()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_to_wait_holds_back_those_after_it() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    let before = world.shop().await;
    let mut entries = Vec::new();
    for generation in [2, 3] {
        store.finish.lock().unwrap().extend([Fault::Slow(Duration::from_secs(1))]);
        let refreshing = start_refresh(&engine);
        world.pass(Duration::from_millis(900)).await;
        entries.extend(world.journal.entries().await.unwrap());
        assert_eq!(refreshing.await.unwrap().unwrap().generation, generation);
    }
    assert_eq!(entries.len(), 2);
    put_back(&world, &before).await;
    for entry in &entries {
        world.journal.append(entry).await.unwrap();
    }
    let next = world.node();
    let grant = (before.id, before.grant.as_ref().unwrap().id);
    store.finish.lock().unwrap().extend([Fault::Refused]);
    let replayed = next.inner.replay(None).await.unwrap();
    assert_eq!((replayed.stored, replayed.left.into_keys().collect()), (0, vec![grant]));
    let replayed = next.inner.replay(None).await.unwrap();
    assert_eq!((replayed.stored, replayed.left.len()), (2, 0));
    assert_eq!(world.shop().await.generation(), 3);
    assert_eq!(next.refresh(&shop()).await.unwrap().generation, 4);
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_revoked_while_an_answer_waits_in_the_journal() {
    for keep_grant in [false, true] {
        let (world, store) = World::faulty(&Behaviour::strict());
        let engine = world.connected().await;
        store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
        engine.refresh(&shop()).await.unwrap_err();
        if keep_grant {
            let gone = engine.disconnect(&shop(), true).await.unwrap();
            assert_eq!((gone.revocation, world.families()), (Revocation::Kept, (1, 0)));
            continue;
        }
        let error = engine.disconnect(&shop(), false).await.unwrap_err();
        assert!(matches!(error, Error::Journalled { .. }), "{error:?}");
        assert_eq!(world.families(), (1, 0), "the newest refresh token is the one to be revoked");

        store.finish.lock().unwrap().clear();
        let gone = engine.disconnect(&shop(), false).await.unwrap();
        assert_eq!((gone.revocation, world.families()), (Revocation::Revoked, (0, 1)));
        assert_eq!(world.reuses(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_read_holds_back_only_what_may_lie_in_it() {
    let world = World::new(&Behaviour::strict());
    let engine = world.connected().await;
    world.fleet(&engine, "app", "sandbox.example", 1).await;
    world
        .wire
        .sandbox
        .lock()
        .unwrap()
        .add_fault(vestal_sandbox::Fault::on_refresh(vestal_sandbox::Trouble::LoseResponse));
    let lost = "app-0".parse().unwrap();
    engine.refresh(&lost).await.unwrap_err();
    world.pass(Duration::from_secs(2 * 86_400)).await;
    world.journal.set_unreadable(true);

    let engine = world.node();
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);
    let sent = world.wire.refreshes_sent();
    engine.refresh(&lost).await.expect_err("its answer may be where nobody can read it");
    assert_eq!(world.wire.refreshes_sent(), sent);

    // That it cannot be read is found out once for all of them, and again only now and then.
    let read = world.journal.reads();
    for _ in 0..10 {
        engine.refresh(&shop()).await.unwrap();
        engine.refresh(&lost).await.unwrap_err();
    }
    assert_eq!(world.journal.reads(), read);
    world.journal.set_unreadable(false);
    world.pass(Duration::from_secs(10)).await;
    engine.refresh(&lost).await.expect_err("nothing of it was there, and its refresh token is used up");
    assert!(world.wire.refreshes_sent() > sent + 10, "it was asked for once more");
    assert!(world.journal.reads() > read);
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_of_a_journal_is_replayed_whatever_else_cannot() {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    engine.refresh(&shop()).await.unwrap_err();
    store.finish.lock().unwrap().clear();
    world.journal.set_unreadable(true);

    let engine = world.node_that_knows_of_the_dead();
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "what the answer brought");
    assert_eq!(world.wire.refreshes_sent(), 1);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 3, "nothing of it is waited for any more");
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_service_puts_what_is_in_the_journal_into_the_store_by_itself() {
    let (world, store) = World::faulty(&Behaviour::strict());
    drop(world.connected().await);
    let daemon = world.node();
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    world.serve(&daemon, Duration::from_secs(13 * 3600)).await;
    assert_eq!((world.shop().await.generation(), world.wire.refreshes_sent()), (1, 1));
    store.finish.lock().unwrap().clear();
    world.serve(&daemon, Duration::from_secs(2)).await;
    assert_eq!((world.shop().await.generation(), world.wire.refreshes_sent()), (2, 1));
    assert_eq!(world.shop().await.state, State::Active);
}

/// Five connections whose last answers are in the journal.
async fn five_in_the_journal() -> (World, Arc<FaultyStore>) {
    let (world, store) = World::faulty(&Behaviour::strict());
    let engine = world.node();
    world.fleet(&engine, "app", "sandbox.example", 5).await;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    for number in 0..5 {
        engine.refresh(&format!("app-{number}").parse().unwrap()).await.unwrap_err();
    }
    assert_eq!(world.journal.entries().await.unwrap().len(), 5);
    store.finish.lock().unwrap().clear();
    (world, store)
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_nothing_is_asked_and_told_of_once() {
    let (world, store) = five_in_the_journal().await;
    let daemon = world.node_that_knows_of_the_dead();
    store.finish.lock().unwrap().extend([Fault::Refused; 10]);
    let told = Warnings::from_now_on();
    for pass in 1..=10 {
        let replayed = daemon.inner.replay(None).await.unwrap();
        assert_eq!((replayed.stored, replayed.left.len()), (0, 5));
        assert_eq!(store.finish.lock().unwrap().len(), 10 - pass, "the others were left unasked");
    }
    assert_eq!(told.so_far(), 1);
    assert_eq!(daemon.inner.replay(None).await.unwrap().stored, 5);
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_one_connection_waits_for_no_answer_of_another() {
    let (world, _) = five_in_the_journal().await;
    let command = world.node_that_knows_of_the_dead();
    assert_eq!(command.refresh(&"app-3".parse().unwrap()).await.unwrap().generation, 2);
    assert_eq!(world.wire.refreshes_sent(), 5, "what lay in the journal will do");
    assert_eq!(world.journal.entries().await.unwrap().len(), 4);
    assert_eq!(command.run_due().await.unwrap(), 0, "whoever does all that is due puts the others there");
    assert!(world.journal.entries().await.unwrap().is_empty());
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_ends_when_it_is_told_to_whatever_lies_in_journals() {
    let (world, store) = five_in_the_journal().await;
    let daemon = world.node_that_knows_of_the_dead();
    store.finish.lock().unwrap().extend([Fault::Late(Duration::from_secs(3600)); 5]);
    let begun = world.now();
    world.serve(&daemon, Duration::from_secs(1)).await;
    assert!(world.now().duration_since(begun).as_secs() < 10);
    assert_eq!(world.journal.entries().await.unwrap().len(), 5, "nothing is lost by that");
}
