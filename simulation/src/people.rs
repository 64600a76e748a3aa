//! Who uses connections: readers, operators at a terminal, cron, and the users who consent and withdraw.

use std::sync::Arc;
use std::time::Duration;

use vestal_core::secret::ExposeSecret;
use vestal_core::state::State;
use vestal_engine::{Engine, Want};

use crate::checkers::readers::{self, Read};
use crate::dice::Dice;
use crate::process::Process;
use crate::time::{DAY, HOUR, MINUTE, sleep};
use crate::world::World;

/// Sets everybody going.
pub(crate) fn begin(world: &Arc<World>, dice: &mut Dice) {
    for account in 0..world.names.len() {
        let short_lived = world.place(account).access_token_life <= HOUR;
        // A short-lived token that is read is refreshed all day long.
        if dice.chance(if short_lived { 0.05 } else { 0.6 }) {
            let every = dice.between(4 * HOUR, 3 * DAY);
            tokio::spawn(read_now_and_then(Arc::clone(world), dice.fork(), account, every));
        }
        tokio::spawn(mend(Arc::clone(world), dice.fork(), account));
        tokio::spawn(withdraw(Arc::clone(world), dice.fork(), account));
    }
    tokio::spawn(operate(Arc::clone(world), dice.fork()));
    if dice.chance(0.4) {
        tokio::spawn(cron(Arc::clone(world), dice.fork()));
    }
}

/// Runs a command in a process of its own, as at a terminal or from cron.
async fn command<F: Future<Output = ()> + Send + 'static>(
    world: &Arc<World>,
    dice: &mut Dice,
    verb: impl FnOnce(Engine) -> F,
) {
    let (process, engine) = world.boot(dice.below(world.machines.len()));
    let drained = engine.clone();
    run(&process, verb(engine)).await;
    run(&process, async move { drained.drain().await }).await;
    process.end();
}

/// Runs something of a process's for as long as that lives.
async fn run<T>(process: &Process, what: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = process.gone() => None,
        output = what => Some(output),
    }
}

async fn read_now_and_then(world: Arc<World>, mut dice: Dice, account: usize, every: Duration) {
    loop {
        sleep(dice.wait(every)).await;
        let spurious = dice.chance(0.02) && !world.is_calm();
        if let Some(daemon) = world.any_daemon(&mut dice)
            && dice.chance(0.7)
        {
            let burst = if dice.chance(0.2) { 4 } else { 1 };
            for _ in 0..burst {
                let (world, daemon) = (Arc::clone(&world), daemon.clone());
                tokio::spawn(async move {
                    read(&world, &daemon.process, &daemon.engine, account, spurious).await;
                });
            }
            continue;
        }
        let reader = Arc::clone(&world);
        let (process, engine) = world.boot(dice.below(world.machines.len()));
        tokio::spawn(async move {
            read(&reader, &process, &engine, account, spurious).await;
            run(&process, engine.drain()).await;
            process.end();
        });
    }
}

async fn read(world: &Arc<World>, process: &Arc<Process>, engine: &Engine, account: usize, spurious: bool) {
    let serves = async |for_at_least| {
        let connection = world.stored(account).await?;
        let now = vestal_core::clock::Clock::now(&*process.machine.clock);
        let grant = connection.grant.as_ref()?;
        let serves = connection.state != State::Disconnecting
            && grant.tokens.issued_at <= now
            && grant.tokens.expires_at.is_none_or(|end| end > now + for_at_least);
        serves.then_some(())
    };
    let started = world.timeline.elapsed();
    let (before, troubles) =
        (serves(readers::PATIENCE).await, (world.weather.troubles(), process.interruptions()));
    let Some(got) = run(process, engine.issue_token(&world.names[account], Want::default())).await else {
        return;
    };
    let after = serves(Duration::ZERO).await;
    let read = Read {
        account,
        served: before.is_some() && after.is_some(),
        took: world.timeline.elapsed().saturating_sub(started),
        got: got.as_ref().map(|issued| issued.generation).map_err(|error| error.to_string()),
        disturbed: (world.weather.troubles(), process.interruptions()) != troubles,
    };
    let token =
        got.as_ref().ok().map(|issued| (issued.generation, issued.access_token.expose_secret().to_owned()));
    world.ledger.count("reads");
    world.ledger.with(|books| readers::at_a_read(books, &read));
    // Whoever uses a token that was withdrawn gets a 401, and says so; and now and then without a reason.
    if let Some((generation, token)) = token
        && (!world.place(account).accepts(&token, world.timeline) || spurious)
    {
        world.ledger.count("tokens rejected");
        world.ledger.rejected(account, generation);
        let _ = run(process, engine.reject(&world.names[account], generation)).await;
    }
}

/// Somebody looks after a connection that needs a person, and now and then connects one anew that does not.
async fn mend(world: Arc<World>, mut dice: Dice, account: usize) {
    let mut needless = dice.wait(60 * DAY);
    loop {
        let look = dice.between(HOUR, DAY);
        sleep(look).await;
        needless = needless.saturating_sub(look);
        let dead = world.ledger.with(|books| books.accounts[account].dead);
        if !dead && (!needless.is_zero() || world.is_calm()) {
            continue;
        }
        if !dead {
            needless = dice.wait(60 * DAY);
            world.ledger.count("connected anew in mid-flight");
            if let Some(daemon) = world.any_daemon(&mut dice) {
                let name = world.names[account].clone();
                tokio::spawn(async move { run(&daemon.process, daemon.engine.refresh(&name)).await });
                sleep(dice.between(Duration::from_millis(1), 2 * MINUTE)).await;
            }
        } else {
            world.ledger.count("connected anew");
        }
        let person = Arc::clone(&world);
        command(&world, &mut dice, |engine| async move {
            if let Err(error) = Box::pin(person.consent(&engine, account)).await {
                person.ledger.note(|| format!("c{account} cannot be connected: {error}"));
            }
        })
        .await;
    }
}

/// The user withdraws the consent in the provider's own pages.
async fn withdraw(world: Arc<World>, mut dice: Dice, account: usize) {
    while world.next(&mut dice, 200 * DAY).await.is_some() {
        let grant = world.ledger.with(|books| {
            let token = books.accounts[account].stored.as_ref().and_then(|stored| stored.token);
            token.map(|token| books.tokens[token].grant)
        });
        if let Some(grant) = grant {
            world.ledger.count("consents withdrawn");
            world.ledger.note(|| format!("c{account}: its user withdraws the consent"));
            world.place(account).revoke_by_user(grant, world.timeline);
        }
    }
}

/// An operator asks for refreshes by hand.
async fn operate(world: Arc<World>, mut dice: Dice) {
    while world.next(&mut dice, 5 * DAY).await.is_some() {
        let account = dice.below(world.names.len());
        let name = world.names[account].clone();
        world.ledger.asked(account);
        world.ledger.count("refreshes by hand");
        command(&world, &mut dice, |engine| async move {
            let _ = engine.refresh(&name).await;
        })
        .await;
    }
}

/// A cron job beside the daemons.
async fn cron(world: Arc<World>, mut dice: Dice) {
    let every = dice.pick(&[6 * HOUR, 12 * HOUR, DAY]);
    while !world.is_calm() {
        sleep(every).await;
        command(&world, &mut dice, |engine| async move {
            let _ = engine.run_once(engine.now()).await;
        })
        .await;
    }
}
