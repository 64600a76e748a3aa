//! What can be said of a journal's folders before they are needed.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use vestal_core::id::StoreId;

use super::disk::check_ours;
use super::format::Unreadable;
use super::others::{self, Holds};
use crate::filesystem;

/// One of the folders in which a journal may lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalFolder {
    /// The folder.
    pub path: PathBuf,
    /// Whether it can be used.
    pub state: FolderState,
    /// The kind of file system it lies on, or would lie on; none where the system does not tell.
    pub file_system: Option<String>,
    /// Why what is in it does not survive a restart of the machine or of the container; none where it does, or where
    /// the system does not tell.
    pub fleeting: Option<&'static str>,
    /// How many answers wait for the store in what could be read.
    pub unsettled: usize,
    /// Files in it with an answer that nobody can read any more.
    pub damaged: Vec<PathBuf>,
    /// What may hold further answers, and could not be read.
    pub unread: Vec<Unread>,
}

/// A file, or a folder of files, that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub why: WhyUnread,
}

/// Why something could not be read that somebody else may be able to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyUnread {
    /// The system does not let this user, or the disk fails.
    Refused {
        /// What it said.
        detail: String,
    },
    /// A later version of Vestal wrote it.
    Newer {
        /// In this format.
        version: u32,
    },
}

/// Whether a folder can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderState {
    /// It is there.
    Writable,
    /// It is not there, and can be made when it is needed.
    Absent,
    /// It cannot be used, or cannot be made.
    Unusable {
        /// The folder, or the nearest one above it that is there.
        path: PathBuf,
        /// Why.
        why: WhyUnusable,
    },
}

/// Why a folder cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyUnusable {
    /// Something else lies there.
    InTheWay,
    /// It cannot be written.
    Refused {
        /// What the system said.
        detail: String,
    },
    /// It is another user's, or others can write to it.
    Shared,
}

/// Looks at the folders of a journal. Changes nothing.
pub fn inspect(folders: &[PathBuf], store: StoreId) -> Vec<JournalFolder> {
    folders.iter().enumerate().map(|(index, folder)| look((index, folder), store)).collect()
}

fn look(folder: (usize, &Path), store: StoreId) -> JournalFolder {
    let Found { unsettled, mut damaged, unread } = find(folder, store);
    let (_, folder) = folder;
    // Where the folder cannot be read, that has been said.
    damaged.extend(others::damaged(folder).unwrap_or_default());
    let present = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let unusable = |why| FolderState::Unusable { path: present.to_owned(), why };
    let state = if !present.is_dir() {
        unusable(WhyUnusable::InTheWay)
    } else if let Err(error) = access(present, Access::WRITE_OK | Access::EXEC_OK) {
        unusable(WhyUnusable::Refused { detail: error.to_string() })
    } else if present == folder {
        match check_ours(folder) {
            Ok(()) => FolderState::Writable,
            Err(error) if error.kind() == ErrorKind::PermissionDenied => unusable(WhyUnusable::Shared),
            Err(error) => unusable(WhyUnusable::Refused { detail: error.to_string() }),
        }
    } else {
        FolderState::Absent
    };
    let magic = filesystem::magic(present);
    JournalFolder {
        path: folder.to_owned(),
        state,
        file_system: magic.map(filesystem::name),
        fleeting: magic.and_then(filesystem::fleeting),
        unsettled,
        damaged,
        unread,
    }
}

/// What lies in a folder.
#[derive(Default)]
struct Found {
    unsettled: usize,
    damaged: Vec<PathBuf>,
    unread: Vec<Unread>,
}

fn find(folder: (usize, &Path), store: StoreId) -> Found {
    let mut found = Found::default();
    let refused = |path: &Path, error: &io::Error| {
        let detail = error.to_string();
        Unread { path: path.to_owned(), why: WhyUnread::Refused { detail } }
    };
    let files = others::files(folder).unwrap_or_else(|error| {
        found.unread.push(refused(folder.1, &error));
        Vec::new()
    });
    for path in files {
        match others::read(&path, store) {
            Ok(Holds::Records(records)) => found.unsettled += others::unsettled(&records).len(),
            Ok(Holds::Gone | Holds::Anothers) => {}
            Ok(Holds::Unreadable(Unreadable::Damaged)) => found.damaged.push(path),
            Ok(Holds::Unreadable(Unreadable::UnknownVersion { version, .. })) => {
                found.unread.push(Unread { path, why: WhyUnread::Newer { version } });
            }
            Err(error) => found.unread.push(refused(&path, &error)),
        }
    }
    found
}
