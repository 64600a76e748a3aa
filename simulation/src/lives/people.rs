//! Who consents, and who asks for tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use vestal_core::connection::Policy;
use vestal_core::secret::ExposeSecret;
use vestal_core::state::State;
use vestal_core::store::Update;
use vestal_engine::{BeginConnect, Engine, Error, Want};

use crate::dice::Dice;
use crate::lives::Habit;
use crate::lives::checks::{BACK_AFTER, IN_USE_AFTER};
use crate::lives::world::World;
use crate::time::{DAY, HOUR, sleep};

/// Somebody looks at what needs a person once in this time, and takes as long to consent again.
const DAY_OF_A_PERSON: Duration = DAY;

/// Who consents again in time does it this long before an end, or in the last quarter of a shorter life.
const IN_TIME: Duration = Duration::from_secs(5 * 86_400);

/// When a token that is used seldom is asked for the first time.
const SELDOM: Duration = Duration::from_secs(300 * 86_400);

/// Sets everybody going.
pub(crate) fn begin(world: &Arc<World>, dice: &mut Dice) {
    for account in 0..Habit::ALL.len() {
        tokio::spawn(own(Arc::clone(world), account));
    }
    tokio::spawn(read_often(Arc::clone(world), dice.fork()));
    tokio::spawn(read_seldom(Arc::clone(world)));
    tokio::spawn(withdraw(Arc::clone(world), dice.fork()));
}

fn policy(habit: Habit) -> Policy {
    match habit {
        Habit::Read | Habit::Unread => Policy::Auto,
        Habit::Seldom => Policy::OnDemand,
        Habit::Always => Policy::Always,
    }
}

/// The user to whom an account belongs.
async fn own(world: Arc<World>, account: usize) {
    let habit = Habit::ALL[account];
    // What is refreshed all the time takes a while to live through: it may be there for the last part only.
    if let (Habit::Always, Some(busy)) = (habit, world.course.busy) {
        sleep(world.lasts.saturating_sub(busy)).await;
    }
    loop {
        while let Err(error) = consent(&world, account).await {
            world.ledger.note(|| format!("{habit:?}: cannot be connected: {error}"));
            sleep(HOUR).await;
        }
        world.ledger.note(|| format!("{habit:?}: its user consents"));
        wait_until_needed(&world, account).await;
    }
}

/// Waits until a person has to consent again, or for what was announced.
async fn wait_until_needed(world: &World, account: usize) {
    let heeds = Habit::ALL[account] == Habit::Read;
    let consented_at = world.timeline.elapsed();
    let look = DAY_OF_A_PERSON.min(world.behaviour.absolute_life.unwrap_or(DAY) / 40);
    loop {
        sleep(look).await;
        let now = world.timeline.elapsed();
        let needed =
            world.stored(account).await.is_some_and(|it| matches!(it.state, State::NeedsReauth { .. }));
        let was_told = world.ledger.with(|books| books.accounts[account].was_told_since(consented_at));
        if needed || was_told {
            sleep(look).await;
            return;
        }
        let warned = world.ledger.with(|books| books.accounts[account].warnings.last().copied());
        if let Some(warning) = warned.filter(|it| heeds && it.at >= consented_at) {
            let life = warning.end.saturating_sub(consented_at);
            if warning.end.saturating_sub(now) <= IN_TIME.min(life / 4) {
                return;
            }
        }
    }
}

async fn consent(world: &World, account: usize) -> Result<(), Error> {
    let engine = world.engine();
    let begin = BeginConnect {
        name: world.names[account].clone(),
        client: world.provider.id.clone(),
        scopes: None,
        site: BTreeMap::new(),
        parameters: BTreeMap::new(),
    };
    let asked = engine.begin_connect(begin).await?;
    set_policy(world, account).await;
    let redirected = world.wire.browse(&asked.url, &account.to_string());
    let redirected = redirected.unwrap_or_else(|| panic!("{} did not send its user back", world.provider.id));
    engine.finish_connect(&redirected, vestal_engine::Account::Vouched).await?;
    engine.drain().await;
    Ok(())
}

/// Before the first consent, so that every plan is made by it.
async fn set_policy(world: &World, account: usize) {
    let connection = world.stored(account).await.expect("it was begun to connect it");
    let policy = policy(Habit::ALL[account]);
    if connection.policy == policy {
        return;
    }
    let (id, expected, plan, state) = (connection.id, connection.revision, connection.plan, connection.state);
    let (tags, external_id, grant, about, events) = (None, None, None, None, vec![]);
    let update = Update { id, expected, plan, state, policy, tags, external_id, grant, about, events };
    world.store.update_connection(&update).await.expect("a store in memory");
}

/// A user withdraws the consent in the provider's own pages, once. Nobody can keep that connection; but it is to be known.
async fn withdraw(world: Arc<World>, mut dice: Dice) {
    const ACCOUNT: usize = 1;
    sleep(dice.between(100 * DAY, 250 * DAY)).await;
    let grants = world.wire.grants();
    if let Some(grant) = grants.iter().rev().find(|grant| grant.subject == ACCOUNT.to_string()) {
        world.ledger.note(|| format!("{:?}: its user withdraws the consent", Habit::ALL[ACCOUNT]));
        world.wire.withdraw(grant.id);
    }
    if world.is_known_by_rejection() {
        sleep(IN_USE_AFTER).await;
        read(&world, ACCOUNT).await;
    }
}

async fn read_often(world: Arc<World>, mut dice: Dice) {
    let until = world.course.busy.unwrap_or(Duration::MAX);
    sleep(HOUR).await;
    while world.timeline.elapsed() < until {
        read(&world, 0).await;
        sleep(dice.between(2 * HOUR, 10 * HOUR)).await;
    }
}

async fn read_seldom(world: Arc<World>) {
    sleep(SELDOM).await;
    read(&world, 2).await;
    sleep(world.lasts.mul_f64(0.95).saturating_sub(SELDOM)).await;
    read(&world, 2).await;
}

/// Asks for a token and uses it; a token that is rejected is reported, as readers do, and another one asked for.
async fn read(world: &World, account: usize) {
    let engine = world.engine();
    let habit = Habit::ALL[account];
    let asked_at = world.timeline.elapsed();
    let mut got = use_token(world, &engine, account).await;
    if let Err(Unserved::Rejected { generation }) = &got {
        world.ledger.note(|| format!("{habit:?}: a token is rejected"));
        if let Err(Error::NeedsReauth { .. }) = engine.reject(&world.names[account], *generation).await {
            world.ledger.note(|| format!("{habit:?}: its reader is told that a person is needed"));
            world.ledger.with(|books| books.accounts[account].told_at = Some(world.timeline.elapsed()));
        }
        got = use_token(world, &engine, account).await;
    }
    engine.drain().await;
    let read_before = world.ledger.with(|books| {
        books.reads += 1;
        books.accounts[account].read_at.replace(asked_at)
    });
    let Err(why) = got else { return };
    let said = match &why {
        Unserved::Refused(error) => error.to_string(),
        Unserved::Rejected { generation } => format!("generation {generation} is rejected"),
    };
    world.ledger.note(|| format!("{habit:?}: no token: {said}"));
    if !may_be_unserved(world, account, asked_at, read_before, &why) {
        world
            .ledger
            .violation("served", format!("{habit:?}: a token was asked for, and none served: {why:?}"));
    }
}

/// Why somebody has no token that works.
#[derive(Debug)]
enum Unserved {
    /// There is none.
    Refused(Error),
    /// The provider does not take it.
    Rejected { generation: u64 },
}

async fn use_token(world: &World, engine: &Engine, account: usize) -> Result<(), Unserved> {
    let issued =
        engine.issue_token(&world.names[account], Want::default()).await.map_err(Unserved::Refused)?;
    match world.wire.accepts(issued.access_token.expose_secret()) {
        true => Ok(()),
        false => Err(Unserved::Rejected { generation: issued.generation }),
    }
}

/// Whether nobody could have helped it: the grant is dead, nobody has consented, or the provider was not there in time.
fn may_be_unserved(
    world: &World,
    account: usize,
    at: Duration,
    read_before: Option<Duration>,
    why: &Unserved,
) -> bool {
    let grants = world.wire.grants();
    let grant = grants.iter().rev().find(|grant| grant.subject == account.to_string());
    if grant.is_none_or(|grant| grant.death.is_some()) {
        return true;
    }
    let Some((from, until)) = world.wire.outage_before(at).filter(|(_, until)| at < *until + BACK_AFTER)
    else {
        return false;
    };
    // A token that is read is kept fresh: what was there when the outage began lasts for half of its life at least.
    let kept_fresh = account == 0
        && read_before.is_some_and(|before| before < from)
        && !world.provider.prefers_refresh_on_rejection()
        && matches!(why, Unserved::Refused(_))
        && world.says_how_long_tokens_live();
    let serves_until = (from + world.behaviour.access_token_life / 2).saturating_sub(HOUR / 12);
    !kept_fresh || at > serves_until.min(until)
}
