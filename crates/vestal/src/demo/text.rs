//! Lines of text in several tones, before it is decided where they go: a terminal, a plain stream, a picture.

use crate::output::{Palette, Tone};

/// A piece of text of one tone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) tone: Tone,
    pub(crate) text: String,
}

/// One line. Every character takes one column: nothing here draws wide ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line(Vec<Span>);

impl Line {
    /// The line, with this text behind it.
    #[must_use]
    pub(crate) fn and(mut self, tone: Tone, text: impl Into<String>) -> Self {
        let text = text.into();
        match self.0.last_mut() {
            Some(last) if last.tone == tone => last.text.push_str(&text),
            _ if text.is_empty() => {}
            _ => self.0.push(Span { tone, text }),
        }
        self
    }

    /// The line, with as many spaces behind it as bring it to `columns`.
    #[must_use]
    pub(crate) fn pad(self, columns: usize) -> Self {
        let missing = columns.saturating_sub(self.width());
        self.and(Tone::Plain, " ".repeat(missing))
    }

    /// How many columns it takes.
    pub(crate) fn width(&self) -> usize {
        self.0.iter().map(|span| span.text.chars().count()).sum()
    }

    /// The line, cut to `columns`; a cut shows as `…`.
    #[must_use]
    pub(crate) fn cut(self, columns: usize) -> Self {
        if self.width() <= columns {
            return self;
        }
        let mut left = columns.saturating_sub(1);
        let mut cut = Self::default();
        for span in self.0 {
            let kept: String = span.text.chars().take(left).collect();
            left -= kept.chars().count();
            cut = cut.and(span.tone, kept);
        }
        cut.and(Tone::Faint, if columns > 0 { "…" } else { "" })
    }

    /// The pieces, from left to right.
    pub(crate) fn spans(&self) -> &[Span] {
        &self.0
    }

    /// The text alone, without spaces at its end.
    pub(crate) fn plain(&self) -> String {
        let text: String = self.0.iter().map(|span| span.text.as_str()).collect();
        text.trim_end().to_owned()
    }

    /// The text in these colours.
    pub(crate) fn painted(&self, palette: Palette) -> String {
        self.0.iter().map(|span| palette.paint(span.tone, &span.text)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line {
        Line::default().and(Tone::Good, "●──").and(Tone::Plain, " kept alive")
    }

    #[test]
    fn colours_are_closed_where_they_end() {
        assert_eq!(line().painted(Palette::new(true)), "\u{1b}[32m●──\u{1b}[0m kept alive");
        assert_eq!(line().plain(), "●── kept alive");
    }

    #[test]
    fn a_line_is_cut_and_padded_by_columns() {
        assert_eq!(line().width(), 14);
        assert_eq!(line().cut(14), line());
        assert_eq!(line().cut(6).plain(), "●── k…");
        assert_eq!(line().cut(2).plain(), "●…");
        assert_eq!(line().cut(0).plain(), "");
        assert_eq!(line().pad(20).width(), 20);
        assert_eq!(line().pad(3), line());
    }
}
