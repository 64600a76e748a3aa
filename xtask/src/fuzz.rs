//! `cargo xtask fuzz`: libFuzzer makes up input for everything that reads from outside.
//!
//! The targets are in `fuzz/`, a workspace of its own. They are built by the stable compiler: libFuzzer needs nothing
//! but coverage, and memory is safe here without a sanitizer.

mod corpus;
mod options;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::install::{FOR_FUZZING, see_to};
use crate::process::{cargo, must, show, text};
use crate::table::table;
use crate::{Failure, Result};

pub(crate) use options::Options;
use options::Run;

struct Target {
    name: &'static str,
    /// Where inputs lie that people wrote.
    seeds: &'static str,
}

const TARGETS: &[Target] = &[
    Target { name: "response", seeds: "fuzz/seeds/response" },
    Target { name: "provider", seeds: "providers" },
    Target { name: "journal", seeds: "fuzz/seeds/journal" },
    Target { name: "sealed", seeds: "fuzz/seeds/sealed" },
];

/// Where everything goes that is not kept.
const SCRATCH: &str = "target/fuzz";

/// What tells libFuzzer where an input has led, as cargo-fuzz sets it. Memory is not watched: nothing here is unsafe.
const RUSTFLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares";

/// The longest input that is made up, and the longest time and the most memory that one may take.
const BOUNDS: [&str; 3] = ["-max_len=8192", "-timeout=10", "-rss_limit_mb=1024"];

pub(crate) fn run(options: Options) -> std::result::Result<(), Failure> {
    see_to(FOR_FUZZING)?;
    let built = Instant::now();
    let folder = build()?;
    eprintln!("built in {:.0} s", built.elapsed().as_secs_f64());
    match options.run {
        Run::Replay { target, file } => {
            Ok(must(Command::new(folder.join(target.name)).arg(file).env("RUST_BACKTRACE", "1"))?)
        }
        Run::Fuzz { targets, seconds, keep } => {
            let mut rows = vec![HEAD.map(str::to_owned)];
            let mut crashes = Vec::new();
            for target in targets {
                let outcome = fuzz(target, &folder.join(target.name), seconds)?;
                if keep && outcome.crashes.is_empty() {
                    corpus::keep(target, &folder.join(target.name))?;
                }
                rows.push(outcome.row(target));
                crashes.extend(outcome.crashes.iter().map(|file| replay(target, file)));
            }
            println!("{}", table(&rows));
            if crashes.is_empty() {
                return Ok(());
            }
            Err(Failure::Failed(format!("to see a crash again:\n  {}", crashes.join("\n  "))))
        }
    }
}

fn replay(target: &Target, file: &Path) -> String {
    format!("cargo xtask fuzz {} {}", target.name, file.display())
}

/// Builds all targets and returns the folder that they are in.
fn build() -> Result<PathBuf> {
    let version = text(Command::new("rustc").arg("-vV"))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.ok_or_else(|| "rustc does not say what it builds for".to_owned())?;
    // With a target named, build scripts and macros are built without these flags.
    let mut build = cargo(&["build", "--locked", "--release", "--manifest-path=fuzz/Cargo.toml"]);
    build.args(["--target", host, "--target-dir", SCRATCH]);
    must(build.env("RUSTFLAGS", RUSTFLAGS).env_remove("CARGO_ENCODED_RUSTFLAGS"))?;
    Ok(Path::new(SCRATCH).join(host).join("release"))
}

/// What came of one target.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    executions: Option<u64>,
    executions_per_second: Option<u64>,
    new_entries: Option<u64>,
    crashes: Vec<PathBuf>,
}

const HEAD: [&str; 5] = ["target", "executions", "a second", "new corpus entries", "crashes"];

impl Outcome {
    /// From what libFuzzer says at its end.
    fn told(log: &str) -> Self {
        let figure = |name: &str| {
            let told = log
                .lines()
                .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':'));
            told.and_then(|figure| figure.trim().parse().ok())
        };
        Self {
            executions: figure("number_of_executed_units"),
            executions_per_second: figure("average_exec_per_sec"),
            new_entries: figure("new_units_added"),
            crashes: Vec::new(),
        }
    }

    fn row(&self, target: &Target) -> [String; 5] {
        let figure = |figure: Option<u64>| figure.map_or_else(|| "?".to_owned(), |figure| figure.to_string());
        [
            target.name.to_owned(),
            figure(self.executions),
            figure(self.executions_per_second),
            figure(self.new_entries),
            self.crashes.len().to_string(),
        ]
    }
}

fn fuzz(target: &Target, program: &Path, seconds: u32) -> Result<Outcome> {
    let scratch = |what: &str| Path::new(SCRATCH).join(what).join(target.name);
    let (corpus, found) = (scratch("corpus"), scratch("found"));
    for folder in [&corpus, &found] {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    let before = corpus::files(&found)?;
    let log = found.with_extension("log");
    let cannot_log = |error: std::io::Error| format!("{}: {error}", log.display());
    let mut command = Command::new(program);
    command.args(BOUNDS).args(["-print_final_stats=1", &format!("-max_total_time={seconds}")]);
    command.arg(format!("-artifact_prefix={}/", found.display()));
    command.args(corpus::dictionary(target)).arg(&corpus).args(corpus::kept(target)).arg(target.seeds);
    // What a crash says is to be seen at once; to try it again shows the rest.
    command.env("RUST_BACKTRACE", "0");
    let ended = show(command.stderr(File::create(&log).map_err(cannot_log)?))?;
    let told = fs::read(&log).map_err(cannot_log)?;
    let told = String::from_utf8_lossy(&told);
    let mut outcome = Outcome::told(&told);
    outcome.crashes = corpus::files(&found)?.into_iter().filter(|file| !before.contains(file)).collect();
    if !ended.success() {
        let last: Vec<&str> = told.lines().rev().take(25).collect();
        eprintln!("{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }
    if !ended.success() && outcome.crashes.is_empty() {
        return Err(format!("{} ended with {ended}; all it said is in {}", target.name, log.display()));
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libfuzzer_says_at_its_end_is_read() {
        let log = "#2 DONE cov: 12\nstat::number_of_executed_units: 31337\nstat::average_exec_per_sec:     522\n\
                   stat::new_units_added:          7\nstat::peak_rss_mb: 40\n";
        let outcome = Outcome::told(log);
        assert_eq!(outcome.row(&TARGETS[0]), ["response", "31337", "522", "7", "0"]);
        assert_eq!(Outcome::told("").row(&TARGETS[0])[1], "?");
    }

    #[test]
    fn seeds_are_where_they_are_looked_for() {
        for target in TARGETS {
            let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(target.seeds);
            assert!(corpus::files(&seeds).unwrap().len() > 2, "{}", seeds.display());
        }
    }
}
