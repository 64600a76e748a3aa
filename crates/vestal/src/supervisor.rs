//! systemd, where that started this process: it is told when the service is ready, what it does, and, for its watchdog, that
//! the schedule is being looked at (sd_notify(3)).

use sd_notify::NotifyState;
use vestal_core::clock::Clock as _;

use crate::clock::SystemClock;

/// It is told so many times before its patience ends.
const TIMES: u32 = 3;

/// The service has begun.
pub(crate) fn ready(connections: u64) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("keeping {connections} connections alive"))]);
}

/// It is on its way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing the refreshes that are under way")]);
}

/// Tells the watchdog, for as long as it is polled and `works` says so.
pub(crate) async fn watched(works: impl Fn() -> bool) {
    let Some(patience) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    loop {
        if works() {
            tell(&[NotifyState::Watchdog]);
        }
        SystemClock.sleep(patience / TIMES).await;
    }
}

fn tell(what: &[NotifyState<'_>]) {
    // Where systemd did not start it, there is nobody to tell.
    if let Err(error) = sd_notify::notify(what) {
        tracing::warn!(%error, "systemd could not be told");
    }
}
