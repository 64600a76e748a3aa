use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Connection;
use vestal_core::store::{Brought, Finish, Finished, Renewed, Update, Write};

use super::data::*;
use super::{ManualClock, Subject};

/// Pseudo-random numbers (xorshift64*): the same from the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}

/// Several actors, each with its own idea of the connection, write in random order. What was acknowledged, and
/// nothing else, is in the history, in order; the revision counts the writes, the generation the refreshes.
pub async fn no_update_is_lost(store: Arc<dyn Subject>, clock: &ManualClock) {
    const ACTORS: usize = 4;
    const STEPS: u64 = 200;
    for seed in 1..=6_u64 {
        let mut dice = Dice(seed);
        let number = u128::from(seed);
        let start = added(&store, &connection(number)).await;
        let id = start.id;
        let mut views: Vec<Connection> = vec![start; ACTORS];
        let mut begun: [Option<u128>; ACTORS] = [None; ACTORS];
        let (mut history, mut revision, mut generation) = (Vec::new(), 1, 1);
        for step in 0..STEPS {
            let actor = usize::try_from(dice.roll(ACTORS as u64)).unwrap();
            let (view, events) = (views[actor].clone(), vec![event(id, step)]);
            let n = number * 1000 + u128::from(step);
            let written = match dice.roll(9) {
                0..=2 => {
                    views[actor] = read(&store, id).await;
                    false
                }
                3 => {
                    clock.advance(Duration::from_secs(dice.roll(90)));
                    false
                }
                4 | 5 => {
                    store.update_connection(&Update { events, ..update(&view) }).await.unwrap() == Write::Done
                }
                6 => {
                    // Writes no event.
                    if store.begin_attempt(&begin(&view, n)).await.unwrap() == Write::Done {
                        begun[actor] = Some(n);
                        revision += 1;
                        views[actor] = read(&store, id).await;
                    }
                    false
                }
                7 => {
                    // Writes no event.
                    let attempt = begun[actor].unwrap_or(0);
                    if store.renew_lease(attempt_id(attempt), LEASE).await.unwrap() == Renewed::Done {
                        revision += 1;
                    }
                    false
                }
                _ => {
                    let brought = if dice.roll(2) == 0 { Brought::Nothing } else { next_tokens(&view) };
                    let tokens = matches!(brought, Brought::Tokens(_));
                    let Some(attempt) = begun[actor] else { continue };
                    let finish = Finish { events, ..finish(&view, attempt, brought) };
                    let done = store.finish_attempt(&finish).await.unwrap();
                    if done == Finished::Done && tokens {
                        generation += 1;
                    }
                    done == Finished::Done
                }
            };
            if written {
                history.push(step);
                revision += 1;
                let current = read(&store, id).await;
                assert_eq!(
                    current.revision,
                    view.revision + 1,
                    "seed {seed}: it was decided on what was stored"
                );
                views[actor] = current;
            }
        }
        let end = read(&store, id).await;
        assert_eq!((end.revision, end.generation()), (revision, generation), "seed {seed}");
        let marks: Vec<_> = store.events(Some(id), 0, 999).await.unwrap();
        assert_eq!(
            marks.iter().map(|stored| mark(&stored.event)).collect::<Vec<_>>(),
            history,
            "seed {seed}"
        );
        assert!(history.len() > 10, "seed {seed}: something happened");
    }
}

/// Tasks that all want to refresh the same connection: of those who decided on one revision, one wins.
pub async fn one_writer_wins_each_revision(store: Arc<dyn Subject>, _: &ManualClock) {
    let start = added(&store, &connection(1)).await;
    hammer(&[store], start).await;
}

/// Eight tasks, spread over these views of one store, refresh a connection until it has been refreshed 40 times.
pub async fn hammer(stores: &[Arc<dyn Subject>], start: Connection) {
    const TASKS: u128 = 8;
    const REFRESHES: u64 = 40;
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let store = Arc::clone(&stores[usize::try_from(task).unwrap() % stores.len()]);
            let id = start.id;
            tokio::spawn(async move {
                let mut won = 0_u64;
                for turn in 0_u128.. {
                    let current = read(&store, id).await;
                    if current.generation() > REFRESHES {
                        break;
                    }
                    let n = task * 1_000_000 + turn;
                    if store.begin_attempt(&begin(&current, n)).await.unwrap() != Write::Done {
                        continue;
                    }
                    let held = read(&store, id).await;
                    assert_eq!(held.revision, current.revision + 1, "nobody else writes under a lease here");
                    assert_eq!(held.lease.as_ref().unwrap().attempt.id, attempt_id(n));
                    let finish =
                        Finish { events: vec![event(id, 0)], ..finish(&held, n, next_tokens(&held)) };
                    assert_eq!(store.finish_attempt(&finish).await.unwrap(), Finished::Done);
                    won += 1;
                }
                won
            })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += task.await.unwrap();
    }
    let end = read(&stores[0], start.id).await;
    assert_eq!((won, end.generation()), (REFRESHES, 1 + REFRESHES));
    assert_eq!(end.revision, 1 + 2 * REFRESHES);
    assert_eq!(stores[0].events(Some(start.id), 0, 999).await.unwrap().len() as u64, REFRESHES);
}
