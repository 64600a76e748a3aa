//! A terminal that is drawn over, again and again; or a stream of plain lines.

use std::io::{self, Write};

use rustix::termios::tcgetwinsize;

/// The terminal's other screen, without cursor and line wrap (xterm's `1049`, `25`, `7`); and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// What a terminal is taken for that does not tell its size.
const USUAL_SIZE: (usize, usize) = (80, 24);

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Stdout,
    #[cfg(feature = "demo")]
    Stderr,
}

impl Stream {
    /// Whether a person is looking at it.
    #[cfg(feature = "demo")]
    pub(crate) fn is_terminal(self) -> bool {
        use std::io::IsTerminal as _;
        match self {
            Self::Stdout => io::stdout().is_terminal(),
            Self::Stderr => io::stderr().is_terminal(),
        }
    }

    /// Its columns and rows.
    fn size(self) -> (usize, usize) {
        let size = match self {
            Self::Stdout => tcgetwinsize(io::stdout()),
            #[cfg(feature = "demo")]
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
            #[cfg(feature = "demo")]
            Self::Stderr => all(io::stderr().lock(), text),
        }
    }

    /// Writes lines one below the other.
    #[cfg(feature = "demo")]
    pub(crate) fn print(self, lines: &[String]) -> io::Result<()> {
        self.write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }
}

/// A terminal that shows one frame at a time. Gives it back as it was when dropped: at the end, on Ctrl-C, and
/// when something fails.
pub(crate) struct Screen {
    stream: Stream,
    size: (usize, usize),
}

impl Screen {
    /// Takes the terminal over.
    pub(crate) fn enter(stream: Stream) -> io::Result<Self> {
        stream.write(ENTER)?;
        Ok(Self { stream, size: stream.size() })
    }

    /// How many columns and rows there are just now.
    pub(crate) fn size(&mut self) -> io::Result<(usize, usize)> {
        let size = self.stream.size();
        if size != self.size {
            // A terminal that has been resized shows remains of what was there.
            self.stream.write("\x1b[2J")?;
            self.size = size;
        }
        Ok(size)
    }

    /// Draws over the frame before.
    pub(crate) fn show(&self, lines: &[String]) -> io::Result<()> {
        self.stream.write(&drawn_over(lines, self.size.1))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to restore.
        let _ = self.stream.write(LEAVE);
    }
}

/// From the top left corner, each line over a cleared one, then nothing below; what does not fit is left out.
/// Cleared first, because the cursor stays on the last column of a line that fills it.
fn drawn_over(lines: &[String], rows: usize) -> String {
    let shown: Vec<String> = lines.iter().take(rows).map(|line| format!("\x1b[K{line}")).collect();
    let below = if lines.len() < rows { "\r\n\x1b[J" } else { "" };
    format!("\x1b[H{}{below}", shown.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_drawn_over_the_one_before_and_never_scrolls() {
        let lines = ["a", "b", "c"].map(str::to_owned);
        assert_eq!(drawn_over(&lines, 2), "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[Kb");
        assert_eq!(drawn_over(&lines[..1], 9), "\u{1b}[H\u{1b}[Ka\r\n\u{1b}[J");
    }
}
