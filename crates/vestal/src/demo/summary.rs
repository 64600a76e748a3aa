//! What the demo came to.

use vestal_api::{DemoSummary, LeftAloneSummary};

use super::frame::{Frame, times};
use super::text::Line;
use crate::output::Tone;

/// What a program is told.
pub(crate) fn of(frame: &Frame) -> DemoSummary {
    let count = |number: i128| u64::try_from(number).unwrap_or(0);
    let verdict = frame.left_alone.verdict.as_ref();
    DemoSummary {
        ran_seconds: count(frame.calendar.elapsed_ms(frame.now) / 1000),
        day_seconds: frame.calendar.day().as_secs(),
        refreshes: frame.kept.refreshes,
        lost: u64::from(frame.kept.lost),
        generation: frame.kept.generation,
        reads: frame.reads,
        failed_reads: frame.failed_reads,
        left_alone: LeftAloneSummary {
            died_on_day: verdict
                .filter(|verdict| verdict.refused)
                .map(|_| count(frame.calendar.day_of(frame.left_alone.dies_at))),
            answer: verdict.map(|verdict| verdict.said.clone()),
        },
    }
}

/// What a person is told.
pub(crate) fn lines(summary: &DemoSummary) -> [Line; 2] {
    let DemoSummary { ran_seconds, day_seconds, .. } = *summary;
    let tenths_of_days = ran_seconds * 10 / day_seconds.max(1);
    let days = format!("{}.{}", tenths_of_days / 10, tenths_of_days % 10);
    let line = Line::default()
        .and(Tone::Plain, format!("{ran_seconds} s = {days} days of {day_seconds} s: "))
        .and(Tone::Strong, times(summary.refreshes, "refresh", "es"))
        .and(Tone::Plain, ", ")
        .and(tone(summary.lost), format!("{} lost", summary.lost))
        .and(
            Tone::Plain,
            format!(", generation {}, {} (", summary.generation, times(summary.reads, "read", "s")),
        )
        .and(tone(summary.failed_reads), format!("{} failed", summary.failed_reads))
        .and(Tone::Plain, ")");
    let alone = &summary.left_alone;
    let left_alone = Line::default().and(Tone::Plain, "left alone: its refresh token ");
    let left_alone = match (&alone.answer, alone.died_on_day) {
        (Some(answer), Some(day)) => left_alone
            .and(Tone::Plain, format!("died on day {day} (the sandbox says "))
            .and(Tone::Bad, answer.as_str())
            .and(Tone::Plain, ")"),
        (Some(answer), None) => {
            left_alone.and(Tone::Plain, format!("still works (the sandbox says {answer})"))
        }
        (None, _) => left_alone.and(Tone::Plain, "has not died yet"),
    };
    [line, left_alone]
}

fn tone(bad: u64) -> Tone {
    if bad == 0 { Tone::Good } else { Tone::Bad }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_for_people() {
        let mut summary = DemoSummary {
            ran_seconds: 30,
            day_seconds: 4,
            refreshes: 14,
            lost: 0,
            generation: 15,
            reads: 96,
            failed_reads: 0,
            left_alone: LeftAloneSummary { died_on_day: Some(3), answer: Some("invalid_grant".to_owned()) },
        };
        let said = |summary: &DemoSummary| lines(summary).map(|line| line.plain());
        assert_eq!(
            said(&summary),
            [
                "30 s = 7.5 days of 4 s: 14 refreshes, 0 lost, generation 15, 96 reads (0 failed)",
                "left alone: its refresh token died on day 3 (the sandbox says invalid_grant)",
            ]
        );
        summary.left_alone = LeftAloneSummary { died_on_day: None, answer: None };
        assert_eq!(said(&summary)[1], "left alone: its refresh token has not died yet");
    }
}
