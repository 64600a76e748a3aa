//! Writing what is imported, batch by batch.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;

use tokio::task::JoinHandle;
use vestal_api::{Code, ErrorView, ImportResult, ImportView};
use vestal_core::connection::ConnectionName;
use vestal_core::secret::SecretString;
use vestal_core::site::Site;
use vestal_core::token::Renewal;
use vestal_engine::{Error, Holders, Imported, NewConnection};

use super::Args;
use super::clients::{Chosen, Clients};
use super::found::{Bad, Found};
use super::report::Report;
use super::source::BATCH;
use crate::context::{Context, Vestal};
use crate::failure::Failure;

/// How many batches are being written at once: while one is, the next is sealed.
const UNDER_WAY: usize = 2;

/// As many are kept until that is there which they are exchanged from; more of them have to come behind it.
const EXCHANGED_MOST: usize = 100_000;

/// What programs are told of one that was looked at.
///
/// # Errors
///
/// Somebody else gave it another refresh token at the same moment: whether that is to be replaced too has to be said anew.
pub(super) fn view(line: u64, name: &ConnectionName, imported: Imported) -> Result<ImportView, Failure> {
    let (result, why) = match imported {
        Imported::Added => (ImportResult::Imported, None),
        Imported::Replaced => (ImportResult::Replaced, None),
        Imported::AlreadyThere => (ImportResult::Skipped, Some("it is there already")),
        Imported::HasAnother => {
            (ImportResult::Kept, Some("it has another refresh token; --replace gives it this one"))
        }
        Imported::Overtaken => {
            let error = format!("{:?} was not imported", name.as_str());
            return Err(Failure::new(Code::TemporarilyUnavailable, error)
                .why("somebody else gave it another refresh token at the same moment")
                .next("import this one again, if it is to replace that"));
        }
    };
    Ok(ImportView { line, name: Some(name.to_string()), result, why: why.map(str::to_owned), error: None })
}

/// Writes what is read, batch by batch.
pub(super) struct Importer<'a> {
    pub(super) args: &'a Args,
    clients: Clients<'a>,
    pub(super) vestal: &'a Vestal,
    pub(super) report: Report,
    /// Who held which refresh token at the beginning.
    pub(super) holders: Arc<Holders>,
    /// Batches that are being written, oldest first.
    under_way: VecDeque<UnderWay>,
    /// What is exchanged from another connection, which may come behind it.
    exchanged: Vec<Found>,
}

struct UnderWay {
    named: Vec<(u64, ConnectionName)>,
    writing: JoinHandle<Result<Vec<Result<Imported, Error>>, Error>>,
}

impl<'a> Importer<'a> {
    pub(super) async fn new(
        args: &'a Args,
        vestal: &'a Vestal,
        context: &'a Context,
        report: Report,
    ) -> Result<Self, Failure> {
        let clients = Clients::read(vestal, context, args.client.clone(), args.provider.clone()).await?;
        let holders = Arc::new(vestal.engine.holders().await?);
        let (under_way, exchanged) = (VecDeque::new(), Vec::new());
        Ok(Self { args, clients, vestal, report, holders, under_way, exchanged })
    }

    /// Begins to write a batch, and waits for an earlier one where there are enough. What is exchanged from others is left for
    /// [`Importer::end`].
    pub(super) async fn begin(&mut self, batch: Vec<Found>) -> Result<(), Failure> {
        let mut now = Vec::with_capacity(batch.len());
        for found in batch {
            match source_of(&found) {
                Some(_) if self.exchanged.len() < EXCHANGED_MOST => self.exchanged.push(found),
                _ => now.push(found),
            }
        }
        self.write(now).await
    }

    /// Writes what was left, each after that which it is exchanged from.
    pub(super) async fn end(&mut self) -> Result<(), Failure> {
        let mut left = std::mem::take(&mut self.exchanged);
        while !left.is_empty() {
            let names: HashSet<String> = left.iter().filter_map(name_of).map(str::to_owned).collect();
            let waits = |found: &Found| source_of(found).is_some_and(|source| names.contains(source));
            let (later, now): (Vec<_>, Vec<_>) = left.into_iter().partition(waits);
            // Where each waits for another, it is a circle, which is refused.
            let (mut now, later) = if now.is_empty() { (later, now) } else { (now, later) };
            while self.settle().await? {}
            while !now.is_empty() {
                let rest = now.split_off(now.len().min(BATCH));
                self.write(std::mem::replace(&mut now, rest)).await?;
            }
            left = later;
        }
        while self.settle().await? {}
        Ok(())
    }

    async fn write(&mut self, batch: Vec<Found>) -> Result<(), Failure> {
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
        let holders = Arc::clone(&self.holders);
        let writing = tokio::spawn(async move { engine.import(news, replace, &holders).await });
        self.under_way.push_back(UnderWay { named, writing });
        if self.under_way.len() > UNDER_WAY {
            self.settle().await?;
        }
        Ok(())
    }

    /// Waits for the oldest batch. `false`: there is none.
    async fn settle(&mut self) -> Result<bool, Failure> {
        let Some(UnderWay { named, writing }) = self.under_way.pop_front() else { return Ok(false) };
        let written = writing.await.map_err(|error| Failure::failed("writing broke off").why(error))?;
        let outcomes = match written {
            Ok(outcomes) => outcomes,
            Err(error) => {
                let failure = Failure::from(error);
                return Err(failure.next("run the same command again: it goes on where it stopped"));
            }
        };
        for ((line, name), outcome) in named.into_iter().zip(outcomes) {
            let view = match outcome {
                Ok(imported) => view(line, &name, imported),
                Err(error) => Err(self.vestal.failure(error, &name).await),
            };
            let view = view.unwrap_or_else(|failure| failed(line, Some(name.to_string()), failure.view()));
            self.report.tell(&view)?;
        }
        Ok(true)
    }

    /// What is to be imported, or what is wrong with it.
    pub(super) async fn prepare(&mut self, found: Found) -> Result<Result<NewConnection, Bad>, Failure> {
        let Found { line, record, client, config, is_all } = found;
        let record = match record {
            Ok(record) => record,
            Err(bad) => return Ok(Err(bad)),
        };
        let Chosen { name: client, site } =
            match self.clients.choose(record.client.as_deref(), client).await? {
                Ok(chosen) => chosen,
                Err(bad) => return Ok(Err(Bad { name: Some(record.name.to_string()), ..bad })),
            };
        let renewal = record.renewal.unwrap_or_else(|| {
            let otherwise = self.clients.provider_of(&client).map(|it| it.renewal_without_refresh_token());
            match otherwise {
                _ if record.refresh_token.is_some() || record.access_token.is_none() => Renewal::RefreshToken,
                Some(Renewal::Exchange) => Renewal::Exchange,
                _ if is_all => Renewal::None,
                // It was left out by mistake, most likely: it is refused.
                _ => Renewal::RefreshToken,
            }
        });
        // What is said of this one counts more than what is said of all.
        let mut said: Site = self.args.site.iter().cloned().collect();
        said.extend(config.map(|config| self.clients.site_by(&client, &config)).unwrap_or_default());
        said.extend(site);
        said.extend(record.site);
        let secret = |text: Option<String>| text.map(SecretString::from);
        let mut tags: BTreeMap<String, String> = record.tags;
        tags.extend(self.args.tags.iter().cloned());
        Ok(Ok(NewConnection {
            name: record.name,
            client,
            external_id: record.external_id,
            tags,
            policy: record.policy.or(self.args.policy),
            site: said,
            redirect: record.redirect,
            renewal,
            means: record.means,
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

fn name_of(found: &Found) -> Option<&str> {
    found.record.as_ref().ok().map(|record| record.name.as_str())
}

/// The connection that one is exchanged from, if it is.
fn source_of(found: &Found) -> Option<&str> {
    found.record.as_ref().ok()?.means.get("exchange")?.get("from")?.as_str()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_was_overtaken_may_try_again() {
        let name = "shop".parse().unwrap();
        for (imported, code) in [(Imported::HasAnother, 0), (Imported::Replaced, 0), (Imported::Overtaken, 4)]
        {
            let exit_code = view(1, &name, imported).map_or_else(|failure| failure.exit_code(), |_| 0);
            assert_eq!(exit_code, code, "{imported:?}");
        }
    }
}
