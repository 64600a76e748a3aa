//! What goes to the terminal, and how.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use crate::config::Environment;
use crate::table::{self, Column};
use crate::text::wrap;

/// Where a table or a drawing goes that is not for a terminal, it is as wide as it likes.
const UNLIMITED: usize = usize::MAX;

/// The narrowest terminal that is drawn for.
const NARROWEST: usize = 40;

/// How to speak: to a person at a terminal, to a pipe, or to a program.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// JSON, for programs.
    pub(crate) json: bool,
    /// The colours of stdout.
    pub(crate) palette: Palette,
    /// The colours of stderr.
    pub(crate) error_palette: Palette,
    /// How many columns there are; [`usize::MAX`] where stdout is no terminal.
    pub(crate) width: usize,
    /// Whether the command does its work to its end though whoever read of it has gone: what it is for is not to be read.
    pub(crate) outlives_readers: bool,
}

impl Output {
    pub(crate) fn new(json: bool, environment: &Environment) -> Self {
        let colour = environment.wants_colour();
        let (stdout, stderr) = (io::stdout(), io::stderr());
        let width = if stdout.is_terminal() { terminal_width(environment) } else { UNLIMITED };
        Self {
            json,
            palette: Palette::new(colour && stdout.is_terminal()),
            error_palette: Palette::new(colour && stderr.is_terminal()),
            width,
            outlives_readers: false,
        }
    }

    /// Where results go.
    pub(crate) fn stdout(self) -> impl Write {
        Stdout { to: io::stdout(), outlives_readers: self.outlives_readers }
    }

    /// Whether a person watches stdout.
    pub(crate) fn is_terminal(self) -> bool {
        self.width != UNLIMITED
    }

    /// A line on stdout.
    pub(crate) fn line(self, text: impl Display) -> io::Result<()> {
        writeln!(self.stdout(), "{text}")
    }

    /// An object on stdout, on a line of its own.
    pub(crate) fn json(self, value: &impl Serialize) -> io::Result<()> {
        let mut stdout = self.stdout();
        serde_json::to_writer(&mut stdout, value).map_err(io::Error::from)?;
        writeln!(stdout)
    }

    /// An array on stdout, item by item.
    pub(crate) fn array<T: Serialize>(self, items: impl IntoIterator<Item = T>) -> io::Result<()> {
        let mut array = JsonArray::begin(self.stdout())?;
        items.into_iter().try_for_each(|item| array.push(&item))?;
        array.end()
    }

    /// A table on stdout, as wide as there is room. `tint` colours a cell: its column's title, its text.
    pub(crate) fn table(
        self,
        columns: &[Column],
        rows: &[Vec<String>],
        tint: impl Fn(&str, String) -> String,
    ) -> io::Result<()> {
        let lines = table::draw(columns, rows, self.width, self.palette, tint);
        lines.iter().try_for_each(|line| self.line(line.trim_end()))
    }

    /// A text on stdout, as wide as there is room, behind a label. Its further lines are indented by `rest` columns.
    pub(crate) fn labelled(self, label: &str, tone: Tone, text: &str, rest: usize) -> io::Result<()> {
        let mut lines = wrap(text, self.width, label.width() + 2, rest);
        if let Some(first) = lines.first_mut() {
            // So many spaces stand there.
            first.replace_range(..label.width(), &self.palette.paint(tone, label));
        }
        lines.iter().try_for_each(|line| self.line(line))
    }

    /// A line on stderr: beside the result, for the person who waits for it. That nobody reads it is no failure.
    pub(crate) fn note(self, text: impl Display) {
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// A warning on stderr.
    pub(crate) fn warn(self, text: impl Display) {
        self.note(format_args!("{} {text}", self.error_palette.warning("warning:")));
    }
}

fn terminal_width(environment: &Environment) -> usize {
    let asked = environment.columns();
    let width = asked.or_else(|| {
        let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
        Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
    });
    width.unwrap_or(80).max(NARROWEST)
}

/// Whether somebody may still read stdout: a pipe whose reader has gone away is at its end.
pub(crate) fn is_read() -> bool {
    let stdout = io::stdout();
    let mut asked = [PollFd::new(&stdout, PollFlags::empty())];
    let known = poll(&mut asked, Some(&Timespec::default())).is_ok();
    !(known && asked[0].revents().intersects(PollFlags::ERR | PollFlags::HUP))
}

/// stdout, which nobody has to read where that is not what the command is for.
struct Stdout {
    to: io::Stdout,
    outlives_readers: bool,
}

impl Stdout {
    fn unless_read<T>(&self, done: io::Result<T>, unread: T) -> io::Result<T> {
        match done {
            Err(error) if self.outlives_readers && error.kind() == io::ErrorKind::BrokenPipe => Ok(unread),
            done => done,
        }
    }
}

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes);
        self.unless_read(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.to.flush();
        self.unless_read(flushed, ())
    }
}

/// A JSON array on stdout, written item by item, so that it may be longer than memory. Dropped before its end, as by an interruption, it
/// is whole all the same.
pub(crate) struct JsonArray<W: Write> {
    out: W,
    empty: bool,
    ended: bool,
}

impl<W: Write> JsonArray<W> {
    pub(crate) fn begin(mut out: W) -> io::Result<Self> {
        out.write_all(b"[")?;
        Ok(Self { out, empty: true, ended: false })
    }

    pub(crate) fn push(&mut self, item: &impl Serialize) -> io::Result<()> {
        self.out.write_all(if self.empty { b"\n" } else { b",\n" })?;
        self.empty = false;
        serde_json::to_writer(&mut self.out, item).map_err(io::Error::from)
    }

    pub(crate) fn end(mut self) -> io::Result<()> {
        self.close()
    }

    fn close(&mut self) -> io::Result<()> {
        self.ended = true;
        self.out.write_all(if self.empty { b"]\n" } else { b"\n]\n" })?;
        self.out.flush()
    }
}

impl<W: Write> Drop for JsonArray<W> {
    fn drop(&mut self) {
        if !self.ended {
            // What went wrong is told by whoever dropped it.
            let _ = self.close();
        }
    }
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    #[cfg_attr(
        not(feature = "demo"),
        expect(dead_code, reason = "only what the demo draws says of all its parts what they are")
    )]
    Plain,
    Strong,
    Faint,
    Good,
    Warning,
    Bad,
}

impl Tone {
    /// The parameter of the ANSI sequence that selects it (ECMA-48 §8.3.117); `None` where there is none.
    fn sgr(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Strong => Some("1"),
            Self::Faint => Some("2"),
            Self::Good => Some("32"),
            Self::Warning => Some("33"),
            Self::Bad => Some("1;31"),
        }
    }
}

/// Which colours to use: all or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Palette {
    colour: bool,
}

impl Palette {
    /// None.
    #[cfg(test)]
    pub(crate) const PLAIN: Self = Self { colour: false };

    pub(crate) fn new(colour: bool) -> Self {
        Self { colour }
    }

    pub(crate) fn is_coloured(self) -> bool {
        self.colour
    }

    pub(crate) fn strong(self, text: impl Display) -> String {
        self.paint(Tone::Strong, text)
    }

    pub(crate) fn faint(self, text: impl Display) -> String {
        self.paint(Tone::Faint, text)
    }

    pub(crate) fn good(self, text: impl Display) -> String {
        self.paint(Tone::Good, text)
    }

    pub(crate) fn warning(self, text: impl Display) -> String {
        self.paint(Tone::Warning, text)
    }

    pub(crate) fn bad(self, text: impl Display) -> String {
        self.paint(Tone::Bad, text)
    }

    pub(crate) fn paint(self, tone: Tone, text: impl Display) -> String {
        match tone.sgr().filter(|_| self.colour) {
            Some(sgr) => format!("\x1b[{sgr}m{text}\x1b[0m"),
            None => text.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_array_is_json_however_long_it_is() {
        for items in [&[][..], &[1], &[1, 2, 3]] {
            let mut bytes = Vec::new();
            let mut array = JsonArray::begin(&mut bytes).unwrap();
            items.iter().for_each(|item| array.push(item).unwrap());
            array.end().unwrap();
            assert_eq!(serde_json::from_slice::<Vec<i32>>(&bytes).unwrap(), items);
        }
        let mut bytes = Vec::new();
        let mut interrupted = JsonArray::begin(&mut bytes).unwrap();
        interrupted.push(&1).unwrap();
        drop(interrupted);
        assert_eq!(serde_json::from_slice::<Vec<i32>>(&bytes).unwrap(), [1]);
    }

    #[test]
    fn no_colour_means_no_escape_sequence() {
        assert_eq!(Palette::PLAIN.bad("error:"), "error:");
        assert_eq!(Palette::new(true).warning("x"), "\u{1b}[33mx\u{1b}[0m");
    }
}
