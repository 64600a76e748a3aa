//! Going through everything that is sealed, with a bar for the person who watches.

use std::collections::BTreeMap;
use std::time::Duration;

use vestal_core::clock::Clock;
use vestal_core::seal::KeyId;
use vestal_engine::{Left, Walk, Walked};

use crate::clock::SystemClock;
use crate::context::{Context, Vestal};
use crate::failure::Failure;
use crate::progress::Progress;

/// Between two writes: whoever wants to write to the store too comes in between.
const PAUSE: Duration = Duration::from_millis(2);

/// Of so many values that could not be opened it is said which; the others are counted.
const LEFT_KEPT: usize = 100;

/// Goes through all clients and connections once.
pub(super) async fn through(vestal: &Vestal, context: &Context, walk: Walk) -> Result<All, Failure> {
    let engine = &vestal.engine;
    let count: u64 = engine.store().count_states(None).await?.iter().map(|(_, count)| count).sum();
    let bar = Progress::new(context.output, Some(count));
    let mut all = All::default();
    all.add(engine.walk_clients(walk).await?);
    let mut after = None;
    loop {
        let walked = engine.walk_connections(after, walk).await?;
        let (next, wrote) = (walked.next, walked.resealed > 0);
        all.add(walked);
        bar.show(all.connections, Some(all.connections));
        after = match next {
            Some(next) => Some(next),
            None => break,
        };
        if wrote {
            SystemClock.sleep(PAUSE).await;
        }
    }
    bar.end();
    Ok(all)
}

/// What was found on the whole way.
#[derive(Default)]
pub(super) struct All {
    connections: u64,
    /// How many values each key sealed.
    pub(super) sealed: BTreeMap<KeyId, u64>,
    /// How many were sealed anew.
    pub(super) resealed: u64,
    /// How many could not be opened.
    pub(super) left: u64,
    /// The first of them.
    pub(super) left_values: Vec<Left>,
}

impl All {
    fn add(&mut self, walked: Walked) {
        self.connections += walked.connections;
        self.resealed += walked.resealed;
        self.left += walked.left.len() as u64;
        for (key, values) in walked.sealed {
            *self.sealed.entry(key).or_default() += values;
        }
        let room = LEFT_KEPT.saturating_sub(self.left_values.len());
        self.left_values.extend(walked.left.into_iter().take(room));
    }
}
