//! Counts what an operator is told.

use std::cell::Cell;
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

thread_local! {
    /// How much was told on this thread, which a test has for itself.
    static TOLD: Cell<usize> = const { Cell::new(0) };
}

/// From now on all that is told is counted.
///
/// There is one subscriber for all tests, which is there before any of them can tell anything: with one of its own, a test
/// heard nothing of a place in the code which another test, that had none, came to first (tokio-rs/tracing#3611).
pub(super) fn count() {
    static COUNTING: Once = Once::new();
    COUNTING.call_once(|| tracing::subscriber::set_global_default(Counter::default()).unwrap());
}

/// Since when a test counts.
pub(super) struct Warnings {
    before: usize,
}

impl Warnings {
    pub(super) fn from_now_on() -> Self {
        count();
        Self { before: TOLD.get() }
    }

    pub(super) fn so_far(&self) -> usize {
        TOLD.get() - self.before
    }
}

#[derive(Default)]
struct Counter {
    spans: AtomicU64,
}

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, _: &Event<'_>) {
        TOLD.set(TOLD.get() + 1);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}
