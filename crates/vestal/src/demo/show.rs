//! Shows the demo while it runs: a live view where a person is looking, plain lines elsewhere.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use vestal_api::DemoSummary;
use vestal_core::clock::Clock;
use vestal_core::schedule::Next;

use super::calendar::seconds;
use super::frame::{self, Frame};
use super::observer::Observer;
use super::text::Line;
use super::{Options, picture, reasons, summary};
use crate::output::Tone;
use crate::screen::{Screen, Stream};

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How wide a picture is.
const PICTURE_COLUMNS: usize = 96;

/// What shows the demo.
pub(crate) struct Show<'a> {
    options: &'a Options,
    clock: Arc<dyn Clock>,
    stream: Stream,
    mode: Mode,
}

enum Mode {
    Live(Screen),
    Lines {
        /// How many happenings have been told.
        told: usize,
    },
}

impl<'a> Show<'a> {
    /// Takes the terminal over, where there is one that can be drawn on.
    pub(crate) fn begin(options: &'a Options, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let stream = if options.on_stderr { Stream::Stderr } else { Stream::Stdout };
        let mode = if stream.is_terminal() && options.can_draw {
            Mode::Live(Screen::enter(stream).context("the terminal cannot be drawn on")?)
        } else {
            Mode::Lines { told: 0 }
        };
        Ok(Self { options, clock, stream, mode })
    }

    /// Shows what is until the demo's time is over or `stop` completes.
    pub(crate) async fn run(
        &mut self,
        observer: &mut Observer<'_>,
        stop: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        tokio::pin!(stop);
        loop {
            let frame = observer.observe().await?;
            self.show(&frame).context("the demo cannot be shown")?;
            let left = frame.until.map(|until| until.duration_since(frame.now));
            let left = left.map_or(LOOK_EVERY, |left| Duration::try_from(left).unwrap_or(Duration::ZERO));
            if left.is_zero() {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.clock.sleep(left.min(LOOK_EVERY)) => {}
            }
        }
    }

    fn show(&mut self, frame: &Frame) -> std::io::Result<()> {
        match &mut self.mode {
            Mode::Live(screen) => {
                let (columns, _) = screen.size()?;
                screen.show(&self.options.written(&frame::draw(frame, columns)))
            }
            Mode::Lines { told } => {
                let lines = news(frame, *told);
                *told = frame.happened;
                self.stream.print(&self.options.written(&lines))
            }
        }
    }

    /// Gives the terminal back, leaves the last frame on it, and says what the demo came to.
    pub(crate) fn end(self, frame: &Frame) -> anyhow::Result<DemoSummary> {
        let Self { options, stream, mode, .. } = self;
        let summary = summary::of(frame);
        let said = summary::lines(&summary);
        let mut lines = match mode {
            Mode::Live(mut screen) => frame::draw(frame, screen.size()?.0),
            Mode::Lines { told } => news(frame, told),
        };
        lines.push(Line::default());
        lines.extend(said.iter().cloned());
        stream.print(&options.written(&lines))?;
        if let Some(path) = &options.picture {
            let frame = frame::draw(frame, PICTURE_COLUMNS);
            let description = said.map(|line| line.plain()).join("; ");
            let picture = picture::svg(&frame, PICTURE_COLUMNS, "vestal demo in a terminal", &description);
            fs::write(path, picture)
                .with_context(|| format!("the picture {} cannot be written", path.display()))?;
        }
        Ok(summary)
    }
}

/// What has happened since the first `told` happenings, one line each, and when the next refresh is.
fn news(frame: &Frame, told: usize) -> Vec<Line> {
    let calendar = &frame.calendar;
    let entry = |at| {
        let elapsed = seconds(calendar.elapsed_ms(at));
        Line::default()
            .and(Tone::Faint, format!("{elapsed:>8}  {}", calendar.date(at)))
            .pad("   0.0 s  day 10, 00:00  ".len())
    };
    let mut lines = vec![];
    if told == 0 {
        lines.push(frame::sandbox(frame));
    }
    let new = frame.happened.saturating_sub(told).min(frame.happenings.len());
    let new = &frame.happenings[frame.happenings.len() - new..];
    lines.extend(new.iter().map(|happening| entry(happening.at).and(happening.tone, &happening.text)));
    if !new.is_empty() {
        let why = reasons::why(&frame.kept.next, calendar);
        let next = match frame.kept.next {
            Next::At { at, .. } => format!("next on {}, since {why}", calendar.date(at)),
            Next::Never(_) => format!("never next, since {why}"),
        };
        lines.push(Line::default().pad(entry(frame.now).width()).and(Tone::Faint, next));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::frame::tests::{at, frame};
    use super::super::happening::Happening;
    use super::*;

    fn told(frame: &Frame, told: usize) -> Vec<String> {
        news(frame, told).iter().map(Line::plain).collect()
    }

    #[test]
    fn plain_lines_tell_each_happening_once_with_what_is_next() {
        let mut frame = frame(2_000);
        assert_eq!(
            told(&frame, 0),
            [
                "a sandbox at http://127.0.0.1:4111 whose day lasts 4 s",
                "   0.0 s  day 0, 00:03   consent: generation 1",
                "   1.9 s  day 0, 11:24   refreshed: generation 2",
                "                         next on day 1, 21:36, since half of the access token's 1 day is over",
            ]
        );
        assert_eq!(told(&frame, 2), [""; 0]);
        let died = Happening { at: at(12_100), tone: Tone::Bad, text: "left alone".to_owned() };
        frame.happenings.push(died);
        // More have happened than are remembered.
        frame.happened = 300;
        assert_eq!(told(&frame, 299)[0], "  12.1 s  day 3, 00:36   left alone");
        assert_eq!(told(&frame, 299).len(), 2);
        assert_eq!(told(&frame, 1).len(), 4);
    }
}
