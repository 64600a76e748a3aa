//! The signals that ask the process to end: the first one lets what is under way finish, the second one does not.

use std::sync::OnceLock;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::failure::Failure;

/// A closed terminal is no reason either to lose an answer.
const KINDS: [fn() -> SignalKind; 4] =
    [SignalKind::interrupt, SignalKind::terminate, SignalKind::hangup, SignalKind::quit];

/// The signals of this process. Until somebody listens, they end it as ever.
#[derive(Default)]
pub(crate) struct Signals {
    came: OnceLock<watch::Receiver<usize>>,
}

impl Signals {
    /// From now on signals do not end the process by themselves.
    pub(crate) fn listen(&self) -> Result<Listening, Failure> {
        if let Some(came) = self.came.get() {
            return Ok(Listening(came.clone()));
        }
        // A file that is as long as it may be is a full disk, no reason to die with an answer in hand.
        let _ = signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw()));
        let (count, came) = watch::channel(0);
        for kind in KINDS {
            if is_ignored(kind()) {
                continue;
            }
            let mut signal =
                signal(kind()).map_err(|error| Failure::failed("signals cannot be received").why(error))?;
            let count = count.clone();
            tokio::spawn(async move {
                while signal.recv().await.is_some() {
                    count.send_modify(|count| *count += 1);
                }
            });
        }
        Ok(Listening(self.came.get_or_init(|| came).clone()))
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
pub(crate) struct Listening(watch::Receiver<usize>);

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
        if self.0.wait_for(|came| *came >= wanted).await.is_err() {
            // Those who count are gone, with the runtime: there will be none.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_stays_ignored() {
        assert!(ignores_hangup("Name:\tvestal\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"));
        assert!(!ignores_hangup("Name:\tvestal\nSigIgn:\t0000000000001000\nSigCgt:\t1\n"));
    }
}
