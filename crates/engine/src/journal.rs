//! Answers that the store did not take: writing them down, and putting them into the store later.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Serialize};
use vestal_core::connection::{Attempt, Connection, ConnectionName};
use vestal_core::event::Trigger;
use vestal_core::id::{AttemptId, ConnectionId, GrantId};
use vestal_core::journal::{Entry, Incomplete};
use vestal_core::seal::{Field, Place};
use vestal_core::secret::Redactor;
use vestal_core::state::{Failing, Reason, State};
use vestal_core::store::AttemptStatus;
use vestal_oauth::http::{Answer, BodyEnd, Exchange};
use vestal_oauth::read::read_token_answer_of;

use crate::left_in_journals::Left;
use crate::save::Saving;
use crate::secrets::place;
use crate::take::Cargo;
use crate::{Error, Inner};

/// What was done with what lay in journals.
#[derive(Debug, Default)]
pub(crate) struct Replayed {
    /// How many answers are in the store now.
    pub(crate) stored: usize,
    /// The grants whose answers have to wait, and why, where that is not since they are still being saved here.
    pub(crate) left: HashMap<(ConnectionId, GrantId), Option<Error>>,
}

/// The headers that reading an answer looks at.
const KEPT_HEADERS: [HeaderName; 3] = [header::CONTENT_TYPE, header::DATE, header::RETRY_AFTER];

/// An answer as it is sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
    end: End,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum End {
    Complete,
    Truncated,
    TooLarge,
    TimedOut,
}

impl Inner {
    /// What is to be written down of an answer.
    pub(crate) fn entry(&self, connection: ConnectionId, attempt: &Attempt, answer: &Answer) -> Entry {
        let headers = KEPT_HEADERS.iter().filter_map(|name| {
            let value = answer.headers.get(name)?.to_str().ok()?;
            Some((name.to_string(), value.to_owned()))
        });
        let kept = Kept {
            status: answer.status,
            headers: headers.collect(),
            body: BASE64.encode(&answer.body),
            end: match answer.end {
                BodyEnd::Complete => End::Complete,
                BodyEnd::Truncated => End::Truncated,
                BodyEnd::TooLarge => End::TooLarge,
                BodyEnd::TimedOut => End::TimedOut,
            },
        };
        // Texts and numbers alone: this cannot fail.
        let json = serde_json::to_vec(&kept).unwrap_or_default();
        let bound = bound(attempt);
        let answer = self.vault.seal(&sealed_for(connection, attempt, &bound), &json, &*self.entropy);
        Entry { connection, attempt: attempt.clone(), answer }
    }

    fn open_entry(&self, entry: &Entry, name: &ConnectionName) -> Result<Answer, Error> {
        let what = || format!("an answer for {name:?} in the journal");
        let bound = bound(&entry.attempt);
        let place = sealed_for(entry.connection, &entry.attempt, &bound);
        let sealed = |source| Error::Sealed { what: what(), source };
        let json = self.vault.open(&place, &entry.answer).map_err(sealed)?;
        let damaged = || sealed(vestal_core::seal::OpenError::Corrupt);
        let kept: Kept = serde_json::from_slice(&json).map_err(|_| damaged())?;
        let mut headers = HeaderMap::new();
        for (name, value) in kept.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        Ok(Answer {
            status: kept.status,
            headers,
            body: Bytes::from(BASE64.decode(kept.body).map_err(|_| damaged())?),
            end: match kept.end {
                End::Complete => BodyEnd::Complete,
                End::Truncated => BodyEnd::Truncated,
                End::TooLarge => BodyEnd::TooLarge,
                End::TimedOut => BodyEnd::TimedOut,
            },
        })
    }

    /// Puts what lies in the journals into the store, of one connection or of all. Nobody else in this process is at
    /// work on that one connection.
    pub(crate) async fn replay(&self, only: Option<ConnectionId>) -> Result<Replayed, Error> {
        let mut replayed = Replayed::default();
        let mut settled = Vec::new();
        // Whoever waits for each of many answers in turn, where the store takes none, does nothing else for long.
        let mut takes_none: Option<Error> = None;
        let (entries, unread) = match self.journal.entries().await {
            Ok(entries) => (entries, None),
            Err(Incomplete { found, why }) => (found, Some(why)),
        };
        if only.is_none() {
            lock(&self.told_to_wait).retain(|told| entries.iter().any(|entry| entry.attempt.id == *told));
        }
        for entry in entries {
            let id = entry.connection;
            if only.is_some_and(|only| only != id) {
                continue;
            }
            let grant = (id, entry.attempt.grant);
            // One that has to wait holds back those after it, which consumed the refresh token that it brought.
            if replayed.left.contains_key(&grant) {
                continue;
            }
            // It is still being saved here, and will be settled by whoever is at it.
            if only.is_none() && self.flights.is_running(id) {
                replayed.left.insert(grant, None);
                continue;
            }
            if takes_none.is_some() {
                replayed.left.insert(grant, takes_none.clone());
                continue;
            }
            match self.apply_entry(&entry).await {
                Ok(()) => settled.push(entry.attempt.id),
                Err(error) => {
                    // Told once: a disk that is full must not be filled with that.
                    if lock(&self.told_to_wait).insert(entry.attempt.id) {
                        tracing::warn!(connection = %id, attempt = %entry.attempt.id, %error, "an answer has to stay in the journal for now");
                    }
                    if error.is_of_the_whole_store() {
                        takes_none = Some(error.clone());
                    }
                    replayed.left.insert(grant, Some(error));
                }
            }
        }
        if !settled.is_empty() {
            replayed.stored = settled.len();
            self.journal.settle(&settled).await?;
        }
        match unread {
            // What was looked for may be in what could not be read.
            Some(why) if replayed.stored == 0 || only.is_none() => Err(why.into()),
            _ => Ok(replayed),
        }
    }

    /// Puts what lies in journals of one connection into the store, and says whether that was anything. Nobody else in this
    /// process is at work on it. What has to wait of its grant is an error: it may hold the successor of the refresh token
    /// that is stored.
    pub(crate) async fn replay_of(&self, connection: &Connection) -> Result<bool, Error> {
        let replayed = Box::pin(self.replay(Some(connection.id))).await?;
        let grant = connection.grant.as_ref().map(|grant| (connection.id, grant.id));
        let mut left = replayed.left;
        let name = connection.name.clone();
        match grant.and_then(|grant| left.remove(&grant)).flatten() {
            None => Ok(replayed.stored > 0),
            Some(error) if error.is_of_the_whole_store() => {
                Err(Error::Journalled { name, detail: error.to_string() })
            }
            Some(why) => Err(Error::Untaken { name, why: Box::new(why) }),
        }
    }

    /// Before the first attempt at a connection: what others left in journals may be the refresh token that is to be sent,
    /// or its successor, also where the store knows of no attempt. The others' wait for their own. Where not all of it can be read, those
    /// wait of which the store knows that an answer may be there.
    pub(crate) async fn replay_before(&self, id: ConnectionId) -> Result<(), Error> {
        let (is_found, unread) = match self.left_in_journals(id).await {
            Left::Nothing => return Ok(()),
            Left::Something => (true, None),
            Left::Unclear { is_found, why } => (is_found, Some(why)),
        };
        if is_found {
            if let Some(connection) = self.store.connection(id).await? {
                self.replay_of(&connection).await?;
            }
            self.nothing_is_left_in_journals(id).await;
        }
        // By what was found just now, it may not have to wait any more.
        match unread {
            Some(why) if self.store.connection(id).await?.is_some_and(|it| may_be_journalled(&it)) => {
                Err(why.into())
            }
            _ => Ok(()),
        }
    }

    async fn apply_entry(&self, entry: &Entry) -> Result<(), Error> {
        let Entry { connection: id, attempt, .. } = entry;
        if self.store.attempt(attempt.id).await? == Some(AttemptStatus::Finished) {
            self.no_longer_journalled(*id);
            return Ok(());
        }
        let Some(connection) = self.store.connection(*id).await? else {
            tracing::warn!(connection = %id, attempt = %attempt.id, "an answer in the journal belongs to a connection that was removed");
            self.no_longer_journalled(*id);
            return Ok(());
        };
        let answer = self.open_entry(entry, &connection.name)?;
        let client = self.client_of(&connection).await?;
        let client = self.at_site_of(&client, connection.grant.as_ref())?;
        let provider = self.facts_of(&client)?;
        // The refresh token that it was got with stays where it brought no other.
        let stored = connection.grant.as_ref().filter(|grant| grant.id == attempt.grant);
        if let Some(grant) = stored {
            self.check_keys(&connection, grant)?;
        }
        let consumed = stored.filter(|grant| {
            grant.tokens.refresh_token.as_ref().map(|token| token.fingerprint) == attempt.fingerprint
        });
        let refresh_token = match consumed {
            Some(grant) => self.refresh_token(&connection, grant, &client)?,
            None => None,
        };
        let sent = Redactor::knowing(refresh_token.clone());
        let shape = provider.answers.to_refresh();
        let reading = read_token_answer_of(Exchange::Answered(answer), attempt.started_at, &sent, shape);
        let cargo = Cargo { client: Arc::new(client), provider, refresh_token };
        let saving = Saving::replayed(self.clock.uptime());
        let after = self.conclude(connection, attempt, &reading, &cargo, Trigger::Journal, saving).await?;
        self.no_longer_journalled(*id);
        tracing::info!(connection = %after.name, attempt = %attempt.id, "an answer from the journal is in the store");
        Ok(())
    }

    /// An answer that was in the journal is in the store: it is not needed there any more.
    pub(crate) async fn is_in_the_store(&self, id: ConnectionId, attempt: AttemptId) {
        self.no_longer_journalled(id);
        if let Err(error) = self.journal.settle(&[attempt]).await {
            // It will be found there again, and is stored already.
            tracing::warn!(%attempt, %error, "an answer stays in the journal, although it is in the store");
        }
    }

    /// Serves a connection as it is by an answer that is in the journal.
    pub(crate) fn serve_from_journal(&self, after: Connection) {
        self.journalled().insert(after.id, after);
    }

    fn no_longer_journalled(&self, id: ConnectionId) {
        self.journalled().remove(&id);
    }

    /// Whether answers of this process wait in the journal.
    pub(crate) fn waits_in_journal(&self) -> bool {
        !self.journalled().is_empty()
    }

    /// The connection of this name as it is by an answer in the journal.
    pub(crate) fn journalled_named(&self, name: &ConnectionName) -> Option<Connection> {
        self.journalled().values().find(|connection| connection.name == *name).cloned()
    }

    fn journalled(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Connection>> {
        lock(&self.journalled)
    }
}

/// Whether the store knows of an answer that nobody has written down there.
fn may_be_journalled(connection: &Connection) -> bool {
    let unknown = |failing: &Failing| failing.cause.is_outcome_unknown();
    let died = matches!(&connection.state, State::NeedsReauth { reason: Reason::OutcomeUnknown { .. }, .. });
    connection.lease.is_some() || connection.state.failing().is_some_and(unknown) || died
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an answer in the journal is bound to, besides its connection, grant and generation: all of its attempt.
fn bound(attempt: &Attempt) -> String {
    let fingerprint = attempt.fingerprint.map(|fingerprint| BASE64.encode(fingerprint.as_bytes()));
    format!("{} {} {}", attempt.id, attempt.started_at.as_millisecond(), fingerprint.unwrap_or_default())
}

fn sealed_for<'a>(connection: ConnectionId, attempt: &Attempt, bound: &'a str) -> Place<'a> {
    Place { bound, ..place(connection, Field::JournalAnswer, attempt.grant, attempt.generation) }
}
