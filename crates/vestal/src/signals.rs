//! The signals that ask the process to end: the first one lets what is under way finish, a later one does not.

use std::sync::OnceLock;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use vestal_core::clock::Clock as _;

use crate::clock::SystemClock;
use crate::failure::Failure;

/// All that end a process unless it listens: neither a closed terminal nor somebody's timer is a reason to lose an answer.
const KINDS: [fn() -> SignalKind; 7] = [
    SignalKind::interrupt,
    SignalKind::terminate,
    SignalKind::hangup,
    SignalKind::quit,
    SignalKind::alarm,
    SignalKind::user_defined1,
    SignalKind::user_defined2,
];

/// Signals that come within this time are one request: timeout(1) sends SIGTERM to its child and to the group of that, and
/// where a terminal is closed, both the kernel and the shell send SIGHUP.
const ONE_WITHIN: Duration = Duration::from_secs(1);

/// How often the process was told to end.
#[derive(Default)]
struct Told {
    times: usize,
    /// The last time, in uptime.
    last: Option<Duration>,
}

impl Told {
    fn note(&mut self, uptime: Duration) {
        if self.last.is_none_or(|last| uptime.saturating_sub(last) >= ONE_WITHIN) {
            self.times += 1;
            self.last = Some(uptime);
        }
    }
}

/// The signals of this process. Until somebody listens, they end it as ever.
#[derive(Default)]
pub(crate) struct Signals {
    came: OnceLock<watch::Receiver<Told>>,
}

/// Has a file that is as long as it may be (`ulimit -f`) be told as a full disk is: no reason to die with an answer in hand. Within a
/// runtime.
pub(crate) fn outlive_the_longest_file() {
    // Where it cannot be, files are mostly as long as they like.
    let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
}

impl Signals {
    /// From now on signals do not end the process by themselves.
    pub(crate) fn listen(&self) -> Result<Listening, Failure> {
        if let Some(came) = self.came.get() {
            return Ok(Listening(came.clone()));
        }
        let (told, came) = watch::channel(Told::default());
        for kind in KINDS {
            if is_ignored(kind()) {
                continue;
            }
            let mut signal =
                signal(kind()).map_err(|error| Failure::failed("signals cannot be received").why(error))?;
            let told = told.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    told.send_modify(|told| told.note(SystemClock.uptime()));
                }
            });
        }
        Ok(Listening(self.came.get_or_init(|| came).clone()))
    }

    /// Whether there was one since somebody began to listen.
    pub(crate) fn came(&self) -> bool {
        self.came.get().is_some_and(|came| came.borrow().times > 0)
    }
}

/// Whether somebody else has decided that it means nothing here, as nohup does of SIGHUP.
fn is_ignored(kind: SignalKind) -> bool {
    kind == SignalKind::hangup()
        && std::fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// What proc_pid_status(5) says: the lowest bit of a hexadecimal mask is signal 1, SIGHUP.
fn ignores_hangup(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 != 0)
}

/// Waits for signals.
#[derive(Clone)]
pub(crate) struct Listening(watch::Receiver<Told>);

impl Listening {
    /// Waits until there was one.
    pub(crate) async fn first(&mut self) {
        self.at_least(1).await;
    }

    /// Waits until there were two.
    pub(crate) async fn second(&mut self) {
        self.at_least(2).await;
    }

    async fn at_least(&mut self, wanted: usize) {
        if self.0.wait_for(|told| told.times >= wanted).await.is_err() {
            // Those who count are gone, with the runtime: there will be none.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_together_is_one_request() {
        let mut told = Told::default();
        let times = [60_000, 60_001, 60_999, 61_000, 61_900, 62_000].map(|at| {
            told.note(Duration::from_millis(at));
            told.times
        });
        assert_eq!(times, [1, 1, 1, 2, 2, 3]);
    }

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        assert!(ignores_hangup("Name:\tvestal\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("Name:\tvestal\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"));
    }
}
