//! An import of many lines that is killed in the middle, again and again: run once more, it ends in the same store.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vestal_api::StatusView;

use super::{Proof, times};
use crate::harness::{CLIENT_ID, CLIENT_SECRET, Home, Provider, until_within};

/// More than any run takes, on a machine that is busy.
const WITHIN: Duration = Duration::from_secs(1800);

/// As much as an import of any length takes, and some.
const MOST_MEMORY_KIB: u64 = 160 * 1024;

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let lines = times(5_000, 1_000_000);
    let kills = times(2, 10);
    let proof = Proof::of("an import is killed in the middle, and run again");
    let home = Home::new();
    let provider = Provider::start(home.record(), |_| {});
    let add = ["client", "add", "acme", "--provider", "custom", "--issuer", &provider.issuer];
    let registered = ["--client-id", CLIENT_ID, "--client-secret-stdin"];
    home.vestal_reading(&[&add[..], &registered].concat(), &format!("{CLIENT_SECRET}\n")).ok();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.jsonl");
    let mut file = BufWriter::new(File::create(&path).unwrap());
    for number in 0..lines {
        writeln!(
            file,
            r#"{{"name":"customer {number}","client":"acme","external_id":{number},"refresh_token":"a refresh token of a customary length, which is {number}","tags":{{"batch":"7"}}}}"#
        )
        .unwrap();
    }
    file.into_inner().unwrap();
    let import = ["import", "--paused", "--file", path.to_str().unwrap()];
    let count = || home.vestal(&["status", "--json"]).ok().json::<StatusView>().connections as usize;

    for kill in 0..kills {
        let (before, enough) = (count(), lines * kill / (kills + 1));
        let running = home.start(&import);
        // What is there already is looked at first.
        until_within(WITHIN, "some more to be imported", || (count() > before.max(enough)).then_some(()));
        running.signal(Signal::KILL);
    }
    let before = count();
    assert!(before < lines, "it was killed too late");
    let since = Instant::now();
    let mut last = home.start(&import);
    let mut peak_kib = 0;
    while !last.has_ended() {
        peak_kib = last.peak_memory_kib().unwrap_or(0).max(peak_kib);
        std::thread::sleep(Duration::from_millis(20));
    }
    let (told, took) = (last.end_within(WITHIN).ok(), since.elapsed());
    let there = if before > 0 { format!(", {before} there already") } else { String::new() };
    assert_eq!(told.stdout, format!("{} imported{there}\n", lines - before), "{told}");
    assert_eq!(count(), lines, "none twice");
    let again = home.start(&import).end_within(WITHIN).ok();
    assert_eq!(again.stdout, format!("0 imported, {lines} there already\n"));
    assert!(peak_kib < MOST_MEMORY_KIB, "{peak_kib} KiB");
    let each_second = (lines as f64 / took.as_secs_f64()).round();
    proof.holds(
        format_args!("{lines} lines, {kills} kills"),
        format_args!(
            "none lost, none twice; {each_second} lines a second, {} MiB at the most",
            peak_kib / 1024
        ),
    );
}
