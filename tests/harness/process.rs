//! A running `vestal`: what it says is read as it says it, and recorded.

use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde::de::DeserializeOwned;

use super::record::{Emission, Record};
use super::{PATIENCE, until_within};

type Heard = Arc<Mutex<Vec<u8>>>;

pub(crate) struct Running {
    what: Vec<String>,
    child: Child,
    stdin: Option<ChildStdin>,
    stdout: Heard,
    stderr: Heard,
    readers: Vec<JoinHandle<()>>,
    record: Arc<Record>,
    since: Instant,
}

/// How it went.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) what: String,
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Running {
    pub(crate) fn start(mut command: Command, record: &Arc<Record>) -> Self {
        let what = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (stdout, stderr) = (Heard::default(), Heard::default());
        let readers = vec![
            listen(child.stdout.take().unwrap(), &stdout),
            listen(child.stderr.take().unwrap(), &stderr),
        ];
        let stdin = child.stdin.take();
        Self {
            what,
            child,
            stdin,
            stdout,
            stderr,
            readers,
            record: Arc::clone(record),
            since: Instant::now(),
        }
    }

    pub(crate) fn stdout(&self) -> String {
        text(&self.stdout)
    }

    pub(crate) fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Types something. Whoever does not read it has its reasons, and they show elsewhere.
    pub(crate) fn say(&mut self, text: &str) {
        let _ = self.stdin.as_mut().expect("its stdin is open").write_all(text.as_bytes());
    }

    pub(crate) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Waits until it has said something, on stdout or stderr.
    #[track_caller]
    pub(crate) fn hear<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Asked before what it said is looked at: it may speak and end in between.
            let ended = self.has_ended();
            if let Some(found) = find(&self.stdout()).or_else(|| find(&self.stderr())) {
                return found;
            }
            if ended || Instant::now() > deadline {
                panic!("{:?}: never said {what}:\n{}\n{}", self.what, self.stdout(), self.stderr());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some() && self.readers.iter().all(JoinHandle::is_finished)
    }

    /// The most memory that it has had so far (`VmHWM`); nothing where it has ended.
    pub(crate) fn peak_memory_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().strip_suffix("kB")?.trim().parse().ok()
    }

    /// Whether it has a file of this name open.
    pub(crate) fn has_open(&self, name: &str) -> bool {
        let Ok(open) = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())) else { return false };
        let targets = open.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
        targets.into_iter().any(|target| target.file_name().is_some_and(|last| last == name))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Asks it to stop, as Ctrl-C does.
    #[track_caller]
    pub(crate) fn stop(self) -> Ended {
        self.signal(Signal::INT);
        self.end()
    }

    #[track_caller]
    pub(crate) fn end(self) -> Ended {
        self.end_within(PATIENCE)
    }

    #[track_caller]
    pub(crate) fn end_within(mut self, limit: Duration) -> Ended {
        self.hang_up();
        let what = format!("{:?} to end", self.what);
        let status = until_within(limit, &what, || self.child.try_wait().unwrap());
        let took = self.since.elapsed();
        self.readers.drain(..).for_each(|reader| reader.join().unwrap());
        let (what, stdout, stderr) = (self.what.join(" "), self.stdout(), self.stderr());
        Ended { what, status, stdout, stderr, took }
    }
}

impl Drop for Running {
    /// Nothing outlives its test, and all it said is recorded.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        for reader in self.readers.drain(..) {
            let _ = reader.join();
        }
        for (stream, heard) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            let bytes = heard.lock().unwrap().clone();
            self.record.add(Emission { what: self.what.clone(), stream, bytes });
        }
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn ok(self) -> Self {
        self.code(0)
    }

    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.status.code(), Some(code), "{self}");
        self
    }

    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("not what is expected: {error}\n{self}"))
    }
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { what, status, stdout, stderr, took } = self;
        write!(f, "vestal {what}\n{status} after {took:?}\n── stdout\n{stdout}\n── stderr\n{stderr}")
    }
}

fn listen(mut stream: impl Read + Send + 'static, heard: &Heard) -> JoinHandle<()> {
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            heard.lock().unwrap().extend_from_slice(&buffer[..length]);
        }
    })
}

fn text(heard: &Heard) -> String {
    String::from_utf8_lossy(&heard.lock().unwrap()).into_owned()
}
