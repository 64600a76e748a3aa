//! The machine: its memory and its disks.

use std::fs;
use std::process::Command;

use vestal_api::Trouble;

use super::Mend::By;
use super::{Ward, find};

pub(super) const KINDS: &[Trouble] =
    &[Trouble::CoreDumps, Trouble::DiskFull, Trouble::FleetingDisk, Trouble::FleetingJournal];

/// Runs a command that may turn nothing off, as some sandboxes have it: `prctl(PR_SET_DUMPABLE)`, and limits, are refused.
const FORBID: &str = r#"
import ctypes, errno, os, platform, struct, sys
prlimit, setrlimit, prctl = {"x86_64": (302, 160, 157), "aarch64": (261, 164, 167)}[platform.machine()]
LOAD, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
NUMBER, FIRST, THIRD, THIRD_HIGH = 0, 16, 32, 36
PR_SET_DUMPABLE, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, FILTER = 4, 22, 38, 2
lines = [
    (LOAD, 0, 0, NUMBER),
    (IF_EQUAL, 9, 0, setrlimit),
    (IF_EQUAL, 0, 2, prctl),
    (LOAD, 0, 0, FIRST),
    (IF_EQUAL, 6, 5, PR_SET_DUMPABLE),
    (IF_EQUAL, 0, 4, prlimit),
    (LOAD, 0, 0, THIRD),
    (IF_EQUAL, 0, 3, 0),
    (LOAD, 0, 0, THIRD_HIGH),
    (IF_EQUAL, 0, 1, 0),
    (RETURN, 0, 0, ALLOW),
    (RETURN, 0, 0, REFUSE),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in lines))
program = ctypes.create_string_buffer(struct.pack("HP", len(lines), ctypes.addressof(code)))
libc = ctypes.CDLL(None, use_errno=True)
for call in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, FILTER, program, 0, 0)]:
    if libc.prctl(*call) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn memory_that_a_crash_would_write_down_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    fs::write(ward.at("forbid.py"), FORBID).unwrap();
    let nothing = |_: &Ward| {};
    let told = By(&|ward| {
        let view = ward.doctor("ulimit -c 0; python3 forbid.py");
        assert_eq!(find(&view, Trouble::CoreDumps), None, "a limit that was there before is enough");
    });
    ward.case_with(Trouble::CoreDumps, nothing, told, "ulimit -c unlimited; python3 forbid.py");
    ward.has_found(&[Trouble::CoreDumps]);
}

/// In a name space of its own, where most users may mount a disk. Where this one may not, the test fails, and says so.
#[test]
fn a_small_disk_in_memory_is_told_of() {
    let ward = Ward::new();
    let (state, copy) = (ward.at("state"), ward.at("copy"));
    assert!(Command::new("cp").arg("-a").args([&state, &copy]).status().unwrap().success());
    let user = if rustix::process::geteuid().is_root() { "" } else { "--map-root-user" };
    let before = format!(
        "unshare {user} --mount sh -ec 'mount -t tmpfs -o size=4m,mode=0700 small {state}; cp -a {copy}/. {state}; exec \"$@\"' sh",
        state = state.display(),
        copy = copy.display(),
    );
    let view = ward.doctor(&before);
    for trouble in [Trouble::DiskFull, Trouble::FleetingDisk, Trouble::FleetingJournal] {
        let found = find(&view, trouble).unwrap_or_else(|| panic!("{trouble:?} is not found: {view:#?}"));
        assert!(found.found.contains(state.to_str().unwrap()) && found.next.is_some(), "{found:?}");
    }
}
