//! Every life of every provider of the catalogue, with short times in which tokens are read often.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use vestal_simulation::lives::{Course, behaviours, live, providers};

const COURSE: Course =
    Course { seed: 1, busy: Some(Duration::from_secs(2 * 86_400)), mistake: None, traced: false };

#[test]
#[cfg_attr(debug_assertions, ignore = "takes minutes in a debug build: cargo xtask simulate test")]
fn no_provider_loses_what_can_be_kept_or_ends_untold() {
    let providers = providers();
    let of = |provider| behaviours(provider).into_iter().enumerate().map(move |life| (provider, life));
    let lives: Vec<_> = providers.iter().flat_map(of).collect();
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some((provider, (number, life))) = lives.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let violations = live(provider, life, &COURSE).violations;
                    if !violations.is_empty() {
                        let told = format!("{} --life {number}: {violations:#?}", provider.id);
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(told);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    assert!(
        failed.is_empty(),
        "{}\nreplay with: cargo xtask lives --seed 1 --busy-days 2 --provider …",
        failed.join("\n")
    );
}
