//! The life of each provider of the catalogue.
//!
//! The sandbox behaves as the provider's file says, in every way that the file leaves open; the real engine keeps a few
//! connections alive over a virtual year or more, with outages, lost answers and restarts; and a checker that knows the
//! promise and the provider's own books, but not the engine, watches that nothing was lost that could be kept, and that
//! whoever had to consent again was told in time.

mod alone;
mod behaviour;
mod books;
mod checks;
mod mistakes;
mod people;
mod promise;
mod summary;
mod wire;
mod wordings;
mod world;

#[cfg(test)]
mod tests;

use std::time::Duration;

use vestal_core::provider::{Provider, catalogue};
use vestal_sandbox::DeathReason;

pub use behaviour::{Behaviour, behaviours};
pub use mistakes::Mistake;
pub use summary::{Row, killers, markdown};

use crate::ledger::Violation;
use crate::time::DAY;

/// What to live through.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// All chance comes from this.
    pub seed: u64,
    /// For so long are tokens read often, and kept fresh without being read: that takes most of the time. `None`: for as
    /// long as the life lasts.
    pub busy: Option<Duration>,
    /// A mistake that has to be noticed.
    pub mistake: Option<Mistake>,
    /// Whether to tell everything that happens.
    pub traced: bool,
}

/// How a connection is used, and what it is to be kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Habit {
    /// Read several times a day, under the policy `auto`; its user consents again when told to.
    Read,
    /// Never read, under the policy `auto`.
    Unread,
    /// Read once after 300 days and once near the end, under the policy `on-demand`.
    Seldom,
    /// Never read, under the policy `always`.
    Always,
}

impl Habit {
    /// One connection of each.
    pub const ALL: [Self; 4] = [Self::Read, Self::Unread, Self::Seldom, Self::Always];
}

/// What became of a life.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What must never happen, and did.
    pub violations: Vec<Violation>,
    /// How long it was.
    pub lasted: Duration,
    /// How often each connection was refreshed a year, in the order of [`Habit::ALL`].
    pub refreshes_a_year: [f64; 4],
    /// How often all of them were refreshed.
    pub refreshes: u64,
    /// Deaths that nobody could have prevented, other than by consenting again.
    pub ends: Vec<End>,
    /// How often a token was asked for.
    pub reads: u64,
    /// Answers that were lost on their way, and brought again by another try.
    pub lost_answers: u64,
    /// Everything that happened, where it was asked for.
    pub trace: Vec<String>,
}

/// The end of a grant that no refresh could move.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Why it ended.
    pub reason: DeathReason,
    /// How long before a person was told first.
    pub warned_before: Option<Duration>,
}

/// How long a life lasts: a year, or a little longer than a refresh token can live at most.
pub fn lasts(behaviour: &Behaviour) -> Duration {
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    const LONGEST: Duration = Duration::from_secs(6 * 365 * 86_400);
    let longest = behaviour.absolute_life.unwrap_or_default();
    YEAR.max(longest + longest / 5).min(LONGEST)
}

/// Lives through one way in which a provider may behave.
///
/// # Panics
///
/// When the world cannot be built, which is a mistake in the simulation.
pub fn live(provider: &Provider, behaviour: &Behaviour, course: &Course) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can always be built");
    runtime.block_on(world::live(provider, behaviour, course))
}

/// The providers that come with Vestal, in order. Those that give no refresh tokens have lives too: what they give is
/// exchanged in time, or its end is told, or it has none.
///
/// # Panics
///
/// When a file has mistakes: none of a release has.
pub fn providers() -> Vec<Provider> {
    catalogue::ids()
        .filter_map(catalogue::builtin)
        .map(|read| read.unwrap_or_else(|mistakes| panic!("{mistakes:?}")))
        .collect()
}

/// In days, rounded.
fn in_days(length: Duration) -> f64 {
    length.as_secs_f64() / DAY.as_secs_f64()
}
