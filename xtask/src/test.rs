//! `cargo xtask test`: every test, with everything that the tests need.

use std::env;

use crate::Failure;
use crate::install::{FOR_PROOFS, FOR_TESTS, see_to};
use crate::process::{cargo, show};
use crate::simulate;

/// The end-to-end tests spend their time waiting for daemons and tokens, so more of them than cores may run at once.
const TEST_THREADS: &str = "8";

pub(crate) fn run(args: &[&str]) -> Result<(), Failure> {
    see_to(FOR_TESTS)?;
    if let Err(why) = see_to(FOR_PROOFS) {
        eprintln!("note: not every proof will be tried: {why}");
    }
    let mut command = cargo(&["test", "--locked"]);
    if !chooses_packages(args) {
        // What programs may switch on is tried too.
        command.args(["--workspace", "--no-fail-fast", "--features", "vestal/reqwest-middleware"]);
    }
    command.args(args);
    if env::var_os("RUST_TEST_THREADS").is_none() {
        command.env("RUST_TEST_THREADS", TEST_THREADS);
    }
    // The runner's summary is the last thing to be seen.
    let status = show(&mut command)?;
    if !status.success() {
        let code = status.code().and_then(|code| u8::try_from(code).ok());
        return Err(Failure::Told(code.unwrap_or(1)));
    }
    // In release: in a debug build its worlds are left out.
    if args.is_empty() { simulate::run(&["test"]) } else { Ok(()) }
}

fn chooses_packages(args: &[&str]) -> bool {
    let ours = args.iter().take_while(|arg| **arg != "--");
    ours.into_iter().any(|arg| arg.starts_with("-p") || *arg == "--package" || arg.starts_with("--package="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_package_replaces_the_workspace() {
        assert!(chooses_packages(&["-p", "vestal-core"]));
        assert!(chooses_packages(&["-pvestal-core"]));
        assert!(chooses_packages(&["--package=vestal-core"]));
        assert!(!chooses_packages(&["schedule", "--", "-p"]));
        assert!(!chooses_packages(&[]));
    }
}
