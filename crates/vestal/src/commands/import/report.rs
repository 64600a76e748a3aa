//! What is told of an import: line by line for programs, in sum for people.

use std::io::{self, BufWriter, Write};

use vestal_api::{Code, ErrorView, ImportResult, ImportView};

use crate::failure::Failure;
use crate::output::Output;
use crate::progress::Progress;

/// Of so many that fail it is told why; the others are counted. `--json` tells of each.
const TOLD: u64 = 50;

/// Tells what became of each.
pub(super) struct Report {
    output: Output,
    /// Whose lines are told, for programs.
    lines: Option<BufWriter<Box<dyn Write + Send>>>,
    bar: Progress,
    imported: u64,
    replaced: u64,
    skipped: u64,
    /// Those that have another refresh token and keep it.
    kept: u64,
    failed: u64,
    /// Those of them that may be imported when it is tried again.
    passing: u64,
}

impl Report {
    /// `bytes`: how many there are to be read, if that is known. A bar is drawn for a person who watches.
    pub(super) fn new(output: Output, bytes: Option<u64>) -> Self {
        let bar = Progress::new(output, bytes);
        let lines = output.json.then(|| BufWriter::new(Box::new(output.stdout()) as Box<_>));
        Self { output, lines, bar, imported: 0, replaced: 0, skipped: 0, kept: 0, failed: 0, passing: 0 }
    }

    /// So many bytes were read.
    pub(super) fn read(&self, bytes: u64) {
        self.bar.show(self.all(), Some(bytes));
    }

    /// One is done.
    pub(super) fn tell(&mut self, view: &ImportView) -> Result<(), Failure> {
        match view.result {
            ImportResult::Imported => self.imported += 1,
            ImportResult::Replaced => self.replaced += 1,
            ImportResult::Skipped => self.skipped += 1,
            ImportResult::Kept => self.kept += 1,
            ImportResult::Failed => self.failed += 1,
        }
        let passes = |error: &ErrorView| error.code == Code::TemporarilyUnavailable;
        self.passing += u64::from(view.error.as_ref().is_some_and(passes));
        if let Some(lines) = &mut self.lines {
            serde_json::to_writer(&mut *lines, view).map_err(io::Error::from)?;
            lines.write_all(b"\n")?;
        } else if let Some(told) = in_a_line(view) {
            let count = self.failed + self.kept;
            if count <= TOLD {
                self.bar.aside(|| {
                    self.output.warn(format_args!("line {}: {told}", view.line));
                    if count == TOLD {
                        self.output.note("from here on, such are only counted; --json tells of each line");
                    }
                });
            }
        }
        Ok(())
    }

    fn all(&self) -> u64 {
        self.imported + self.replaced + self.skipped + self.kept + self.failed
    }

    /// All are done; `advice` is what to do next where all is well.
    pub(super) fn end(mut self, advice: &str) -> Result<(), Failure> {
        self.bar.end();
        if let Some(lines) = &mut self.lines {
            lines.flush()?;
        } else {
            let mut parts = vec![format!("{} imported", self.imported)];
            for (count, what) in [
                (self.replaced, "replaced"),
                (self.skipped, "there already"),
                (self.kept, "there already with another refresh token"),
                (self.failed, "not imported"),
            ] {
                if count > 0 {
                    parts.push(format!("{count} {what}"));
                }
            }
            self.output.line(parts.join(", "))?;
            if self.imported + self.replaced > 0 {
                self.output.note(advice);
            }
        }
        let told = format!("{} of {} connections were not imported", self.failed, self.all());
        let again = "run the same command again: what is there already stays as it is";
        match self.code() {
            None => Ok(()),
            Some(Code::TemporarilyUnavailable) => {
                Err(Failure::new(Code::TemporarilyUnavailable, told).next(again))
            }
            Some(code) => Err(Failure::new(code, told).next(format!("mend them, and {again}"))),
        }
    }

    /// How the whole of it failed, if it did.
    fn code(&self) -> Option<Code> {
        match self.failed {
            0 => None,
            failed if failed == self.passing => Some(Code::TemporarilyUnavailable),
            _ => Some(Code::Failed),
        }
    }
}

/// What a person has to hear of one; nothing where all is well.
fn in_a_line(view: &ImportView) -> Option<String> {
    if let Some(error) = &view.error {
        let why = error.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
        let next = error.next.as_ref().map(|next| format!(" (next: {next})")).unwrap_or_default();
        return Some(format!("{}{why}{next}", error.error));
    }
    let why = view.why.as_ref().filter(|_| view.result == ImportResult::Kept)?;
    Some(format!("{:?} was not imported: {why}", view.name.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Palette;

    #[test]
    fn only_where_nothing_is_to_be_mended_is_it_enough_to_try_again() {
        let colours = Palette::PLAIN;
        let output = Output {
            json: false,
            palette: colours,
            error_palette: colours,
            width: usize::MAX,
            outlives_readers: true,
        };
        let mut report = Report::new(output, None);
        let mut after = |code| {
            let error = ErrorView { error: "no".to_owned(), why: None, next: None, code };
            let result = ImportResult::Failed;
            report.tell(&ImportView { line: 1, name: None, result, why: None, error: Some(error) }).unwrap();
            report.code()
        };
        assert_eq!(after(Code::TemporarilyUnavailable), Some(Code::TemporarilyUnavailable));
        assert_eq!(after(Code::Failed), Some(Code::Failed));
    }
}
