//! What goes wrong, and when.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;

use crate::dice::Dice;
use crate::journal::Disk;
use crate::process::{Call, Strike, Trap, When};
use crate::time::{DAY, HOUR, MINUTE, SECOND, sleep};
use crate::weather::StoreWeather;
use crate::world::World;

/// Lets go what this seed has in store.
pub(crate) fn begin(world: &Arc<World>, dice: &mut Dice) {
    world.weather.set_network_faults(dice.pick(&[0.0, 0.01, 0.03, 0.1, 0.3]));
    for place in 0..world.places.len() {
        tokio::spawn(outages(Arc::clone(world), dice.fork(), place));
    }
    tokio::spawn(store(Arc::clone(world), dice.fork()));
    for machine in 0..world.machines.len() {
        tokio::spawn(disk(Arc::clone(world), dice.fork(), machine));
    }
    for seat in 0..world.seats.len() {
        tokio::spawn(keep_running(Arc::clone(world), dice.fork(), seat));
        tokio::spawn(kills(Arc::clone(world), dice.fork(), seat));
        tokio::spawn(stops(Arc::clone(world), dice.fork(), seat));
    }
    if dice.chance(0.5) {
        for machine in 0..world.machines.len() {
            tokio::spawn(clocks(Arc::clone(world), dice.fork(), machine));
        }
    }
    let world = Arc::clone(world);
    tokio::spawn(async move {
        sleep(world.calm_from.saturating_sub(world.timeline.elapsed())).await;
        world.ledger.note(|| "the faults are over".to_owned());
        world.weather.clear();
        for machine in &world.machines {
            machine.clock.set_off_by(SignedDuration::ZERO);
            machine.shelf.set_disk(Disk::Fine);
        }
        world.ledger.tell();
        for seat in &world.seats {
            if let Some(daemon) = seat.daemon() {
                daemon.process.resume();
            }
            seat.start(&world);
        }
    });
}

/// The provider cannot be reached, for days at times, but never so long that disuse must kill.
async fn outages(world: Arc<World>, mut dice: Dice, place: usize) {
    let bearable = world.places[place].idle_limit.map_or(3 * DAY, |limit| (limit / 6).min(3 * DAY));
    while world.next(&mut dice, 20 * DAY).await.is_some() {
        let lasts = dice.between(MINUTE, bearable);
        world.ledger.count("outages of a provider");
        world.ledger.note(|| format!("p{place} cannot be reached for {lasts:?}"));
        world.ledger.spell(lasts);
        world.weather.set_outage(place, true);
        sleep(lasts).await;
        world.weather.set_outage(place, false);
    }
}

/// The store is gone, or does not answer as it should.
async fn store(world: Arc<World>, mut dice: Dice) {
    while world.next(&mut dice, 4 * DAY).await.is_some() {
        let (weather, lasts) = match dice.below(3) {
            0 => (StoreWeather::Down, dice.between(SECOND, 6 * HOUR)),
            _ => (StoreWeather::Flaky(dice.pick(&[0.1, 0.3, 0.6])), dice.between(MINUTE, 3 * HOUR)),
        };
        world.ledger.count(match weather {
            StoreWeather::Down => "store down",
            _ => "store flaky",
        });
        world.ledger.note(|| format!("the store is {weather:?} for {lasts:?}"));
        world.ledger.spell(lasts + MINUTE);
        world.weather.set_store(weather);
        sleep(lasts).await;
        world.weather.set_store(StoreWeather::Fine);
    }
}

/// A machine's disk is full, or fails.
async fn disk(world: Arc<World>, mut dice: Dice, machine: usize) {
    while world.next(&mut dice, 10 * DAY).await.is_some() {
        let disk = dice.pick(&[Disk::Full, Disk::Failing]);
        let lasts = dice.between(MINUTE, DAY);
        world.ledger.count("disk full or failing");
        world.ledger.note(|| format!("the disk of machine {machine} is {disk:?} for {lasts:?}"));
        world.ledger.spell(lasts);
        world.weather.trouble();
        world.machines[machine].shelf.set_disk(disk);
        sleep(lasts).await;
        world.machines[machine].shelf.set_disk(Disk::Fine);
    }
}

/// Starts the daemon again when it is gone, sooner or later.
async fn keep_running(world: Arc<World>, mut dice: Dice, seat: usize) {
    loop {
        let Some(daemon) = world.seats[seat].daemon() else { return };
        daemon.process.gone().await;
        let down = if dice.chance(0.8) { dice.between(SECOND, MINUTE) } else { dice.between(MINUTE, DAY) };
        let left = world.calm_from.saturating_sub(world.timeline.elapsed());
        let down = down.min(left.max(SECOND));
        world.ledger.spell(down);
        sleep(down).await;
        world.seats[seat].start(&world);
    }
}

/// Daemons are killed or stopped, mostly in the middle of what they do; and ended as they should be.
async fn kills(world: Arc<World>, mut dice: Dice, seat: usize) {
    while world.next(&mut dice, 3 * DAY).await.is_some() {
        let Some(daemon) = world.seats[seat].daemon() else { continue };
        match dice.below(8) {
            0 => {
                world.ledger.count("killed at any time");
                daemon.process.kill();
            }
            1 => {
                world.ledger.count("ended and started again");
                world.seats[seat].end();
            }
            _ => {
                let call = dice.pick(&[
                    Call::Begin,
                    Call::Send,
                    Call::Finish,
                    Call::Append,
                    Call::Update,
                    Call::Other,
                ]);
                let when = match call {
                    Call::Send => dice.pick(&[When::Before, When::During, When::During, When::After]),
                    _ => dice.pick(&[When::Before, When::After]),
                };
                let skip = u32::try_from(dice.below(3)).unwrap_or(0);
                let strike = if dice.chance(0.6) {
                    Strike::Kill
                } else {
                    Strike::Stop(
                        dice.between(SECOND, 10 * MINUTE),
                        dice.between(Duration::from_millis(5), MINUTE),
                    )
                };
                // Before a request there is nothing to be stopped at: see `Socket`.
                if let (Strike::Stop(..), Call::Send, When::Before) = (strike, call, when) {
                    continue;
                }
                world.ledger.note(|| format!("seat {seat}: {strike:?} {when:?} {call:?}"));
                daemon.process.set_trap(Trap { strike, call, when, skip });
            }
        }
    }
}

/// Daemons are stopped, and go on; so does a machine that sleeps.
async fn stops(world: Arc<World>, mut dice: Dice, seat: usize) {
    while world.next(&mut dice, 4 * DAY).await.is_some() {
        let Some(daemon) = world.seats[seat].daemon() else { continue };
        let lasts =
            if dice.chance(0.1) { dice.between(HOUR, 2 * DAY) } else { dice.between(SECOND, 10 * MINUTE) };
        world.ledger.count("stopped and resumed");
        world.ledger.note(|| format!("seat {seat} is stopped for {lasts:?}"));
        world.ledger.spell(lasts);
        daemon.process.stop();
        sleep(lasts).await;
        daemon.process.resume();
    }
}

/// A machine's clock is wrong, a little or by far, and is set right again.
async fn clocks(world: Arc<World>, mut dice: Dice, machine: usize) {
    while world.next(&mut dice, 12 * DAY).await.is_some() {
        let off = match dice.below(4) {
            0 | 1 => dice.between(Duration::from_millis(100), 2 * SECOND),
            2 => dice.between(10 * SECOND, HOUR),
            _ => dice.between(HOUR, 400 * DAY),
        };
        let off = SignedDuration::try_from(off).unwrap_or(SignedDuration::ZERO);
        let off = if dice.chance(0.5) { off } else { -off };
        let lasts = dice.between(MINUTE, 2 * DAY);
        world.ledger.count(if off.abs() > SignedDuration::from_hours(1) {
            "clock jumps"
        } else {
            "clock skews"
        });
        world.ledger.note(|| format!("the clock of machine {machine} is off by {off:?} for {lasts:?}"));
        world.ledger.spell(lasts + HOUR);
        world.ledger.skew(off.unsigned_abs(), lasts);
        if off.abs() > SignedDuration::from_hours(1) {
            world.ledger.jump(lasts);
        }
        world.machines[machine].clock.set_off_by(off);
        world.ledger.tell();
        sleep(lasts).await;
        world.machines[machine].clock.set_off_by(SignedDuration::ZERO);
        world.ledger.tell();
    }
}
