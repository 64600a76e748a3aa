//! Where the store lies: the kind of disk, its room, and who else can reach it.

use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rustix::fs::statvfs;
use vestal_api::{Finding, Trouble};
use vestal_core::clock::Clock;
use vestal_core::token::saturating_add;
use vestal_store::filesystem::{fleeting, magic, network};

use super::finding::{fail, ok, warn};

/// Less room than this fills up before somebody comes: the log of a busy store alone takes a quarter of it.
const LITTLE_BYTES: u64 = 64 * 1024 * 1024;

/// As many files can still be made, at least.
const FEW_FILES: u64 = 100;

/// A file system's times and the clock's agree to within this.
const AGREE: Duration = Duration::from_secs(3600);

pub(super) fn look(store: &Path, clock: &dyn Clock) -> Vec<Finding> {
    let Some(folder) = store.parent().filter(|folder| folder.exists()) else { return Vec::new() };
    let mut findings = vec![disk(folder, magic(folder))];
    findings.extend(room(folder));
    findings.extend(open_folder(folder));
    let files: Vec<(PathBuf, Metadata)> = files(store).collect();
    findings.extend(files.iter().filter_map(|(path, metadata)| open_file(path, mode(metadata))));
    let changed = files.first().and_then(|(_, metadata)| Timestamp::try_from(metadata.modified().ok()?).ok());
    findings.extend(changed.and_then(|changed| from_the_future(changed, clock.now())));
    findings
}

/// The store and the files that SQLite keeps beside it, as far as they are there.
fn files(store: &Path) -> impl Iterator<Item = (PathBuf, Metadata)> {
    let beside = ["", "-wal", "-shm"].map(|suffix| {
        let mut name = store.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    });
    beside.into_iter().filter_map(|path| fs::metadata(&path).ok().map(|metadata| (path, metadata)))
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.permissions().mode() & 0o777
}

fn disk(folder: &Path, magic: Option<u64>) -> Finding {
    let shown = folder.display();
    if let Some(network) = magic.and_then(network) {
        return fail(
            Trouble::NetworkDisk,
            format!(
                "{shown} lies on a network or shared file system ({network}), where SQLite's locks cannot be trusted"
            ),
            "keep the store on a local disk: [store] path in the configuration",
        );
    }
    match magic.and_then(fleeting) {
        Some(why) => warn(
            Trouble::FleetingDisk,
            format!("{shown}: {why}"),
            "keep the store on a disk or a volume: [store] path in the configuration",
        ),
        None => ok("state folder", shown.to_string()),
    }
}

fn room(folder: &Path) -> Option<Finding> {
    let disk = statvfs(folder).ok()?;
    // Some file systems have as many files as there is room for, and say 0.
    let files = Some(disk.f_favail).filter(|_| disk.f_files > 0);
    little_room(folder, disk.f_bavail.saturating_mul(disk.f_frsize), files)
}

fn little_room(folder: &Path, free_bytes: u64, free_files: Option<u64>) -> Option<Finding> {
    let shown = folder.display();
    let left = match free_files {
        _ if free_bytes < LITTLE_BYTES => format!("{} KiB are left", free_bytes / 1024),
        Some(files) if files < FEW_FILES => format!("{files} more files can be made"),
        _ => return None,
    };
    Some(warn(
        Trouble::DiskFull,
        format!("on the disk of {shown} {left}: what a provider answers may not be saved for long"),
        &format!("make room on it, {} MiB at least: df '{shown}'", LITTLE_BYTES / 1024 / 1024),
    ))
}

fn open_folder(folder: &Path) -> Option<Finding> {
    let mode = mode(&fs::metadata(folder).ok()?);
    let shown = folder.display();
    (mode & 0o022 != 0).then(|| {
        warn(
            Trouble::FolderOpen,
            format!("others may write to {shown} (mode {mode:04o}), and remove what is in it"),
            &format!("chmod 700 '{shown}'"),
        )
    })
}

/// It is not opened then.
fn open_file(path: &Path, mode: u32) -> Option<Finding> {
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        fail(
            Trouble::StoreOpen,
            format!("other users of this machine can read or write {shown} (mode {mode:04o})"),
            &format!("chmod 600 '{shown}'"),
        )
    })
}

fn from_the_future(changed: Timestamp, now: Timestamp) -> Option<Finding> {
    (changed > saturating_add(now, AGREE)).then(|| {
        fail(
            Trouble::ClockWrong,
            format!("the store was changed at {changed}, which is in the future: the clock is wrong, or was"),
            "set the clock; where it was wrong before and is right now, this passes by itself",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(finding: Option<Finding>) -> Option<Trouble> {
        finding.and_then(|finding| finding.trouble)
    }

    #[test]
    fn disks_that_do_not_fit_are_told_from_those_that_do() {
        let of = |magic| disk(Path::new("/state"), Some(magic)).trouble;
        assert_eq!(of(0x6969), Some(Trouble::NetworkDisk));
        assert_eq!(of(0x0102_1994), Some(Trouble::FleetingDisk));
        assert_eq!(of(0xef53), None);
    }

    #[test]
    fn little_room_is_told_of_in_bytes_and_in_files() {
        let of = |bytes, files| trouble(little_room(Path::new("/state"), bytes, files));
        assert_eq!(of(1024 * 1024, None), Some(Trouble::DiskFull));
        assert_eq!(of(1 << 40, Some(7)), Some(Trouble::DiskFull));
        assert_eq!(of(1 << 40, Some(70_000)), None);
        assert_eq!(of(1 << 40, None), None);
    }

    #[test]
    fn a_store_from_the_future_is_told_of() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(trouble(from_the_future(at(10_000), at(1_000))), Some(Trouble::ClockWrong));
        assert_eq!(trouble(from_the_future(at(4_000), at(1_000))), None);
    }

    #[test]
    fn what_others_can_reach_is_told_of() {
        for (mode, told) in
            [(0o600, None), (0o640, Some(Trouble::StoreOpen)), (0o602, Some(Trouble::StoreOpen))]
        {
            assert_eq!(trouble(open_file(Path::new("/state/db"), mode)), told, "{mode:o}");
        }
    }
}
