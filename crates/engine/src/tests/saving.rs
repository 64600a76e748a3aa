//! An answer is durable before anybody hears of it, whatever the store does.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::{Attempt, Connection};
use vestal_core::event::Trigger;
use vestal_core::id::AttemptId;
use vestal_core::journal::Journal as _;
use vestal_core::outcome::Reply;
use vestal_core::seal::Sealed;
use vestal_core::state::State;
use vestal_core::store::Brought;
use vestal_core::token::{TokenAnswer, WhyCandidate};

use super::faulty_store::{Fault, FaultyStore};
use super::world::{Behaviour, World, shop, start_refresh};
use crate::attempt::Cargo;
use crate::journal::Replayed;
use crate::{BeginConnect, Connected, Engine, Error, Limits, Parts, Refreshed, Revocation, Want};

/// A world whose store can be made to fail.
fn world() -> (World, Arc<FaultyStore>) {
    World::faulty(&Behaviour::strict())
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_the_store_refuses_is_tried_until_it_takes_it() {
    let (world, store) = world();
    let engine = world.connected().await;
    world.journal.set_full(true);
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(
        matches!(error, Error::Journal(_)),
        "no refresh starts whose answer could not be saved: {error:?}"
    );
    assert_eq!(world.wire.refreshes_sent(), 0);
    world.journal.set_full(false);
    store.finish.lock().unwrap().extend([Fault::Refused; 10]);
    let refreshed = refresh_while_the_journal_fills(&world, &engine).await.unwrap();
    assert_eq!(refreshed.generation, 2);
    assert_eq!(world.shop().await.generation(), 2, "nobody heard of it before it was stored");
    assert_eq!(world.wire.refreshes_sent(), 1);
    world.journal.set_full(false);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 3);
}

#[tokio::test(start_paused = true)]
async fn a_commit_of_unknown_outcome_is_applied_exactly_once() {
    for fault in [Fault::Unheard, Fault::Vanished] {
        let (world, store) = world();
        let engine = world.connected().await;
        store.finish.lock().unwrap().push_back(fault);
        assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "{fault:?}");
        assert_eq!(world.shop().await.generation(), 2, "{fault:?}");
        assert!(world.shop().await.lease.is_none());
        assert_eq!(world.wire.refreshes_sent(), 1, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_was_written_unheard_is_sent_and_one_that_vanished_is_not() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.begin.lock().unwrap().push_back(Fault::Unheard);
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2);

    store.begin.lock().unwrap().push_back(Fault::Vanished);
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert_eq!(world.wire.refreshes_sent(), 1, "no request without a durable attempt");
    assert_eq!(world.shop().await.state, State::Active);
}

#[tokio::test(start_paused = true)]
async fn a_request_is_not_sent_long_after_the_lease_was_taken() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.begin.lock().unwrap().push_back(Fault::Slow(Duration::from_secs(3)));
    let before = world.wire.refreshes_sent();
    assert_eq!(engine.refresh(&shop()).await.unwrap().generation, 2, "it starts over");
    assert_eq!(world.wire.refreshes_sent() - before, 1);
    let events = world.store.events(Some(world.shop().await.id), 0, 100).await.unwrap();
    assert!(events.iter().all(|stored| !format!("{stored:?}").contains("Abandoned")));
}

#[tokio::test(start_paused = true)]
async fn a_service_never_gives_an_answer_up() {
    let (world, store) = world();
    drop(world.connected().await);
    let daemon = world.node_with(|parts| {
        let limits = Limits { save: Duration::MAX, ..parts.limits };
        Parts { limits, ..parts }
    });
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let error = refresh_while_the_journal_fills(&world, &daemon).await.unwrap_err();
    assert!(
        matches!(error, Error::Busy { .. }),
        "whoever asked waits no longer than a reader does: {error:?}"
    );
    world.pass(Duration::from_secs(3 * 3600)).await;
    store.finish.lock().unwrap().clear();
    daemon.drain().await;
    assert_eq!(world.shop().await.generation(), 2, "as soon as the store took it");
    assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0), "and nobody else tried meanwhile");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_takes_small_writes_only_is_not_taken_for_contention() {
    let (world, store) = world();
    let engine = world.connected().await;
    // The lease can be extended each time, which is a write to the connection; its outcome cannot be stored.
    let faults = (0..200).flat_map(|_| [Fault::Refused, Fault::Slow(Duration::ZERO)]);
    store.finish.lock().unwrap().extend(faults.take(399).chain([Fault::Refused; 5]));
    let _ = refresh_while_the_journal_fills(&world, &engine).await;
    engine.drain().await;
    assert_eq!(world.shop().await.generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_command_gives_up_in_the_end_and_says_what_was_lost() {
    let (world, store) = world();
    let engine = world.node_with(|parts| {
        let limits = Limits { reader: Duration::from_secs(120), ..parts.limits };
        Parts { limits, ..parts }
    });
    engine.add_client(super::world::client()).await.unwrap();
    world.consent(&engine, &["contacts", "offline_access"]).await.unwrap();
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let error = refresh_while_the_journal_fills(&world, &engine).await.unwrap_err();
    assert!(matches!(error, Error::Unsaved { .. }), "{error:?}");
}

/// The journal has room when the request is sent, and none when its answer comes.
async fn refresh_while_the_journal_fills(world: &World, engine: &Engine) -> Result<Refreshed, Error> {
    let refreshing = start_refresh(engine);
    world.pass(Duration::from_millis(50)).await;
    world.journal.set_full(true);
    refreshing.await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_the_store_refuses_is_in_the_journal_and_is_served_from_there() {
    let (world, store) = world();
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
    assert_eq!(replayed, Replayed { stored: 1, left: HashSet::new() });
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
        let (world, store) = world();
        let engine = world.connected().await;
        let gone = std::iter::once(fault).chain(std::iter::repeat_n(Fault::Refused, 100_000));
        store.finish.lock().unwrap().extend(gone);
        let error = engine.refresh(&shop()).await.unwrap_err();
        assert!(matches!(error, Error::Journalled { .. }), "{fault:?}: {error:?}");
        assert_eq!(world.journal.entries().await.unwrap().len(), 1, "{fault:?}");
        drop(engine);
        store.finish.lock().unwrap().clear();

        let next = world.node_that_knows_of_the_dead();
        next.replay_journal().await.unwrap();
        assert_eq!(world.shop().await.generation(), 2, "{fault:?}");
        assert!(world.journal.entries().await.unwrap().is_empty(), "{fault:?}");
        assert_eq!(next.refresh(&shop()).await.unwrap().generation, 3, "{fault:?}");
        assert_eq!((world.wire.refreshes_sent(), world.reuses()), (2, 0), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_process_left_in_the_journal_is_taken_before_anything_is_sent() {
    let (world, store) = world();
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
        let (world, store) = world();
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
                Err(error) => assert!(matches!(error, Error::Journalled { .. }), "{error:?}"),
            }
            if !nobody_can_open_it {
                break;
            }
        }
        assert_eq!((world.wire.refreshes_sent(), world.reuses()), (1, 0), "it is not sent a second time");
        assert_eq!(world.journal.entries().await.unwrap().len(), usize::from(nobody_can_open_it));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_has_to_wait_holds_back_those_after_it() {
    let (world, store) = world();
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
    store.finish.lock().unwrap().extend([Fault::Refused]);
    let replayed = next.inner.replay(None).await.unwrap();
    assert_eq!(replayed, Replayed { stored: 0, left: HashSet::from([before.id]) });
    assert_eq!(next.inner.replay(None).await.unwrap(), Replayed { stored: 2, left: HashSet::new() });
    assert_eq!(world.shop().await.generation(), 3);
    assert_eq!(next.refresh(&shop()).await.unwrap().generation, 4);
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_set_without_a_refresh_token_never_takes_the_place_of_one_that_has_it() {
    let (world, _) = world();
    let engine = world.connected().await;
    let (inner, shop) = (&engine.inner, world.shop().await);
    let grant = shop.grant.clone().unwrap();
    let attempt = Attempt {
        id: AttemptId::new(world.now(), &*inner.entropy),
        node: inner.node,
        grant: grant.id,
        generation: grant.tokens.generation,
        fingerprint: grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint),
        started_at: world.now(),
    };
    let reply = Reply::Tokens(Box::new(TokenAnswer {
        access_token: "new".into(),
        token_type: "Bearer".into(),
        expires_in: None,
        refresh_token: None,
        refresh_expires_in: None,
        scope: None,
        id_token: None,
        extra: serde_json::Map::new(),
    }));
    let opened = inner.open_client(shop.client).await.unwrap();
    let (client, provider) = (Arc::clone(&opened.client), Arc::clone(&opened.provider));
    let stored = inner.refresh_token(&shop, &grant, &client).unwrap();
    assert!(stored.is_some());
    for refresh_token in [stored, None] {
        let at_hand = refresh_token.is_some();
        let (client, provider) = (Arc::clone(&client), Arc::clone(&provider));
        let cargo = Cargo { client, provider, refresh_token };
        let decision = inner.decide(&shop, &attempt, &reply, &cargo, Trigger::Journal);
        match decision.brought {
            Brought::Tokens(tokens) if at_hand => assert!(tokens.refresh_token.is_some()),
            Brought::Candidate(kept) if !at_hand => assert_eq!(kept.why, WhyCandidate::AnotherRefreshToken),
            other => panic!("{at_hand}: {other:?}"),
        }
        assert!(decision.after.grant.unwrap().tokens.refresh_token.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_revoked_while_an_answer_waits_in_the_journal() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    engine.refresh(&shop()).await.unwrap_err();
    let error = engine.disconnect(&shop(), false).await.unwrap_err();
    assert!(matches!(error, Error::Journalled { .. }), "{error:?}");
    assert_eq!(world.families(), (1, 0), "the newest refresh token is the one to be revoked");

    store.finish.lock().unwrap().clear();
    let gone = engine.disconnect(&shop(), false).await.unwrap();
    assert_eq!((gone.revocation, world.families()), (Revocation::Revoked, (0, 1)));
    assert_eq!(world.reuses(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_service_puts_what_is_in_the_journal_into_the_store_by_itself() {
    let (world, store) = world();
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

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_with_the_others_is_read_by_itself() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.reads.lock().unwrap().extend([Fault::Refused; 100]);
    world.serve(&engine, Duration::from_secs(86_400)).await;
    assert!(world.shop().await.generation() > 1, "a page that is damaged stops nobody else");
    assert!(store.reads.lock().unwrap().len() < 100, "it was read with the others first");
}

#[tokio::test(start_paused = true)]
async fn a_grant_is_stored_although_the_store_fails_once_its_code_is_used_up_and_its_caller_is_gone() {
    let (world, store) = world();
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    *world.wire.latency.lock().unwrap() = Duration::from_secs(5);
    let caller = start_consent(&world, &engine).await;
    world.pass(Duration::from_secs(1)).await;
    store.read.lock().unwrap().extend([Fault::Refused; 3]);
    store.update.lock().unwrap().extend([Fault::Refused, Fault::Vanished, Fault::Refused]);
    caller.abort();
    engine.drain().await;
    assert_eq!((world.shop().await.state, world.shop().await.generation()), (State::Active, 1));
}

#[tokio::test(start_paused = true)]
async fn a_code_is_not_used_up_where_its_connection_cannot_be_read() {
    let (world, store) = world();
    let engine = world.node();
    engine.add_client(super::world::client()).await.unwrap();
    store.read.lock().unwrap().push_back(Fault::Refused);
    let error = start_consent(&world, &engine).await.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert_eq!(world.sent_to("sandbox.example"), 0);
}

/// Somebody comes back with a consent to `shop`.
async fn start_consent(world: &World, engine: &Engine) -> tokio::task::JoinHandle<Result<Connected, Error>> {
    let (name, client) = (shop(), "sandbox".to_owned());
    let begin = BeginConnect { name, client, scopes: None, parameters: BTreeMap::new() };
    let redirected = world.browse(&engine.begin_connect(begin).await.unwrap().url);
    let engine = engine.clone();
    tokio::spawn(async move { engine.finish_connect(&redirected).await })
}

#[tokio::test(start_paused = true)]
async fn a_history_that_cannot_be_read_does_not_keep_an_outcome_from_being_stored() {
    let (world, store) = world();
    let engine = world.connected().await;
    let grant = world.wire.sandbox.lock().unwrap().grants(world.wire.now_ms())[0].id;
    world.wire.sandbox.lock().unwrap().revoke_by_user(grant, world.wire.now_ms());
    store.events.lock().unwrap().push_back(Fault::Refused);
    let error = engine.refresh(&shop()).await.unwrap_err();
    assert!(matches!(error, Error::NeedsReauth { .. }), "{error:?}");
    assert_eq!(world.shop().await.lease, None);
}
