//! `vestal providers new`: a provider's file from its metadata.

use std::fmt::Write as _;

use url::Url;
use vestal_api::NewFileView;
use vestal_core::client::Endpoints;
use vestal_core::clock::Clock as _;
use vestal_core::provider::Provider;
use vestal_oauth::discovery::{Discovered, discover};

use crate::clock::SystemClock;
use crate::config::write_new;
use crate::context::Context;
use crate::failure::Failure;
use crate::lazy_http::LazyHttp;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The issuer identifier: where its metadata is found
    issuer: String,

    /// The provider's identifier here [default: made from the issuer's host]
    #[arg(long, value_name = "ID")]
    id: Option<String>,

    /// Print the file instead of writing it
    #[arg(long)]
    stdout: bool,
}

pub(super) async fn run(args: Args, context: &Context) -> Result<(), Failure> {
    let config = context.config()?;
    config.http.check(&config.path)?;
    let id = args.id.unwrap_or_else(|| from_host(&args.issuer));
    let http = LazyHttp::new(config.http.clone());
    let asked = discover(&http, &args.issuer, config.limits.answer);
    let found = context.or_interrupted(asked).await?.map_err(|error| {
        Failure::failed("the provider's metadata cannot be had").why(error).next(
            "write the file yourself: name its endpoints under [endpoints]; see vestal providers show google",
        )
    })?;
    let path = config.providers.join(format!("{id}.toml"));
    // Only what an editor finds there: `vestal providers schema` may have been put beside.
    let head =
        if path.with_file_name(SCHEMA).is_file() { format!("#:schema ./{SCHEMA}\n") } else { String::new() };
    let text = head + &file(&id, &args.issuer, &found);
    // An id, or what a stranger's metadata says, may fit no file.
    Provider::parse(&text).map_err(|mistakes| {
        let why = mistakes.into_iter().map(|mistake| mistake.what).collect::<Vec<_>>().join("; ");
        Failure::usage(format!("no file can be written about {:?}", args.issuer))
            .why(why)
            .next("name the provider with --id, in lower-case letters, digits and hyphens")
    })?;
    if !args.stdout {
        write_new(&path, text.as_bytes())?;
    }
    let output = context.output;
    let shown = path.display();
    match (output.json, args.stdout) {
        (true, stdout) => {
            let path = (!stdout).then(|| shown.to_string());
            output.json(&NewFileView { id, path, text })?;
        }
        (false, true) => output.line(text.trim_end())?,
        (false, false) => output.line(format_args!(
            "wrote {shown}; add what you know of how its refresh tokens live, then: vestal connect NAME --provider {id}"
        ))?,
    }
    Ok(())
}

/// Where the schema of files is looked for, in the folder that they are in.
const SCHEMA: &str = "schema.json";

/// An identifier from the issuer's host.
fn from_host(issuer: &str) -> String {
    let host = issuer.parse::<Url>().ok().and_then(|url| url.host_str().map(str::to_lowercase));
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    host.unwrap_or_default().chars().map(plain).collect::<String>().trim_matches('-').to_owned()
}

fn file(id: &str, issuer: &str, found: &Discovered) -> String {
    let Endpoints { authorization, token, revocation, device_authorization, .. } = &found.endpoints;
    let Endpoints { pushed_authorization, introspection, userinfo, jwks, push, .. } = &found.endpoints;
    let today = SystemClock.now().strftime("%Y-%m-%d").to_string();
    let mut text = format!(
        "id = {}\nname = {}\nregister = \"Register a client with the redirect URI exactly as it is shown here.\"\n\n\
         [sources]\nmetadata = {{ url = {}, verified_on = \"{today}\" }}\n\n\
         [endpoints]\nissuer = {{ kind = \"is\", url = {} }}\n",
        quoted(id),
        quoted(id),
        quoted(issuer),
        quoted(issuer),
    );
    let mut fact = |name: &str, value: &str| {
        // Writing to a text cannot fail.
        let _ = writeln!(text, "{name} = {{ is = {value}, source = \"metadata\", unverified = true }}");
    };
    let endpoints = [
        ("authorization", authorization.as_ref()),
        ("token", Some(token)),
        ("revocation", revocation.as_ref()),
        ("device_authorization", device_authorization.as_ref()),
        ("pushed_authorization", pushed_authorization.as_ref()),
        ("introspection", introspection.as_ref()),
        ("userinfo", userinfo.as_ref()),
        ("jwks", jwks.as_ref()),
    ];
    for (name, url) in endpoints {
        if let Some(url) = url {
            fact(name, &quoted(url.as_str()));
        }
    }
    if *push {
        text.push_str("\n[authorization]\npush = { is = true, source = \"metadata\", unverified = true }\n");
    }
    if !found.auth_methods.is_empty() {
        let methods: Vec<String> = found.auth_methods.iter().map(|it| quoted(&it.to_string())).collect();
        text.push_str("\n[client]\n");
        let _ = writeln!(
            text,
            "auth = {{ is = [{}], source = \"metadata\", unverified = true }}",
            methods.join(", ")
        );
    }
    text
}

/// A text as TOML writes it.
fn quoted(text: &str) -> String {
    // JSON's escapes are TOML's too.
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_made_from_the_host() {
        assert_eq!(from_host("https://Login.Acme.example/realms/a"), "login-acme-example");
        assert_eq!(from_host("http://[::1]:80"), "1");
        assert_eq!(from_host("nonsense"), "");
    }

    #[test]
    fn what_is_written_can_be_read_and_is_marked() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        let endpoints = Endpoints {
            issuer: Some("https://a.example".to_owned()),
            authorization: Some(url("https://a.example/auth?x=\"y")),
            device_authorization: Some(url("https://a.example/device")),
            ..Endpoints::at(url("https://a.example/token"))
        };
        let auth_methods = vec![vestal_core::client::ClientAuth::ClientSecretBasic];
        let found =
            Discovered { mtls: endpoints.clone(), endpoints, auth_methods, code_challenge_methods: vec![] };
        let provider = Provider::parse(&file("acme", "https://a.example", &found)).unwrap();
        assert!(!provider.stated.is_empty() && provider.stated.iter().all(|stated| stated.unverified));
        assert!(provider.endpoints.device_authorization.is_some() && provider.client.auth.is_some());
        assert!(Provider::parse(&file("Not plain", "https://a.example", &found)).is_err());
    }
}
