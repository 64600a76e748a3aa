//! How often a proof is repeated, and the line in which it tells what came of that.

use std::ffi::OsStr;
use std::fmt::Display;
use std::io::Write as _;
use std::time::Instant;

/// What the line of a proof starts with, for whoever collects them.
const PREFIX: &str = "PROOF | ";

/// How many times: a few, or as many as the full proof asks for.
pub(crate) fn times(short: usize, full: usize) -> usize {
    if is_full() { full } else { short }
}

/// Whether the full numbers are asked for.
pub(crate) fn is_full() -> bool {
    std::env::var_os("VESTAL_PROOFS").is_some_and(|wanted| wanted == "full")
}

/// Says past the capture of a test that passes that this machine lacks what it takes: nobody is to think that it was tried.
fn not_tried(what: &str, why: &str) {
    let _ = writeln!(std::io::stderr(), "\nNOT TRIED: {what}: {why}");
}

/// The same of what the machines of continuous integration have: where it is lacking there, nobody would read that, and it fails.
#[track_caller]
pub(crate) fn not_tried_at_home(what: &str, why: &str) {
    assert!(!is_in_ci(std::env::var_os("CI").as_deref()), "{what}: cannot be tried here: {why}");
    not_tried(what, why);
}

fn is_in_ci(variable: Option<&OsStr>) -> bool {
    variable.is_some_and(|said| !said.is_empty() && said != "false")
}

/// A proof under way. One that ends without a result has failed, and says so.
pub(crate) struct Proof {
    what: String,
    since: Instant,
    told: bool,
}

impl Proof {
    pub(crate) fn of(what: impl Into<String>) -> Self {
        Self { what: what.into(), since: Instant::now(), told: false }
    }

    /// Tells how often it was tried and what came of it.
    pub(crate) fn holds(mut self, often: impl Display, result: impl Display) {
        self.tell(&often, &result);
    }

    /// Tells that this machine lacks what it takes. That is a failure where the full proof was asked for.
    #[track_caller]
    pub(crate) fn cannot_be_had(mut self, why: &str) {
        assert!(!is_full(), "{}: cannot be tried here: {why}", self.what);
        self.tell(&"", &format_args!("not tried: {why}"));
        not_tried(&self.what, why);
    }

    fn tell(&mut self, often: &dyn Display, result: &dyn Display) {
        let seconds = self.since.elapsed().as_secs();
        let time =
            if seconds < 120 { format!("{seconds} s") } else { format!("{} min", (seconds + 30) / 60) };
        println!("{PREFIX}{} | {often} | {result} | {time}", self.what);
        self.told = true;
    }
}

impl Drop for Proof {
    fn drop(&mut self) {
        if !self.told {
            self.tell(&"", &"FAILED");
        }
    }
}

#[test]
fn a_machine_of_continuous_integration_says_so() {
    for (said, is) in
        [(None, false), (Some(""), false), (Some("false"), false), (Some("true"), true), (Some("1"), true)]
    {
        assert_eq!(is_in_ci(said.map(OsStr::new)), is, "{said:?}");
    }
}
