//! `vestal token`: a fresh access token.
//!
//! Scripts call this before every request, so what a fresh token does not need is not touched: no HTTP client, no
//! provider's file, no migration, no sign of life for other processes, no time zone.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;
use vestal_api::TokenView;
use vestal_core::connection::ConnectionName;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_engine::{IssuedToken, Want};

use super::length;
use crate::context::{Context, Vestal};
use crate::failure::{Failure, Lost, word};
use crate::token_file::Format;
use crate::token_files::{KeptFile, Trouble, Writer};
use crate::when::span;

/// Print a fresh access token
///
/// Prints the token and nothing else. Refreshes it first where it must; notes go to stderr. To have a file written at each refresh, name it under
/// [files] in the configuration.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal token shop
  vestal token shop --header | curl --header @- https://api.example.com/me
  vestal token shop --min-ttl 5m --json
  vestal token shop --write shop.token
  vestal token shop --header --dpop GET https://api.example.com/me")]
pub(crate) struct Args {
    /// The connection
    name: ConnectionName,

    /// How long the token must still live; at most half of its life [default: 1m, or a tenth of its life]
    #[arg(long, value_name = "TIME", value_parser = length)]
    min_ttl: Option<Duration>,

    /// Print it as an HTTP header: Authorization: Bearer …
    #[arg(long, conflicts_with = "json")]
    header: bool,

    /// Write it into this file instead, which is replaced whole, and which only this user can read. With --json, it tells when the token ends, and not
    /// in how many seconds. - for stdout, as without it
    #[arg(long, value_name = "FILE", conflicts_with = "dpop")]
    write: Option<PathBuf>,

    /// Print a proof too, on a line of its own, for one request with this token (DPoP, RFC 9449)
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"])]
    dpop: Option<Vec<String>>,

    /// What the API asked to be repeated in the proof: its last answer's DPoP-Nonce
    // It is random, and may begin like a flag.
    #[arg(long, value_name = "NONCE", requires = "dpop", allow_hyphen_values = true)]
    dpop_nonce: Option<String>,
}

pub(crate) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let vestal = context.open().await?;
    let format = match (context.output.json, args.header) {
        (true, _) => Format::Json,
        (_, true) => Format::Header,
        _ => Format::Token,
    };
    let want = Want { min_ttl: args.min_ttl, extra: context.output.json };
    if let Some(path) = super::written_file(args.write.as_deref()) {
        vestal.config.spare(path)?;
        let file = KeptFile { connection: args.name.clone(), path: path.to_owned(), format };
        let put = context.or_interrupted(Writer::of(&vestal).put(&file, want, None)).await?;
        let issued = match put {
            Ok(put) => put.issued,
            Err(Trouble::File(failure)) => return Err(failure),
            Err(Trouble::Token(error)) => return Err(vestal.failure(error, &args.name).await),
        };
        note(&issued, left(&issued, &vestal), &args.name, context);
        return Ok(());
    }
    let issued = match context.or_interrupted(vestal.engine.issue_token(&args.name, want)).await? {
        Ok(issued) => issued,
        Err(error) => return Err(vestal.failure(error, &args.name).await),
    };
    note(&issued, left(&issued, &vestal), &args.name, context);
    let proof = match &args.dpop {
        Some(request) => Some(prove(&args, request, &issued, &vestal)?),
        None => None,
    };
    let proof = proof.as_ref().map(ExposeSecret::expose_secret);
    let text = format.text(&issued, Some(vestal.engine.now()), proof)?;
    Ok(std::io::stdout().lock().write_all(text.as_bytes())?)
}

/// How many seconds are left of a token.
pub(super) fn left(issued: &IssuedToken, vestal: &Vestal) -> Option<u64> {
    issued.expires_at.map(|end| TokenView::expires_in(end, vestal.engine.now()))
}

/// A proof for one request with the token.
fn prove(
    args: &Args,
    request: &[String],
    issued: &IssuedToken,
    vestal: &Vestal,
) -> Result<SecretString, Failure> {
    let [method, url] = request else { return Err(Failure::usage("--dpop wants a method and a URL")) };
    let is_token = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c);
    if method.is_empty() || !method.bytes().all(is_token) {
        return Err(Failure::usage(format!("{method:?} is no HTTP method")).next("write it as GET or POST"));
    }
    let url: Url = url
        .parse()
        .map_err(|error| Failure::usage("the request's URL is no URL").why(error).next("write it in full"))?;
    let proof = vestal.engine.proof(issued, method, &url, args.dpop_nonce.as_deref())?;
    let name = args.name.as_str();
    proof.ok_or_else(|| {
        Failure::failed(format!("the token of {name:?} is bound to no key, so there is nothing to prove"))
            .why(format!("it is of the type {}", issued.token_type))
            .next("use it without --dpop; or connect it again with a client that was added with --dpop")
    })
}

/// What the reader would not expect.
pub(super) fn note(
    issued: &IssuedToken,
    left_seconds: Option<u64>,
    name: &ConnectionName,
    context: &Context,
) {
    if let Some(wanted) = issued.min_ttl.cut_from {
        let (wanted, effective) = (span(wanted), span(issued.min_ttl.effective));
        context.output.note(format_args!(
            "note: --min-ttl {wanted} was cut to {effective}, half of the token's life: it must not be refreshed on each read"
        ));
    }
    let lost = issued.trouble.as_ref().and_then(|failing| Lost::new(name, failing, issued.expires_at));
    if let Some(lost) = lost {
        context.output.note(format_args!("note: {}", lost.sentences("the provider", &context.calendar())));
    } else if let Some(left) = left_seconds.filter(|_| issued.short) {
        let name = word(name.as_str());
        context.output.note(format_args!(
            "note: this token ends in {left} s, since it could not be renewed just now; why: vestal status {name}"
        ));
    }
}
