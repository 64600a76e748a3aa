//! Lives through a year with every provider of the catalogue, and prints a table of them.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command: this is what it is for")]

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use clap::Parser;
use vestal_core::provider::Provider;
use vestal_simulation::lives::{
    Behaviour, Course, Mistake, Outcome, Row, behaviours, live, markdown, providers,
};

/// Lives through a virtual year or more with every provider of the catalogue, in each way that its file leaves open.
#[derive(Parser)]
#[command(name = "vestal-lives")]
struct Args {
    /// This provider only.
    #[arg(long)]
    provider: Option<String>,
    /// This one of its lives only, with everything that happens in it; they are numbered from 0.
    #[arg(long, requires = "provider")]
    life: Option<usize>,
    /// All chance comes from this.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// For so many days only are tokens read often, and kept fresh without being read.
    #[arg(long)]
    busy_days: Option<u32>,
    /// With this mistake, which the checker has to notice.
    #[arg(long)]
    mistake: Option<Mistake>,
}

/// Of each provider that fails, so many violations are told.
const TOLD: usize = 3;

/// One way of one provider.
struct Life<'a> {
    provider: &'a Provider,
    number: usize,
    behaviour: Behaviour,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let mut providers = providers();
    if let Some(id) = &args.provider {
        providers.retain(|provider| provider.id == *id);
        if providers.is_empty() {
            eprintln!("error: there is no provider {id:?}");
            return ExitCode::from(2);
        }
    }
    let numbered = |provider| {
        behaviours(provider)
            .into_iter()
            .enumerate()
            .map(move |(number, behaviour)| (provider, number, behaviour))
    };
    let lives: Vec<Life> = providers
        .iter()
        .flat_map(numbered)
        .filter(|(_, number, _)| args.life.is_none_or(|life| life == *number))
        .map(|(provider, number, behaviour)| Life { provider, number, behaviour })
        .collect();
    let outcomes = live_all(&lives, &args);
    for (life, outcome) in lives.iter().zip(&outcomes) {
        tell(life, outcome, &args);
    }
    let rows = rows(&providers, &lives, &outcomes);
    print!("{}", markdown(&rows));
    print_figures(&outcomes);
    if rows.iter().all(|row| row.violations() == 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Lives through them on all cores.
fn live_all(lives: &[Life], args: &Args) -> Vec<Outcome> {
    let (next, show) = (AtomicUsize::new(0), std::io::stderr().is_terminal());
    let lived: Mutex<Vec<(usize, Outcome)>> = Mutex::default();
    let course = Course {
        seed: args.seed,
        busy: args.busy_days.map(|days| Duration::from_secs(u64::from(days) * 86_400)),
        mistake: args.mistake,
        traced: args.life.is_some(),
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(life) = lives.get(index) else { return };
                    let outcome = live(life.provider, &life.behaviour, &course);
                    let mut lived = lived.lock().unwrap_or_else(PoisonError::into_inner);
                    lived.push((index, outcome));
                    if show {
                        eprint!("\r{} of {} lives ", lived.len(), lives.len());
                        let _ = std::io::stderr().flush();
                    }
                }
            });
        }
    });
    if show {
        eprintln!();
    }
    let mut lived = lived.into_inner().unwrap_or_else(PoisonError::into_inner);
    lived.sort_by_key(|(index, _)| *index);
    lived.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Says what must not have happened in a life, and how to see it again.
fn tell(life: &Life, outcome: &Outcome, args: &Args) {
    for line in &outcome.trace {
        println!("{line}");
    }
    if outcome.violations.is_empty() {
        return;
    }
    println!("{} ({})", life.provider.id, life.behaviour.chosen.join("; "));
    for violation in outcome.violations.iter().take(TOLD) {
        println!("  day {} ({}) {}", violation.at.as_secs() / 86_400, violation.rule, violation.what);
    }
    let busy = args.busy_days.map_or(String::new(), |days| format!(" --busy-days {days}"));
    let mistake = args.mistake.map_or(String::new(), |mistake| format!(" --mistake {}", mistake.name()));
    let (provider, number, seed) = (&life.provider.id, life.number, args.seed);
    println!(
        "  replay with: cargo xtask lives --provider {provider} --life {number} --seed {seed}{busy}{mistake}"
    );
}

fn rows(providers: &[Provider], lives: &[Life], outcomes: &[Outcome]) -> Vec<Row> {
    let of = |provider: &Provider| {
        let all = lives.iter().zip(outcomes);
        let own = all.filter(|(life, _)| life.provider.id == provider.id);
        Row::new(provider, own.map(|(_, outcome)| outcome.clone()).collect())
    };
    providers.iter().map(of).collect()
}

fn print_figures(outcomes: &[Outcome]) {
    let sum = |figure: fn(&Outcome) -> u64| outcomes.iter().map(figure).sum::<u64>();
    let years: f64 =
        outcomes.iter().map(|outcome| outcome.lasted.as_secs_f64() / (365.0 * 86_400.0) * 4.0).sum();
    let ends = outcomes.iter().map(|outcome| outcome.ends.len()).sum::<usize>();
    let violations = outcomes.iter().map(|outcome| outcome.violations.len()).sum::<usize>();
    println!("lives: {}", outcomes.len());
    println!("connection-years: {years:.1}");
    println!("refreshes: {}", sum(|outcome| outcome.refreshes));
    println!("tokens asked for: {}", sum(|outcome| outcome.reads));
    println!("answers lost and asked for again: {}", sum(|outcome| outcome.lost_answers));
    println!("ends that no refresh moves: {ends}");
    println!("violations: {violations}");
}
