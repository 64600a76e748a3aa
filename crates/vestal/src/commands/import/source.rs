//! Reading what is imported, in batches, ahead of their being written.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::mpsc;
use vestal_core::connection::ConnectionName;
use vestal_oauth::http::Http;

use super::found::{self, Bad, Found, LONGEST_BYTES};
use super::importer::refused;
use super::nango::{LISTED_MOST, Nango};
use super::{Format, csv, google, oidc_agent, pizauth};
use crate::failure::Failure;
use crate::output::Output;

/// How many connections are written in one transaction.
pub(super) const BATCH: usize = 500;

/// How many connections Nango is asked for at once.
const ASKED_AT_ONCE: usize = 4;

/// What is imported, and how much of it was read.
pub(super) struct Counted {
    from: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(length)
    }
}

/// Opens what is to be read; tells how long it is, if it is a file.
pub(super) fn open(path: &Path, read: &Arc<AtomicU64>, bytes: &mut Option<u64>) -> Result<Counted, Failure> {
    let from: Box<dyn Read + Send> = if path == Path::new("-") {
        Box::new(io::stdin())
    } else {
        let unreadable = |error| {
            Failure::failed(format!("{} cannot be read", path.display())).why(error).next("name another file")
        };
        let file = File::open(path).map_err(unreadable)?;
        let metadata = file.metadata().map_err(unreadable)?;
        *bytes = metadata.is_file().then_some(metadata.len());
        Box::new(file)
    };
    Ok(Counted { from, read: Arc::clone(read) })
}

/// Reads all there is, and hands it on in batches.
pub(super) fn read_all(
    format: Format,
    name: Option<&ConnectionName>,
    from: Counted,
    now: Timestamp,
    mark: &csv::Mark,
    send: &mpsc::Sender<Vec<Found>>,
) -> Result<(), Failure> {
    match format {
        Format::Jsonl => in_batches(found::json_lines(BufReader::with_capacity(1 << 16, from), now), send),
        Format::Csv => in_batches(csv::rows(from, now, mark), send),
        Format::GoogleAuthorizedUser => whole(google::read(&text(from)?, name), send),
        Format::OidcAgent => whole(oidc_agent::read(&text(from)?, name), send),
        Format::Pizauth => whole(pizauth::read(&all_bytes(from)?), send),
        // It is asked, not read.
        Format::Nango => Ok(()),
    }
}

fn in_batches(
    all: impl Iterator<Item = io::Result<Found>>,
    send: &mpsc::Sender<Vec<Found>>,
) -> Result<(), Failure> {
    let mut batch = Vec::with_capacity(BATCH);
    for found in all {
        batch.push(found.map_err(unreadable)?);
        if batch.len() == BATCH
            && send.blocking_send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err()
        {
            // Nobody imports any more: why, they have told.
            return Ok(());
        }
    }
    let _ = send.blocking_send(batch);
    Ok(())
}

fn whole(found: Result<Vec<Found>, Bad>, send: &mpsc::Sender<Vec<Found>>) -> Result<(), Failure> {
    let found = found.map_err(|bad| refused(Failure::failed("it cannot be imported"), bad))?;
    let _ = send.blocking_send(found);
    Ok(())
}

fn text(from: Counted) -> Result<String, Failure> {
    let not_utf8 = |_| unreadable(io::Error::other("it is not UTF-8"));
    String::from_utf8(all_bytes(from)?).map_err(not_utf8)
}

fn all_bytes(from: Counted) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    from.take(LONGEST_BYTES as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > LONGEST_BYTES {
        return Err(unreadable(io::Error::other(format!("it has more than {} KiB", LONGEST_BYTES / 1024))));
    }
    Ok(bytes)
}

fn unreadable(error: io::Error) -> Failure {
    Failure::failed("what is to be imported cannot be read")
        .why(error)
        .next("mend it, and run the same command again: what is there already stays as it is")
}

/// Asks Nango for all it has, and hands it on in batches. `name_clients`: each connection's client is called like its
/// integration.
pub(super) async fn ask(
    nango: Nango,
    http: Arc<dyn Http>,
    (name_clients, output): (bool, Output),
    now: Timestamp,
    send: mpsc::Sender<Vec<Found>>,
) -> Result<(), Failure> {
    let (nango, mut line) = (Arc::new(nango), 0_u64);
    let entries = nango.list(&*http).await?;
    if entries.len() == LISTED_MOST {
        output.warn(format_args!(
            "Nango listed exactly {LISTED_MOST} connections, and lists no more: import one integration at a time, with --nango-integration"
        ));
    }
    for some in entries.chunks(ASKED_AT_ONCE) {
        let mut asking = Vec::new();
        for entry in some {
            line += 1;
            let (nango, http, entry, line) = (Arc::clone(&nango), Arc::clone(&http), entry.clone(), line);
            asking.push(tokio::spawn(async move { nango.found(&*http, &entry, line, now).await }));
        }
        let mut batch = Vec::new();
        for asked in asking {
            let mut found =
                asked.await.map_err(|error| Failure::failed("asking Nango broke off").why(error))?;
            if let (Ok(record), false) = (&mut found.record, name_clients) {
                record.client = None;
            }
            batch.push(found);
        }
        if send.send(batch).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
