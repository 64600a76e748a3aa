//! Asking the person at the terminal.

use std::io::{self, BufRead, IsTerminal, Read, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use vestal_core::secret::SecretString;

use crate::failure::Failure;

/// The longest line that is read.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Whether there is somebody to ask.
pub(crate) fn has_person() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a line. The question goes to stderr.
pub(crate) fn ask(question: &str) -> Result<String, Failure> {
    prompt(question)?;
    read_line()
}

/// Asks for a secret, which does not show.
pub(crate) fn ask_secret(question: &str) -> Result<SecretString, Failure> {
    prompt(question)?;
    let quiet = Quiet::begin();
    let line = read_line();
    if quiet.is_some() {
        let _ = writeln!(io::stderr());
    }
    line.map(SecretString::from)
}

/// Asks a question whose answer is no, unless somebody says yes.
pub(crate) fn confirm(question: &str) -> Result<bool, Failure> {
    let answer = ask(&format!("{question} [y/N] "))?;
    Ok(matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// The next line of stdin, trimmed. Lines are read one by one, so that several readers can share stdin.
pub(crate) fn read_line() -> Result<String, Failure> {
    line_of(io::stdin().lock())
}

fn line_of(mut from: impl BufRead) -> Result<String, Failure> {
    let mut line = String::new();
    let unreadable = |why: String| Failure::failed("stdin cannot be read").why(why);
    match from.by_ref().take(LONGEST_BYTES).read_line(&mut line) {
        Ok(0) => Err(Failure::usage("nothing was given on stdin")
            .why("it ended before it said anything")
            .next("type it, or pipe it in")),
        // Half a secret is none.
        Ok(_) if line.len() as u64 == LONGEST_BYTES && !line.ends_with('\n') => {
            Err(unreadable(format!("a line has more than {} KiB", LONGEST_BYTES / 1024))
                .next("give a shorter one"))
        }
        Ok(_) => Ok(line.trim().to_owned()),
        Err(error) => Err(unreadable(error.to_string()).next("give it text in UTF-8")),
    }
}

fn prompt(question: &str) -> Result<(), Failure> {
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question}").and_then(|()| stderr.flush()).map_err(Failure::from)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Option<Self> {
        let before = tcgetattr(io::stdin()).ok()?;
        let mut quiet = before.clone();
        quiet.local_modes -= LocalModes::ECHO;
        tcsetattr(io::stdin(), OptionalActions::Flush, &quiet).ok()?;
        Some(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_whole_or_it_is_none() {
        let read = |text: &[u8]| line_of(text).map_err(|failure| failure.view().unwrap().error);
        assert_eq!(read(b" one \ntwo"), Ok("one".to_owned()));
        assert_eq!(read(b"one"), Ok("one".to_owned()));
        let longest = "x".repeat(64 * 1024 - 1);
        assert_eq!(read(format!("{longest}\n").as_bytes()), Ok(longest.clone()));
        for text in [&b"\xff\n"[..], format!("{longest}xx\n").as_bytes()] {
            assert_eq!(read(text), Err("stdin cannot be read".to_owned()));
        }
        assert_eq!(read(b""), Err("nothing was given on stdin".to_owned()));
    }
}
