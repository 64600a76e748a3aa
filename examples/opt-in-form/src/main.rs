//! `opt-in-form`: serves the form.

#![expect(clippy::print_stderr, reason = "it says to whoever started it where it is")]

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use opt_in_form::{Form, HttpApi, Ports, Settings, SystemClock, Vestal, serve};
use tokio::net::TcpListener;
use url::Url;

/// A web form that adds contacts through Constant Contact's API, with tokens from Vestal
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// The connection of Vestal's to use
    #[arg(long, value_name = "NAME", default_value = "shop")]
    connection: String,

    /// The identifier of a list on which to put people; may be repeated
    #[arg(long = "list", value_name = "ID", required = true)]
    lists: Vec<String>,

    /// The heading of the form
    #[arg(long, value_name = "TEXT", default_value = "Our newsletter")]
    title: String,

    /// Where to listen; a reverse proxy in front of it speaks TLS
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,

    /// Where the API is
    #[arg(long, value_name = "URL", default_value = "https://api.cc.email")]
    api: Url,

    /// The program that gives tokens
    #[arg(long, value_name = "PATH", default_value = "vestal")]
    vestal: PathBuf,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(colours).init();
    match run(Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let ports = Ports {
        tokens: Arc::new(Vestal::new(args.vestal, args.connection)),
        api: Arc::new(HttpApi::new(args.api)?),
        clock: Arc::new(SystemClock),
    };
    let form = Form::new(Settings { title: args.title, lists: args.lists }, ports, key);
    let listener = TcpListener::bind(args.listen).await?;
    eprintln!("The form is at http://{}/", listener.local_addr()?);
    serve(listener, Arc::new(form)).await;
    Ok(())
}
