//! How far something is that takes long, for the person who watches.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;

/// A bar on stderr; nothing where nobody watches, or a program reads.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// `length`: how far it goes, if that is known.
    pub(crate) fn new(output: Output, length: Option<u64>) -> Self {
        let bar = match length {
            Some(length) => ProgressBar::new(length)
                .with_style(style("{bar:30} {percent}%  {msg}  {elapsed_precise}, {eta_precise} left")),
            None => ProgressBar::no_length().with_style(style("{spinner} {msg}  {elapsed_precise}")),
        };
        let watched = io::stderr().is_terminal() && !output.json;
        bar.set_draw_target(if watched {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        });
        Self(bar)
    }

    /// So many connections are done, and it is so far.
    pub(crate) fn show(&self, connections: u64, position: Option<u64>) {
        self.0.set_message(format!("{connections} connections"));
        match position {
            Some(position) => self.0.set_position(position),
            None => self.0.tick(),
        }
    }

    /// Tells something on stderr without spoiling the bar.
    pub(crate) fn aside(&self, tell: impl FnOnce()) {
        self.0.suspend(tell);
    }

    /// It is over.
    pub(crate) fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
