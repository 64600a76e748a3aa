//! Worlds in which nothing must happen that must never happen, and mistakes that have to be noticed.
//!
//! Most of it takes a release build: `cargo xtask simulate test`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use vestal_simulation::{Mutation, Outcome, Plan, run};

const SEEDS: u64 = 200;

/// Until a mistake shows, so many worlds are tried at most.
const SEEDS_FOR_A_MISTAKE: u64 = 60;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lives through worlds on all cores, until one is enough.
fn find(seeds: u64, plan: &Plan, enough: impl Fn(&Outcome) -> bool + Sync) -> Option<(u64, Outcome)> {
    let (next, found) = (AtomicU64::new(0), Mutex::new(None));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while lock(&found).is_none() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds {
                        return;
                    }
                    let outcome = run(seed, plan);
                    if enough(&outcome) {
                        *lock(&found) = Some((seed, outcome));
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn nothing_happens_that_must_never_happen() {
    let plan = Plan { days: 90, mutation: None, violations: 5, trace_lines: 0 };
    if let Some((seed, outcome)) = find(SEEDS, &plan, |outcome| !outcome.violations.is_empty()) {
        panic!(
            "seed {seed}: {:#?}\nreplay with: cargo xtask simulate --seed {seed} --days 90",
            outcome.violations
        );
    }
}

#[test]
fn the_same_seed_is_the_same_world() {
    let plan = Plan { days: 20, mutation: None, violations: 5, trace_lines: usize::MAX };
    let (first, second) = (run(7, &plan), run(7, &plan));
    assert!(first.refreshes > 0 && first.trace.len() > 100);
    assert_eq!(first.trace, second.trace);
}

/// A mistake is noticed, by one of these rules.
fn is_noticed(mutation: Mutation, rules: &[&str]) {
    let plan = Plan { days: 60, mutation: Some(mutation), violations: 5, trace_lines: 0 };
    let notices =
        |outcome: &Outcome| outcome.violations.iter().any(|violation| rules.contains(&violation.rule));
    assert!(find(SEEDS_FOR_A_MISTAKE, &plan, notices).is_some(), "nobody notices {}", mutation.name());
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn a_skipped_fsync_is_noticed() {
    is_noticed(Mutation::SkipTheFsync, &["answer"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn publishing_before_saving_is_noticed() {
    is_noticed(Mutation::PublishBeforeSaving, &["reader"]);
    is_noticed(Mutation::PublishBeforeSaving, &["answer"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn a_release_without_proof_is_noticed() {
    is_noticed(Mutation::ReleaseWithoutProof, &["lease"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn classifying_by_status_is_noticed() {
    is_noticed(Mutation::ClassifyByStatus, &["death"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn applying_without_a_fingerprint_is_noticed() {
    is_noticed(Mutation::ApplyWithoutFingerprint, &["order"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn a_retry_inside_the_http_client_is_noticed() {
    is_noticed(Mutation::RetryInsideTheHttpClient, &["attempt"]);
    is_noticed(Mutation::RetryInsideTheHttpClient, &["wire"]);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn a_request_long_after_the_lease_is_noticed() {
    is_noticed(Mutation::SendLongAfterTheLease, &["attempt"]);
}
