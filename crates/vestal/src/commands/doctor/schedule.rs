//! Whether somebody keeps to the schedule, by a clock that is right, and whether somebody would notice if not.

use std::time::Duration;

use jiff::Timestamp;
use vestal_api::{Finding, Trouble};
use vestal_core::store::{Held, Mark, Skew};
use vestal_core::token::saturating_add;

use super::finding::{of_store, ok, warn};
use super::fleet::Fleet;
use crate::context::Vestal;
use crate::overdue;
use crate::when::span;

/// A clock that is wrong by less harms nobody.
const WORTH_TELLING: Duration = Duration::from_secs(60);

const KEEP: &str = "run vestal serve, or from cron: vestal refresh --due --within 12h";

pub(super) async fn look(vestal: &Vestal, fleet: &Fleet) -> Vec<Finding> {
    let store = vestal.engine.store();
    let now = vestal.engine.now();
    let mark = match store.mark().await {
        Ok(mark) => mark,
        Err(error) => return vec![of_store(error)],
    };
    let mut findings: Vec<_> =
        mark.as_ref().and_then(|mark| mark.skew.as_ref()).map(skew).into_iter().collect();
    let since = async {
        let first = store.next_due(Timestamp::MIN, Timestamp::MAX, &Held::default()).await?;
        overdue::of_all(vestal, first).await
    };
    findings.push(match since.await {
        Ok(Some(since)) => {
            warn(Trouble::Overdue, format!("a refresh is due since {since}, and nobody has made it"), KEEP)
        }
        Ok(None) => ok("schedule", "nothing is overdue"),
        Err(error) => of_store(error),
    });
    if fleet.looked_at > 0 {
        findings.extend(nobody(vestal.node.others_live(), mark.as_ref(), fleet.shortest_life, now));
        findings.push(heartbeat(vestal.config.heartbeat.is_some()));
    }
    findings
}

/// How far the clock was from a provider's.
fn skew(skew: &Skew) -> Finding {
    let by = Duration::from_secs(skew.ahead_s.unsigned_abs());
    let said = format!("of {} on {}", skew.host, skew.at.strftime("%-d %b %Y, %H:%M"));
    if by < WORTH_TELLING {
        return ok("clock", format!("it agreed with that {said}"));
    }
    let (by, direction) = (humantime::format_duration(by), if skew.ahead_s > 0 { "ahead" } else { "behind" });
    let found = format!("it was {by} {direction} of that {said}");
    warn(Trouble::ClockSkewed, found, "set the clock, and keep it right: timedatectl set-ntp true")
}

/// Whether nobody does: no process lives that could, and what dies first would have lived through half of its life, where it has to be
/// refreshed, since somebody did. `lives`: another process that may be a daemon.
fn nobody(
    lives: bool,
    mark: Option<&Mark>,
    shortest_life: Option<Duration>,
    now: Timestamp,
) -> Option<Finding> {
    let need = shortest_life? / 2;
    let long_ago = |mark: &Mark| saturating_add(mark.at, need) < now;
    if lives || mark.is_some_and(|mark| !long_ago(mark)) {
        return None;
    }
    let last = match mark {
        Some(mark) => format!("the schedule was looked at last on {}", mark.at.strftime("%-d %b %Y, %H:%M")),
        None => "nobody has looked at the schedule yet".to_owned(),
    };
    let found = format!("no daemon runs, and {last}; it has to be at least every {}", span(need));
    Some(warn(Trouble::NobodyKeeps, found, KEEP))
}

fn heartbeat(is_named: bool) -> Finding {
    match is_named {
        true => ok("heartbeat", "a page is fetched while connections are kept alive"),
        false => warn(
            Trouble::NoHeartbeat,
            "nobody would notice if the daemon or cron stopped",
            "name a page that its watcher misses then: [heartbeat] url in the configuration",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nobody_keeps_what_was_not_looked_at_within_half_a_life() {
        let day = Duration::from_secs(86_400);
        let seen = |second| Mark { at: at(second), facts: String::new(), skew: None };
        let told =
            |lives, mark: Option<Mark>, life| nobody(lives, mark.as_ref(), life, at(1_000_000)).is_some();
        assert!(told(false, None, Some(day)), "it was never looked at");
        assert!(!told(true, None, Some(day)), "a daemon runs");
        assert!(!told(false, None, None), "nothing dies");
        assert!(!told(false, Some(seen(1_000_000 - 43_000)), Some(day)));
        assert!(told(false, Some(seen(1_000_000 - 44_000)), Some(day)));
    }

    #[test]
    fn a_clock_that_is_off_is_told_of_from_a_minute_on() {
        let of = |ahead_s| skew(&Skew { ahead_s, host: "a.example".to_owned(), at: at(0) });
        assert_eq!(of(59).trouble, None);
        let behind = of(-3_700);
        assert_eq!(behind.trouble, Some(Trouble::ClockSkewed));
        assert!(behind.found.contains("1h 1m 40s behind"), "{behind:?}");
    }
}
