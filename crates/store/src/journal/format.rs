//! What lies in a journal file.
//!
//! A header of one block, then records, each of which begins on a block of its own: what was written down once is
//! never written over by a neighbour, whatever a disk does to a block that it is interrupted in. All numbers are
//! little-endian.
//!
//! ```text
//! header   magic (8 bytes), version (4), store id (16), SHA-256 of these (32); the same in every version
//! record   magic (4), mark (1), zeros (3), sequence (8), since (8), length of head (4), length of answer (4),
//!          SHA-256 of the store id and of all but the mark (32), head (JSON), answer (sealed)
//! ```
//!
//! Sequence numbers only grow, also when a file is written from its start again. `since` is the number of the first
//! record that was written after that, so that an older record behind a newer one is told from a live one.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;
use vestal_core::connection::Attempt;
use vestal_core::id::{AttemptId, ConnectionId, GrantId, NodeId, StoreId};
use vestal_core::journal::Entry;
use vestal_core::seal::{Fingerprint, Sealed};

/// What files are divided into, in bytes: at least what any disk writes as a whole.
pub const BLOCK_BYTES: usize = 4096;

const FILE_MAGIC: [u8; 8] = *b"VSTLJRNL";
const VERSION: u32 = 1;
const RECORD_MAGIC: [u8; 4] = *b"VREC";
const CHECKSUM_BYTES: usize = 32;
const HEADER_BYTES: usize = 8 + 4 + 16 + CHECKSUM_BYTES;
const RECORD_HEAD_BYTES: usize = 4 + 4 + 8 + 8 + 4 + 4 + CHECKSUM_BYTES;

/// Where a record's mark lies, from its start.
pub const MARK_OFFSET: usize = 4;
/// The mark of a record that is settled. Any other is that of one that is not: no single bit that flips hides an answer.
pub const SETTLED: u8 = 0xff;

/// One record of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Where it begins, in bytes from the start of the file.
    pub offset: usize,
    /// Its number within the file.
    pub sequence: u64,
    /// Whether it is in the store, or not needed any more.
    pub settled: bool,
    /// What was written down.
    pub entry: Entry,
}

/// Why a file cannot be read as a journal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its header is damaged, or it never was a journal.
    #[error("its header is damaged")]
    Damaged,
    /// It was written by a later version.
    #[error("it was written in format {version}, which this version of Vestal does not know")]
    UnknownVersion {
        /// The format.
        version: u32,
        /// The store that it belongs to.
        owner: StoreId,
    },
}

/// The head of a record: all but the sealed answer.
#[derive(Serialize, Deserialize)]
struct Head {
    connection: ConnectionId,
    attempt: AttemptId,
    node: NodeId,
    grant: GrantId,
    generation: u64,
    fingerprint: Option<[u8; 32]>,
    started_at: Timestamp,
}

/// The header of a file of this store, one block.
pub fn header(store: StoreId) -> Vec<u8> {
    let mut block = Vec::with_capacity(BLOCK_BYTES);
    block.extend_from_slice(&FILE_MAGIC);
    block.extend_from_slice(&VERSION.to_le_bytes());
    block.extend_from_slice(store.as_uuid().as_bytes());
    let checksum = Sha256::digest(&block);
    block.extend_from_slice(&checksum);
    block.resize(BLOCK_BYTES, 0);
    block
}

/// A record, in whole blocks. `since` is the number of the first record after the file was last written from its start.
///
/// # Errors
///
/// When it is too long to be read again.
pub fn record(
    store: StoreId,
    sequence: u64,
    since: u64,
    entry: &Entry,
) -> Result<Vec<u8>, serde_json::Error> {
    let Attempt { id, node, grant, generation, fingerprint, started_at } = &entry.attempt;
    let head = serde_json::to_vec(&Head {
        connection: entry.connection,
        attempt: *id,
        node: *node,
        grant: *grant,
        generation: *generation,
        fingerprint: fingerprint.map(|fingerprint| *fingerprint.as_bytes()),
        started_at: *started_at,
    })?;
    let answer = entry.answer.as_bytes();
    let mut bytes =
        Vec::with_capacity((RECORD_HEAD_BYTES + head.len() + answer.len()).next_multiple_of(BLOCK_BYTES));
    bytes.extend_from_slice(&RECORD_MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&sequence.to_le_bytes());
    bytes.extend_from_slice(&since.to_le_bytes());
    bytes.extend_from_slice(&length(head.len())?.to_le_bytes());
    bytes.extend_from_slice(&length(answer.len())?.to_le_bytes());
    let checksum = checksum(store, &bytes, &head, answer);
    bytes.extend_from_slice(&checksum);
    bytes.extend_from_slice(&head);
    bytes.extend_from_slice(answer);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    Ok(bytes)
}

fn length(bytes: usize) -> Result<u32, serde_json::Error> {
    u32::try_from(bytes).map_err(|_| serde::ser::Error::custom("it has 4 GiB or more"))
}

/// `numbers` is what lies before the checksum.
fn checksum(store: StoreId, numbers: &[u8], head: &[u8], answer: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut hash = Sha256::new();
    hash.update(store.as_uuid().as_bytes());
    hash.update(&numbers[..MARK_OFFSET]);
    hash.update(&numbers[MARK_OFFSET + 1..]);
    hash.update(head);
    hash.update(answer);
    hash.finalize().into()
}

/// The store that a file belongs to; none while nothing is in it.
///
/// # Errors
///
/// See [`Unreadable`].
pub fn owner(file: &[u8]) -> Result<Option<StoreId>, Unreadable> {
    // A file that was just made, by a process that lives or was interrupted.
    if file.iter().all(|byte| *byte == 0) {
        return Ok(None);
    }
    let header = file.first_chunk::<HEADER_BYTES>().ok_or(Unreadable::Damaged)?;
    let (plain, checksum) = header.split_at(HEADER_BYTES - CHECKSUM_BYTES);
    let magic = plain.strip_prefix(&FILE_MAGIC).ok_or(Unreadable::Damaged)?;
    if Sha256::digest(plain)[..] != *checksum {
        return Err(Unreadable::Damaged);
    }
    let (version, store) = magic.split_first_chunk::<4>().ok_or(Unreadable::Damaged)?;
    let owner = StoreId::from_uuid(Uuid::from_slice(store).map_err(|_| Unreadable::Damaged)?);
    match u32::from_le_bytes(*version) {
        VERSION => Ok(Some(owner)),
        version => Err(Unreadable::UnknownVersion { version, owner }),
    }
}

/// The records of a file of this store that are live, settled ones among them, in the order in which they were
/// written. What is damaged is passed over, whatever comes after it: a record that was torn, or a block gone bad.
pub fn records(store: StoreId, file: &[u8]) -> Vec<Record> {
    let mut newest = 0;
    let mut live = Vec::new();
    let mut offset = BLOCK_BYTES;
    while let Some(rest) = file.get(offset..).filter(|rest| rest.len() >= RECORD_HEAD_BYTES) {
        let Some(found) = read(store, offset, rest) else {
            offset += BLOCK_BYTES;
            continue;
        };
        if found.since > newest {
            newest = found.since;
            live.clear();
        }
        if found.since == newest {
            live.push(found.record);
        }
        offset += found.bytes.next_multiple_of(BLOCK_BYTES);
    }
    live
}

/// Whether a live record may have been here that cannot be read any more, and that was not settled: one that was torn, or
/// a block gone bad.
pub fn is_damaged(store: StoreId, file: &[u8]) -> bool {
    const SEQUENCE: usize = 8;
    const SINCE: usize = 16;
    let number = |rest: &[u8], at: usize| Some(u64::from_le_bytes(*rest.get(at..)?.first_chunk::<8>()?));
    let (mut newest, mut lost) = (0, Vec::new());
    let mut offset = BLOCK_BYTES;
    while let Some(rest) = file.get(offset..).filter(|rest| rest.len() >= RECORD_HEAD_BYTES) {
        match read(store, offset, rest) {
            Some(found) => {
                newest = newest.max(found.since);
                offset += found.bytes.next_multiple_of(BLOCK_BYTES);
                continue;
            }
            None if rest.starts_with(&RECORD_MAGIC) && rest.get(MARK_OFFSET) != Some(&SETTLED) => {
                // What these numbers say may be damaged as well: the larger is as good as its word.
                lost.extend(number(rest, SEQUENCE).max(number(rest, SINCE)));
            }
            None => {}
        }
        offset += BLOCK_BYTES;
    }
    lost.iter().any(|number| *number >= newest)
}

struct Found {
    since: u64,
    bytes: usize,
    record: Record,
}

/// The record at the start of `rest`, if a whole one is there.
fn read(store: StoreId, offset: usize, rest: &[u8]) -> Option<Found> {
    let (numbers, after) = rest.split_at_checked(RECORD_HEAD_BYTES - CHECKSUM_BYTES)?;
    let (stored, after) = after.split_first_chunk::<CHECKSUM_BYTES>()?;
    let numbers_after_mark = numbers.strip_prefix(&RECORD_MAGIC)?.get(4..)?;
    let (sequence, numbers_left) = numbers_after_mark.split_first_chunk::<8>()?;
    let (since, numbers_left) = numbers_left.split_first_chunk::<8>()?;
    let (head_bytes, numbers_left) = numbers_left.split_first_chunk::<4>()?;
    let answer_bytes = numbers_left.first_chunk::<4>()?;
    let head_bytes = usize::try_from(u32::from_le_bytes(*head_bytes)).ok()?;
    let answer_bytes = usize::try_from(u32::from_le_bytes(*answer_bytes)).ok()?;
    let (head, after) = after.split_at_checked(head_bytes)?;
    let answer = after.get(..answer_bytes)?;
    if checksum(store, numbers, head, answer) != *stored {
        return None;
    }
    let head: Head = serde_json::from_slice(head).ok()?;
    let attempt = Attempt {
        id: head.attempt,
        node: head.node,
        grant: head.grant,
        generation: head.generation,
        fingerprint: head.fingerprint.map(Fingerprint::from_bytes),
        started_at: head.started_at,
    };
    let entry = Entry { connection: head.connection, attempt, answer: Sealed::from_bytes(answer.to_vec()) };
    let settled = numbers[MARK_OFFSET] == SETTLED;
    Some(Found {
        since: u64::from_le_bytes(*since),
        bytes: RECORD_HEAD_BYTES + head_bytes + answer_bytes,
        record: Record { offset, sequence: u64::from_le_bytes(*sequence), settled, entry },
    })
}
