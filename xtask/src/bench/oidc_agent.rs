//! oidc-agent, which hands out tokens too: a daemon that holds them in memory, and `oidc-token`, which asks it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::provider::Provider;
use crate::Result;
use crate::folder::remove;
use crate::process::{quiet, text};

const FOLDER: &str = "target/bench/oidc-agent";

/// Where the peer sends whoever has consented; nobody has to listen there.
const REDIRECT_URI: &str = "http://localhost:8724/callback";

/// The example of RFC 7636, Appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A running agent with one account, `bench`, whose access token outlives the bench.
pub(super) struct Agent {
    folder: PathBuf,
    /// What it told to be set, for those who ask it.
    variables: Vec<(String, String)>,
}

impl Agent {
    pub(super) fn start(provider: &Provider) -> Result<Self> {
        let folder = std::path::absolute(FOLDER).map_err(|error| format!("{FOLDER}: {error}"))?;
        remove(&folder)
            .and_then(|()| fs::create_dir_all(&folder))
            .map_err(|error| format!("{FOLDER}: {error}"))?;
        let refresh_token = consent(provider, &folder)?;
        let mut agent = Self { folder, variables: Vec::new() };
        let said = text(agent.command("oidc-agent").arg("--no-autoload"))?;
        agent.variables = variables(&said);
        let (id, secret) = client(provider)?;
        quiet(
            agent
                .command("oidc-gen")
                .args([
                    "bench",
                    "--manual",
                    "--prompt=none",
                    "--confirm-default",
                    "--rt-env",
                    "--pw-env=PASSWORD",
                ])
                .arg(format!("--issuer={}", provider.said("/issuer")?))
                .arg(format!("--client-id={id}"))
                .arg(format!("--client-secret={secret}"))
                .arg(format!("--redirect-uri={REDIRECT_URI}"))
                .arg("--scope=openid offline_access")
                .env("PASSWORD", "bench")
                .env("OIDC_REFRESH_TOKEN", refresh_token),
        )?;
        Ok(agent)
    }

    /// The program that asks it for a token.
    pub(super) fn token(&self) -> Command {
        let mut command = self.command("oidc-token");
        command.arg("bench");
        command
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env("HOME", &self.folder).env("OIDC_CONFIG_DIR", &self.folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.command("oidc-agent").arg("--kill").stdout(Stdio::null()).status();
    }
}

fn client(provider: &Provider) -> Result<(&str, &str)> {
    Ok((provider.said("/clients/post/client_id")?, provider.said("/clients/post/client_secret")?))
}

/// Consents as a browser would, and returns the refresh token.
fn consent(provider: &Provider, folder: &Path) -> Result<String> {
    let issuer = provider.said("/issuer")?;
    let (id, secret) = client(provider)?;
    let cookies = folder.join("cookies");
    let ended_at = text(
        Command::new("curl")
            .args([
                "--silent",
                "--location",
                "--output",
                "/dev/null",
                "--write-out",
                "%{url_effective}",
                "--get",
            ])
            .arg("--cookie-jar")
            .arg(&cookies)
            .arg("--cookie")
            .arg(&cookies)
            .args(form(&[
                ("response_type", "code"),
                ("client_id", id),
                ("redirect_uri", REDIRECT_URI),
                ("scope", "openid offline_access"),
                ("prompt", "consent"),
                ("code_challenge", CHALLENGE),
                ("code_challenge_method", "S256"),
            ]))
            .arg(format!("{issuer}/auth"))
            // Nobody listens where it ends, which curl takes for a failure.
            .args([
                "--next",
                "--silent",
                "--output",
                "/dev/null",
                &format!("{issuer}/.well-known/openid-configuration"),
            ]),
    )?;
    let code = ended_at.split(['?', '&']).find_map(|part| part.strip_prefix("code="));
    let code = code.ok_or_else(|| format!("no consent: the browser ended at {ended_at}"))?;
    let answer = text(
        Command::new("curl")
            .arg("--silent")
            .args(form(&[
                ("grant_type", "authorization_code"),
                ("code", code),
                ("client_id", id),
                ("client_secret", secret),
                ("redirect_uri", REDIRECT_URI),
                ("code_verifier", VERIFIER),
            ]))
            .arg(format!("{issuer}/token")),
    )?;
    let answer: Value = serde_json::from_str(&answer).map_err(|error| error.to_string())?;
    answer["refresh_token"].as_str().map(str::to_owned).ok_or_else(|| "no refresh token".to_owned())
}

fn form(fields: &[(&str, &str)]) -> Vec<String> {
    fields
        .iter()
        .flat_map(|(name, value)| ["--data-urlencode".to_owned(), format!("{name}={value}")])
        .collect()
}

/// Reads lines such as `OIDC_SOCK=/tmp/x; export OIDC_SOCK;`.
fn variables(said: &str) -> Vec<(String, String)> {
    let first = |line: &str| line.split(';').next().unwrap_or_default().to_owned();
    let pairs = said.lines().map(first).filter(|pair| pair.starts_with("OIDC"));
    pairs
        .filter_map(|pair| Some(pair.split_once('=')?).map(|(name, value)| (name.into(), value.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_agent_wants_set_is_read() {
        let said = "OIDC_SOCK=/tmp/oidc-x/agent.1; export OIDC_SOCK;\nOIDCD_PID=7; export OIDCD_PID;\necho Agent pid $OIDCD_PID\n";
        let read = [("OIDC_SOCK", "/tmp/oidc-x/agent.1"), ("OIDCD_PID", "7")];
        assert_eq!(variables(said), read.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
}
