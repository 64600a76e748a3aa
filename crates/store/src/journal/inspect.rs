//! What can be said of a journal's folders before they are needed.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use vestal_core::id::StoreId;

use super::disk::check_ours;
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
    /// How many answers in it wait for the store; none when it could not all be read.
    pub unsettled: Option<usize>,
    /// Files in it with an answer that cannot be read any more.
    pub damaged: Vec<PathBuf>,
}

/// Whether a folder can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FolderState {
    /// It is there.
    Writable,
    /// It is not there, and can be made when it is needed.
    Absent,
    /// It cannot be written, or cannot be made.
    Unwritable {
        /// Why.
        detail: String,
    },
}

/// Looks at the folders of a journal. Changes nothing.
pub fn inspect(folders: &[PathBuf], store: StoreId) -> Vec<JournalFolder> {
    folders.iter().enumerate().map(|(index, folder)| look((index, folder), store)).collect()
}

fn look(folder: (usize, &Path), store: StoreId) -> JournalFolder {
    let unsettled = unsettled(folder, store);
    let (_, folder) = folder;
    let present = folder.ancestors().find(|folder| folder.exists()).unwrap_or(Path::new("."));
    let state = if !present.is_dir() {
        FolderState::Unwritable { detail: format!("{} is not a folder", present.display()) }
    } else if let Err(error) = access(present, Access::WRITE_OK | Access::EXEC_OK) {
        FolderState::Unwritable { detail: format!("{}: {error}", present.display()) }
    } else if present == folder {
        match check_ours(folder) {
            Ok(()) => FolderState::Writable,
            Err(error) => FolderState::Unwritable { detail: error.to_string() },
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
        // Where the folder cannot be read, that has been said.
        damaged: others::damaged(folder).unwrap_or_default(),
    }
}

fn unsettled(folder: (usize, &Path), store: StoreId) -> Option<usize> {
    let mut unsettled = 0;
    for path in others::files(folder).ok()? {
        match others::read(&path, store).ok()? {
            Holds::Records(records) => unsettled += others::unsettled(&records).len(),
            Holds::Gone | Holds::Anothers => {}
            Holds::Unreadable(_) => return None,
        }
    }
    Some(unsettled)
}
