//! A disk that is small enough to be filled.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) struct SmallDisk {
    at: PathBuf,
}

/// Whatever was free on a disk. It is free again when this is dropped.
pub(super) struct Filled(PathBuf);

impl SmallDisk {
    /// Mounts one of so many MiB. The error says why this user cannot.
    pub(super) fn mount(at: &Path, mib: u32) -> Result<Self, String> {
        fs::create_dir_all(at).unwrap();
        let options = format!("size={mib}m,mode=0700");
        run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    pub(super) fn fill(&self) -> Filled {
        let path = self.at.join("everything-else");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        Filled(path)
    }

    pub(super) fn make_read_only(&self, is: bool) {
        let how = if is { "remount,ro" } else { "remount,rw" };
        run(Command::new("mount").args(["-o", how]).arg(&self.at)).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: what was killed may still be on its way out.
        let unmounted = run(Command::new("umount").arg("--lazy").arg(&self.at));
        if !std::thread::panicking() {
            unmounted.unwrap();
        }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a command to its end.
pub(super) fn run(command: &mut Command) -> Result<(), String> {
    let ran = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    match ran.status.success() {
        true => Ok(()),
        false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&ran.stderr).trim())),
    }
}
