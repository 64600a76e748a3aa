//! Journals in real files.

mod faults;
mod files;
mod format;
mod processes;
mod removed;
mod rooms;

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::Uuid;
use vestal_core::connection::Attempt;
use vestal_core::id::{AttemptId, ConnectionId, GrantId, NodeId, StoreId};
use vestal_core::journal::Entry;
use vestal_core::seal::{Fingerprint, Sealed};

use super::*;

fn store(n: u128) -> StoreId {
    StoreId::from_uuid(Uuid::from_u128(n))
}

fn node(n: u128) -> NodeId {
    NodeId::from_uuid(Uuid::from_u128(n))
}

fn attempt(n: u8) -> AttemptId {
    AttemptId::from_uuid(Uuid::from_u128(n.into()))
}

/// The answer of attempt `n`, which started in second `n`, with this many bytes.
fn answer(n: u8, bytes: usize) -> Entry {
    let attempt = Attempt {
        id: attempt(n),
        node: node(3),
        grant: GrantId::from_uuid(Uuid::from_u128(4)),
        generation: 5,
        fingerprint: (!n.is_multiple_of(2)).then(|| Fingerprint::from_bytes([n; 32])),
        started_at: Timestamp::new(n.into(), 6).unwrap(),
    };
    let connection = ConnectionId::from_uuid(Uuid::from_u128(2));
    Entry { connection, attempt, answer: Sealed::from_bytes(vec![n; bytes]) }
}

fn entry(n: u8) -> Entry {
    answer(n, 1000)
}

/// The journal of node `n` of store 1.
fn journal(folders: &[&Path], n: u128) -> FileJournal {
    FileJournal::new(folders.iter().map(|folder| folder.to_path_buf()).collect(), store(1), node(n))
}

async fn entries(journal: &FileJournal) -> Vec<Entry> {
    journal.entries().await.unwrap()
}

/// The files in a folder, by name.
fn listing(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

fn only_file(folder: &Path) -> PathBuf {
    let [file] = &listing(folder)[..] else { panic!("{:?} is not one file", listing(folder)) };
    file.clone()
}
