//! A fleet under one daemon: no token is ever served expired, and refreshes are as many as the schedule says.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use vestal_api::{ConnectionView, EventView};
use vestal_core::event::What;

use crate::harness::{Home, PAUSE, Provider, Raises, intervals, until};

const CONNECTIONS: usize = 200;
/// How many processes are at work beside the daemon.
const WORKERS: usize = 8;
const LIFE: Duration = Duration::from_secs(10);
const WATCH: Duration = Duration::from_secs(60);

/// The schedule's rule: half of the life, moved earlier by less than a tenth of that, from the start of one request to
/// the start of the next. The provider sees their ends, which may be nearer to each other on a busy machine.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(4_500);
const LONGEST_INTERVAL: Duration = Duration::from_millis(5_000);
const REQUEST: Duration = Duration::from_millis(500);
/// Times are kept in milliseconds.
const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn two_hundred_connections_stay_fresh_and_no_refresh_is_wasted() {
    let home = Home::new();
    let provider = Provider::start(home.record(), |settings| {
        settings.access_token_life_ms = u64::try_from(LIFE.as_millis()).unwrap();
    });
    home.connect("fleet-0", &provider);

    // Whoever is not read is refreshed once a day only; so each is read once.
    let next = AtomicUsize::new(1);
    home.vestal(&["token", "fleet-0"]).ok();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(number) = below(CONNECTIONS, &next) {
                    let name = format!("fleet-{number}");
                    home.consent(&name, &["--client", "custom"], "").ok();
                    home.vestal(&["token", &name]).ok();
                }
            });
        }
    });
    // Where the store is busy, a reading may not be noted, and the next one is.
    let unread = || {
        let all: Vec<ConnectionView> = home.vestal(&["list", "--json"]).ok().json();
        all.into_iter().filter(|view| view.last_read_at.is_none()).map(|view| view.name).collect::<Vec<_>>()
    };
    until("each reading to be noted", || {
        let unread = unread();
        unread.iter().for_each(|name| drop(home.vestal(&["token", name.as_str()]).ok()));
        unread.is_empty().then_some(())
    });
    let daemon = home.start(&["serve"]);
    // The first ones come all at once, and wait for one another.
    let settled = || {
        let grants = provider.sandbox().grants(provider.now_ms());
        (grants.len() == CONNECTIONS && grants.iter().all(|grant| grant.refreshes >= 2)).then_some(())
    };
    until("each connection to be refreshed twice", settled);

    let over = AtomicBool::new(false);
    let (served, reads) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let (times, before, after) = std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let number = reads.fetch_add(37, Ordering::Relaxed) % CONNECTIONS;
                    let asked_at_ms = provider.now_ms();
                    let token = home.vestal(&["token", &format!("fleet-{number}")]).ok();
                    assert!(
                        provider.accepted_at(token.stdout.trim(), asked_at_ms),
                        "an expired token was served: fleet-{number}"
                    );
                    served.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(PAUSE);
                }
            });
        }
        let _over = Raises(&over);
        let before = provider.sandbox().stats().clone();
        let times = provider.watch(WATCH);
        let after = provider.sandbox().stats().clone();
        (times, before, after)
    });

    let refreshes = after.refreshes - before.refreshes;
    let intervals = intervals(&times);
    let total: Duration = intervals.iter().sum();
    let (shortest, longest) = (intervals.iter().min().unwrap(), intervals.iter().max().unwrap());
    let mean = total / u32::try_from(intervals.len()).unwrap();
    let served = served.into_inner();
    println!(
        "fleet: {refreshes} refreshes, intervals {shortest:?} to {longest:?}, mean {mean:?}; {served} tokens served"
    );

    let earliest =
        (0..CONNECTIONS).flat_map(|number| waits(&home, &format!("fleet-{number}"))).min().unwrap();
    assert!(earliest >= SHORTEST_INTERVAL - MILLISECOND, "refreshed early, after {earliest:?}");
    assert!(*longest < LIFE, "a token expired: {longest:?} without a refresh");
    let most = CONNECTIONS as f64 * (WATCH.as_secs_f64() / SHORTEST_INTERVAL.as_secs_f64() + 1.0);
    // A machine that is busy refreshes a little later, but not in the mean.
    let fewest =
        CONNECTIONS as f64 * (WATCH.as_secs_f64() / (LONGEST_INTERVAL + REQUEST).as_secs_f64() - 1.0);
    assert!(
        (fewest..most).contains(&(refreshes as f64)),
        "{refreshes} refreshes, not {fewest:.0} to {most:.0}"
    );
    assert!(mean >= SHORTEST_INTERVAL && mean <= LONGEST_INTERVAL + REQUEST, "{mean:?} between refreshes");
    assert!(served > 100, "only {served} tokens were served");

    assert_eq!((after.reuses, after.refusals, after.grace_retries), (0, 0, 0), "{after:?}");
    let families = provider.sandbox().families(provider.now_ms());
    assert_eq!((families.alive, families.dead), (CONNECTIONS, 0));
    daemon.stop().ok();
}

/// How long it was from the start of each refresh to that of the next: a token's life counts from there.
fn waits(home: &Home, name: &str) -> Vec<Duration> {
    let events: Vec<EventView> = home.vestal(&["events", name, "--json"]).ok().json();
    let ends = events.into_iter().filter_map(|view| match view.event.what {
        What::Refreshed { expires_at, .. } => expires_at,
        _ => None,
    });
    let ends: Vec<_> = ends.collect();
    ends.windows(2).map(|pair| pair[1].duration_since(pair[0]).unsigned_abs()).collect()
}

/// The next number, while there is one.
fn below(limit: usize, next: &AtomicUsize) -> Option<usize> {
    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|number| *number < limit)
}
