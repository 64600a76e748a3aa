//! Which of the processes on this machine are gone: their leases are free at once.
//!
//! Each process holds an exclusive lock on a file that bears its node's id, for as long as it lives. The system
//! drops the lock when the process ends, however it ends; so a file that can be locked belongs to nobody. It says which
//! file it is: a copy of one, which nobody has locked either, tells nothing. Behind that it says which master keys the
//! process holds: a new one must open everywhere before it seals anywhere.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use vestal_core::id::NodeId;
use vestal_core::seal::KeyId;

use crate::file_id::FileId;
use crate::keeper::{create_file, make_folder};
use crate::locked::Locked;

const EXTENSION: &str = "node";

/// More than any file has.
const MAX_BYTES: u64 = 4096;

/// The file of a node that lives. Goes away when it is dropped.
#[derive(Debug)]
pub struct NodeFile {
    path: PathBuf,
    /// Holds the lock until the node is gone.
    locked: Locked,
    /// Where in it begins what the process tells; `None` where the disk took not even what is before that.
    told_at: Option<u64>,
}

/// What a process tells of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// Its number, as it sees it.
    pub pid: u32,
    /// The master keys that it opens with.
    pub holds: Vec<KeyId>,
    /// The one that it seals with.
    pub seals: KeyId,
    /// Whether it refreshes, or keeps to the schedule; otherwise it only reads so far.
    pub refreshes: bool,
}

/// A node whose process lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Living {
    /// The node.
    pub node: NodeId,
    /// What it tells; `None` where it could not.
    pub told: Option<Told>,
}

impl NodeFile {
    /// Says that this node lives, in this folder; makes the folder (0700) if it is not there.
    ///
    /// # Errors
    ///
    /// When the folder or the file cannot be written or locked; [`io::ErrorKind::AlreadyExists`] when the
    /// node is there already.
    pub fn hold(dir: &Path, node: NodeId) -> io::Result<Self> {
        make_folder(dir)?;
        // The file shows under its name only once it is locked: nobody can take a starting node for a dead one.
        let starting = dir.join(format!("{node}.starting"));
        let file = create_file(&starting)?;
        let path = path(dir, node);
        // Where the disk is full it stays empty, and tells that the node lives, though not that it is gone.
        let identity = format!("{}\n", identity(&file)?);
        let told_at = (&file).write_all(identity.as_bytes()).ok().map(|()| identity.len() as u64);
        let held = Locked::take(file).map_err(io::Error::from);
        let held = held.and_then(|locked| fs::rename(&starting, &path).map(|()| locked));
        // What went wrong first is what to tell; the leftover harms nobody.
        let locked = held.inspect_err(|_| drop(fs::remove_file(&starting)))?;
        Ok(Self { path, locked, told_at })
    }

    /// Says this instead of what it said before.
    ///
    /// # Errors
    ///
    /// When that cannot be written. Then others take it that nothing was said, or what was said before.
    pub fn tell(&self, told: &Told) -> io::Result<()> {
        let at = self.told_at.ok_or(io::ErrorKind::StorageFull)?;
        let mut line = serde_json::to_vec(told)?;
        line.push(b'\n');
        // What is left behind it of a longer one is not read.
        self.locked.write_all_at(&line, at)
    }
}

impl Drop for NodeFile {
    fn drop(&mut self) {
        // A file that stays is one that can be locked: others find the node gone all the same.
        let _ = fs::remove_file(&self.path);
    }
}

/// The nodes in this folder whose process is gone. None when there is no such folder. A file that cannot be read tells
/// nothing, and hides no other.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn gone_nodes(dir: &Path) -> io::Result<Vec<NodeId>> {
    let signs = signs(dir)?;
    Ok(signs.into_iter().filter(|(_, sign, _)| *sign == Sign::Gone).map(|(node, ..)| node).collect())
}

/// The nodes in this folder whose process lives, and what they tell.
///
/// # Errors
///
/// When the folder cannot be read.
pub fn living_nodes(dir: &Path) -> io::Result<Vec<Living>> {
    let signs = signs(dir)?;
    let living = signs.into_iter().filter(|(_, sign, _)| *sign == Sign::Lives);
    Ok(living.map(|(node, _, told)| Living { node, told }).collect())
}

/// What this folder tells of all nodes.
fn signs(dir: &Path) -> io::Result<Vec<(NodeId, Sign, Option<Told>)>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut signs = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != EXTENSION) {
            continue;
        }
        let Some(node) = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok()) else { continue };
        match look_at(dir, node) {
            Ok((sign, told)) => signs.push((node, sign, told)),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "whether a node is gone cannot be seen");
            }
        }
    }
    Ok(signs)
}

/// What a folder tells of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Its process lives.
    Lives,
    /// Its process is gone.
    Gone,
    /// Nothing: it is on another machine, or has ended properly, or its file was replaced by a copy.
    None,
}

/// What this folder tells of a node.
///
/// # Errors
///
/// When its file cannot be read.
pub fn sign_of(dir: &Path, node: NodeId) -> io::Result<Sign> {
    look_at(dir, node).map(|(sign, _)| sign)
}

/// What this folder tells of a node, and what the node does.
fn look_at(dir: &Path, node: NodeId) -> io::Result<(Sign, Option<Told>)> {
    let file = match File::open(path(dir, node)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Sign::None, None)),
        file => file?,
    };
    // A shared lock, so that two who look at the same time do not take each other for the node.
    let lives = match file.try_lock_shared() {
        Ok(()) => false,
        Err(TryLockError::WouldBlock) => true,
        Err(TryLockError::Error(error)) => return Err(error),
    };
    let mut said = Vec::new();
    (&file).take(MAX_BYTES).read_to_end(&mut said)?;
    let mut lines = said.split(|byte| *byte == b'\n');
    let is_itself = lines.next() == Some(identity(&file)?.as_bytes());
    let told = lines.next().and_then(|line| serde_json::from_slice(line).ok());
    Ok(match (lives, is_itself) {
        (true, _) => (Sign::Lives, told),
        (false, true) => (Sign::Gone, None),
        (false, false) => (Sign::None, None),
    })
}

/// What a node's file says: which file it is.
fn identity(file: &File) -> io::Result<String> {
    Ok(FileId::from(file.metadata()?).to_string())
}

/// Forgets a node that is gone, once its leases have been released.
///
/// # Errors
///
/// When its file cannot be removed; that it is not there is no error.
pub fn forget(dir: &Path, node: NodeId) -> io::Result<()> {
    match fs::remove_file(path(dir, node)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn path(dir: &Path, node: NodeId) -> PathBuf {
    dir.join(format!("{node}.{EXTENSION}"))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read, Write};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
    use std::process::{Command, Stdio};

    use uuid::Uuid;
    use vestal_core::seal::MasterKey;

    use super::*;

    fn node(n: u128) -> NodeId {
        NodeId::from_uuid(Uuid::from_u128(n))
    }

    #[test]
    fn a_node_lives_as_long_as_its_file_is_held() {
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("nodes");
        assert_eq!(gone_nodes(&dir).unwrap(), [], "no folder, no nodes");

        let held = NodeFile::hold(&dir, node(1)).unwrap();
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::metadata(path(&dir, node(1))).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(gone_nodes(&dir).unwrap(), []);
        assert_eq!(sign_of(&dir, node(1)).unwrap(), Sign::Lives);
        assert_eq!(sign_of(&dir, node(2)).unwrap(), Sign::None);

        drop(held);
        assert_eq!(gone_nodes(&dir).unwrap(), [], "a node that ended properly leaves nothing to release");
        assert!(!path(&dir, node(1)).exists());
    }

    #[test]
    fn a_node_that_lives_tells_which_keys_it_holds() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(living_nodes(&dir.path().join("nowhere")).unwrap(), []);
        let [one, two] = [1, 2].map(|n| MasterKey::from_bytes(&[n; 32]).id());
        let held = NodeFile::hold(dir.path(), node(1)).unwrap();
        let seen = |told| assert_eq!(living_nodes(dir.path()).unwrap(), [Living { node: node(1), told }]);
        seen(None);
        let long = Told { pid: 4_000_000, holds: vec![one, two], seals: two, refreshes: true };
        let short = Told { pid: 1, holds: vec![one], seals: one, refreshes: true };
        for told in [long, short] {
            held.tell(&told).unwrap();
            seen(Some(told));
        }
        // It is found to be gone as before, and then tells nothing.
        let left = dir.path().join("left");
        fs::rename(path(dir.path(), node(1)), &left).unwrap();
        drop(held);
        fs::rename(&left, path(dir.path(), node(1))).unwrap();
        assert_eq!(gone_nodes(dir.path()).unwrap(), [node(1)]);
        assert_eq!(living_nodes(dir.path()).unwrap(), []);
    }

    #[test]
    fn a_copy_in_the_place_of_a_file_tells_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let _held = NodeFile::hold(dir.path(), node(1)).unwrap();
        let (path, copy) = (path(dir.path(), node(1)), dir.path().join("copy"));
        fs::copy(&path, &copy).unwrap();
        fs::rename(&copy, &path).unwrap();
        for _ in 0..2 {
            assert_eq!(sign_of(dir.path(), node(1)).unwrap(), Sign::None);
            assert_eq!(gone_nodes(dir.path()).unwrap(), []);
            fs::write(&path, "").unwrap();
        }
    }

    #[test]
    fn other_files_are_no_nodes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("notes.txt"), "").unwrap();
        fs::write(dir.path().join("not-an-id.node"), "").unwrap();
        fs::write(dir.path().join(format!("{}.starting", node(2))), "").unwrap();
        assert_eq!(gone_nodes(dir.path()).unwrap(), []);
    }

    #[test]
    fn what_root_leaves_is_the_keepers() {
        const NOBODY: u32 = 65534;
        let base = tempfile::tempdir().unwrap();
        let dir = base.path().join("nodes");
        if rustix::process::geteuid().is_root() {
            chown(base.path(), Some(NOBODY), None).unwrap();
        }
        let _held = NodeFile::hold(&dir, node(1)).unwrap();
        let owner = |path: &Path| fs::metadata(path).unwrap().uid();
        for made in [&dir, &path(&dir, node(1))] {
            assert_eq!(owner(made), owner(base.path()));
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_hides_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let gone = NodeFile::hold(dir.path(), node(2)).unwrap();
        let left = dir.path().join("left");
        fs::rename(path(dir.path(), node(2)), &left).unwrap();
        drop(gone);
        fs::rename(&left, path(dir.path(), node(2))).unwrap();
        let (first, last) = (path(dir.path(), node(1)), path(dir.path(), node(3)));
        symlink(&first, &first).unwrap();
        fs::create_dir(&last).unwrap();
        for unreadable in [1, 3] {
            sign_of(dir.path(), node(unreadable)).unwrap_err();
        }
        assert_eq!(gone_nodes(dir.path()).unwrap(), [node(2)]);
    }

    #[test]
    fn a_killed_process_is_gone_and_can_be_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "nodes::tests::child_that_holds_until_killed", "--ignored", "--nocapture"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().ends_with("held")), "the child holds its node");
        assert_eq!(gone_nodes(dir.path()).unwrap(), [], "it lives");

        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(gone_nodes(dir.path()).unwrap(), [node(7)]);
        assert_eq!(sign_of(dir.path(), node(7)).unwrap(), Sign::Gone);
        assert_eq!(gone_nodes(dir.path()).unwrap(), [node(7)], "looking changes nothing");

        forget(dir.path(), node(7)).unwrap();
        forget(dir.path(), node(7)).unwrap();
        assert_eq!(gone_nodes(dir.path()).unwrap(), []);
    }

    /// The other half of the test above: holds node 7 in its working directory until its input ends.
    #[test]
    #[ignore = "is run as a child process"]
    fn child_that_holds_until_killed() {
        let _held = NodeFile::hold(Path::new("."), node(7)).unwrap();
        writeln!(io::stdout(), "held").unwrap();
        let _ = io::stdin().read(&mut [0]);
    }
}
