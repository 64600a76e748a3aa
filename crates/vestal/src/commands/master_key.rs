//! `vestal master-key`: which keys seal the store, and exchanging them.

use std::collections::BTreeMap;

use vestal_api::MasterKeyView;
use vestal_core::seal::KeyId;
use vestal_engine::Walk;

use crate::context::{Context, listed};
use crate::failure::Failure;
use crate::output::Output;
use crate::table::Column;

mod next;
mod rotate;
mod walk;

/// Manage the master keys: which seals, and exchanging it
#[derive(Debug, clap::Args)]
#[command(
    disable_help_subcommand = true,
    after_help = "\
Examples:
  vestal master-key list
  vestal master-key rotate"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// List the master keys, and how many stored values each seals
    ///
    /// Of the keys themselves, nothing is shown: a key's name is derived from it, and tells nothing of it.
    #[command(after_help = "\
Examples:
  vestal master-key list
  vestal master-key list --json | jq '.[] | select(.given and .values == 0)'")]
    List,
    Rotate(rotate::Args),
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    match args.verb {
        Verb::List => context.or_interrupted(Box::pin(list(context))).await?,
        Verb::Rotate(args) => rotate::run(args, context).await,
    }
}

async fn list(context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let (given, seals) = (vestal.engine.vault().holds(), vestal.engine.vault().seals_with());
    let counted = Box::pin(walk::through(&vestal, context, Walk::Count)).await?;
    let mut values: BTreeMap<KeyId, u64> = counted.sealed;
    // As they stand in their source, those in front that it lacks.
    let needed: Vec<KeyId> = values.keys().filter(|key| !given.contains(key)).copied().collect();
    let keys: Vec<_> = needed
        .iter()
        .chain(&given)
        .map(|key| MasterKeyView {
            key: key.to_string(),
            given: given.contains(key),
            seals: *key == seals,
            values: values.remove(key).unwrap_or_default(),
        })
        .collect();
    show(&keys, context.output)?;
    if needed.is_empty() {
        return Ok(());
    }
    Err(Failure::failed(format!("values are sealed with keys that are not given: {}", listed(&needed)))
        .why(format!("they are not in {}", vestal.config.master_key.describe()))
        .next("add them there again from their copies, each on a line of its own, not as the last one"))
}

fn show(keys: &[MasterKeyView], output: Output) -> Result<(), Failure> {
    if output.json {
        return Ok(output.array(keys)?);
    }
    let columns = [
        Column { title: "KEY", matters: 9 },
        Column { title: "VALUES", matters: 8 },
        Column { title: "USE", matters: 7 },
    ];
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let used = match (key.given, key.seals) {
                (_, true) => "seals and opens",
                (true, false) => "opens",
                (false, false) => "missing",
            };
            vec![key.key.clone(), key.values.to_string(), used.to_owned()]
        })
        .collect();
    Ok(output.table(&columns, &rows, |_, text| text)?)
}
