//! An answer is durable before anybody hears of it, whatever the store does.

use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Attempt;
use vestal_core::event::{Trigger, What};
use vestal_core::id::AttemptId;
use vestal_core::outcome::Reply;
use vestal_core::state::State;
use vestal_core::store::Brought;
use vestal_core::token::{TokenAnswer, WhyCandidate};

use super::faulty_store::{Fault, FaultyStore};
use super::warnings::Warnings;
use super::world::{Behaviour, World, shop, start_refresh};
use crate::change::update_to;
use crate::take::Cargo;
use crate::{Engine, Error, Limits, Parts, Refreshed, Want};

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

#[tokio::test(start_paused = true)]
async fn an_answer_that_others_keep_overtaking_is_in_the_journal_or_said_to_be_lost() {
    for journal_is_full in [true, false] {
        let (world, store) = world();
        drop(world.connected().await);
        let command = world.node_with(|parts| {
            let limits = Limits { save: Duration::from_secs(5), ..parts.limits };
            Parts { limits, ..parts }
        });
        store.finish.lock().unwrap().extend([Fault::Late(Duration::from_millis(20)); 1_000]);
        let refreshing = start_refresh(&command);
        world.pass(Duration::from_millis(50)).await;
        world.journal.set_full(journal_is_full);
        while !refreshing.is_finished() {
            overtake(&world, &store).await;
        }
        match refreshing.await.unwrap().unwrap_err() {
            Error::Unsaved { .. } if journal_is_full => {}
            Error::Journalled { .. } if !journal_is_full => {
                let served = command.issue_token(&shop(), Want::default()).await.unwrap();
                assert_eq!(served.generation, 2, "it is as safe as in the store");
            }
            error => panic!("{error:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_and_a_journal_that_both_refuse_do_not_flood_the_log() {
    let (world, store) = world();
    drop(world.connected().await);
    let daemon = world.node_with(|parts| {
        let limits = Limits { save: Duration::MAX, ..parts.limits };
        Parts { limits, ..parts }
    });
    store.finish.lock().unwrap().extend(std::iter::repeat_n(Fault::Refused, 100_000));
    let told = Warnings::from_now_on();
    refresh_while_the_journal_fills(&world, &daemon).await.unwrap_err();
    world.pass(Duration::from_secs(3 * 3600)).await;
    let (lines, tries) = (told.so_far(), 100_000 - store.finish.lock().unwrap().len());
    assert!(tries > 3_000 && (2..40).contains(&lines), "{lines} lines in {tries} tries");
}

#[tokio::test(start_paused = true)]
async fn what_is_told_of_a_try_is_told_once() {
    let (world, store) = world();
    let engine = world.connected().await;
    // Each takes so long that the journal is tried before its end, and after it.
    store.finish.lock().unwrap().extend([Fault::RefusedLate(Duration::from_secs(1)); 4]);
    let told = Warnings::from_now_on();
    refresh_while_the_journal_fills(&world, &engine).await.unwrap();
    assert_eq!(told.so_far(), 6, "of the tries 1, 2 and 4: of the store, and of the journal");
}

/// Somebody else writes to `shop`.
async fn overtake(world: &World, store: &FaultyStore) {
    store.sound().update_connection(&update_to(&world.shop().await, vec![])).await.unwrap();
    world.pass(Duration::from_millis(10)).await;
}

#[tokio::test(start_paused = true)]
async fn whoever_cannot_tell_since_others_keep_writing_says_so() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.update.lock().unwrap().extend([Fault::Late(Duration::from_millis(20)); 1_000]);
    let (inner, id) = (Arc::clone(&engine.inner), world.shop().await.id);
    let client = "sandbox".to_owned();
    let telling = tokio::spawn(async move { inner.tell(id, What::ClientAccepted { client }).await });
    while !telling.is_finished() {
        overtake(&world, &store).await;
    }
    let error = telling.await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Contended { .. }), "{error:?}");
}

/// The journal has room when the request is sent, and none when its answer comes.
async fn refresh_while_the_journal_fills(world: &World, engine: &Engine) -> Result<Refreshed, Error> {
    let refreshing = start_refresh(engine);
    world.pass(Duration::from_millis(50)).await;
    world.journal.set_full(true);
    refreshing.await.unwrap()
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
async fn what_cannot_be_read_with_the_others_is_read_by_itself() {
    let (world, store) = world();
    let engine = world.connected().await;
    store.reads.lock().unwrap().extend([Fault::Refused; 100]);
    world.serve(&engine, Duration::from_secs(86_400)).await;
    assert!(world.shop().await.generation() > 1, "a page that is damaged stops nobody else");
    assert!(store.reads.lock().unwrap().len() < 100, "it was read with the others first");
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
