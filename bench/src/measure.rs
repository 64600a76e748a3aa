//! What is measured, in which order.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use crate::fill::{self, Filled};
use crate::node::Home;
use crate::provider::Done;
use crate::requests::Bare;
use crate::spread::{Spread, read_tokens};
use crate::{disk, real};

const FEW: usize = 10_000;
const MANY: usize = 1_000_000;

/// Each figure is the median of so many, measured in turn.
const ROUNDS: usize = 9;

/// For how many rounds a small store lasts: what was refreshed is not due again.
const ROUNDS_OF_A_STORE: usize = 3;

/// Refreshes in a round.
const BATCH: usize = 3_000;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// As many requests at once as a node makes.
const AT_ONCE: usize = 256;

/// The medians. What is compared was measured within the same round, so that a machine which is slower now and faster then
/// does not decide.
#[derive(Serialize)]
struct Report {
    /// The disk's, for 4 KiB.
    fsync_ms: f64,
    bare_per_second: f64,
    bare_cpu_us: f64,
    few: Figures,
    many: Figures,
    /// Durable refreshes with few connections for each bare request.
    refreshes_for_each_request: f64,
    /// How many times longer a refresh takes with many connections than with few.
    time_with_many: f64,
    /// The same of the node's processor time.
    cpu_with_many: f64,
    /// How long it took to fill the large store.
    fill_s: f64,
}

/// Of a node over one store.
#[derive(Clone, Copy, Serialize)]
struct Figures {
    connections: usize,
    /// Durable refreshes.
    per_second: f64,
    /// Of the node, for each refresh.
    cpu_us: f64,
    /// From the start of the process until the first request had been answered.
    first_ms: f64,
    memory_mb: f64,
}

/// Measures everything and prints the report.
pub(crate) async fn refresh(vestal: &Path) -> Result<()> {
    let vestal = std::path::absolute(vestal)?;
    std::fs::create_dir_all("target/bench")?;
    let folder = tempfile::Builder::new().prefix("refresh-").tempdir_in("target/bench")?;
    let tokens = folder.path().join("tokens");
    let mut provider = Provider::start(&tokens).await?;
    let mut good = read_tokens(&tokens)?;
    let mut take = |many: usize| Spread {
        hosts: provider.hosts.clone(),
        refresh_tokens: good.split_off(good.len() - many),
    };

    let spreads: Vec<Spread> = (0..ROUNDS).map(|_| take(AT_ONCE)).collect();
    let mut few = Vec::new();
    for number in 0..ROUNDS / ROUNDS_OF_A_STORE {
        let home = Home::new(folder.path().join(format!("few-{number}")))?;
        few.push(Subject::fill(home, FEW, ROUNDS_OF_A_STORE, &mut take).await?);
    }
    let start = real::now();
    let many = Subject::fill(Home::new(folder.path().join("many"))?, MANY, ROUNDS, &mut take).await?;
    let fill_s = start.elapsed().as_secs_f64();
    // What was filled is not to be on its way to the disk while something is measured.
    rustix::fs::sync();

    let (mut fsync, mut bare, mut of_few, mut of_many) = (vec![], vec![], vec![], vec![]);
    for (round, spread) in spreads.iter().enumerate() {
        fsync.push(disk::fsync_time(folder.path())?.as_secs_f64() * 1e3);
        bare.push(requests(spread).await?);
        let few = few.get(round / ROUNDS_OF_A_STORE).context("no store")?;
        of_few.push(few.measure(round % ROUNDS_OF_A_STORE, &vestal, &mut provider).await?);
        of_many.push(many.measure(round, &vestal, &mut provider).await?);
    }
    let report = Report {
        fsync_ms: median(fsync),
        bare_per_second: median(bare.iter().map(|bare| bare.per_second).collect()),
        bare_cpu_us: median(bare.iter().map(|bare| bare.cpu.as_secs_f64() * 1e6).collect()),
        few: Figures::median(&of_few)?,
        many: Figures::median(&of_many)?,
        refreshes_for_each_request: by_round(&of_few, &bare, |few, bare| few.per_second / bare.per_second),
        time_with_many: by_round(&of_few, &of_many, |few, many| few.per_second / many.per_second),
        cpu_with_many: by_round(&of_few, &of_many, |few, many| many.cpu_us / few.cpu_us),
        fill_s,
    };
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

/// A store that is full, and what is measured on it.
struct Subject {
    home: Home,
    count: usize,
    rounds: usize,
    filled: Filled,
}

impl Subject {
    /// Fills a store that lasts for so many rounds.
    async fn fill(
        home: Home,
        count: usize,
        rounds: usize,
        take: &mut impl FnMut(usize) -> Spread,
    ) -> Result<Self> {
        let filled = fill::fill(&home.store(), home.key()?, count, &take(rounds * BATCH)).await?;
        Ok(Self { home, count, rounds, filled })
    }

    /// Lets a node refresh its part of the connections. What the node does to start, and its last refreshes, when there
    /// is not enough to do any more, are not counted as what a refresh costs.
    async fn measure(&self, round: usize, vestal: &Path, provider: &mut Provider) -> Result<Figures> {
        let due: Vec<_> = self.filled.good.iter().copied().skip(round).step_by(self.rounds).collect();
        fill::make_due(&self.home.store(), &due).await?;
        let before = provider.reached(0).await?;
        let all = u64::try_from(due.len())?;

        let start = real::now();
        let node = self.home.serve(vestal)?;
        provider.reached(before.refreshes + 1).await?;
        let first = start.elapsed();
        let from = provider.reached(before.refreshes + all / 10).await?;
        let (start, cpu) = (real::now(), node.cpu_time()?);
        let to = provider.reached(before.refreshes + all - all / 10).await?;
        let (took, cpu) = (start.elapsed(), node.cpu_time()? - cpu);
        let done = provider.reached(before.refreshes + all).await?;
        let memory = node.memory()?;
        node.stop().await?;

        ensure!(done.refusals == 0, "the provider refused {} requests", done.refusals);
        let refreshed = fill::refreshed(&self.home.store(), &due).await?;
        ensure!(refreshed == due.len(), "{refreshed} of {} are refreshed", due.len());
        let measured = (to.refreshes - from.refreshes) as f64;
        Ok(Figures {
            connections: self.count,
            per_second: measured / took.as_secs_f64(),
            cpu_us: cpu.as_secs_f64() * 1e6 / measured,
            first_ms: first.as_secs_f64() * 1e3,
            memory_mb: memory as f64 / 1e6,
        })
    }
}

impl Figures {
    fn median(all: &[Self]) -> Result<Self> {
        let of = |figure: fn(&Self) -> f64| median(all.iter().map(figure).collect());
        Ok(Self {
            connections: all.first().context("nothing was measured")?.connections,
            per_second: of(|one| one.per_second),
            cpu_us: of(|one| one.cpu_us),
            first_ms: of(|one| one.first_ms),
            memory_mb: of(|one| one.memory_mb),
        })
    }
}

/// The upper median. Nothing has none, so zero.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_unstable_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The median of what compares the two within each round.
fn by_round<A, B>(one: &[A], other: &[B], compare: impl Fn(&A, &B) -> f64) -> f64 {
    median(one.iter().zip(other).map(|(one, other)| compare(one, other)).collect())
}

/// This program again, in another part.
fn part() -> Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.kill_on_drop(true);
    Ok(command)
}

async fn requests(spread: &Spread) -> Result<Bare> {
    let output = part()?.arg("requests").arg(serde_json::to_string(spread)?).output().await?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The provider's process.
struct Provider {
    hosts: Vec<std::net::SocketAddr>,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Provider {
    async fn start(tokens: &Path) -> Result<Self> {
        let mut command = part()?;
        command.arg("provider").arg(tokens).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let orders = process.stdin.take().context("the provider has no input")?;
        let mut said = BufReader::new(process.stdout.take().context("the provider has no output")?).lines();
        let hosts = said.next_line().await?.context("the provider has ended")?;
        Ok(Self { hosts: serde_json::from_str(&hosts)?, orders, said, _process: process })
    }

    /// Waits until it has refreshed so many tokens since its beginning.
    async fn reached(&mut self, many: u64) -> Result<Done> {
        self.orders.write_all(format!("{many}\n").as_bytes()).await?;
        self.orders.flush().await?;
        let said = tokio::select! {
            said = self.said.next_line() => said?.context("the provider has ended")?,
            () = real::sleep(PATIENCE) => bail!("waited {PATIENCE:?} in vain for the provider to have refreshed {many} tokens"),
        };
        Ok(serde_json::from_str(&said)?)
    }
}
