//! A table of comma-separated values (RFC 4180), whose first row names its columns.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use serde_json::{Map, Value};
use vestal_api::ConnectionRecord;

use super::found::{Bad, Found, GivenClient, LONGEST_BYTES};

/// Columns that a record has no field for: the client that the tokens were issued to.
const CLIENT_ID: &str = "client_id";
const CLIENT_SECRET: &str = "client_secret";

/// What is in front of the name of a column of tags, and of one of what stands for variables of the provider's endpoints.
const TAG: &str = "tag:";
const SITE: &str = "site:";

/// Gives a refresh token a mark by which nobody who has not the store's key can know it.
pub(crate) type Mark = dyn Fn(&str) -> String + Send + Sync;

/// Reads a table. Its columns are called like the fields of a line of JSON; `client_id` and `client_secret` tell of the client,
/// `tag:NAME` is a tag, and `site:NAME` what stands for a variable of the provider's endpoints. Where there is no `name`, the
/// `external_id` is one, or else one is made of the client and the token's mark.
pub(crate) fn rows(
    from: impl Read + Send,
    now: Timestamp,
    mark: &Mark,
) -> impl Iterator<Item = io::Result<Found>> + Send {
    let read = Arc::new(AtomicUsize::new(0));
    let bounded = Bounded { from, read: Arc::clone(&read) };
    // A carriage return before the end of a line is trimmed with the other white space: were it taken for the end, lines would be
    // counted from there.
    let mut table = csv::ReaderBuilder::new()
        .terminator(csv::Terminator::Any(b'\n'))
        .trim(csv::Trim::All)
        .flexible(true)
        .from_reader(bounded);
    let mut columns: Option<Vec<String>> = None;
    std::iter::from_fn(move || {
        let names = match &columns {
            Some(names) => names,
            None => {
                let names = match table.headers() {
                    Ok(names) => names.iter().map(|name| name.to_ascii_lowercase()).collect(),
                    Err(error) => return Some(Err(unreadable(error))),
                };
                columns.insert(names)
            }
        };
        loop {
            read.store(0, Ordering::Relaxed);
            let mut row = csv::StringRecord::new();
            let found = match table.read_record(&mut row) {
                Ok(false) => return None,
                // An empty line.
                Ok(true) if row.len() == 1 && row[0].is_empty() => continue,
                Ok(true) => {
                    let line = row.position().map_or(0, csv::Position::line);
                    Ok(found(line, names, &row, now, mark))
                }
                Err(error) => match error.kind() {
                    csv::ErrorKind::Utf8 { pos, .. } => {
                        let line = pos.as_ref().map_or(0, csv::Position::line);
                        Ok(Found::line(line, Err(Bad::new("it is not UTF-8"))))
                    }
                    _ => Err(unreadable(error)),
                },
            };
            return Some(found);
        }
    })
}

fn found(line: u64, columns: &[String], row: &csv::StringRecord, now: Timestamp, mark: &Mark) -> Found {
    if row.len() != columns.len() {
        let why = format!("it has {} values, and there are {} columns", row.len(), columns.len());
        return Found::line(line, Err(Bad::new(why)));
    }
    let mut fields = Map::new();
    let (mut tags, mut site) = (Map::new(), Map::new());
    let (mut client_id, mut secret) = (None, None);
    for (column, value) in columns.iter().zip(row).filter(|(_, value)| !value.is_empty()) {
        match column.as_str() {
            CLIENT_ID => client_id = Some(value),
            CLIENT_SECRET => secret = Some(value),
            "paused" => {
                let truth = value.parse().map_or_else(|_| value.into(), Value::Bool);
                fields.insert(column.clone(), truth);
            }
            column => {
                let (fields, name) = match (column.strip_prefix(TAG), column.strip_prefix(SITE)) {
                    (Some(tag), _) => (&mut tags, tag),
                    (None, Some(variable)) => (&mut site, variable),
                    (None, None) => (&mut fields, column),
                };
                fields.insert(name.to_owned(), value.into());
            }
        }
    }
    for (field, texts) in [("tags", tags), ("site", site)] {
        fields.insert(field.to_owned(), Value::Object(texts));
    }
    if !fields.contains_key("name") {
        let text = |field: &str| fields.get(field).and_then(Value::as_str);
        // The same whenever the same token is imported, and different for any other.
        let made = || Some(format!("{} {}", client_id.or(text("client"))?, mark(text("refresh_token")?)));
        if let Some(name) = text("external_id").map(str::to_owned).or_else(made) {
            fields.insert("name".to_owned(), name.into());
        }
    }
    let record = ConnectionRecord::from_json(&Value::Object(fields).to_string(), now).map_err(Bad::new);
    let client = client_id.map(|client_id| GivenClient {
        secret: secret.map(Into::into),
        ..GivenClient::with_id(client_id, client_id)
    });
    Found { client, ..Found::line(line, record) }
}

fn unreadable(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        _ => io::Error::other("it is no table of comma-separated values"),
    }
}

/// Refuses a row that has no end: it would fill the memory.
struct Bounded<R> {
    from: R,
    /// What was read since the row began.
    read: Arc<AtomicUsize>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        if self.read.fetch_add(length, Ordering::Relaxed) > LONGEST_BYTES {
            let why = format!("a row has more than {} KiB: a quote may be missing", LONGEST_BYTES / 1024);
            return Err(io::Error::other(why));
        }
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use vestal_core::secret::ExposeSecret;

    use super::*;

    fn read(text: &str) -> Vec<Found> {
        rows(text.as_bytes(), Timestamp::UNIX_EPOCH, &|token| format!("m{}", token.len()))
            .map(Result::unwrap)
            .collect()
    }

    #[test]
    fn a_table_is_read_with_its_quotes() {
        let found = read(
            "Client_ID,refresh_token,name,external_id,tag:batch,expires_at,paused,client_secret\r\n\
             app,\"rt,\"\"1\"\"\",\"a\nb\",1,7,2026-11-29T12:00:00Z,true,\r\n\
             app,rt-2,,2,,,,\"s3cret\"\r\n\r\n",
        );
        let why = found[0].record.as_ref().unwrap_err();
        assert_eq!(why.why, "`name` must be a text of 1 to 255 bytes without control characters");
        assert_eq!((found[0].line, found[1].line), (2, 4));
        let second = found[1].record.as_ref().unwrap();
        assert_eq!((second.name.as_str(), second.refresh_token.as_deref()), ("2", Some("rt-2")));
        assert!(second.tags.is_empty() && second.expires_at.is_none() && !second.paused);
        let client = found[1].client.as_ref().unwrap();
        assert_eq!(
            (client.client_id.as_str(), client.secret.as_ref().unwrap().expose_secret()),
            ("app", "s3cret")
        );

        let found = read(
            "refresh_token,name,tag:batch,expires_at,paused,site:shop\n\"rt,\"\"1\"\"\",a,7,1764417600,true,acme\n",
        );
        let first = found[0].record.as_ref().unwrap();
        assert_eq!(first.site, [("shop".to_owned(), "acme".to_owned())].into());
        assert_eq!(first.refresh_token.as_deref(), Some("rt,\"1\""));
        assert_eq!((first.tags["batch"].as_str(), first.paused), ("7", true));
        assert_eq!(first.expires_at, Some("2025-11-29T12:00:00Z".parse().unwrap()));
        assert!(found[0].client.is_none());
    }

    #[test]
    fn a_row_of_nothing_but_a_client_and_a_token_gets_a_name() {
        let names = |text: &str| -> Vec<String> {
            read(text).iter().map(|found| found.record.as_ref().unwrap().name.to_string()).collect()
        };
        assert_eq!(names("client_id,refresh_token\napp,rt-1\napp,rt-10\n"), ["app m4", "app m5"]);
        assert_eq!(names("refresh_token,client\nrt-10,acme\n"), ["acme m5"]);
        let found = read("client_id,access_token\napp,at\n");
        assert!(found[0].record.as_ref().unwrap_err().why.contains("name"), "{found:?}");
    }

    #[test]
    fn what_is_wrong_with_a_row_is_told_without_its_values() {
        let found = read("name,refresh_token,colour\na,planted-secret,blue\n");
        assert_eq!(found[0].record.as_ref().unwrap_err().why, "it has a field that means nothing: `colour`");
        let found = read("name,refresh_token\nplanted-secret\n");
        assert_eq!(found[0].record.as_ref().unwrap_err().why, "it has 1 values, and there are 2 columns");
        assert_eq!(read("name,refresh_token\n").len(), 0);
    }

    #[test]
    fn a_quote_that_is_missing_fills_no_memory() {
        let endless = "name,refresh_token\na,\"".as_bytes().chain(io::repeat(b'x'));
        let error = rows(endless, Timestamp::UNIX_EPOCH, &|_| String::new()).next().unwrap().unwrap_err();
        assert!(error.to_string().contains("a quote may be missing"), "{error}");
    }
}
