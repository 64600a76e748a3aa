//! `vestal status --watch`: looks, and shows what there is, until it is told to stop.

use std::collections::{HashMap, HashSet, VecDeque};
use std::time::Duration;

use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};
use vestal_api::ConnectionView;
use vestal_core::clock::Clock as _;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::event::Event;
use vestal_core::store::Filter;

use super::detail::Detail;
use super::drawing::{Subject, Watched, draw};
use super::overview::Overview;
use crate::clock::SystemClock;
use crate::commands::list;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, render};
use crate::output::is_read;
use crate::overdue;
use crate::screen::{Screen, Stream};
use crate::when::Calendar;

/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How many events are read at once, and how many are remembered.
const EVENTS: u32 = 100;

pub(super) async fn run(
    vestal: &Vestal,
    name: Option<ConnectionName>,
    context: &Context,
) -> Result<(), Failure> {
    // What is not there is told before the terminal is taken.
    if let Some(name) = &name {
        vestal.connection_and_client(name).await?;
    }
    match context.output.json {
        true => print_changes(vestal, name.as_ref(), context).await,
        false => show(vestal, name.as_ref(), context).await,
    }
}

/// Draws on the terminal.
async fn show(vestal: &Vestal, name: Option<&ConnectionName>, context: &Context) -> Result<(), Failure> {
    let mut signals = context.signals.listen()?;
    let resized = signal(SignalKind::window_change());
    let mut resized = resized.map_err(|error| Failure::failed("signals cannot be received").why(error))?;
    let palette = context.output.palette;
    let mut watcher = Watcher::begin(vestal, name).await?;
    let mut screen = Screen::enter(Stream::Stdout)?;
    loop {
        let (width, height) = screen.size()?;
        let calendar = context.calendar();
        let lines = match watcher.look(height, &calendar).await {
            Ok(watched) => draw(&watched, (width, height), &calendar, palette),
            // It may pass: whoever watches sees when.
            Err(failure) => {
                let view = failure.view();
                let told = view.map(|view| render(&view, palette)).unwrap_or_default();
                told.lines().map(str::to_owned).collect()
            }
        };
        screen.show(&lines)?;
        tokio::select! {
            biased;
            () = signals.first() => return Ok(()),
            _ = resized.recv() => {}
            () = SystemClock.sleep(LOOK_EVERY) => {}
        }
    }
}

/// Prints a line of JSON whenever something has changed.
async fn print_changes(
    vestal: &Vestal,
    name: Option<&ConnectionName>,
    context: &Context,
) -> Result<(), Failure> {
    #[derive(PartialEq, Serialize)]
    #[serde(untagged)]
    enum View {
        All(vestal_api::StatusView),
        One(Box<ConnectionView>),
    }
    let mut signals = context.signals.listen()?;
    let mut printed = None;
    loop {
        let view = match name {
            None => View::All(Overview::look(vestal).await?.view),
            Some(name) => {
                let (connection, client) = vestal.connection_and_client(name).await?;
                let overdue_since = overdue::of_one(vestal, &connection, &client.provider).await?;
                let view = ConnectionView::new(&connection, &client);
                View::One(Box::new(ConnectionView { overdue_since, ..view }))
            }
        };
        if printed.as_ref() != Some(&view) {
            context.output.json(&view)?;
            printed = Some(view);
        }
        tokio::select! {
            biased;
            () = signals.first() => return Ok(()),
            () = SystemClock.sleep(LOOK_EVERY) => {}
        }
        // Whoever has seen enough is not kept waiting until something changes.
        if !is_read() {
            return Err(Failure::ReaderGone);
        }
    }
}

/// Looks again and again, and remembers what happened.
struct Watcher<'a> {
    vestal: &'a Vestal,
    name: Option<&'a ConnectionName>,
    /// Up to where the history of all connections was read.
    cursor: u64,
    happenings: VecDeque<(Option<ConnectionName>, Event)>,
}

impl<'a> Watcher<'a> {
    async fn begin(vestal: &'a Vestal, name: Option<&'a ConnectionName>) -> Result<Self, Failure> {
        let cursor = match name {
            Some(_) => 0,
            None => vestal.engine.store().newest_event().await?,
        };
        Ok(Self { vestal, name, cursor, happenings: VecDeque::new() })
    }

    /// With so many connections as fit.
    async fn look(&mut self, height: usize, calendar: &Calendar) -> Result<Watched, Failure> {
        let subject = match self.name {
            Some(name) => {
                let (connection, client) = self.vestal.connection_and_client(name).await?;
                self.remember(Some(&connection)).await?;
                Subject::One(Box::new(Detail::look(self.vestal, connection, client).await?))
            }
            None => {
                let overview = Overview::look(self.vestal).await?;
                self.remember(None).await?;
                let rows = first(self.vestal, &overview, height, calendar).await?;
                Subject::All(overview, rows)
            }
        };
        Ok(Watched { subject, happenings: self.happenings.iter().cloned().collect() })
    }

    /// Reads what has happened since, to one connection or to all.
    async fn remember(&mut self, only: Option<&Connection>) -> Result<(), Failure> {
        let store = self.vestal.engine.store();
        loop {
            let events = store.events(only.map(|connection| connection.id), self.cursor, EVENTS).await?;
            let ids: HashSet<_> = events.iter().map(|stored| stored.event.connection).collect();
            let ids: Vec<_> = ids.into_iter().collect();
            let names: HashMap<_, _> = match only {
                Some(_) => HashMap::new(),
                None => {
                    let connections = store.connections_by_id(&ids).await?;
                    connections.into_iter().map(|connection| (connection.id, connection.name)).collect()
                }
            };
            let is_last = events.len() < EVENTS as usize;
            for stored in events {
                self.cursor = stored.seq;
                self.happenings.push_back((names.get(&stored.event.connection).cloned(), stored.event));
            }
            let superfluous = self.happenings.len().saturating_sub(EVENTS as usize);
            self.happenings.drain(..superfluous);
            if is_last {
                return Ok(());
            }
        }
    }
}

/// The first connections by name, those in front that need somebody, as rows of `vestal list`.
async fn first(
    vestal: &Vestal,
    overview: &Overview,
    count: usize,
    calendar: &Calendar,
) -> Result<Vec<Vec<String>>, Failure> {
    let store = vestal.engine.store();
    let limit = u32::try_from(count).unwrap_or(u32::MAX);
    let mut found: Vec<Connection> = Vec::new();
    for state in [Some("needs_reauth"), Some("failing"), None] {
        if found.len() >= count {
            break;
        }
        if state.is_some_and(|state| overview.count(state) == 0) {
            continue;
        }
        let filter = Filter { state: state.map(str::to_owned), ..Filter::default() };
        for connection in store.connections(&filter, None, limit).await?.connections {
            if found.iter().all(|other| other.id != connection.id) {
                found.push(connection);
            }
        }
    }
    found.truncate(count);
    let clients = store.clients().await?.clients;
    let clients: HashMap<_, _> = clients.into_iter().map(|client| (client.id, client)).collect();
    let mut shown = Vec::new();
    for connection in found {
        let Some(client) = clients.get(&connection.client) else { continue };
        let view = ConnectionView::new(&connection, client);
        shown.push(list::row(&connection, &view, calendar));
    }
    Ok(shown)
}
