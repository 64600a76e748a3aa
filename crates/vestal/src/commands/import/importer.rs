//! Writing what is imported, batch by batch.

use std::collections::{BTreeMap, VecDeque};

use tokio::task::JoinHandle;
use vestal_api::{ErrorView, ImportResult, ImportView};
use vestal_core::connection::ConnectionName;
use vestal_core::secret::SecretString;
use vestal_core::token::Renewal;
use vestal_engine::{Error, Imported, NewConnection};

use super::Args;
use super::clients::Clients;
use super::found::{Bad, Found};
use super::report::Report;
use crate::context::{Context, Vestal};
use crate::failure::Failure;

/// How many batches are being written at once: while one is, the next is sealed.
const UNDER_WAY: usize = 2;

/// What programs are told of one that was looked at.
pub(super) fn view(line: u64, name: &ConnectionName, imported: Imported) -> ImportView {
    let (result, why) = match imported {
        Imported::Added => (ImportResult::Imported, None),
        Imported::Replaced => (ImportResult::Replaced, None),
        Imported::AlreadyThere => (ImportResult::Skipped, Some("it is there already")),
        Imported::HasAnother => {
            (ImportResult::Skipped, Some("it has another refresh token; --replace gives it this one"))
        }
    };
    ImportView { line, name: Some(name.to_string()), result, why: why.map(str::to_owned), error: None }
}

/// Writes what is read, batch by batch.
pub(super) struct Importer<'a> {
    pub(super) args: &'a Args,
    pub(super) clients: Clients<'a>,
    pub(super) vestal: &'a Vestal,
    pub(super) context: &'a Context,
    pub(super) report: Report,
    /// Batches that are being written, oldest first.
    pub(super) under_way: VecDeque<UnderWay>,
}

pub(super) struct UnderWay {
    named: Vec<(u64, ConnectionName)>,
    writing: JoinHandle<Result<Vec<Result<Imported, Error>>, Error>>,
}

impl Importer<'_> {
    /// Begins to write a batch, and waits for an earlier one where there are enough.
    pub(super) async fn begin(&mut self, batch: Vec<Found>) -> Result<(), Failure> {
        let mut named = Vec::with_capacity(batch.len());
        let mut news = Vec::with_capacity(batch.len());
        for found in batch {
            let line = found.line;
            match self.prepare(found).await? {
                Ok(new) => {
                    named.push((line, new.name.clone()));
                    news.push(new);
                }
                Err(bad) => {
                    let (name, error) = (bad.name.clone(), bad.error());
                    let view = refused(Failure::failed(error), bad).view();
                    self.report.tell(&failed(line, name, view))?;
                }
            }
        }
        let (engine, replace) = (self.vestal.engine.clone(), self.args.replace);
        let writing = tokio::spawn(async move { engine.import(news, replace).await });
        self.under_way.push_back(UnderWay { named, writing });
        if self.under_way.len() > UNDER_WAY {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits for the oldest batch. `false`: there is none.
    pub(super) async fn settle(&mut self) -> Result<bool, Failure> {
        let Some(UnderWay { named, writing }) = self.under_way.pop_front() else { return Ok(false) };
        let written = writing.await.map_err(|error| Failure::failed("writing broke off").why(error))?;
        let outcomes = match written {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let failure = Failure::of(error, None, &self.context.calendar());
                return Err(failure.next("run the same command again: it goes on where it stopped"));
            }
        };
        for ((line, name), outcome) in named.into_iter().zip(outcomes) {
            let view = match outcome {
                Ok(imported) => view(line, &name, imported),
                Err(error) => {
                    let failure = self.vestal.failure(error, Some(&name), &self.context.calendar()).await;
                    failed(line, Some(name.to_string()), failure.view())
                }
            };
            self.report.tell(&view)?;
        }
        Ok(true)
    }

    /// What is to be imported, or what is wrong with it.
    pub(super) async fn prepare(&mut self, found: Found) -> Result<Result<NewConnection, Bad>, Failure> {
        let Found { line, record, client } = found;
        let record = match record {
            Ok(record) => record,
            Err(bad) => return Ok(Err(bad)),
        };
        let client = match self.clients.name_for(record.client.as_deref(), client).await? {
            Ok(client) => client,
            Err(bad) => return Ok(Err(Bad { name: Some(record.name.to_string()), ..bad })),
        };
        let secret = |text: Option<String>| text.map(SecretString::from);
        let mut tags: BTreeMap<String, String> = record.tags;
        tags.extend(self.args.tags.iter().cloned());
        Ok(Ok(NewConnection {
            name: record.name,
            client,
            external_id: record.external_id,
            tags,
            policy: record.policy.or(self.args.policy).unwrap_or_default(),
            site: record.site,
            redirect: record.redirect,
            renewal: record.renewal.unwrap_or(Renewal::RefreshToken),
            refresh_token: secret(record.refresh_token),
            refresh_token_expires_at: record.refresh_token_expires_at,
            access_token: secret(record.access_token),
            token_type: record.token_type.unwrap_or_else(|| "Bearer".to_owned()),
            expires_at: record.expires_at,
            scope: record.scope,
            id_token: secret(record.id_token),
            extra: record.extra,
            issued_at: record.issued_at,
            consented_at: record.consented_at,
            paused: record.paused || self.args.paused,
            position: line.saturating_sub(1),
        }))
    }
}

/// A failure with what is wrong.
pub(super) fn refused(failure: Failure, bad: Bad) -> Failure {
    let failure = failure.why(bad.why);
    match bad.next {
        Some(next) => failure.next(next),
        None => failure,
    }
}

fn failed(line: u64, name: Option<String>, error: Option<ErrorView>) -> ImportView {
    ImportView { line, name, result: ImportResult::Failed, why: None, error }
}
