//! The program that this process becomes when it has done its part.

use std::io;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use vestal_api::{Code, ErrorView};

use crate::failure::Failure;

/// What shells exit with where a command is not found, or cannot be run (POSIX.1-2024, XCU 2.8.2).
const NOT_FOUND: u8 = 127;
const NOT_RUN: u8 = 126;

/// A program to become, with its arguments and its environment. That may hold tokens: it is never shown.
pub(crate) struct Successor(Command);

impl Successor {
    pub(crate) fn new(command: Command) -> Self {
        Self(command)
    }

    /// Becomes the program: the same process, so that signals and the exit code are its own. Returns only where that
    /// is not possible.
    pub(crate) fn begin(mut self) -> Failure {
        let error = self.0.exec();
        not_begun(&self.0.get_program().to_string_lossy(), &error)
    }
}

fn not_begun(program: &str, error: &io::Error) -> Failure {
    let (exit_code, error, why, next) = match error.kind() {
        io::ErrorKind::NotFound => (
            NOT_FOUND,
            format!("the command {program:?} was not found"),
            match program.contains('/') {
                true => "neither it nor what it is to be interpreted by may be missing".to_owned(),
                false => "no folder of PATH has it".to_owned(),
            },
            "check how it is written",
        ),
        io::ErrorKind::PermissionDenied => (
            NOT_RUN,
            format!("the command {program:?} cannot be run"),
            error.to_string(),
            "make it executable with: chmod +x; or name what is to interpret it",
        ),
        _ => (
            NOT_RUN,
            format!("the command {program:?} cannot be run"),
            error.to_string(),
            "run it without vestal, to see whether it works there",
        ),
    };
    let view = ErrorView { error, why: Some(why), next: Some(next.to_owned()), code: Code::Failed };
    Failure::NotBegun(Box::new(view), exit_code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells() {
        let code = |kind: io::ErrorKind| not_begun("x", &kind.into()).exit_code();
        assert_eq!(code(io::ErrorKind::NotFound), 127);
        assert_eq!(code(io::ErrorKind::PermissionDenied), 126);
        assert_eq!(code(io::ErrorKind::ArgumentListTooLong), 126);
    }
}
