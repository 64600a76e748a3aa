//! The node: `vestal serve` in a process of its own.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::param::clock_ticks_per_second;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use vestal_core::seal::MasterKey;
use vestal_core::secret::ExposeSecret as _;

use crate::real::RealEntropy;

/// A folder with a configuration, a key and a store.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    pub(crate) fn new(folder: PathBuf) -> Result<Self> {
        fs::create_dir(&folder)?;
        let secret = |name: &str, text: &str| -> Result<()> {
            let mut options = fs::File::options();
            options
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(folder.join(name))?
                .write_all(text.as_bytes())?;
            Ok(())
        };
        secret("master.key", MasterKey::generate(&RealEntropy).expose_secret())?;
        secret("vestal.toml", "[store]\npath = \"vestal.db\"\n[master_key]\nfile = \"master.key\"\n")?;
        Ok(Self { folder })
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.join("vestal.db")
    }

    pub(crate) fn key(&self) -> Result<MasterKey> {
        Ok(MasterKey::parse(&fs::read_to_string(self.folder.join("master.key"))?)?)
    }

    /// Starts the node.
    pub(crate) fn serve(&self, vestal: &Path) -> Result<Node> {
        let log = fs::File::create(self.folder.join("log"))?;
        let process = Command::new(vestal)
            .args(["--config", "vestal.toml", "serve", "--log", "warn"])
            .current_dir(&self.folder)
            .env_clear()
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{}", vestal.display()))?;
        Ok(Node { process, log: self.folder.join("log") })
    }
}

/// A running node.
pub(crate) struct Node {
    process: Child,
    log: PathBuf,
}

impl Node {
    pub(crate) fn cpu_time(&self) -> Result<Duration> {
        cpu_time(Some(self.process.id().context("the node has ended")?))
    }

    /// How much of the machine's memory it has, in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id().unwrap_or_default()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim_end_matches("kB").trim().parse::<u64>()? * 1024)
    }

    /// Stops it, and waits until it has ended. It must have had nothing to complain of.
    pub(crate) async fn stop(mut self) -> Result<()> {
        let id =
            self.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).context("it has ended")?;
        kill_process(id, Signal::TERM)?;
        let status = self.process.wait().await?;
        let said = fs::read_to_string(&self.log)?;
        ensure!(status.success() && said.is_empty(), "the node ended with {status} and said: {said}");
        Ok(())
    }
}

/// The processor time of a process, or of this one.
pub(crate) fn cpu_time(process: Option<u32>) -> Result<Duration> {
    let process = process.map_or("self".to_owned(), |id| id.to_string());
    let stat = fs::read_to_string(format!("/proc/{process}/stat"))?;
    // The second field, the name, may hold anything; after it come the third and so on.
    let (_, fields) = stat.rsplit_once(')').context("no name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Duration::from_micros(ticks * 1_000_000 / clock_ticks_per_second()))
}
