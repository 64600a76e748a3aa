//! The store: its place, its version, and who keeps what is in it.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, SystemTime};

use vestal_api::Trouble;

use super::Mend::{AsTold, By};
use super::{Ward, find, mode};
use crate::errors::sql;
use crate::harness::Home;

pub(super) const KINDS: &[Trouble] = &[
    Trouble::BadStore,
    Trouble::ClockSkewed,
    Trouble::ClockWrong,
    Trouble::FolderOpen,
    Trouble::NoStore,
    Trouble::NobodyKeeps,
    Trouble::Overdue,
    Trouble::StoreNewer,
    Trouble::StoreOlder,
    Trouble::StoreOpen,
    Trouble::StoreReadOnly,
];

fn touch(path: &Path, at: SystemTime) {
    File::options().append(true).open(path).unwrap().set_modified(at).unwrap();
}

fn restored(home: &Home, bytes: &[u8]) {
    fs::write(home.store(), bytes).unwrap();
}

#[test]
fn trouble_with_the_store_is_found_and_mended_as_told() {
    let mut ward = Ward::new();
    let store = ward.home.store();
    let folder = store.parent().unwrap().to_owned();
    // Everything is in the one file.
    sql(&ward.home, "UPDATE store SET one = 1");
    let bytes = ward.home.store_bytes();
    let back = |ward: &Ward| restored(&ward.home, &bytes);

    ward.case(Trouble::FolderOpen, |_| mode(&folder, 0o777), AsTold);
    ward.case(Trouble::StoreOpen, |_| mode(&store, 0o644), AsTold);
    ward.case(
        Trouble::ClockWrong,
        |_| touch(&store, SystemTime::now() + Duration::from_secs(86_400)),
        By(&|_| touch(&store, SystemTime::now())),
    );
    let away = ward.at("away.db");
    ward.case(
        Trouble::NoStore,
        |_| fs::rename(&store, &away).unwrap(),
        By(&|_| fs::rename(&away, &store).unwrap()),
    );
    ward.case(
        Trouble::StoreNewer,
        |ward| {
            let mut newer = bytes.clone();
            // The schema's version ends here (<https://www.sqlite.org/fileformat.html>).
            newer[63] = 99;
            restored(&ward.home, &newer);
        },
        By(&back),
    );
    ward.case(
        Trouble::StoreOlder,
        |ward| {
            let mut older = bytes.clone();
            older[63] -= 1;
            restored(&ward.home, &older);
        },
        By(&|ward| {
            assert_eq!(ward.home.store_bytes()[63], bytes[63] - 1, "whoever only looks leaves it as it is");
            back(ward);
        }),
    );
    // Permission bits do not bind root; without this privilege they do.
    let bound = match rustix::process::geteuid().is_root() {
        true => "setpriv --bounding-set=-dac_override --inh-caps=-dac_override",
        false => "",
    };
    ward.case_with(
        Trouble::StoreReadOnly,
        |_| {
            mode(&store, 0o400);
            mode(&folder, 0o500);
        },
        By(&|_| {
            mode(&store, 0o600);
            mode(&folder, 0o700);
        }),
        bound,
    );
    ward.case(Trouble::BadStore, |ward| restored(&ward.home, b"to do: buy milk\n"), By(&back));
    let mark = "UPDATE store SET mark = json_set(mark,";
    ward.case(
        Trouble::Overdue,
        |ward| {
            sql(&ward.home, "UPDATE connections SET due_at = due_at - 172800000 WHERE name = 'other'");
            assert!(find(&ward.doctor(""), Trouble::Overdue).is_none(), "somebody looks, and may be at it");
            sql(&ward.home, &format!("{mark} '$.at', '2026-01-01T00:00:00Z')"));
        },
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due"]).ok())),
    );
    ward.case(
        Trouble::NobodyKeeps,
        |ward| sql(&ward.home, &format!("{mark} '$.at', '2026-01-01T00:00:00Z')")),
        By(&|ward| drop(ward.home.vestal(&["refresh", "--due"]).ok())),
    );
    ward.case(
        Trouble::ClockSkewed,
        |ward| {
            let skew = r#"json('{"ahead_s": 90, "host": "a.example", "at": "2026-11-01T00:00:00Z"}')"#;
            sql(&ward.home, &format!("{mark} '$.skew', {skew})"));
        },
        // Whoever hears from a provider next notes what it measured itself; one who hears from nobody knows no better.
        By(&|ward| {
            ward.home.vestal(&["refresh", "--due"]).ok();
            assert!(find(&ward.doctor(""), Trouble::ClockSkewed).is_some());
            ward.home.vestal(&["refresh", "other"]).ok();
        }),
    );
    ward.has_found(KINDS);
}
