//! Bytes and what is read in them.

use super::super::format::{BLOCK_BYTES, MARK_OFFSET, SETTLED, Unreadable, header, owner, record, records};
use super::*;

fn file(parts: &[(u64, u64, &Entry)]) -> Vec<u8> {
    let mut bytes = header(store(1));
    for (sequence, since, entry) in parts {
        bytes.extend(record(store(1), *sequence, *since, entry).unwrap());
    }
    bytes
}

fn found(bytes: &[u8]) -> Vec<Entry> {
    records(store(1), bytes).into_iter().map(|record| record.entry).collect()
}

#[test]
fn what_is_written_is_read() {
    let long = answer(3, 1_400_000);
    let bytes = file(&[(1, 1, &entry(1)), (2, 1, &entry(2)), (3, 1, &long), (4, 1, &answer(4, 0))]);
    assert_eq!(owner(&bytes), Ok(Some(store(1))));
    let read = records(store(1), &bytes);
    assert!(read.iter().all(|record| record.offset % BLOCK_BYTES == 0 && !record.settled));
    assert_eq!(read.iter().map(|record| record.sequence).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(found(&bytes), [entry(1), entry(2), long, answer(4, 0)]);
    assert_eq!(records(store(2), &bytes), [], "records are bound to their store");
}

#[test]
fn a_record_torn_at_any_byte_is_not_taken_and_harms_no_other() {
    let whole = file(&[(1, 1, &entry(1)), (2, 1, &answer(2, 5000))]);
    let start = 2 * BLOCK_BYTES;
    let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    assert!(end > start + 5000);
    let older = file(&[(1, 1, &entry(8)), (2, 1, &answer(9, 9000))]);
    for torn_at in start..end {
        let cut_off = &whole[..torn_at];
        assert_eq!(found(cut_off), [entry(1)], "cut off at {torn_at}");
        for under in [vec![0; whole.len()], older.clone()] {
            // The rest still holds what was there before.
            let mut torn = under;
            torn[..torn_at].copy_from_slice(cut_off);
            if torn[torn_at..end] != whole[torn_at..end] {
                assert_eq!(found(&torn)[0], entry(1), "torn at {torn_at}");
                assert!(!found(&torn).contains(&answer(2, 5000)), "torn at {torn_at}");
            }
        }
    }
    assert_eq!(found(&whole[..end]), [entry(1), answer(2, 5000)]);
}

#[test]
fn a_flipped_bit_costs_one_answer_at_most() {
    let whole = file(&[(1, 1, &entry(1)), (2, 1, &entry(2)), (3, 1, &entry(3))]);
    for at in BLOCK_BYTES..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        let left = records(store(1), &flipped);
        assert!(left.len() >= 2 && left.iter().all(|record| !record.settled), "{at}");
        assert!(left.into_iter().all(|record| record.entry == entry(record.sequence.try_into().unwrap())));
    }
}

#[test]
fn what_lies_behind_a_newer_record_is_old() {
    let mut bytes = file(&[(1, 1, &entry(1)), (2, 1, &entry(2)), (3, 1, &entry(3))]);
    let newer = record(store(1), 4, 4, &entry(4)).unwrap();
    bytes[BLOCK_BYTES..2 * BLOCK_BYTES].copy_from_slice(&newer);
    assert_eq!(found(&bytes), [entry(4)]);
}

#[test]
fn a_mark_settles() {
    let mut bytes = file(&[(1, 1, &entry(1)), (2, 1, &entry(2))]);
    bytes[BLOCK_BYTES + MARK_OFFSET] = SETTLED;
    let settled: Vec<bool> = records(store(1), &bytes).iter().map(|record| record.settled).collect();
    assert_eq!(settled, [true, false]);
}

#[test]
fn a_header_is_whole_or_refused() {
    let header = header(store(1));
    assert_eq!(owner(&[]), Ok(None));
    assert_eq!(owner(&[0; 70_000]), Ok(None), "allocated, and nothing written yet");
    for at in 0..60 {
        let mut flipped = header.clone();
        flipped[at] ^= 1;
        assert_eq!(owner(&flipped), Err(Unreadable::Damaged), "{at}");
        assert_eq!(owner(&header[..at]), if at == 0 { Ok(None) } else { Err(Unreadable::Damaged) });
    }
}
