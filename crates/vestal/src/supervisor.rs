//! systemd, where that started this process: it is told when the service is ready, what it does, and, for its watchdog, that
//! the schedule is being looked at (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use vestal_core::clock::Clock as _;

use crate::clock::SystemClock;

/// It is told so many times before its patience ends.
const TIMES: u32 = 3;

/// How long it is asked to wait, and how often.
const MORE_TIME_US: u32 = 120_000_000;
const MORE_TIME_EVERY: Duration = Duration::from_secs(30);

/// How often at most: an hour. What no disk has taken until then would be waited for in vain, and a machine is to go down one day.
const MORE_TIME_AT_MOST: u32 = 120;

/// The service has begun.
pub(crate) fn ready(connections: u64) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("keeping {connections} connections alive"))]);
}

/// It is on its way out.
pub(crate) fn stopping() {
    tell(&[NotifyState::Stopping, NotifyState::Status("finishing the refreshes that are under way")]);
}

/// Has it wait for as long as it is polled and a refresh `is_under_way`, however soon it would kill what does not stop: an answer that
/// neither the store nor the journal takes is nowhere else. It hears of that again and again, so that one that hangs is killed all the
/// same, and not for ever.
pub(crate) async fn more_time(is_under_way: impl Fn() -> bool) {
    for _ in 0..MORE_TIME_AT_MOST {
        if is_under_way() {
            tell(&[NotifyState::ExtendTimeoutUsec(MORE_TIME_US)]);
        }
        SystemClock.sleep(MORE_TIME_EVERY).await;
    }
    match is_under_way() {
        true => tracing::error!("{}", last_words(true)),
        false => tracing::warn!("{}", last_words(false)),
    }
    std::future::pending::<()>().await;
}

/// What is said when systemd is asked for no more time.
fn last_words(is_under_way: bool) -> &'static str {
    if is_under_way {
        "stopping since an hour, and a refresh is under way; systemd is asked for no more time, and may end it"
    } else {
        "stopping since an hour, although no refresh is under way; systemd is asked for no more time"
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_is_spoken_of_only_where_there_is_one() {
        assert!(last_words(true).contains("a refresh is under way; systemd"));
        assert!(last_words(false).contains("no refresh is under way; systemd"));
    }
}
