//! What others left in journals before this process began to refresh.

use std::collections::HashSet;
use std::time::Duration;

use tokio::sync::Mutex;
use vestal_core::id::ConnectionId;
use vestal_core::journal::{Entry, Incomplete, JournalError};

use crate::Inner;

/// While not all of it can be read, that is tried again so often: each time, everything else is read too.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The connections of which something was left, as far as nobody has seen to it since.
#[derive(Default)]
pub(crate) struct LeftInJournals(Mutex<Read>);

#[derive(Default)]
enum Read {
    #[default]
    NotYet,
    /// There may be more.
    InPart {
        found: HashSet<ConnectionId>,
        why: JournalError,
        /// When, in the clock's uptime.
        at: Duration,
    },
    All(HashSet<ConnectionId>),
}

impl Read {
    fn has_to_be_repeated(&self, uptime: Duration) -> bool {
        match self {
            Self::NotYet => true,
            Self::InPart { at, .. } => uptime.saturating_sub(*at) >= READ_AGAIN_AFTER,
            Self::All(_) => false,
        }
    }
}

/// Whether anything was left of a connection.
pub(crate) enum Left {
    Nothing,
    Something,
    /// Not everything could be read.
    Unclear {
        /// Whether there was something in what could be read.
        is_found: bool,
        why: JournalError,
    },
}

impl Inner {
    pub(crate) async fn left_in_journals(&self, id: ConnectionId) -> Left {
        // Others wait for one who reads.
        let mut read = self.left_in_journals.0.lock().await;
        let uptime = self.clock.uptime();
        if read.has_to_be_repeated(uptime) {
            *read = match self.journal.entries().await {
                Ok(entries) => Read::All(whose(&entries)),
                Err(Incomplete { found, why }) => Read::InPart { found: whose(&found), why, at: uptime },
            };
        }
        match &*read {
            Read::All(left) if left.contains(&id) => Left::Something,
            Read::All(_) | Read::NotYet => Left::Nothing,
            Read::InPart { found, why, .. } => {
                Left::Unclear { is_found: found.contains(&id), why: why.clone() }
            }
        }
    }

    /// Somebody has seen to what was left of a connection.
    pub(crate) async fn nothing_is_left_in_journals(&self, id: ConnectionId) {
        if let Read::All(left) | Read::InPart { found: left, .. } = &mut *self.left_in_journals.0.lock().await
        {
            left.remove(&id);
        }
    }
}

fn whose(entries: &[Entry]) -> HashSet<ConnectionId> {
    entries.iter().map(|entry| entry.connection).collect()
}
