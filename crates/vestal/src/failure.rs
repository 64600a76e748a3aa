//! Why a command did not do what was asked: what happened, why, and what to do next.

use std::fmt::Display;
use std::io;

use vestal_api::{Code, ErrorView};
use vestal_core::clock::Clock as _;
use vestal_core::connection::BadName;
use vestal_core::seal::OpenError;
use vestal_core::store::StoreError;
use vestal_engine::CatalogueError;

use crate::clock::SystemClock;
use crate::output::Palette;
use crate::when::Calendar;

mod ended;
mod engine;
mod lost;

pub(crate) use engine::{cause_of, reason_of, unfit_site, word};
pub(crate) use lost::Lost;

/// How a command ends when it does not end well.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It is told on stderr.
    Told(Box<ErrorView>),
    /// All has been said: only the exit code is left.
    Quiet(Code),
    /// A command that was to be run was not: it is told on stderr, and has the exit code that shells have for it.
    NotBegun(Box<ErrorView>, u8),
    /// Whoever read the output has gone away, which is theirs to decide.
    ReaderGone,
}

impl Failure {
    /// A failure of this kind.
    pub(crate) fn new(code: Code, error: impl Display) -> Self {
        Self::Told(Box::new(ErrorView { error: error.to_string(), why: None, next: None, code }))
    }

    /// It failed.
    pub(crate) fn failed(error: impl Display) -> Self {
        Self::new(Code::Failed, error)
    }

    /// It was asked for in a way that cannot be understood.
    pub(crate) fn usage(error: impl Display) -> Self {
        Self::new(Code::Usage, error)
    }

    /// It was told to end.
    pub(crate) fn interrupted() -> Self {
        Self::failed("interrupted")
    }

    /// The same, with its reason.
    #[must_use]
    pub(crate) fn why(mut self, why: impl Display) -> Self {
        if let Self::Told(view) = &mut self {
            view.why = Some(why.to_string());
        }
        self
    }

    /// The same, with what to do about it.
    #[must_use]
    pub(crate) fn next(mut self, next: impl Display) -> Self {
        if let Self::Told(view) = &mut self {
            view.next = Some(next.to_string());
        }
        self
    }

    /// Which kind of failure it is.
    pub(crate) fn kind(&self) -> Code {
        match self {
            Self::Told(view) | Self::NotBegun(view, _) => view.code,
            Self::Quiet(code) => *code,
            Self::ReaderGone => Code::Failed,
        }
    }

    /// The program's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Told(view) => view.code.exit_code(),
            Self::Quiet(code) => code.exit_code(),
            Self::NotBegun(_, exit_code) => *exit_code,
            Self::ReaderGone => 0,
        }
    }

    /// What programs are told.
    pub(crate) fn view(self) -> Option<ErrorView> {
        match self {
            Self::Told(view) | Self::NotBegun(view, _) => Some(*view),
            Self::Quiet(_) | Self::ReaderGone => None,
        }
    }
}

/// An error as people read it.
pub(crate) fn render(view: &ErrorView, palette: Palette) -> String {
    let indented = |text: &str| text.trim().replace('\n', "\n        ");
    let mut text = format!("{} {}\n", palette.bad("error:"), view.error.trim());
    if let Some(why) = &view.why {
        text.push_str(&format!("  {}  {}\n", palette.strong("why:"), indented(why)));
    }
    if let Some(next) = &view.next {
        text.push_str(&format!("  {} {}\n", palette.strong("next:"), indented(next)));
    }
    text
}

/// Output that cannot be written.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::ReaderGone,
            _ => Self::failed("the output could not be written").why(error),
        }
    }
}

impl From<BadName> for Failure {
    fn from(error: BadName) -> Self {
        Self::usage(error)
    }
}

impl From<vestal_engine::Error> for Failure {
    /// Of no connection in particular, as it is told now.
    fn from(error: vestal_engine::Error) -> Self {
        Self::of(error, None, &Calendar::local(SystemClock.now()))
    }
}

impl From<CatalogueError> for Failure {
    fn from(error: CatalogueError) -> Self {
        vestal_engine::Error::from(error).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable { detail } => {
                Self::new(Code::TemporarilyUnavailable, "the store cannot be used")
                    .why(detail)
                    .next("try again; if it stays so, run: vestal doctor")
            }
            StoreError::OutcomeUnknown { detail } => {
                Self::new(Code::TemporarilyUnavailable, "it is not known whether the store kept a write")
                    .why(detail)
                    .next("look with: vestal list; then try again")
            }
            StoreError::Corrupt { what } => {
                Self::failed("the store holds something damaged; nothing was changed")
                    .why(what)
                    .next("restore the store from a backup, or disconnect and connect what is damaged")
            }
            StoreError::NewerSchema { found, known } => {
                Self::failed("the store was written by a newer version of Vestal; nothing was changed")
                    .why(format!("its schema is {found}, and this version knows {known}"))
                    .next("use the newer version")
            }
            StoreError::ReadOnly { detail } => Self::failed("the store may only be read")
                .why(detail)
                .next("make its folder writable for this user, or run as the user who owns it"),
            StoreError::Unfit { detail } => {
                Self::failed("the store cannot be used as it is set up").why(detail)
            }
        }
    }
}

/// Why a sealed value could not be opened, and what to do about it.
pub(crate) fn why_sealed(error: &OpenError) -> (String, &'static str) {
    let next = match error {
        OpenError::KeyMissing(_) => "give the master key that it was sealed with",
        OpenError::Corrupt => "restore the store from a backup, or disconnect and connect what is damaged",
        OpenError::UnknownFormat(_) => "use the newer version of Vestal that sealed it",
    };
    (error.to_string(), next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_three_lines() {
        let failure = Failure::new(Code::NeedsReauth, "\"shop\" needs re-authorization")
            .why("Constant Contact said invalid_grant on 3 Nov 2026; the last refresh was 181 days earlier")
            .next("vestal connect shop");
        assert_eq!(failure.exit_code(), 3);
        assert_eq!(
            render(&failure.view().unwrap(), Palette::PLAIN),
            "error: \"shop\" needs re-authorization\n  \
             why:  Constant Contact said invalid_grant on 3 Nov 2026; the last refresh was 181 days earlier\n  \
             next: vestal connect shop\n"
        );
    }

    #[test]
    fn each_kind_has_its_exit_code() {
        let store = |error: StoreError| Failure::from(error).exit_code();
        let detail = || "x".to_owned();
        assert_eq!(store(StoreError::Unavailable { detail: detail() }), 4);
        assert_eq!(store(StoreError::ReadOnly { detail: detail() }), 1);
        assert_eq!(Failure::usage("x").exit_code(), 2);
        assert_eq!(Failure::Quiet(Code::NeedsReauth).exit_code(), 3);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit_code(), 0);
        assert_eq!(Failure::from(io::Error::from(io::ErrorKind::StorageFull)).exit_code(), 1);
    }
}
