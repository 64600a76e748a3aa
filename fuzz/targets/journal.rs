//! Any bytes as a journal file; and files of which any bytes were changed. What is read was written, and what was not
//! touched is read.

#![no_main]

use std::ops::Range;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use vestal_core::connection::Attempt;
use vestal_core::id::{AttemptId, ConnectionId, GrantId, NodeId};
use vestal_core::journal::Entry;
use vestal_core::seal::{Fingerprint, Sealed};
use vestal_fuzz::{Input, store, uuid};
use vestal_store::journal::format::{
    BLOCK_BYTES, MARK_OFFSET, Record, header, is_damaged, owner, record, records,
};

fuzz_target!(|bytes: &[u8]| {
    let mut input = Input::new(bytes);
    match input.byte() % 4 {
        0 => drop(read(input.rest())),
        1 => {
            // Behind a whole header.
            let mut file = header(store());
            file.extend_from_slice(input.rest());
            drop(read(&file));
        }
        _ => changed(input),
    }
});

/// Reads what nobody wrote.
fn read(file: &[u8]) -> Vec<Record> {
    let _ = owner(file);
    let found = records(store(), file);
    for pair in found.windows(2) {
        assert!(pair[0].offset < pair[1].offset, "one after the other");
    }
    for record in &found {
        assert!(record.offset.is_multiple_of(BLOCK_BYTES) && record.offset < file.len());
    }
    found
}

struct Written {
    entry: Entry,
    at: Range<usize>,
}

fn changed(mut input: Input) {
    let mut file = header(store());
    let mut written = Vec::new();
    for n in 1..=1 + input.byte() % 6 {
        let entry = entry(n, &mut input);
        let record = record(store(), n.into(), 1, &entry).expect("what is that short can be written");
        let at = file.len()..file.len() + record.len();
        file.extend(record);
        written.push(Written { entry, at });
    }
    let mut touched = Vec::new();
    while !input.is_empty() {
        let at = u16::from_le_bytes(input.array());
        // Whole blocks, or bytes: at the head of a record, where most can be broken, or anywhere.
        let blocks = file.len().div_ceil(BLOCK_BYTES);
        let at = match input.byte() % 4 {
            0 => usize::from(at) % blocks * BLOCK_BYTES,
            1 => usize::from(at) % blocks * BLOCK_BYTES + usize::from(input.byte()),
            2 => usize::from(at) % file.len(),
            _ => {
                file.truncate(usize::from(at) % file.len() + 1);
                continue;
            }
        };
        let with = input.byte();
        if let Some(byte) = file.get_mut(at).filter(|byte| **byte != with) {
            *byte = with;
            touched.push(at);
        }
    }

    let whole = written.last().is_some_and(|last| last.at.end == file.len()) && touched.is_empty();
    assert!(!(whole && is_damaged(store(), &file)), "nothing was lost");
    let found = read(&file);
    for record in &found {
        let index = usize::try_from(record.sequence).expect("it was written") - 1;
        let Written { entry, at } = &written[index];
        assert_eq!(record.entry, *entry, "what is read was written");
        assert_eq!(record.offset, at.start, "where it was written");
    }
    for Written { entry, at } in &written {
        let whole = at.end <= file.len() && !touched.iter().any(|touched| at.contains(touched));
        assert!(!whole || found.iter().any(|record| record.entry == *entry), "what was not touched is read");
        let unmarked = !touched.contains(&(at.start + MARK_OFFSET));
        let settled = found.iter().any(|record| record.offset == at.start && record.settled);
        assert!(!(unmarked && settled), "nothing is settled that was not marked");
        let head = at.start..at.start + 24;
        let begun =
            at.start + BLOCK_BYTES <= file.len() && !touched.iter().any(|touched| head.contains(touched));
        let lost = begun && !found.iter().any(|record| record.entry == *entry);
        assert!(!lost || is_damaged(store(), &file), "what was lost is noticed");
    }
}

fn entry(n: u8, input: &mut Input) -> Entry {
    let attempt = Attempt {
        id: AttemptId::from_uuid(uuid(n)),
        node: NodeId::from_uuid(uuid(2)),
        grant: GrantId::from_uuid(uuid(3)),
        generation: u64::from_le_bytes(input.array()),
        fingerprint: (!n.is_multiple_of(2)).then(|| Fingerprint::from_bytes([n; 32])),
        started_at: Timestamp::from_second(u32::from_le_bytes(input.array()).into())
            .unwrap_or(Timestamp::MAX),
    };
    // Some answers look like records.
    let mut answer = Vec::new();
    let length = usize::from(u16::from_le_bytes(input.array())) % (3 * BLOCK_BYTES);
    let filler = input.byte();
    if filler % 4 == 1 {
        let inner = Entry {
            connection: ConnectionId::from_uuid(uuid(9)),
            attempt: attempt.clone(),
            answer: Sealed::from_bytes(vec![filler; 10]),
        };
        answer = record(store(), 200, 1, &inner).expect("what is that short can be written");
    }
    answer.resize(length, filler);
    Entry { connection: ConnectionId::from_uuid(uuid(4)), attempt, answer: Sealed::from_bytes(answer) }
}
