//! Lives through many worlds, and says what must never happen and did.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command: this is what it is for")]

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use clap::Parser;
use vestal_simulation::{Mutation, Outcome, Plan, Violation, run};

/// Simulates many nodes over one store, providers of every kind, and everything that goes wrong; checks what must
/// always hold.
#[derive(Parser)]
#[command(name = "vestal-simulate")]
struct Args {
    /// How many worlds.
    #[arg(long, default_value_t = 100, conflicts_with = "seed")]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 0, conflicts_with = "seed")]
    from: u64,
    /// One world, with everything that happens in it.
    #[arg(long)]
    seed: Option<u64>,
    /// How many days a world lasts.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(2..=36_500))]
    days: u32,
    /// With this mistake, which a checker has to notice.
    #[arg(long)]
    mutation: Option<Mutation>,
}

/// Of so many seeds that fail, it is told what came before.
const TOLD: u64 = 2;

/// How much of it.
const TRACE_LINES: usize = 30;

/// Of so many seeds that fail, the first violation is shown.
const SHOWN: usize = 40;

#[derive(Default)]
struct Sum {
    worlds: u64,
    connections: u64,
    refreshes: u64,
    violations: u64,
    counts: BTreeMap<&'static str, u64>,
    failed: Vec<u64>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(seed) = args.seed {
        return replay(seed, &args);
    }
    let sum = simulate(&args);
    print(&args, &sum);
    if sum.violations == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn replay(seed: u64, args: &Args) -> ExitCode {
    let outcome =
        run(seed, &Plan { days: args.days, mutation: args.mutation, violations: 5, trace_lines: usize::MAX });
    for line in &outcome.trace {
        // Whoever reads only the beginning closes the pipe.
        if writeln!(std::io::stdout(), "{line}").is_err() {
            break;
        }
    }
    println!("violations: {}", outcome.violations.len());
    if outcome.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn simulate(args: &Args) -> Sum {
    let sum = Mutex::new(Sum::default());
    let (next, failed) = (AtomicU64::new(args.from), AtomicU64::new(0));
    let end = args.from.saturating_add(args.seeds);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let show = std::io::stderr().is_terminal();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= end {
                        return;
                    }
                    let plan =
                        Plan { days: args.days, mutation: args.mutation, violations: 5, trace_lines: 0 };
                    let outcome = std::panic::catch_unwind(|| run(seed, &plan)).unwrap_or_else(|_| crashed());
                    // The same world again, to tell what came before.
                    let told =
                        !outcome.violations.is_empty() && failed.fetch_add(1, Ordering::Relaxed) < TOLD;
                    let again = Plan { trace_lines: TRACE_LINES, ..plan };
                    let outcome =
                        if told { run_to_the_first(seed, &again).unwrap_or(outcome) } else { outcome };
                    let mut sum = sum.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    add(&mut sum, seed, outcome);
                    if show {
                        eprint!("\r{} of {} worlds, {} violations ", sum.worlds, args.seeds, sum.violations);
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    if show {
        eprintln!();
    }
    sum.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Lives through a world up to its first violation. `None` where it panics.
fn run_to_the_first(seed: u64, plan: &Plan) -> Option<Outcome> {
    let plan = Plan { violations: 1, ..plan.clone() };
    std::panic::catch_unwind(|| run(seed, &plan)).ok()
}

/// What is said of a world that could not be lived through.
fn crashed() -> Outcome {
    let violation = Violation { rule: "panic", at: Duration::ZERO, what: "a panic: see above".to_owned() };
    Outcome {
        violations: vec![violation],
        connections: 0,
        refreshes: 0,
        counts: BTreeMap::new(),
        trace: vec![],
    }
}

fn add(sum: &mut Sum, seed: u64, outcome: Outcome) {
    sum.worlds += 1;
    sum.connections += outcome.connections as u64;
    sum.refreshes += outcome.refreshes;
    for (what, count) in outcome.counts {
        *sum.counts.entry(what).or_default() += count;
    }
    if !outcome.violations.is_empty() {
        sum.violations += outcome.violations.len() as u64;
        sum.failed.push(seed);
        for line in outcome.trace {
            println!("  {line}");
        }
        if let Some(violation) = outcome.violations.first().filter(|_| sum.failed.len() <= SHOWN) {
            println!("seed {seed} ({}) {}", violation.rule, violation.what);
        }
    }
}

fn print(args: &Args, sum: &Sum) {
    #[expect(clippy::cast_precision_loss, reason = "shown to one decimal")]
    let years = sum.connections as f64 * f64::from(args.days) / 365.25;
    println!("seeds: {}", sum.worlds);
    println!("connection-years: {years:.1}");
    println!("refreshes: {}", sum.refreshes);
    for (what, count) in &sum.counts {
        println!("  {what}: {count}");
    }
    for seed in sum.failed.iter().take(5) {
        let mutation = args.mutation.map_or(String::new(), |it| format!(" --mutation {}", it.name()));
        println!("replay with: cargo xtask simulate --seed {seed} --days {}{mutation}", args.days);
    }
    println!("violations: {}", sum.violations);
}
