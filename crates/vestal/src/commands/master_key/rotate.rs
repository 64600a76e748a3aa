//! `vestal master-key rotate`: everything under a new key, while all goes on.
//!
//! The order keeps every value readable for everybody at any time, and lets it be killed anywhere: the new key is in its
//! source before it opens anywhere; it opens in every process before it seals in any; it seals in every process before what
//! the old one sealed is gone through.

use std::io;
use std::path::Path;
use std::time::Duration;

use vestal_api::{Code, LeftValueView, RotationView};
use vestal_core::clock::Clock;
use vestal_core::seal::{KEYS_MAX, KeyId};
use vestal_core::store::StoreError;
use vestal_engine::Walk;
use vestal_store::nodes::{Living, Told, living_nodes};
use vestal_store::rotation::Rotation;

use super::next::{Next, Standing};
use super::walk::{self, All};
use crate::clock::SystemClock;
use crate::config::KeyFileTurn;
use crate::context::{Context, Vestal};
use crate::entropy::SystemEntropy;
use crate::failure::Failure;

/// How often it is looked whether the others have followed.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// So often everything is gone through, at most: whatever goes on sealing with the old key for longer has to be found first.
const PASSES_MAX: u32 = 20;

/// So often, and at these intervals, a file of keys is waited for that somebody else is adding one to.
const TURN_TRIES: usize = 3000;
const TURN_AGAIN_AFTER: Duration = Duration::from_millis(20);

/// Before answers in journals are looked at again, which those are at that got them.
const JOURNALS_EVERY: Duration = Duration::from_secs(1);

/// Seal everything with a new master key, while all goes on
///
/// Where the key lies in a file of Vestal's own, a new one is added to it as its last line. Where it comes from elsewhere, add one there first, as the last line: openssl rand -base64 32. A process whose keys come from a variable or a credential has to be restarted with both.
///
/// It may be stopped or killed at any time, and goes on when it is run again. The old key still opens backups made before, and other stores that have their key from the same place; remove its line once none of them needs it any more.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal master-key rotate
  vestal master-key rotate --wait 30m")]
pub(crate) struct Args {
    /// How long to wait for the other processes of this store to follow
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = crate::commands::length)]
    wait: Duration,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let rotating = Rotating { vestal: &vestal, context, wait: args.wait };
    let view = context.or_interrupted(Box::pin(rotating.rotate())).await??;
    tell(&view, &vestal, context)
}

struct Rotating<'a> {
    vestal: &'a Vestal,
    context: &'a Context,
    wait: Duration,
}

impl Rotating<'_> {
    async fn rotate(&self) -> Result<RotationView, Failure> {
        let Self { vestal, context, .. } = *self;
        let (keys, vault) = (&vestal.keys, vestal.engine.vault());
        let rotation = self.begin()?;
        // As they are now that nobody else adds to them.
        let mut given = keys.read_again().await?.ids();
        keys.follow().await?;
        let old = vault.seals_with();
        let begun = rotation.begun().map_err(not_written)?;
        let (mut made, mut found) = (false, None);
        let mut done = Done::default();
        let is_new = loop {
            let own_file = keys.source().own_file();
            let standing = Standing { given: &given, seals: old, begun, found, may_make: own_file.is_some() };
            match (standing.next(), own_file) {
                (Next::To(new), _) => {
                    rotation.begin(new, vestal.node.id).map_err(not_written)?;
                    Box::pin(self.switch(new)).await?;
                    break true;
                }
                (Next::Finish, _) => break false,
                (Next::Look, _) => {
                    Box::pin(self.seal_anew(&mut done)).await?;
                    found = Some(done.resealed);
                }
                (Next::Make, Some(path)) => {
                    if given.len() >= KEYS_MAX {
                        return Err(Failure::failed(format!("{} holds {KEYS_MAX} keys already", keys.source().describe()))
                            .next("remove the lines of those that no backup needs any more; see: vestal master-key list"));
                    }
                    let added = self.turn(path).await?.add_key(&given, &SystemEntropy)?;
                    given = keys.read_again().await?.ids();
                    // Otherwise somebody has changed them meanwhile, such as the rotation of another store that has them too.
                    let Some(new) = added else { continue };
                    made = true;
                    context.output.note(format_args!(
                        "added the new key {new} to {}: keep a copy of it elsewhere",
                        path.display()
                    ));
                }
                (Next::Make | Next::Ask, _) => return Err(self.ask()),
            }
        };
        if found.is_none() || is_new {
            Box::pin(self.seal_anew(&mut done)).await?;
        }
        rotation.end().map_err(not_written)?;
        let Done { all, resealed, passes, journalled } = done;
        let left_values =
            all.left_values.into_iter().map(|left| LeftValueView { what: left.what, why: left.why });
        Ok(RotationView {
            old_key: is_new.then(|| old.to_string()),
            new_key: vault.seals_with().to_string(),
            made,
            resealed,
            passes,
            left: all.left,
            left_values: left_values.collect(),
            journalled,
        })
    }

    fn begin(&self) -> Result<Rotation, Failure> {
        Rotation::take(self.vestal.node.folder()).map_err(not_written)?.ok_or_else(|| {
            Failure::new(Code::TemporarilyUnavailable, "another process is exchanging the master key")
                .next("wait until it has ended; it does not harm to run this again")
        })
    }

    /// Waits until nobody else adds a key to this file: whoever does is done within moments.
    async fn turn(&self, path: &Path) -> Result<KeyFileTurn, Failure> {
        let path_shown = path.display();
        for n in 0..TURN_TRIES {
            if let Some(turn) = KeyFileTurn::take(path)? {
                return Ok(turn);
            }
            if n == 0 {
                self.context
                    .output
                    .note(format_args!("waiting for another process that adds a key to {path_shown}"));
            }
            SystemClock.sleep(TURN_AGAIN_AFTER).await;
        }
        let error = format!("another process goes on adding a key to {path_shown}");
        Err(Failure::new(Code::TemporarilyUnavailable, error)
            .next("look for a vestal master-key rotate that is stopped; then run this again"))
    }

    fn ask(&self) -> Failure {
        let source = self.vestal.keys.source().describe();
        Failure::failed("there is no newer master key to seal with")
            .why(format!("{source} is not Vestal's own to add one to"))
            .next(
                "add a key to it as the last line, wherever this store is used: openssl rand -base64 32; restart what cannot \
                 read it again; then: vestal master-key rotate",
            )
    }

    /// Makes this the key that seals, for everybody, once everybody holds it.
    async fn switch(&self, new: KeyId) -> Result<(), Failure> {
        let engine = &self.vestal.engine;
        self.until_all(&format!("to hold the master key {new}"), |told| told.holds.contains(&new)).await?;
        let moved = || {
            Failure::new(Code::TemporarilyUnavailable, "somebody else has exchanged the master key meanwhile")
                .next("look with: vestal master-key list; then run this again")
        };
        let identity = engine.store().identity().await?.ok_or_else(moved)?;
        let anew = engine.vault().identity_under(new, &SystemEntropy).ok_or_else(moved)?;
        match engine.store().replace_identity(&identity, &anew).await {
            Ok(true) => {}
            Ok(false) => return Err(moved()),
            // It is read back.
            Err(StoreError::OutcomeUnknown { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        self.vestal.keys.follow().await?;
        if engine.vault().seals_with() == new { Ok(()) } else { Err(moved()) }
    }

    /// Seals everything with the key that seals now, again and again until nothing else is found: what was on its way when
    /// it was gone past may come in as it was sealed before.
    async fn seal_anew(&self, done: &mut Done) -> Result<(), Failure> {
        let Self { vestal, context, .. } = *self;
        let seals = vestal.engine.vault().seals_with();
        self.until_all(&format!("to seal with the master key {seals}"), |told| told.seals == seals).await?;
        for _ in 0..PASSES_MAX {
            done.all = Box::pin(walk::through(vestal, context, Walk::Reseal)).await?;
            done.passes += 1;
            done.resealed += done.all.resealed;
            if done.all.resealed > 0 {
                continue;
            }
            done.journalled = vestal.engine.walk_journals().await?;
            if done.journalled == 0 {
                return Ok(());
            }
            SystemClock.sleep(JOURNALS_EVERY).await;
        }
        if done.all.resealed == 0 {
            return Ok(());
        }
        Err(Failure::new(Code::TemporarilyUnavailable, "something goes on sealing with another master key")
            .why(format!("values of it were found {PASSES_MAX} times, one time after the other"))
            .next("look for a process of this store on another machine or of an earlier version; then run this again"))
    }

    /// Waits until every other process that has the store open tells so of itself.
    async fn until_all(&self, what: &str, is_so: impl Fn(&Told) -> bool) -> Result<(), Failure> {
        let Self { vestal, context, wait } = self;
        let node = &vestal.node;
        let deadline = SystemClock.uptime().saturating_add(*wait);
        let mut told = Vec::new();
        loop {
            let mut others = living_nodes(node.folder()).map_err(not_written)?;
            others.retain(|other| other.node != node.id && !other.told.as_ref().is_some_and(&is_so));
            let Some(first) = others.first() else { return Ok(()) };
            for other in &others {
                if !told.contains(&other.node) {
                    told.push(other.node);
                    context.output.note(format_args!("waiting for {} {what}", name(other)));
                }
            }
            if SystemClock.uptime() >= deadline {
                let more = match others.len() - 1 {
                    0 => String::new(),
                    more => format!(", and {more} more,"),
                };
                let name = name(first);
                return Err(Failure::new(
                    Code::TemporarilyUnavailable,
                    format!("{name}{more} is not ready {what}"),
                )
                .why("a process whose master key comes from a variable or a credential cannot read it again while it runs")
                .next(
                    "restart it with all keys, the new one as the last line, or end it; then go on: vestal master-key rotate",
                ));
            }
            SystemClock.sleep(LOOK_EVERY).await;
        }
    }
}

/// What has been done.
#[derive(Default)]
struct Done {
    /// On the last pass.
    all: All,
    resealed: u64,
    passes: u32,
    journalled: u64,
}

fn name(living: &Living) -> String {
    match &living.told {
        Some(told) => format!("process {}", told.pid),
        None => "a process that could not tell its number".to_owned(),
    }
}

fn not_written(error: io::Error) -> Failure {
    Failure::failed("the processes of this store cannot be told of the new master key")
        .why(error)
        .next("see that the folder \"nodes\" beside the store can be written; then run this again")
}

fn tell(view: &RotationView, vestal: &Vestal, context: &Context) -> Result<(), Failure> {
    let output = context.output;
    if output.json {
        output.json(view)?;
    } else {
        let RotationView { new_key, resealed, .. } = view;
        let values = if *resealed == 1 { "value was" } else { "values were" };
        output.line(format_args!(
            "the store is sealed with the master key {new_key}: {resealed} {values} sealed anew"
        ))?;
        for left in &view.left_values {
            output.warn(format_args!("{} stays as it is: {}", left.what, left.why));
        }
    }
    if view.left > 0 {
        return Err(Failure::failed(format!("{} values could not be sealed anew", view.left))
            .why("they are damaged, or their key is not given: they stay as they are, and what sealed them is still needed")
            .next("look with: vestal master-key list; disconnect and connect what is damaged, then run this again"));
    }
    if view.journalled > 0 {
        return Err(Failure::new(
            Code::TemporarilyUnavailable,
            format!("{} answers in journals are still sealed with an older key", view.journalled),
        )
        .why("the store does not take them yet")
        .next("keep the old key; look with: vestal doctor; then run this again"));
    }
    if !output.json {
        output.note(format_args!(
            "the old key still opens backups made before, and other stores that have their key from there; once none of them needs it, \
             remove its line from {}",
            vestal.keys.source().describe()
        ));
    }
    Ok(())
}
