//! A deadline that does not throw away what has arrived.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::OnceLock;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How long what has arrived already may take to be read once the time is up. A process that was stopped, or slept with
/// its machine, wakes up after its deadline with the answer in a buffer of the system.
const READ_WITHIN: Duration = Duration::from_millis(250);

/// How long an exchange may take, from its start to the last byte.
pub(crate) struct Patience {
    until: Instant,
    /// When the last of what had arrived must have been read: known once the time is up.
    end: OnceLock<Instant>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "real sockets are waited for in real time; virtual time has another HTTP"
)]
impl Patience {
    pub(crate) fn starting_now(deadline: Duration) -> Self {
        Self { until: Instant::now() + deadline, end: OnceLock::new() }
    }

    /// Waits for one step of the exchange; `None` when the time is up.
    pub(crate) async fn wait<F: Future>(&self, step: F) -> Option<F::Output> {
        let mut step = pin!(step);
        if let Some(output) = first(step.as_mut(), sleep_until(self.until)).await {
            return Some(output);
        }
        let end = *self.end.get_or_init(|| Instant::now() + READ_WITHIN);
        first(step, sleep_until(end)).await
    }
}

/// The output of a future, unless the other one ends first. If both have ended, it counts.
async fn first<T>(future: impl Future<Output = T>, end: impl Future<Output = ()>) -> Option<T> {
    let (mut future, mut end) = (pin!(future), pin!(end));
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        end.as_mut().poll(context).map(|()| None)
    })
    .await
}
