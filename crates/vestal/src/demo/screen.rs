//! Where the demo shows itself: a terminal that is drawn over, or a stream of plain lines.

use std::io::{self, IsTerminal, Write};

use rustix::termios::tcgetwinsize;

use super::text::Line;

/// The terminal's other screen, without cursor and line wrap (xterm's `1049`, `25`, `7`); and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a terminal is taken for that does not tell its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    Stderr,
}

impl Stream {
    /// Whether a person is looking at it.
    pub(crate) fn is_terminal(self) -> bool {
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Its columns and rows.
    fn size(self) -> (usize, usize) {
        let size = match self {
            Self::Stdout => tcgetwinsize(io::stdout()),
            Self::Stderr => tcgetwinsize(io::stderr()),
        };
        size.ok()
            .filter(|size| size.ws_col > 0 && size.ws_row > 0)
            .map_or(USUAL_SIZE, |size| (size.ws_col.into(), size.ws_row.into()))
    }

    fn write(self, text: &str) -> io::Result<()> {
        fn all(mut out: impl Write, text: &str) -> io::Result<()> {
            out.write_all(text.as_bytes())?;
            out.flush()
        }
        match self {
            Self::Stdout => all(io::stdout().lock(), text),
            Self::Stderr => all(io::stderr().lock(), text),
        }
    }

    /// Writes lines one below the other.
    pub(crate) fn print(self, lines: &[Line], colour: bool) -> io::Result<()> {
        let lines = lines.iter().map(|line| written(line, colour) + "\n");
        self.write(&lines.collect::<String>())
    }
}

/// A terminal that shows one frame at a time. Gives it back as it was when dropped: at the end, on Ctrl-C, and
/// when something fails.
pub(crate) struct Screen {
    stream: Stream,
    colour: bool,
    size: (usize, usize),
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn enter(stream: Stream, colour: bool) -> io::Result<Self> {
        stream.write(ENTER)?;
        Ok(Self { stream, colour, size: stream.size() })
    }

    /// How many columns there are just now.
    pub(crate) fn columns(&mut self) -> io::Result<usize> {
        let size = self.stream.size();
        if size != self.size {
            // A terminal that has been resized shows remains of what was there.
            self.stream.write("\x1b[2J")?;
            self.size = size;
        }
        Ok(size.0)
    }

    /// Draws over the frame before.
    pub(crate) fn show(&self, lines: &[Line]) -> io::Result<()> {
        self.stream.write(&drawn_over(lines, self.size.1, self.colour))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to restore.
        let _ = self.stream.write(LEAVE);
    }
}

fn written(line: &Line, colour: bool) -> String {
    if colour { line.coloured() } else { line.plain() }
}

/// From the top left corner, each line over a cleared one, then nothing below; what does not fit is left out.
/// Cleared first, because the cursor stays on the last column of a line that fills it.
fn drawn_over(lines: &[Line], rows: usize, colour: bool) -> String {
    let shown: Vec<String> =
        lines.iter().take(rows).map(|line| format!("\x1b[K{}", written(line, colour))).collect();
    let below = if lines.len() < rows { "\r\n\x1b[J" } else { "" };
    format!("\x1b[H{}{below}", shown.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::super::text::Tone;
    use super::*;

    #[test]
    fn a_frame_is_drawn_over_the_one_before_and_never_scrolls() {
        let line = |text: &str| Line::default().and(Tone::Good, text);
        let lines = [line("a"), line("b"), line("c")];
        assert_eq!(drawn_over(&lines, 2, false), "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[Kb");
        assert_eq!(drawn_over(&lines[..1], 9, true), "\u{1b}[H\u{1b}[K\u{1b}[32ma\u{1b}[0m\r\n\u{1b}[J");
    }
}
