//! `vestal init`: makes what everything else needs.

use std::path::PathBuf;

use vestal_api::InitView;

use crate::config::{Config, Made, create};
use crate::context::Context;
use crate::entropy::SystemEntropy;
use crate::failure::Failure;

/// Make the configuration, the master key and the store
///
/// The configuration and the key are made with mode 0600, their folders with 0700. Nothing that is there is overwritten.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal init
  vestal --config ./vestal.toml init      everything in one folder")]
pub(crate) struct Args {}

pub(crate) async fn run(_: Args, context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    let had_store = config.store.exists();
    if config.exists && had_store {
        return Err(there_already(&config, "nothing is ever overwritten"));
    }
    let made = create(&config, &SystemEntropy)?;
    let was_late = !config.exists && made == Made::default();
    let config = context.open_or_create(context.config()?).await?.config;
    if was_late {
        return Err(there_already(&config, "another process has made them meanwhile"));
    }
    let path = |path: PathBuf| path.display().to_string();
    let view = InitView {
        config: made.config.map(path),
        master_key: made.master_key.map(path),
        store: (!had_store).then(|| path(config.store.clone())),
    };
    let output = context.output;
    if output.json {
        output.json(&view)?;
        return Ok(());
    }
    for (path, what) in [
        (view.config, "the configuration"),
        (view.master_key, "the master key: keep a copy of it elsewhere"),
        (view.store, "the store"),
    ] {
        if let Some(path) = path {
            output.line(format_args!("made {path} ({what})"))?;
        }
    }
    Ok(())
}

fn there_already(config: &Config, why: &str) -> Failure {
    Failure::failed(format!("{} is there already, and so is its store", config.path.display()))
        .why(why)
        .next("look it over with: vestal doctor")
}
