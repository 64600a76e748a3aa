//! What `cargo xtask fuzz` is told.

use super::{TARGETS, Target};
use crate::Failure;

const SECONDS: u32 = 60;

/// What to try.
pub(crate) struct Options {
    pub(super) run: Run,
}

pub(super) enum Run {
    /// Makes up input for these targets, each for so many seconds.
    Fuzz { targets: Vec<&'static Target>, seconds: u32, keep: bool },
    /// Tries one input.
    Replay { target: &'static Target, file: String },
}

impl Options {
    pub(crate) fn parse(args: &[&str]) -> Result<Self, Failure> {
        let (mut seconds, mut keep, mut words) = (SECONDS, false, Vec::new());
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match *arg {
                "--keep" => keep = true,
                "--seconds" => {
                    let given =
                        args.next().and_then(|seconds| seconds.parse().ok()).filter(|given| *given > 0);
                    let usage = || Failure::Usage("--seconds wants a number of seconds, from 1".to_owned());
                    seconds = given.ok_or_else(usage)?;
                }
                word if !word.starts_with('-') => words.push(word),
                flag => return Err(Failure::Usage(format!("fuzz does not take `{flag}`"))),
            }
        }
        let run = match words[..] {
            [] => Run::Fuzz { targets: TARGETS.iter().collect(), seconds, keep },
            [name] => Run::Fuzz { targets: vec![named(name)?], seconds, keep },
            [name, file] => Run::Replay { target: named(name)?, file: file.to_owned() },
            [..] => return Err(Failure::Usage("fuzz takes one target, and one file".to_owned())),
        };
        Ok(Self { run })
    }
}

fn named(name: &str) -> Result<&'static Target, Failure> {
    TARGETS.iter().find(|target| target.name == name).ok_or_else(|| {
        let known: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
        Failure::Usage(format!("there is no target `{name}`; there are: {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(args: &[&str]) -> String {
        match Options::parse(args) {
            Ok(Options { run: Run::Fuzz { targets, seconds, keep } }) => {
                format!("{} for {seconds} s, keep: {keep}", targets.len())
            }
            Ok(Options { run: Run::Replay { target, file } }) => format!("{} on {file}", target.name),
            Err(Failure::Usage(message)) => message,
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_said_is_done() {
        assert_eq!(told(&[]), format!("{} for 60 s, keep: false", TARGETS.len()));
        assert_eq!(told(&["--seconds", "3", "journal", "--keep"]), "1 for 3 s, keep: true");
        assert_eq!(told(&["sealed", "a/file"]), "sealed on a/file");
        assert!(told(&["--seconds", "soon"]).contains("number of seconds"));
        assert!(told(&["--fast"]).contains("`--fast`"));
        assert!(told(&["nothing"]).contains("response, provider"));
    }
}
