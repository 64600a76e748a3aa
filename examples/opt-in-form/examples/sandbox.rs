//! Constant Contact in a box: an authorization server and its API for opt-in forms, on this machine, to try the form with.

#![expect(clippy::print_stdout, reason = "a command: this is what it is for")]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clap::Parser;
use opt_in_form::{Clock as _, SystemClock};
use tokio::net::TcpListener;
use vestal_sandbox::{Client, ContactsApi, RefreshTokens, Sandbox, Settings, serve};

const LIST: &str = "06a9ca5a-0d34-4a9c-9d5f-1f5d1d2a8f01";
const CLIENT_ID: &str = "sandbox";
const SECRET: &str = "sandbox-secret";
const REDIRECT_URI: &str = "http://localhost:8724/callback";

/// Constant Contact in a box
#[derive(Debug, Parser)]
struct Args {
    /// The port to listen on, of this machine alone
    #[arg(long, value_name = "NUMBER", default_value_t = 8725)]
    port: u16,

    /// How many seconds a day lasts: access tokens live one, refresh tokens 180 of disuse
    #[arg(long, value_name = "SECONDS", default_value_t = 86_400)]
    day: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let listener = TcpListener::bind(("127.0.0.1", args.port)).await?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let server = serve(listener, Arc::new(Mutex::new(Sandbox::new(settings(&issuer, args.day), 1))))?;
    println!(
        "Connect to it:\n\n  echo {SECRET} | vestal connect form --provider constant-contact --issuer {issuer} \\\n    \
         --client-id {CLIENT_ID} --client-secret-stdin\n\nStart the form:\n\n  cargo run -p opt-in-form -- \
         --connection form --list {LIST} --api {issuer}\n"
    );
    let mut known = BTreeSet::new();
    loop {
        SystemClock.sleep(Duration::from_secs(1)).await;
        let contacts: Vec<_> = server.sandbox().contacts().cloned().collect();
        for contact in contacts {
            if known.insert(contact.id) {
                println!("{} has signed up", contact.email_address);
            }
        }
    }
}

fn settings(issuer: &str, day_s: u64) -> Settings {
    let day_ms = day_s * 1_000;
    let client = Client::confidential(CLIENT_ID, SECRET).redirect_uri(REDIRECT_URI);
    let mut settings = Settings::new(issuer).client(client);
    settings.access_token_life_ms = day_ms;
    settings.refresh_tokens = RefreshTokens {
        only_with_scope: Some("offline_access".to_owned()),
        idle_limit_ms: Some(day_ms * 180),
        // The real one does not say; its file does, of days of 24 hours.
        tells_expires_in: day_s != 86_400,
        ..RefreshTokens::default()
    };
    settings.contacts = Some(ContactsApi::new([LIST]));
    settings
}
