//! The journal: where answers go that the store does not take.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use vestal_api::Trouble;

use super::Mend::{AsTold, By};
use super::{Ward, mode};
use crate::harness::{Running, until};

pub(super) const KINDS: &[Trouble] = &[Trouble::NoJournal, Trouble::AnswersWait, Trouble::AnswersDamaged];

/// Where the first answer of a file begins (`store/src/journal/format.rs`).
const FIRST_ANSWER: u64 = 4096;

#[test]
fn trouble_with_answers_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    let journal = ward.home.store().with_file_name("journal");
    assert!(journal.is_dir(), "it was made before the first refresh");
    ward.case(Trouble::NoJournal, |_| mode(&journal, 0o777), AsTold);
    ward.case(Trouble::AnswersWait, an_answer_waits, AsTold);
    let damaged = || files(&journal, "damaged");
    ward.case(
        Trouble::AnswersDamaged,
        |ward| {
            an_answer_waits(ward);
            let [file] = &files(&journal, "journal")[..] else { panic!("one answer waits") };
            let file = fs::File::options().write(true).open(file).unwrap();
            file.write_all_at(b"what a disk makes of it", FIRST_ANSWER + 200).unwrap();
            // Whoever comes next finds it so, and keeps it.
            ward.home.vestal(&["refresh", "--due"]);
            assert_eq!(damaged().len(), 1);
        },
        By(&|ward| {
            ward.home.consent("shop", &["--same-account"], "").ok();
            damaged().iter().for_each(|file| fs::remove_file(file).unwrap());
        }),
    );
    ward.has_found(KINDS);
}

fn files(folder: &Path, kind: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.extension().is_some_and(|extension| extension == kind)).collect()
}

/// The store goes away while a refresh is under way, and comes back when whoever refreshed is gone.
fn an_answer_waits(ward: &Ward) {
    let store = ward.home.store();
    ward.provider.wire.hold();
    let before = ward.provider.wire.requests();
    let refresh: Running = ward.home.start(&["refresh", "shop"]);
    until("a refresh to be under way", || (ward.provider.wire.requests() > before).then_some(()));
    let files = ["", "-wal", "-shm"].map(|suffix| PathBuf::from(format!("{}{suffix}", store.display())));
    let away = |path: &Path| ward.at("elsewhere").join(path.file_name().unwrap());
    fs::create_dir_all(ward.at("elsewhere")).unwrap();
    let moved: Vec<_> = files.iter().filter(|path| fs::rename(path, away(path)).is_ok()).collect();
    ward.provider.wire.let_go();
    refresh.end();
    moved.iter().for_each(|path| fs::rename(away(path), path).unwrap());
}
