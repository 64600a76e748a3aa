//! Lines of a bounded length, with their numbers.

use std::io::{self, BufRead};

use super::found::{Bad, LONGEST_BYTES};
use crate::text::without_mark;

/// The lines of a text that may be longer than memory.
pub(crate) struct Lines<R> {
    from: R,
    number: u64,
}

/// A line, or why it is none.
pub(crate) type Line = Result<String, Bad>;

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(from: R) -> Self {
        Self { from, number: 0 }
    }

    /// Reads to the end of the line. What is too long is passed over, and not kept.
    fn read(&mut self) -> io::Result<Option<Line>> {
        let (mut line, mut length, mut is_over) = (Vec::new(), 0_usize, false);
        while !is_over {
            let buffer = self.from.fill_buf()?;
            if buffer.is_empty() {
                if length == 0 {
                    return Ok(None);
                }
                break;
            }
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(buffer.len(), |end| end + 1);
            length = length.saturating_add(taken);
            if length <= LONGEST_BYTES {
                line.extend_from_slice(&buffer[..taken]);
            }
            is_over = end.is_some();
            self.from.consume(taken);
        }
        if length > LONGEST_BYTES {
            return Ok(Some(Err(Bad::new(format!("it has more than {} KiB", LONGEST_BYTES / 1024)))));
        }
        let line = String::from_utf8(line).map_err(|_| Bad::new("it is not UTF-8"));
        Ok(Some(if self.number == 0 { line.map(without_mark) } else { line }))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = io::Result<(u64, Line)>;

    fn next(&mut self) -> Option<Self::Item> {
        let line = self.read().transpose()?;
        self.number += 1;
        Some(line.map(|line| (self.number, line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_takes_no_other_with_it() {
        let mut text = "\u{feff}one\n".as_bytes().to_vec();
        text.extend(std::iter::repeat_n(b'x', 2 * LONGEST_BYTES));
        text.extend(b"\n\xff\n\nlast");
        let lines: Vec<_> =
            Lines::new(io::BufReader::with_capacity(1000, &text[..])).map(Result::unwrap).collect();
        let numbers: Vec<_> = lines.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let texts: Vec<_> = lines.into_iter().map(|(_, line)| line.map_err(|bad| bad.why)).collect();
        assert_eq!(texts[0].as_deref(), Ok("one\n"));
        assert_eq!(texts[1], Err("it has more than 1024 KiB".to_owned()));
        assert_eq!(texts[2], Err("it is not UTF-8".to_owned()));
        assert_eq!((texts[3].as_deref(), texts[4].as_deref()), (Ok("\n"), Ok("last")));
    }
}
