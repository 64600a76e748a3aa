//! Snapshots of the view.

use std::time::Duration;

use vestal_core::schedule::{Hold, Why, WhyNever};

use super::*;

pub(crate) fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(1_000_000_000 + ms).unwrap()
}

pub(crate) fn frame(now_ms: i64) -> Frame {
    let life = Duration::from_secs(4);
    Frame {
        calendar: Calendar::new(at(0), life),
        issuer: "http://127.0.0.1:4111".to_owned(),
        now: at(now_ms),
        until: Some(at(30_000)),
        kept: Kept {
            name: "shop".to_owned(),
            state: "active",
            generation: 4,
            refreshes: 3,
            lost: false,
            consented_at: at(10),
            issued_at: at(5_700),
            expires_at: Some(at(9_700)),
            dies_at: Some(at(17_700)),
            refreshed_at: vec![at(1_900), at(3_800), at(5_700)],
            next: Next::At { at: at(7_600), why: Why::HalfLife { life, stretch: 1.0 }, held_by: None },
        },
        left_alone: LeftAlone { issued_at: at(20), dies_at: at(12_020), verdict: None },
        reads: 22,
        failed_reads: 0,
        happenings: vec![
            Happening { at: at(10), tone: Tone::Good, text: "consent: generation 1".to_owned() },
            Happening { at: at(1_900), tone: Tone::Good, text: "refreshed: generation 2".to_owned() },
        ],
        happened: 2,
    }
}

fn drawn(frame: &Frame, width: usize) -> String {
    draw(frame, width).iter().map(|line| line.plain() + "\n").collect()
}

#[test]
fn at_60_columns() {
    let expected = "\
vestal demo                    day 1, 15:00  6.5 s of 30.0 s
a sandbox at http://127.0.0.1:4111 whose day lasts 4 s

shop kept alive: active, 0 lost, generation 4, 3 refreshes
  access token   ━━━━━━━━╌╌ until day 2, 10:12, in 3.2 s
  refresh token  ━━━━━━━━━╌ until day 4, 10:12, in 11.2 s
                 if unused; moved away by 3 refreshes
  next refresh   day 1, 21:36, in 1.1 s
                 half of the access token's 1 day is over
  a program      used the token 22 times, 0 failed

left alone by a program that refreshes when it next needs to
  refresh token  ━━━━╌╌╌╌╌╌ until day 3, 00:07, in 5.5 s
                 if unused, and nobody uses it

              day 0   day 1   day 2   day 3   day 4   day 5
shop          ●──●───●───●─┃┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄✕
left alone    ●────────────┃┄┄┄┄┄┄┄┄┄┄✕
              ● refreshed  ┄ until it dies unused  ✕ dies

day 0, 00:03     consent: generation 1
day 0, 11:24     refreshed: generation 2
";
    assert_eq!(drawn(&frame(6_500), 60), expected);
}

#[test]
fn at_100_columns() {
    let expected = "\
vestal demo                                                            day 1, 15:00  6.5 s of 30.0 s
a sandbox at http://127.0.0.1:4111 whose day lasts 4 s

shop kept alive: active, 0 lost, generation 4, 3 refreshes
  access token   ━━━━━━━━━━━━━━━━━━━╌╌╌╌╌ until day 2, 10:12, in 3.2 s
  refresh token  ━━━━━━━━━━━━━━━━━━━━━━╌╌ until day 4, 10:12, in 11.2 s
                 if unused; moved away by 3 refreshes
  next refresh   day 1, 21:36, in 1.1 s
                 half of the access token's 1 day is over
  a program      used the token 22 times, 0 failed

left alone by a program that refreshes when it next needs to
  refresh token  ━━━━━━━━━━━╌╌╌╌╌╌╌╌╌╌╌╌╌ until day 3, 00:07, in 5.5 s
                 if unused, and nobody uses it

              day 0   day 1   day 2   day 3   day 4   day 5   day 6   day 7   day 8   day 9   day 10
shop          ●──●───●───●─┃┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄✕
left alone    ●────────────┃┄┄┄┄┄┄┄┄┄┄✕
              ● refreshed  ┄ until it dies unused  ✕ dies

day 0, 00:03     consent: generation 1
day 0, 11:24     refreshed: generation 2
";
    assert_eq!(drawn(&frame(6_500), 100), expected);
}

#[test]
fn what_is_lost_dead_or_failed_is_said() {
    let mut frame = frame(13_000);
    frame.kept.state = "needs_reauth";
    frame.kept.lost = true;
    frame.kept.next = Next::Never(WhyNever::NeedsReauth);
    frame.failed_reads = 5;
    frame.left_alone.verdict = Some(Verdict { refused: true, said: "invalid_grant".to_owned() });
    let said = drawn(&frame, 100);
    for expected in [
        "shop kept alive: needs_reauth, 1 lost, generation 4, 3 refreshes\n",
        "  next refresh   never\n                 a person has to consent anew\n",
        "used the token 22 times, 5 failed\n",
        "  access token   ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ ended on day 2, 10:12\n",
        "  refresh token  ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌ ended on day 3, 00:07\n",
        "the sandbox says invalid_grant\n",
    ] {
        assert!(said.contains(expected), "{expected}\n{said}");
    }
    let bad: Vec<_> = draw(&frame, 100)
        .iter()
        .flat_map(|line| line.spans().to_vec())
        .filter(|span| span.tone == Tone::Bad)
        .map(|span| span.text)
        .collect();
    for text in ["needs_reauth", "1 lost", "never", "5 failed", "invalid_grant"] {
        assert!(bad.iter().any(|span| span == text), "{text}: {bad:?}");
    }
}

#[test]
fn a_held_refresh_says_both_reasons() {
    let mut frame = frame(6_500);
    frame.kept.next = Next::At { at: at(9_000), why: Why::Retry, held_by: Some(Hold::AfterFailure) };
    assert!(drawn(&frame, 110).contains("the last try failed, but not sooner: "));
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in [0, 1, 10, 39, 40, 60, 80, 100, 200] {
        for line in draw(&frame(6_500), width) {
            assert!(line.width() <= width, "{width}: {}", line.plain());
        }
    }
}
