//! What is left to tell when all that could be done is done: who needs a person, and who is failing.

use vestal_api::{Code, ErrorView};
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::store::Filter;

use crate::context::Vestal;
use crate::failure::{Failure, Lost, word};
use crate::text::{NAMED, counted, some_of};
use crate::when::Calendar;

/// What is left to tell when all that could be done is done.
pub(super) struct Left {
    pub(super) first_failure: Option<ErrorView>,
    pub(super) damage: Result<(), Failure>,
}

impl Left {
    pub(super) async fn told(self, vestal: &Vestal, calendar: &Calendar) -> Result<(), Failure> {
        attention(vestal, calendar).await?;
        // What no connection's state tells: a store or a journal that takes nothing.
        self.first_failure.map_or(Ok(()), |view| Err(Failure::Told(Box::new(view))))?;
        self.damage
    }
}

/// Tells of those that need a person, or else are failing: also of those that have been for long.
async fn attention(vestal: &Vestal, calendar: &Calendar) -> Result<(), Failure> {
    let counts = vestal.engine.store().count_states(None).await?;
    let needing = names(first_in(vestal, "needs_reauth", &counts).await?);
    let failing = first_in(vestal, "failing", &counts).await?;
    let lost: Vec<String> = failing
        .0
        .iter()
        .filter_map(Lost::of)
        .map(|lost| format!("\n{}: {}", lost.name, lost.in_short(calendar)))
        .collect();
    let failing = names(failing);
    let list = |(names, count): &(Vec<ConnectionName>, u64)| {
        let names: Vec<&str> = names.iter().map(ConnectionName::as_str).collect();
        some_of(&names, *count)
    };
    match (&needing, &failing) {
        ((needing_names, needing_count @ 1..), (_, failing_count)) => {
            let mut why = list(&needing);
            if *failing_count > 0 {
                why.push_str(&format!("\nand {failing_count} failing: {}", list(&failing)));
                why.push_str(&lost.concat());
            }
            let first = needing_names.first().map_or("NAME", ConnectionName::as_str);
            let error = counted(*needing_count, "connection needs", "connections need");
            Err(Failure::new(Code::NeedsReauth, format!("{error} re-authorization"))
                .why(why)
                .next(format!("vestal connect {}", word(first))))
        }
        (_, (_, failing_count @ 1..)) => {
            let error = counted(*failing_count, "connection is", "connections are");
            let them = if *failing_count == 1 { "it is" } else { "they are" };
            Err(Failure::new(Code::TemporarilyUnavailable, format!("{error} failing"))
                .why(list(&failing) + &lost.concat())
                .next(format!("nothing yet; {them} tried again: vestal list --state failing")))
        }
        _ => Ok(()),
    }
}

/// The first connections in a state, by name, and how many there are in all: as many as were counted.
pub(crate) async fn first_in(
    vestal: &Vestal,
    state: &str,
    counts: &[(String, u64)],
) -> Result<(Vec<Connection>, u64), Failure> {
    let count = counts.iter().find(|(name, _)| name == state).map_or(0, |(_, count)| *count);
    if count == 0 {
        return Ok((Vec::new(), 0));
    }
    let filter = Filter { state: Some(state.to_owned()), ..Filter::default() };
    let page = vestal.engine.store().connections(&filter, None, NAMED as u32).await?;
    Ok((page.connections, count))
}

/// Their names alone.
pub(crate) fn names((first, count): (Vec<Connection>, u64)) -> (Vec<ConnectionName>, u64) {
    (first.into_iter().map(|connection| connection.name).collect(), count)
}
