//! `vestal list`: all connections.

use std::collections::HashMap;
use std::io::{BufWriter, Write};

use vestal_api::ConnectionView;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::id::ClientId;
use vestal_core::store::{Filter, StoreError};

use crate::context::{Context, Vestal};
use crate::failure::{Failure, Lost};
use crate::output::{JsonArray, Palette};
use crate::pending;
use crate::table::{self, Column};
use crate::when::Calendar;

/// How many connections are read at once.
const PAGE: u32 = 500;

/// List the connections
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal list
  vestal list --state needs_reauth
  vestal list --client google --json | jq -r '.[].name'")]
pub(crate) struct Args {
    /// Only those in this state
    #[arg(long, value_parser = ["pending", "unverified", "active", "failing", "needs_reauth", "paused", "disconnecting"])]
    state: Option<String>,

    /// Only those made with this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<String>,

    /// Only those with this tag
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::tag)]
    tag: Option<(String, String)>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let calendar = context.calendar();
    let all = vestal.engine.store().clients().await?;
    let clients: HashMap<_, _> = all.clients.into_iter().map(|client| (client.id, client)).collect();
    // A connection whose client is damaged is not shown.
    let damage = all.damaged.into_iter().next();
    let client = match args.client {
        None => None,
        Some(name) => match clients.values().find(|client| client.name == name) {
            Some(client) => Some(client.id),
            None => {
                let error = vestal_engine::Error::NoSuchClient { name };
                return Err(error.into());
            }
        },
    };
    let filter = Filter { client, state: args.state, tag: args.tag };
    let is_filtered = filter != Filter::default();
    let output = context.output;
    let mut stdout = BufWriter::new(std::io::stdout().lock());
    let mut pages = Pages { damage, ..Pages::new(&vestal, filter) };
    if output.json {
        let mut array = JsonArray::begin(&mut stdout)?;
        while let Some(page) = pages.next().await? {
            for connection in &page {
                let Some(view) = view(connection, &clients) else { continue };
                array.push(&view)?;
            }
        }
        array.end()?;
        return pages.damage();
    }
    let mut first = true;
    while let Some(page) = pages.next().await? {
        let mut rows = Vec::with_capacity(page.len());
        for connection in &page {
            let Some(view) = view(connection, &clients) else { continue };
            rows.push(row(connection, &view, &calendar));
        }
        let lines = table::draw(&COLUMNS, &rows, output.width, output.palette, |title, text| {
            tint(title, text, output.palette)
        });
        // The titles stand above the first page only.
        for line in lines.into_iter().skip(usize::from(!first)) {
            writeln!(stdout, "{}", line.trim_end())?;
        }
        first = false;
    }
    stdout.flush()?;
    pages.damage()?;
    match (first, is_filtered) {
        (true, true) => output.note("no connection is like that"),
        (true, false) => output.note("no connections; make one with: vestal connect NAME --provider P"),
        (false, _) => {}
    }
    Ok(())
}

/// Connections, page by page, so that there may be more than memory holds.
pub(super) struct Pages<'a> {
    vestal: &'a Vestal,
    filter: Filter,
    after: Option<ConnectionName>,
    over: bool,
    /// What is wrong with the first that is damaged.
    damage: Option<StoreError>,
}

impl<'a> Pages<'a> {
    pub(super) fn new(vestal: &'a Vestal, filter: Filter) -> Self {
        Self { vestal, filter, after: None, over: false, damage: None }
    }

    /// The next page, which is not empty; `None` after the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<Connection>>, Failure> {
        let store = self.vestal.engine.store();
        while !self.over {
            let page = store.connections(&self.filter, self.after.as_ref(), PAGE).await?;
            self.over = page.next.is_none();
            self.after = page.next;
            self.damage = self.damage.take().or_else(|| page.damaged.into_iter().next());
            if !page.connections.is_empty() {
                return Ok(Some(page.connections));
            }
        }
        Ok(None)
    }

    /// What is wrong with the first that could not be read.
    pub(super) fn damage(self) -> Result<(), Failure> {
        self.damage.map_or(Ok(()), |damage| Err(damage.into()))
    }
}

fn view(connection: &Connection, clients: &HashMap<ClientId, Client>) -> Option<ConnectionView> {
    // A client that was added after they were read shows at the next look.
    Some(ConnectionView::new(connection, clients.get(&connection.client)?))
}

/// What is shown of each connection.
pub(super) const COLUMNS: [Column; 6] = [
    Column { title: "NAME", matters: 9 },
    Column { title: "STATE", matters: 8 },
    Column { title: "EXPIRES", matters: 6 },
    Column { title: "REFRESH", matters: 7 },
    Column { title: "CLIENT", matters: 4 },
    Column { title: "WHY", matters: 2 },
];

/// A connection in those columns.
pub(super) fn row(connection: &Connection, view: &ConnectionView, calendar: &Calendar) -> Vec<String> {
    let away = |at: Option<jiff::Timestamp>| at.map_or_else(|| "-".to_owned(), |at| calendar.away(at));
    let next = match view.next_refresh_at {
        Some(at) if at <= calendar.now() => "due".to_owned(),
        next => away(next),
    };
    vec![
        view.name.to_string(),
        view.state.state.to_string(),
        away(view.expires_at),
        if view.refreshing { "under way".to_owned() } else { next },
        view.client.clone(),
        match Lost::of(connection) {
            Some(lost) => lost.in_short(calendar),
            // Whether somebody is asked is told of one: its history has to be read for that.
            None if pending::waits_for_the_first(connection) => "nobody has consented yet".to_owned(),
            None => {
                view.state.detail.clone().or_else(|| Some(view.state.cause?.to_string())).unwrap_or_default()
            }
        },
    ]
}

pub(super) fn tint(title: &str, text: String, palette: Palette) -> String {
    match (title, text.trim_end()) {
        ("STATE", "active") => palette.good(text),
        ("STATE", "needs_reauth") => palette.bad(text),
        ("STATE", _) => palette.warning(text),
        ("NAME", _) => palette.strong(text),
        _ => text,
    }
}
