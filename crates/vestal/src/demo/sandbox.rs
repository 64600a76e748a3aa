//! The provider that the demo plays: an authorization server in this process, on a loopback socket.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use url::Url;
use vestal_core::client::Endpoints;
use vestal_core::clock::{Clock, Entropy, random};
use vestal_core::provider::Provider;
use vestal_core::secret::{ExposeSecret as _, SecretString};
use vestal_sandbox::{Client, Sandbox, Server, Settings, serve};

use super::IDLE_LIMIT_DAYS;

/// The client whose connection is kept alive, and the one whose grant is left alone.
pub(crate) const KEPT: &str = "vestal";
pub(crate) const LEFT_ALONE: &str = "left-alone";
/// Where both are answered. Nobody listens there: the demo reads the redirect itself.
pub(crate) const REDIRECT_URI: &str = "http://127.0.0.1:8724/callback";
pub(crate) const SCOPES: [&str; 2] = ["contact_data", "offline_access"];

/// Starts the sandbox, with both clients registered under one secret: refresh tokens rotate at every use, reuse
/// ends the grant, and what is not used for [`IDLE_LIMIT_DAYS`] dies.
pub(crate) async fn start(
    day: Duration,
    secret: &SecretString,
    entropy: &dyn Entropy,
) -> anyhow::Result<(Server, String)> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.context("no port on 127.0.0.1 could be had for the sandbox")?;
    let issuer = format!("http://{}", listener.local_addr()?);
    let client = |id| Client::confidential(id, secret.expose_secret()).redirect_uri(REDIRECT_URI);
    let mut settings = Settings::new(&issuer).client(client(KEPT)).client(client(LEFT_ALONE));
    let day_ms = u64::try_from(day.as_millis()).unwrap_or(u64::MAX);
    settings.access_token_life_ms = day_ms;
    settings.refresh_tokens.idle_limit_ms = Some(day_ms.saturating_mul(IDLE_LIMIT_DAYS.into()));
    settings.refresh_tokens.only_with_scope = Some("offline_access".into());
    let sandbox = Sandbox::new(settings, u64::from_be_bytes(random(entropy)));
    let server = serve(listener, Arc::new(Mutex::new(sandbox)))?;
    Ok((server, issuer))
}

/// Where the sandbox's endpoints are.
pub(crate) fn endpoints(issuer: &str) -> anyhow::Result<Endpoints> {
    let below = |path: &str| Url::parse(&format!("{issuer}/{path}"));
    Ok(Endpoints {
        issuer: Some(issuer.to_owned()),
        authorization: Some(below("authorize")?),
        revocation: Some(below("revoke")?),
        device_authorization: Some(below("device_authorization")?),
        dpop: false,
        sends_iss: true,
        ..Endpoints::at(below("token")?)
    })
}

/// What is known of the sandbox: a provider's file as any other, its times scaled to the demo's day.
pub(crate) fn provider(issuer: &str, day: Duration, clock: &dyn Clock) -> anyhow::Result<Provider> {
    let today = clock.now().to_zoned(TimeZone::UTC).date();
    Provider::parse(&profile(issuer, day, today)).map_err(|mistakes| {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        anyhow!("the sandbox's profile is wrong: {}", mistakes.join("; "))
    })
}

fn profile(issuer: &str, day: Duration, today: Date) -> String {
    let day_ms = day.as_millis();
    let idle_limit_ms = day_ms * u128::from(IDLE_LIMIT_DAYS);
    format!(
        r#"
id = "sandbox"
name = "Sandbox"
register = "Nothing has to be registered: the demo does it."

[sources]
sandbox = {{ url = "{issuer}", verified_on = "{today}" }}

[endpoints]
issuer = {{ kind = "is", url = "{issuer}" }}

[client]
auth = {{ is = ["client_secret_basic", "client_secret_post"], source = "sandbox" }}

[authorization]
default_scopes = {{ is = ["contact_data", "offline_access"], source = "sandbox" }}
offline_scope = {{ is = "offline_access", source = "sandbox" }}

[access_token]
life = {{ is = "{day_ms}ms", source = "sandbox", note = "One day." }}

[refresh_token]
idle_limit = {{ is = "{idle_limit_ms}ms", source = "sandbox", note = "{IDLE_LIMIT_DAYS} days." }}
absolute_life = {{ is = "none", source = "sandbox" }}
rotation = {{ is = "always", source = "sandbox" }}
grace = {{ is = "none", source = "sandbox" }}
reuse = {{ is = "punished", source = "sandbox" }}
"#
    )
}

#[cfg(test)]
mod tests {
    use vestal_core::provider::IdleLimit;

    use super::*;

    #[test]
    fn the_profile_is_sound() {
        let today = Date::constant(2026, 11, 23);
        let text = profile("http://127.0.0.1:4000", Duration::from_millis(4_500), today);
        let provider = Provider::parse(&text).unwrap();
        assert_eq!(provider.access_token_life(), Some(Duration::from_millis(4_500)));
        let limit = Duration::from_millis(13_500);
        assert_eq!(provider.idle_limit(), IdleLimit::After { limit, verified: true });
    }
}
