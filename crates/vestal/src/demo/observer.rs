//! Looks at the store, the schedule and the sandbox, and makes a frame of what they say.

use anyhow::Context as _;
use jiff::Timestamp;
use vestal_core::connection::ConnectionName;
use vestal_core::event::What;
use vestal_core::token::saturating_add;
use vestal_engine::Engine;
use vestal_sandbox::{GrantFacts, Server};

use super::calendar::Calendar;
use super::frame::{self, Frame, Kept};
use super::happening::{self, Happening};
use super::left_alone::LeftAlone;
use super::reader::Reader;
use super::{IDLE_LIMIT_DAYS, sandbox};
use crate::output::Tone;

/// How many happenings are remembered: more than any view shows.
const REMEMBERED: usize = 256;
/// How many events are read at once.
const EVENTS: u32 = 100;
/// How long after the death of the refresh token that is left alone it is tried.
const CERTAINLY_DEAD_MS: i128 = 100;

/// Everything there is to look at.
pub(crate) struct Observer<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) server: &'a Server,
    pub(crate) reader: &'a Reader,
    pub(crate) left_alone: LeftAlone<'a>,
    pub(crate) name: ConnectionName,
    pub(crate) issuer: String,
    pub(crate) calendar: Calendar,
    /// When the demo ends by itself.
    pub(crate) until: Option<Timestamp>,
    pub(crate) seen: Seen,
}

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Seen {
    /// The last event that was read.
    cursor: u64,
    happenings: Vec<Happening>,
    happened: usize,
    refreshed_at: Vec<Timestamp>,
}

impl Observer<'_> {
    /// Looks at everything. Tries the refresh token that is left alone as soon as it must be dead.
    pub(crate) async fn observe(&mut self) -> anyhow::Result<Frame> {
        self.read_events().await?;
        self.try_what_is_left_alone().await?;
        let connection = self.engine.store().connection_named(&self.name).await?;
        let connection = connection.context("the demo's connection is gone")?;
        let grant = connection.grant.as_ref().context("the demo's connection has no grant")?;
        let provider = self.engine.catalogue().get("sandbox")?;
        let schedule = self.engine.schedule(&connection, &provider);
        let facts = self.facts();
        Ok(Frame {
            calendar: self.calendar,
            issuer: self.issuer.clone(),
            now: self.engine.now(),
            until: self.until,
            kept: Kept {
                name: self.name.to_string(),
                state: connection.state.name(),
                generation: connection.generation(),
                refreshes: facts.iter().map(|grant| grant.refreshes).sum(),
                lost: facts.iter().any(|grant| grant.death.is_some() || grant.reuses > 0),
                consented_at: grant.consented_at,
                issued_at: grant.tokens.issued_at,
                expires_at: grant.tokens.expires_at,
                dies_at: schedule.idle_end.map(|end| end.at),
                refreshed_at: self.seen.refreshed_at.clone(),
                next: schedule.next,
            },
            left_alone: frame::LeftAlone {
                issued_at: self.left_alone.issued_at,
                dies_at: self.left_alone_dies_at(),
                verdict: self.left_alone.verdict.clone(),
            },
            reads: self.reader.reads(),
            failed_reads: self.reader.failed(),
            happenings: self.seen.happenings.clone(),
            happened: self.seen.happened,
        })
    }

    /// What the sandbox knows of the grants of the client that is kept alive.
    fn facts(&self) -> Vec<GrantFacts> {
        let mut grants = self.server.sandbox().grants(self.server.now_ms());
        grants.retain(|grant| grant.client_id == sandbox::KEPT);
        grants
    }

    async fn read_events(&mut self) -> anyhow::Result<()> {
        for stored in self.engine.store().events(None, self.seen.cursor, EVENTS).await? {
            self.seen.cursor = stored.seq;
            let event = stored.event;
            if matches!(event.what, What::Refreshed { .. }) {
                remember(&mut self.seen.refreshed_at, event.at);
            }
            if let Some((tone, text)) = happening::of_event(&event.what) {
                self.seen.note(Happening { at: event.at, tone, text });
            }
        }
        Ok(())
    }

    fn left_alone_dies_at(&self) -> Timestamp {
        saturating_add(self.left_alone.issued_at, self.calendar.day() * IDLE_LIMIT_DAYS)
    }

    async fn try_what_is_left_alone(&mut self) -> anyhow::Result<()> {
        let now = self.engine.now();
        let dead_for_ms = now.duration_since(self.left_alone_dies_at()).as_millis();
        if self.left_alone.verdict.is_some() || dead_for_ms < CERTAINLY_DEAD_MS {
            return Ok(());
        }
        let verdict = self.left_alone.try_to_refresh().await?;
        let text = format!("left alone: the sandbox says {}", verdict.said);
        let tone = if verdict.refused { Tone::Bad } else { Tone::Warning };
        self.seen.note(Happening { at: now, tone, text });
        Ok(())
    }
}

impl Seen {
    fn note(&mut self, happening: Happening) {
        remember(&mut self.happenings, happening);
        self.happened += 1;
    }
}

/// Keeps the latest.
fn remember<T>(latest: &mut Vec<T>, one: T) {
    if latest.len() >= REMEMBERED {
        latest.remove(0);
    }
    latest.push(one);
}
