//! `vestal disconnect`: revokes and forgets.

use vestal_api::{DisconnectedView, Revocation};
use vestal_core::connection::ConnectionName;
use vestal_engine as engine;

use crate::context::Context;
use crate::failure::Failure;
use crate::terminal;

/// Revoke a connection's grant at the provider, and forget it
///
/// Where the provider cannot be reached, nothing is forgotten, and the same command goes on later.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal disconnect shop
  vestal disconnect shop --keep-grant --yes      forget it here only")]
pub(crate) struct Args {
    /// The connection
    name: ConnectionName,

    /// Forget it here, and leave the grant at the provider as it is
    #[arg(long)]
    keep_grant: bool,

    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let name = args.name.as_str();
    if !args.yes && terminal::has_person() {
        let what = if args.keep_grant { "Forget" } else { "Revoke and forget" };
        if !terminal::confirm(&format!("{what} {name:?}? Its tokens cannot be brought back."))? {
            return Err(Failure::failed("nothing was done"));
        }
    }
    let disconnected = context.to_its_end(vestal.engine.disconnect(&args.name, args.keep_grant)).await?;
    let revocation = match disconnected {
        Ok(disconnected) => view(disconnected.revocation),
        Err(error) => return Err(vestal.failure(error, Some(&args.name), &context.calendar()).await),
    };
    let output = context.output;
    if output.json {
        output.json(&DisconnectedView { name: args.name, revocation })?;
        return Ok(());
    }
    let grant = match revocation {
        Revocation::Revoked => "the provider revoked its grant",
        Revocation::NotOffered => {
            "no way is known to revoke its grant: to end that too, use the provider's own pages"
        }
        Revocation::NothingToRevoke => "there was no grant to revoke",
        Revocation::Kept => "its grant at the provider was kept",
    };
    output.line(format_args!("{name:?} is disconnected; {grant}"))?;
    Ok(())
}

fn view(revocation: engine::Revocation) -> Revocation {
    match revocation {
        engine::Revocation::Revoked => Revocation::Revoked,
        engine::Revocation::NotOffered => Revocation::NotOffered,
        engine::Revocation::NothingToRevoke => Revocation::NothingToRevoke,
        engine::Revocation::Kept => Revocation::Kept,
    }
}
