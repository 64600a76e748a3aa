//! A simulated process. It can be killed or stopped at every call of a port, before or after what the call does:
//! between two of them nothing of it can be seen from outside, so that this is everywhere.

use std::future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use vestal_core::clock::Clock;
use vestal_core::id::NodeId;
use vestal_core::token::saturating_add;

use crate::ledger::{Ledger, short};
use crate::lock;
use crate::machine::Machine;

/// So often does a process look at the schedule that has much to do.
const MOST_LOOKS_AN_HOUR: u32 = 5_000;

/// What a process is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Running,
    /// Stopped (SIGSTOP), or its machine sleeps: time goes on.
    Stopped,
    /// Ended by itself.
    Ended,
    /// Killed (SIGKILL).
    Killed,
}

/// The calls at which a process can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// The lease is taken and the attempt written down.
    Begin,
    /// A request is sent.
    Send,
    /// An outcome is stored.
    Finish,
    /// A grant, a pause, a plan is stored.
    Update,
    /// An answer is written into the journal.
    Append,
    /// Anything else.
    Other,
}

/// When at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// Before it does anything.
    Before,
    /// A request has left, its answer has not come.
    During,
    /// It has done everything, and the process has not heard of it.
    After,
}

/// What happens to a process at a call.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Strike {
    /// It is killed.
    Kill,
    /// It is stopped, and goes on this much later; or sooner, this long after another one has tried what it was at.
    Stop(Duration, Duration),
}

/// Where a process is to be struck.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trap {
    pub(crate) strike: Strike,
    pub(crate) call: Call,
    pub(crate) when: When,
    /// How many such calls it survives first.
    pub(crate) skip: u32,
}

/// One process.
pub(crate) struct Process {
    pub(crate) node: NodeId,
    pub(crate) machine: Arc<Machine>,
    pub(crate) ledger: Arc<Ledger>,
    life: Mutex<Life>,
    /// Not a `watch`: that wakes those who wait in an order of its own.
    changed: Notify,
    trap: Mutex<Option<Trap>>,
    /// How often it was stopped or resumed.
    interruptions: AtomicU32,
    /// Looks at the schedule in the current hour.
    looks: Mutex<(u64, u32)>,
}

impl Process {
    pub(crate) fn start(node: NodeId, machine: &Arc<Machine>, ledger: &Arc<Ledger>) -> Arc<Self> {
        let process = Arc::new(Self {
            node,
            machine: Arc::clone(machine),
            ledger: Arc::clone(ledger),
            life: Mutex::new(Life::Running),
            changed: Notify::new(),
            trap: Mutex::default(),
            interruptions: AtomicU32::new(0),
            looks: Mutex::default(),
        });
        machine.started(&process);
        process
    }

    /// Strikes it at such a call.
    pub(crate) fn set_trap(&self, trap: Trap) {
        *lock(&self.trap) = Some(trap);
    }

    pub(crate) fn kill(&self) {
        if self.is_alive() {
            self.turn(Life::Killed);
            self.ledger.killed(self.node);
        }
    }

    /// It ends by itself, with nothing under way.
    pub(crate) fn end(&self) {
        if self.is_alive() {
            self.turn(Life::Ended);
            self.ledger.ended(self.node);
        }
    }

    pub(crate) fn stop(&self) {
        if self.life() == Life::Running {
            self.turn(Life::Stopped);
        }
    }

    pub(crate) fn resume(&self) {
        if self.life() == Life::Stopped {
            self.turn(Life::Running);
        }
    }

    fn turn(&self, life: Life) {
        self.interruptions.fetch_add(1, Ordering::Relaxed);
        *lock(&self.life) = life;
        self.changed.notify_waiters();
    }

    fn life(&self) -> Life {
        *lock(&self.life)
    }

    pub(crate) fn is_alive(&self) -> bool {
        matches!(self.life(), Life::Running | Life::Stopped)
    }

    /// How often it was stopped or resumed.
    pub(crate) fn interruptions(&self) -> u32 {
        self.interruptions.load(Ordering::Relaxed)
    }

    /// Waits until its life is as wanted.
    async fn until(&self, wanted: impl Fn(Life) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if wanted(self.life()) {
                return;
            }
            changed.await;
        }
    }

    /// Waits until it is no more.
    pub(crate) async fn gone(&self) {
        self.until(|life| matches!(life, Life::Ended | Life::Killed)).await;
    }

    /// Passes while the process runs, waits while it is stopped, and never returns once it is gone.
    pub(crate) async fn gate(&self) {
        if self.life() == Life::Running {
            return;
        }
        self.until(|life| life != Life::Stopped).await;
        if !self.is_alive() {
            future::pending::<()>().await;
        }
    }

    /// Strikes the process here, if that is its fate.
    pub(crate) fn strike(self: &Arc<Self>, call: Call, when: When) {
        let mut set = lock(&self.trap);
        let Some(trap) = &mut *set else { return };
        if trap.when != when || (trap.call != call && trap.call != Call::Other) {
            return;
        }
        if trap.skip > 0 {
            trap.skip -= 1;
            return;
        }
        let strike = trap.strike;
        *set = None;
        drop(set);
        match strike {
            Strike::Kill => {
                self.ledger.count("killed at a call");
                self.kill();
            }
            Strike::Stop(lasts, after_a_rival) => {
                self.ledger.count("stopped at a call");
                self.ledger.note(|| format!("{} is stopped for {lasts:?}", short(self.node)));
                self.ledger.spell(lasts);
                self.stop();
                let process = Arc::clone(self);
                tokio::spawn(async move {
                    tokio::select! {
                        biased;
                        () = process.ledger.rival(process.node) => crate::time::sleep(after_a_rival).await,
                        () = crate::time::sleep(lasts) => {}
                    }
                    process.resume();
                });
            }
        }
    }

    /// One call of a port.
    pub(crate) async fn call<T>(self: &Arc<Self>, call: Call, effect: impl Future<Output = T>) -> T {
        self.gate().await;
        self.strike(call, When::Before);
        self.gate().await;
        let output = effect.await;
        self.strike(call, When::After);
        self.gate().await;
        output
    }

    /// It looks at the schedule. One that does nothing else keeps a core busy.
    pub(crate) async fn looks(&self) {
        let hour = self.machine.clock.uptime().as_secs() / 3600;
        let looks = {
            let mut looks = lock(&self.looks);
            if looks.0 != hour {
                *looks = (hour, 0);
            }
            looks.1 += 1;
            looks.1
        };
        if looks == MOST_LOOKS_AN_HOUR {
            self.ledger
                .violation("idle", format!("{} looks at the schedule without a rest", short(self.node)));
        }
        if looks >= MOST_LOOKS_AN_HOUR {
            crate::time::sleep(Duration::from_secs(60)).await;
        }
    }

    /// Waits, as the process does: it wakes up late when it is stopped meanwhile.
    pub(crate) async fn sleep(&self, duration: Duration) {
        self.gate().await;
        crate::time::sleep(duration).await;
        self.gate().await;
    }
}

impl Process {
    /// Waits this long, or until the end of the first interval after which there is something to be seen: somebody wrote
    /// what is due before, a clock was set, or an answer lies in a journal.
    pub(crate) async fn look(&self, longest: Duration, every: Duration) {
        self.gate().await;
        let clock = &self.machine.clock;
        let (started, off_by) = (clock.uptime(), clock.off_by_ms());
        let wakes_at = saturating_add(clock.now(), longest);
        loop {
            let passed = clock.uptime().saturating_sub(started);
            let left = longest.saturating_sub(passed);
            let news = tokio::select! {
                biased;
                () = self.ledger.news() => true,
                () = crate::time::sleep(left) => false,
            };
            if !news {
                break;
            }
            let passed = clock.uptime().saturating_sub(started);
            let intervals = (passed.as_secs_f64() / every.as_secs_f64()).ceil().max(1.0);
            let next = every.mul_f64(intervals).min(longest);
            crate::time::sleep(next.saturating_sub(passed)).await;
            if clock.off_by_ms() != off_by || next >= longest || self.ledger.is_due_before(wakes_at) {
                break;
            }
        }
        self.gate().await;
    }
}
