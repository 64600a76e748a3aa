//! A thread that does what is queued for it.
//!
//! SQLite is called on threads of its own, so that nothing else of a busy process waits for a disk. What waits when such a
//! thread comes round, it takes together: under load it is woken once for many.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::{io, thread};

use rusqlite::Connection as Db;
use tokio::sync::{mpsc, oneshot};
use vestal_core::store::StoreError;

use super::failure::Failure;
use super::open::{Opened, Opener};
use crate::rules::closed;

/// How much may wait before whoever comes next has to.
const QUEUED: usize = 512;

/// How much is done together.
const GROUPED: usize = 256;

/// How a group is done, on the connection that there is, if there is one.
type DoGroup = fn(&Opener, &mut Option<Opened>, &mut Vec<Box<dyn Job>>);

/// The thread, which is started when it is first needed.
pub(super) struct Worker {
    name: &'static str,
    opener: Arc<Opener>,
    do_group: DoGroup,
    state: Mutex<Running>,
}

enum Running {
    /// Nothing was queued yet.
    NotYet(Option<Opened>),
    Thread {
        queue: mpsc::Sender<Box<dyn Job>>,
        /// Told when it has ended.
        ended: oneshot::Receiver<()>,
    },
    Closed,
}

/// The worker has ended.
pub(super) enum Ended {
    /// Before the job was queued.
    Before(StoreError),
    /// With the job.
    Meanwhile(StoreError),
}

impl Worker {
    /// `first`: a connection that is open already.
    pub(super) fn new(
        name: &'static str,
        opener: Arc<Opener>,
        first: Option<Opened>,
        do_group: DoGroup,
    ) -> Self {
        Self { name, opener, do_group, state: Mutex::new(Running::NotYet(first)) }
    }

    /// Queues a piece of work and waits for it. Once it is queued it is done, also if the caller goes away.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        work: impl Fn(&Db) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Result<T, StoreError>, Ended> {
        let (reply, answer) = oneshot::channel();
        let job = Box::new(Work { work, result: None, reply });
        let queue = self.queue().map_err(Ended::Before)?;
        queue.send(job).await.map_err(|_| Ended::Before(self.gone()))?;
        answer.await.map_err(|_| Ended::Meanwhile(self.gone()))
    }

    pub(super) fn was_never_asked(&self) -> bool {
        matches!(*self.state(), Running::NotYet(_))
    }

    /// Ends when everything that was queued is done.
    pub(super) async fn close(&self) {
        let before = std::mem::replace(&mut *self.state(), Running::Closed);
        if let Running::Thread { queue, ended } = before {
            drop(queue);
            // If it panicked, those who waited for it have been told.
            let _ = ended.await;
        }
    }

    fn gone(&self) -> StoreError {
        StoreError::Unavailable { detail: format!("the thread {} has ended", self.name) }
    }

    fn queue(&self) -> Result<mpsc::Sender<Box<dyn Job>>, StoreError> {
        let mut state = self.state();
        let first = match &mut *state {
            Running::Closed => return Err(closed()),
            Running::Thread { queue, .. } if !queue.is_closed() => return Ok(queue.clone()),
            Running::Thread { .. } => None,
            Running::NotYet(first) => first.take(),
        };
        let (queue, jobs) = mpsc::channel(QUEUED);
        let ended = self.start(first, jobs).map_err(|error| StoreError::Unavailable {
            detail: format!("the thread {} cannot be started: {error}", self.name),
        })?;
        *state = Running::Thread { queue: queue.clone(), ended };
        Ok(queue)
    }

    /// Starts the thread. It ends when the queue is closed and empty.
    fn start(
        &self,
        mut opened: Option<Opened>,
        mut jobs: mpsc::Receiver<Box<dyn Job>>,
    ) -> io::Result<oneshot::Receiver<()>> {
        let (end, ended) = oneshot::channel();
        let (opener, do_group) = (Arc::clone(&self.opener), self.do_group);
        thread::Builder::new().name(self.name.to_owned()).spawn(move || {
            let mut group = Vec::new();
            while jobs.blocking_recv_many(&mut group, GROUPED) > 0 {
                do_group(&opener, &mut opened, &mut group);
            }
            // Everything is committed; where the last writer fails here, it is the moving of the log into the database.
            drop(opened);
            // Nobody may wait.
            let _ = end.send(());
        })?;
        Ok(ended)
    }

    fn state(&self) -> MutexGuard<'_, Running> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of work whose result's type is forgotten.
pub(super) trait Job: Send {
    /// Does it. Returns whether it went well.
    fn run(&mut self, db: &Db) -> bool;

    /// Tells the caller what became of it: what it returned, unless something else was in its way.
    fn settle(self: Box<Self>, fate: &Result<(), StoreError>);
}

struct Work<F, T> {
    work: F,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F: Fn(&Db) -> Result<T, Failure> + Send, T: Send> Job for Work<F, T> {
    fn run(&mut self, db: &Db) -> bool {
        // A panic must not take the thread with it, on which everybody depends.
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(db)));
        let result = match done {
            Ok(result) => result.map_err(StoreError::from),
            Err(_) => Err(StoreError::Unavailable { detail: "it panicked, and was undone".to_owned() }),
        };
        let well = result.is_ok();
        self.result = Some(result);
        well
    }

    fn settle(self: Box<Self>, fate: &Result<(), StoreError>) {
        let result = match (self.result, fate) {
            (Some(Err(own)), _) => Err(own),
            (_, Err(error)) => Err(error.clone()),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(StoreError::Unavailable { detail: "it was not begun".to_owned() }),
        };
        // A caller that has gone does not want to know.
        let _ = self.reply.send(result);
    }
}
