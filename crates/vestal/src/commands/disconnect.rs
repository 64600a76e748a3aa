//! `vestal disconnect`: revokes and forgets.

use vestal_api::{DisconnectedView, Revocation};
use vestal_core::connection::ConnectionName;
use vestal_core::state::State;
use vestal_engine::{self as engine, Siblings};

use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};
use crate::terminal;
use crate::text::some_of;

/// So many of those that may have ended with it are tried at once: each takes a request, whose answer is waited for. The others
/// are found out by the schedule.
const TRIED: usize = 5;

const ENDS_ALL: &str = "the provider ends all that an account has granted to a client at once";

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

    /// Do not ask: for scripts, where nobody could answer
    #[arg(short, long)]
    yes: bool,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let name = args.name.as_str();
    let vestal = context.open().await?;
    // One that cannot be read is there all the same.
    if let Ok(None) = vestal.engine.store().connection_named(&args.name).await {
        return Err(engine::Error::NoSuchConnection { name: name.to_owned() }.into());
    }
    if !args.yes && !terminal::has_person() {
        let keep_grant = if args.keep_grant { " --keep-grant" } else { "" };
        return Err(Failure::usage(format!("nobody can be asked whether {name:?} is to be disconnected"))
            .why("its tokens cannot be brought back, and this is not a terminal")
            .next(format!("vestal disconnect {}{keep_grant} --yes", word(name))));
    }
    let siblings = match args.keep_grant {
        true => Siblings::default(),
        false => match vestal.engine.siblings(&args.name).await {
            Ok(siblings) => siblings,
            Err(error) => return Err(vestal.failure(error, &args.name).await),
        },
    };
    let Siblings { same, unknown } = siblings;
    if !same.is_empty() {
        context.output.warn(format_args!("{ENDS_ALL}: {} may end with it", names(&same)));
    }
    if !unknown.is_empty() {
        context.output.warn(format_args!(
            "{ENDS_ALL}, and {} may be of the same account, which nobody knows: they may end with it",
            names(&unknown)
        ));
    }
    if !args.yes {
        let what = if args.keep_grant { "Forget" } else { "Revoke and forget" };
        if !terminal::confirm(&format!("{what} {name:?}? Its tokens cannot be brought back."))? {
            return Err(Failure::failed("nothing was done"));
        }
    }
    let disconnected = context.to_its_end(vestal.engine.disconnect(&args.name, args.keep_grant)).await?;
    let revocation = match disconnected {
        Ok(disconnected) => view(disconnected.revocation),
        Err(error) => return Err(vestal.failure(error, &args.name).await),
    };
    let also_ended = match revocation {
        Revocation::Revoked => ended(&vestal, &[same, unknown].concat(), context).await,
        _ => Vec::new(),
    };
    let output = context.output;
    if output.json {
        output.json(&DisconnectedView { name: args.name, revocation, also_ended })?;
        return Ok(());
    }
    let grant = match revocation {
        Revocation::Revoked => "the provider revoked its grant",
        Revocation::AccessTokenRevoked => {
            "the provider revoked its access token, and no way is known to revoke its refresh token: to end that too, use the \
             provider's own pages"
        }
        Revocation::NotOffered => {
            "no way is known to revoke its grant from here: to end that too, use the provider's own pages"
        }
        Revocation::NothingToRevoke => "there was no grant to revoke",
        Revocation::Kept => "its grant at the provider was kept",
    };
    output.line(format_args!("{name:?} is disconnected; {grant}"))?;
    if let Some(first) = also_ended.first() {
        output.warn(format_args!(
            "{} ended with it; next: vestal connect {}",
            names(&also_ended),
            word(first.as_str())
        ));
    }
    Ok(())
}

/// The first of some connections whose grants are found to have ended: by a refresh, since nobody else knows. What was
/// disconnected is, whatever comes in between.
async fn ended(vestal: &Vestal, siblings: &[ConnectionName], context: &Context) -> Vec<ConnectionName> {
    let mut ended = Vec::new();
    let mut tried = 0;
    for sibling in siblings.iter().take(TRIED) {
        // What comes of it shows in its state.
        let Ok(_) = context.or_interrupted(vestal.engine.refresh(sibling)).await else { break };
        let Ok(after) = vestal.engine.store().connection_named(sibling).await else { break };
        tried += 1;
        if after.is_some_and(|it| matches!(it.state, State::NeedsReauth { .. })) {
            ended.push(sibling.clone());
        }
    }
    let rest = "it shows at their next refresh";
    match tried {
        0 if !siblings.is_empty() => {
            context.output.warn(format_args!("none of those that may have ended with it was tried; {rest}"));
        }
        _ if tried < siblings.len() => context.output.warn(format_args!(
            "{tried} of the {} that may have ended with it were tried; of the others {rest}",
            siblings.len()
        )),
        _ => {}
    }
    ended
}

fn names(connections: &[ConnectionName]) -> String {
    let quoted: Vec<String> = connections.iter().map(|name| format!("{:?}", name.as_str())).collect();
    some_of(&quoted, quoted.len() as u64)
}

fn view(revocation: engine::Revocation) -> Revocation {
    match revocation {
        engine::Revocation::Revoked => Revocation::Revoked,
        engine::Revocation::AccessTokenRevoked => Revocation::AccessTokenRevoked,
        engine::Revocation::NotOffered => Revocation::NotOffered,
        engine::Revocation::NothingToRevoke => Revocation::NothingToRevoke,
        engine::Revocation::Kept => Revocation::Kept,
    }
}
