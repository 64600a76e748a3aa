//! The workshop: `cargo xtask test|story|simulate|lives|prove|bench|fuzz|generate|check|package|dist`. It compiles in seconds, because
//! everybody waits for it.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a tool for developers: it talks to a terminal, reads CI's environment and measures real time"
)]

mod bench;
mod check;
mod dependencies;
mod dist;
mod folder;
mod fuzz;
mod generate;
mod install;
mod package;
mod process;
mod prove;
mod simulate;
mod table;
mod test;
mod vestal;

use std::env;
use std::path::Path;
use std::process::ExitCode;

const HELP: &str = "\
The workshop of Vestal.

Usage: cargo xtask VERB …

  test [ARG]…          install what the tests need, then build and run every test, the simulation's in release;
                       further arguments go to `cargo test`: cargo xtask test -p vestal-core -- schedule
  story [--long-lived] five years in which nobody fills in a web form, and then somebody does: how it ends, by who kept
                       its token alive
  prove [NAME]…        the proofs at their full length, and one table of what came of them; exit 1 if one fails:
                       simulation, providers, kill, disk, race, timer, newcomer, answers, import, isolation
  bench [NAME]         measure against a baseline in the same run; exit 1 where a figure is missed
  simulate [ARG]…      many nodes, providers of every kind and faults, in virtual time: --seeds 1000 --days 90,
                       or --seed 7 --days 90 to see one world; exit 1 where what must never happen did
  lives [ARG]…         a year or more in the life of each provider of the catalogue, as its file has it; one with
                       everything that happens: --provider slack --life 0
  simulate test        some hundred worlds and the lives, shortened, and mistakes that the checkers have to notice
  fuzz [--seconds N] [--keep] [TARGET]
                       make up input for what reads from outside, N seconds (60) for each target: response,
                       provider, journal, sealed; exit 1 on a crash. --keep adds what was found to fuzz/corpus
  fuzz TARGET FILE     try one input again
  generate [--check]   rewrite the files that are made from code; --check only compares
  check [--advisories] formatting, clippy, documentation, licences and bans, the arrows between crates, links, typos,
                       manifests, the bill of materials, generated files; --advisories also asks the advisory
                       database, which is downloaded
  package [--revision R] [--out FOLDER] [--binary FILE]
                       the program as it is shipped, in a Debian package, with its size; beside it, its bill of
                       materials (CycloneDX) and the licences of all that it is made of
  dist                 build the program as it is shipped (profile dist), twice in two folders: both have to be the
                       same, byte by byte
  help                 this text

Nothing is installed without a question on a terminal; with the variable CI set, nothing is asked.";

/// Why a verb did not succeed.
#[derive(Debug)]
enum Failure {
    /// It was called wrongly.
    Usage(String),
    /// It failed, for the reason given.
    Failed(String),
    /// It failed with this exit code, and what ran has said why.
    Told(u8),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Failed(message)
    }
}

/// A step's result; the error is a sentence for a person.
type Result<T = ()> = std::result::Result<T, String>;

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => {
            eprintln!("error: {message}\n\n{HELP}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(message)) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
        Err(Failure::Told(code)) => ExitCode::from(code),
    }
}

fn run(args: &[String]) -> std::result::Result<(), Failure> {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let job = parse(&args)?;
    enter_root()?;
    job()
}

/// What is to be done.
type Job<'a> = Box<dyn FnOnce() -> std::result::Result<(), Failure> + 'a>;

fn parse<'a>(args: &'a [&'a str]) -> std::result::Result<Job<'a>, Failure> {
    let Some((verb, rest)) = args.split_first() else {
        return Err(Failure::Usage("which verb?".to_owned()));
    };
    Ok(match (*verb, rest) {
        ("test", rest) => Box::new(|| test::run(rest)),
        ("prove", names) if names.iter().all(|name| !name.starts_with('-')) => {
            let chosen = prove::choose(names)?;
            Box::new(|| prove::run(chosen))
        }
        ("bench", []) => Box::new(|| bench::run(bench::ALL)),
        ("bench", [name]) if !name.starts_with('-') => {
            let chosen = bench::named(name)?;
            Box::new(|| bench::run(std::slice::from_ref(chosen)))
        }
        ("story", rest) => Box::new(|| simulate::story(rest)),
        ("simulate", rest) => Box::new(|| simulate::run(rest)),
        ("lives", rest) => Box::new(|| simulate::lives(rest)),
        ("fuzz", rest) => {
            let options = fuzz::Options::parse(rest)?;
            Box::new(|| fuzz::run(options))
        }
        ("generate", []) => Box::new(|| Ok(generate::rewrite()?)),
        ("generate", ["--check"]) => Box::new(|| Ok(generate::compare()?)),
        ("check", []) => Box::new(|| check::run(false)),
        ("check", ["--advisories"]) => Box::new(|| check::run(true)),
        ("dist", []) => Box::new(|| Ok(dist::run()?)),
        ("package", rest) => match package::Options::parse(rest) {
            Some(options) => Box::new(|| Ok(package::run(options)?)),
            None => return Err(Failure::Usage(format!("package does not take `{}`", rest.join(" ")))),
        },
        ("help" | "--help" | "-h", _) => Box::new(|| {
            println!("{HELP}");
            Ok(())
        }),
        ("prove" | "bench" | "generate" | "check" | "dist", rest) => {
            return Err(Failure::Usage(format!("{verb} does not take `{}`", rest.join(" "))));
        }
        _ => return Err(Failure::Usage(format!("there is no verb `{verb}`"))),
    })
}

/// Every path in this program is relative to the workspace.
fn enter_root() -> Result {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    env::set_current_dir(&root).map_err(|error| format!("cannot enter {}: {error}", root.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What stands on these pages as something to run: in a line of its own, or between backticks.
    fn told_to_run(page: &str) -> impl Iterator<Item = Vec<&str>> {
        let ends = page.match_indices("cargo xtask ").map(|(at, verb)| &page[at + verb.len()..]);
        ends.map(|rest| {
            let command = rest.split(['`', '\n']).next().unwrap_or_default();
            command.split(" #").next().unwrap_or_default().split_whitespace().collect()
        })
    }

    #[test]
    fn what_the_documents_tell_to_run_is_understood() {
        let mut commands = 0;
        for folder in ["", "docs", "docs/decisions", "examples/opt-in-form", "fuzz", "bench", "providers"] {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
            let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
            for file in files.filter(|file| file.extension().is_some_and(|kind| kind == "md")) {
                let page = std::fs::read_to_string(&file).unwrap();
                for words in told_to_run(&page) {
                    commands += 1;
                    let Err(why) = parse(&words) else { continue };
                    panic!("{}: cargo xtask {}: {why:?}", file.display(), words.join(" "));
                }
            }
        }
        assert!(commands >= 20, "only {commands} were found");
        assert!(parse(&["bench", "clr"]).is_err() && parse(&["proof"]).is_err());
    }
}
