//! `vestal run`: a command that finds fresh tokens in its environment.

use std::collections::HashSet;
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use vestal_core::connection::ConnectionName;
use vestal_core::secret::ExposeSecret;
use vestal_engine::Want;

use super::length;
use super::token::{left, note};
use crate::context::Context;
use crate::failure::Failure;
use crate::successor::Successor;

/// The variable of a token for which no other is named.
const USUAL_VARIABLE: &str = "ACCESS_TOKEN";

/// Run a command with fresh tokens in its environment
///
/// The command takes Vestal's place: signals, the terminal and the exit code are its own. It gets the tokens as they are now, and inherits no
/// variable of Vestal's (VESTAL_*) and no core dumps. Where it cannot be started, the exit code is 127 if it is not found, and otherwise 126.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal run shop -- ./sync.py                           its token is in ACCESS_TOKEN
  vestal run shop=SHOP_TOKEN crm=CRM_TOKEN -- ./sync.py
  vestal run shop --min-ttl 10m -- make publish")]
pub(crate) struct Args {
    /// The connections, each with the variable for its token, which is ACCESS_TOKEN unless another is named
    #[arg(required = true, value_name = "NAME[=VAR]", value_parser = wanted)]
    wanted: Vec<Wanted>,

    /// How long the tokens must still live; at most half of their life [default: 1m, or a tenth of their life]
    #[arg(long, value_name = "TIME", value_parser = length)]
    min_ttl: Option<Duration>,

    /// The command, with its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// A token, and the variable that it is to be in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted {
    name: ConnectionName,
    variable: String,
}

/// Reads `NAME` or `NAME=VAR`. A name may hold `=`; a variable's cannot.
fn wanted(text: &str) -> Result<Wanted, String> {
    let (name, variable) = text.rsplit_once('=').unwrap_or((text, USUAL_VARIABLE));
    if !is_variable(variable) {
        let hint = "it is made of letters, digits and _, and begins with no digit";
        return Err(format!("{variable:?} cannot name a variable: {hint}"));
    }
    let name = name.parse().map_err(|why: vestal_core::connection::BadName| why.to_string())?;
    Ok(Wanted { name, variable: variable.to_owned() })
}

/// Whether shells know it as a variable (POSIX.1-2024, XBD 3.216, "Name").
fn is_variable(text: &str) -> bool {
    !text.starts_with(|first: char| first.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// The variable that two of them want.
fn shared_variable(wanted: &[Wanted]) -> Option<&str> {
    let mut seen = HashSet::new();
    wanted.iter().map(|wanted| wanted.variable.as_str()).find(|variable| !seen.insert(*variable))
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<Successor, Failure> {
    if let Some(variable) = shared_variable(&args.wanted) {
        return Err(Failure::usage(format!("two connections cannot have their tokens in {variable}"))
            .next("name a variable for each: vestal run shop=SHOP_TOKEN crm=CRM_TOKEN -- CMD"));
    }
    let vestal = context.open().await?;
    let want = Want { min_ttl: args.min_ttl, extra: false };
    // All at once: one slow provider holds up no other.
    let asked = args.wanted.iter().map(|wanted| {
        let (engine, name) = (vestal.engine.clone(), wanted.name.clone());
        tokio::spawn(async move { engine.issue_token(&name, want).await })
    });
    let asked: Vec<_> = asked.collect();
    let mut words = args.command.into_iter();
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words);
    context.environment.hide_from(&mut command, vestal.config.key_variable.as_deref());
    for (wanted, asked) in args.wanted.iter().zip(asked) {
        let issued = context.or_interrupted(asked).await?;
        let issued = issued.map_err(|error| Failure::failed("a token was not got").why(error))?;
        let issued = match issued {
            Ok(issued) => issued,
            Err(error) => {
                return Err(vestal.failure(error, &wanted.name).await);
            }
        };
        note(&issued, left(&issued, &vestal), &wanted.name, context);
        command.env(&wanted.variable, issued.access_token.expose_secret());
    }
    Ok(Successor::new(command))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (String, String) {
        let wanted = wanted(text).unwrap();
        (wanted.name.to_string(), wanted.variable)
    }

    #[test]
    fn a_connection_and_the_variable_for_its_token() {
        for (text, name, variable) in [
            ("shop", "shop", "ACCESS_TOKEN"),
            ("shop=SHOP_TOKEN", "shop", "SHOP_TOKEN"),
            ("the shop=_x1", "the shop", "_x1"),
            ("a=b=C", "a=b", "C"),
        ] {
            assert_eq!(read(text), (name.to_owned(), variable.to_owned()));
        }
        for text in ["shop=", "shop=1ST", "shop=MY-TOKEN", "shop=ÄÖ", "shop=A B", "=TOKEN", ""] {
            assert!(wanted(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn no_two_tokens_go_into_one_variable() {
        let all =
            |texts: &[&str]| -> Vec<Wanted> { texts.iter().map(|text| wanted(text).unwrap()).collect() };
        assert_eq!(shared_variable(&all(&["a", "b=B", "a=C"])), None);
        assert_eq!(shared_variable(&all(&["a", "b"])), Some("ACCESS_TOKEN"));
        assert_eq!(shared_variable(&all(&["a=X", "b", "c=X"])), Some("X"));
    }
}
