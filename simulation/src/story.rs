//! The story with which Vestal began: a web form that nobody fills in for five years, and then somebody does.
//!
//! The form is that of `examples/opt-in-form`, Constant Contact is the sandbox with the lifetimes of its file and its API,
//! time is virtual, and all is the same but for who keeps the token alive: whoever uses it, a script that cron runs, or the
//! real engine.

mod by_hand;
mod operator;
mod table;
#[cfg(test)]
mod tests;
mod vestal;
mod visitor;
mod world;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use table::markdown;

use crate::lock;
use crate::time::{DAY, sleep};
use by_hand::ByHand;
use world::World;

/// Five years, with the leap day that is in most of them.
const FIVE_YEARS: Duration = Duration::from_secs((5 * 365 + 1) * 86_400);

/// When something goes wrong, where something does.
const TROUBLE_AT: Duration = Duration::from_secs(400 * 86_400);

/// Who keeps the token alive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeper {
    /// Nobody: it is refreshed when it is used.
    Use,
    /// A script, every 12 hours.
    Cron,
    /// Vestal.
    Vestal,
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing.
    None,
    /// The same runs twice over the same files: the script is in two crontabs, the daemon is started twice.
    SecondCopy,
    /// The process is killed between the provider's answer and the disk.
    Killed,
    /// After a reboot, it is not started any more.
    Reboot,
    /// Somebody withdraws the consent in the provider's pages.
    Withdrawn,
    /// Somebody makes a new client secret, which ends the old one.
    SecretReplaced,
    /// The provider cannot be reached for so many days.
    Down(u32),
}

/// One of the stories.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tale {
    /// Who keeps the token alive.
    pub keeper: Keeper,
    /// What goes wrong.
    pub trouble: Trouble,
}

/// Which refresh tokens the application has: Constant Contact lets it choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshTokens {
    /// Each is used once, there is no grace, and one that comes twice ends the grant (RFC 9700 §4.14.2). Constant Contact
    /// does not say what it does then.
    Rotating,
    /// The same comes back each time.
    LongLived,
}

/// All of them, in the order of the table.
pub const TALES: &[Tale] = &[
    Tale { keeper: Keeper::Use, trouble: Trouble::None },
    Tale { keeper: Keeper::Cron, trouble: Trouble::None },
    Tale { keeper: Keeper::Cron, trouble: Trouble::SecondCopy },
    Tale { keeper: Keeper::Cron, trouble: Trouble::Killed },
    Tale { keeper: Keeper::Cron, trouble: Trouble::Reboot },
    Tale { keeper: Keeper::Cron, trouble: Trouble::Withdrawn },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::None },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::SecondCopy },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::Killed },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::Withdrawn },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::SecretReplaced },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::Down(30) },
    Tale { keeper: Keeper::Vestal, trouble: Trouble::Down(200) },
];

/// How a story ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Which story it is.
    pub tale: Tale,
    /// When something went wrong; where nothing did, when it would have.
    pub went_wrong_at: Duration,
    /// When the first consent ended.
    pub died_at: Option<Duration>,
    /// Who noticed first that something is wrong.
    pub noticed: Noticed,
    /// Whether the visitor was thanked, five years on.
    pub works: bool,
    /// How many people signed up in vain.
    pub lost: usize,
    /// How often it was refreshed.
    pub refreshes: u64,
}

/// Who noticed first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noticed {
    /// There was nothing to notice.
    Nothing,
    /// Whoever runs the form was told, at this time.
    Operator(Duration),
    /// The visitor found out, five years on.
    Visitor,
}

/// Tells all of them, on all cores.
///
/// # Panics
///
/// When a world cannot be built, which is a mistake in the simulation.
pub fn tell_all(tales: &[Tale], tokens: RefreshTokens) -> Vec<Ending> {
    let (next, told) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(tale) = tales.get(index) else { return };
                    let ending = tell(*tale, tokens);
                    lock(&told).push((index, ending));
                }
            });
        }
    });
    let mut told = told.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    told.sort_by_key(|(index, _)| *index);
    told.into_iter().map(|(_, ending)| ending).collect()
}

/// Tells one.
///
/// # Panics
///
/// When its world cannot be built, which is a mistake in the simulation.
pub fn tell(tale: Tale, tokens: RefreshTokens) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime without I/O can always be built");
    runtime.block_on(live(tale, tokens))
}

async fn live(tale: Tale, tokens: RefreshTokens) -> Ending {
    let world = Arc::new(World::new(tale, tokens));
    let (source, operator) = match tale.keeper {
        Keeper::Use | Keeper::Cron => {
            let by_hand = ByHand::connect(&world).await;
            if tale.keeper == Keeper::Cron {
                by_hand.schedule();
            }
            (by_hand as Arc<dyn opt_in_form::Tokens>, None)
        }
        Keeper::Vestal => {
            let house = vestal::House::connect(&world).await;
            let operator = operator::hire(&house);
            (Arc::new(vestal::Commands(house)) as Arc<dyn opt_in_form::Tokens>, Some(operator))
        }
    };
    let form = visitor::form(&world, source);
    // Whoever made the form tries it, and is content.
    assert!(visitor::visit(&world, &form, "maker").await, "the form works on the first day");
    world.bring_trouble().await;
    sleep(FIVE_YEARS.saturating_sub(world.timeline.elapsed())).await;
    let died_at = world.died_at();
    let told_at = operator.and_then(|operator| operator.told_at());
    let works = visitor::visit(&world, &form, "visitor").await;
    let noticed = match told_at {
        Some(at) => Noticed::Operator(at),
        None if works => Noticed::Nothing,
        None => Noticed::Visitor,
    };
    let lost = 2 - world.contacts();
    assert_eq!(works, lost == 0, "whoever is thanked is on the list, and nobody else");
    let went_wrong_at = world.went_wrong_at().unwrap_or(TROUBLE_AT);
    Ending { tale, went_wrong_at, died_at, noticed, works, lost, refreshes: world.refreshes() }
}

/// In days, whole ones.
fn whole_days(length: Duration) -> u64 {
    length.as_secs() / DAY.as_secs()
}
