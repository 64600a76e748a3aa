//! The live view: one moment of the demo, drawn as lines.

use jiff::Timestamp;
use vestal_core::schedule::Next;

use super::calendar::{Calendar, seconds};
use super::happening::Happening;
use super::left_alone::Verdict;
use super::reasons;
use super::text::Line;
use super::timeline::{self, Track};
use crate::output::Tone;

/// The view is drawn for no narrower terminal, and fills no wider one.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=110;
const LABEL_COLUMNS: usize = 17;
/// How many of the latest happenings are shown: as many as a terminal of 24 rows has room for.
const SHOWN_HAPPENINGS: usize = 4;

/// Everything that is known at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) calendar: Calendar,
    /// Where the sandbox listens.
    pub(crate) issuer: String,
    pub(crate) now: Timestamp,
    /// When the demo ends by itself.
    pub(crate) until: Option<Timestamp>,
    pub(crate) kept: Kept,
    pub(crate) left_alone: LeftAlone,
    pub(crate) reads: u64,
    pub(crate) failed_reads: u64,
    /// The latest happenings, and how many there were altogether.
    pub(crate) happenings: Vec<Happening>,
    pub(crate) happened: usize,
}

/// The connection that Vestal keeps alive.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) name: String,
    pub(crate) state: &'static str,
    pub(crate) generation: u64,
    /// Refreshes granted, as the sandbox counted them.
    pub(crate) refreshes: u64,
    /// Whether the sandbox has ended the grant, or has seen one of its refresh tokens twice.
    pub(crate) lost: bool,
    pub(crate) consented_at: Timestamp,
    pub(crate) issued_at: Timestamp,
    /// When the access token ends.
    pub(crate) expires_at: Option<Timestamp>,
    /// When the refresh token dies if it is not used.
    pub(crate) dies_at: Option<Timestamp>,
    /// When it was refreshed, the latest last.
    pub(crate) refreshed_at: Vec<Timestamp>,
    pub(crate) next: Next,
}

/// The grant that nobody refreshes.
#[derive(Clone, Debug)]
pub(crate) struct LeftAlone {
    pub(crate) issued_at: Timestamp,
    /// When its refresh token dies unused.
    pub(crate) dies_at: Timestamp,
    /// What came of trying it after that.
    pub(crate) verdict: Option<Verdict>,
}

/// The view, in lines of at most `width` columns.
pub(crate) fn draw(frame: &Frame, width: usize) -> Vec<Line> {
    let columns = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut lines = head(frame, columns);
    lines.push(Line::default());
    lines.extend(kept(frame, columns));
    lines.push(Line::default());
    lines.extend(left_alone(frame, columns));
    lines.push(Line::default());
    lines.extend(timeline::draw(&frame.calendar, frame.now, &tracks(frame), columns));
    lines.push(Line::default());
    let hidden = frame.happenings.len().saturating_sub(SHOWN_HAPPENINGS);
    lines.extend(frame.happenings.iter().skip(hidden).map(|happening| {
        Line::default()
            .and(Tone::Faint, frame.calendar.date(happening.at))
            .pad(LABEL_COLUMNS)
            .and(happening.tone, &happening.text)
    }));
    lines.into_iter().map(|line| line.cut(width.min(columns))).collect()
}

fn head(frame: &Frame, columns: usize) -> Vec<Line> {
    let calendar = &frame.calendar;
    let elapsed = seconds(calendar.elapsed_ms(frame.now));
    let elapsed = match frame.until {
        Some(until) => format!("{elapsed} of {}", seconds(calendar.elapsed_ms(until))),
        None => format!("{elapsed}, Ctrl-C ends it"),
    };
    let date = calendar.date(frame.now);
    let title = Line::default().and(Tone::Strong, "vestal demo");
    let right_columns = date.len() + elapsed.len() + 2;
    let line = title
        .pad(columns.saturating_sub(right_columns).max("vestal demo  ".len()))
        .and(Tone::Strong, date)
        .and(Tone::Faint, format!("  {elapsed}"));
    vec![line, sandbox(frame)]
}

/// What the demo talks to.
pub(crate) fn sandbox(frame: &Frame) -> Line {
    let (issuer, day_seconds) = (&frame.issuer, frame.calendar.day().as_secs());
    Line::default().and(Tone::Faint, format!("a sandbox at {issuer} whose day lasts {day_seconds} s"))
}

fn kept(frame: &Frame, columns: usize) -> Vec<Line> {
    let (kept, calendar) = (&frame.kept, &frame.calendar);
    let state_tone = match kept.state {
        "active" => Tone::Good,
        "failing" => Tone::Warning,
        _ => Tone::Bad,
    };
    let lost_tone = if kept.lost { Tone::Bad } else { Tone::Good };
    let mut lines = vec![
        Line::default()
            .and(Tone::Strong, kept.name.as_str())
            .and(Tone::Plain, " kept alive: ")
            .and(state_tone, kept.state)
            .and(Tone::Plain, ", ")
            .and(lost_tone, format!("{} lost", u8::from(kept.lost)))
            .and(Tone::Plain, ", generation ")
            .and(Tone::Strong, kept.generation.to_string())
            .and(Tone::Plain, format!(", {}", times(kept.refreshes, "refresh", "es"))),
        life("access token", frame, kept.issued_at, kept.expires_at, columns),
        life("refresh token", frame, kept.issued_at, kept.dies_at, columns),
        labelled("")
            .and(Tone::Faint, format!("if unused; moved away by {}", times(kept.refreshes, "refresh", "es"))),
    ];
    let next = labelled("next refresh");
    let why = reasons::why(&kept.next, calendar);
    lines.push(match kept.next {
        Next::At { at, .. } => next.and(Tone::Strong, calendar.date(at)).and(
            Tone::Plain,
            format!(", in {}", seconds(calendar.elapsed_ms(at) - calendar.elapsed_ms(frame.now))),
        ),
        Next::Never(_) => next.and(Tone::Bad, "never"),
    });
    lines.push(labelled("").and(Tone::Faint, why));
    let failed = if frame.failed_reads == 0 { Tone::Plain } else { Tone::Bad };
    lines.push(
        labelled("a program")
            .and(Tone::Plain, format!("used the token {}, ", times(frame.reads, "time", "s")))
            .and(failed, format!("{} failed", frame.failed_reads)),
    );
    lines
}

fn left_alone(frame: &Frame, columns: usize) -> Vec<Line> {
    let grant = &frame.left_alone;
    let mut lines = vec![
        Line::default()
            .and(Tone::Strong, "left alone")
            .and(Tone::Plain, " by a program that refreshes when it next needs to"),
        life("refresh token", frame, grant.issued_at, Some(grant.dies_at), columns),
    ];
    lines.push(match &grant.verdict {
        None => labelled("").and(Tone::Faint, "if unused, and nobody uses it"),
        Some(verdict) => labelled("")
            .and(Tone::Plain, "the sandbox says ")
            .and(if verdict.refused { Tone::Bad } else { Tone::Good }, verdict.said.as_str()),
    });
    lines
}

fn tracks(frame: &Frame) -> [Track; 2] {
    let (kept, alone) = (&frame.kept, &frame.left_alone);
    [
        Track {
            label: kept.name.clone(),
            born: kept.consented_at,
            used: kept.refreshed_at.clone(),
            dies: kept.dies_at,
        },
        Track {
            label: "left alone".to_owned(),
            born: alone.issued_at,
            used: vec![],
            dies: Some(alone.dies_at),
        },
    ]
}

fn labelled(label: &str) -> Line {
    Line::default().and(Tone::Plain, format!("  {label}")).pad(LABEL_COLUMNS)
}

/// `1 refresh`, `2 refreshes`.
pub(crate) fn times(count: u64, one: &str, ending: &str) -> String {
    format!("{count} {one}{}", if count == 1 { "" } else { ending })
}

/// How much of a life is left, as a bar and in words.
fn life(label: &str, frame: &Frame, from: Timestamp, to: Option<Timestamp>, columns: usize) -> Line {
    let line = labelled(label);
    let Some(to) = to else {
        return line.and(Tone::Plain, "no end is known");
    };
    let ms = |at| frame.calendar.elapsed_ms(at);
    let bar_columns = (columns.saturating_sub(40) / 2).clamp(8, 24);
    let whole_ms = (ms(to) - ms(from)).max(1);
    let left_ms = (ms(to) - ms(frame.now)).clamp(0, whole_ms);
    let filled = usize::try_from(left_ms * bar_columns as i128 / whole_ms).unwrap_or(0);
    let date = frame.calendar.date(to);
    if left_ms == 0 {
        return line.and(Tone::Bad, format!("{} ended on {date}", "╌".repeat(bar_columns)));
    }
    let tone = if left_ms * 4 > whole_ms { Tone::Good } else { Tone::Warning };
    line.and(tone, "━".repeat(filled))
        .and(Tone::Faint, "╌".repeat(bar_columns - filled))
        .and(Tone::Plain, format!(" until {date}, in {}", seconds(left_ms)))
}

#[cfg(test)]
pub(crate) mod tests;
