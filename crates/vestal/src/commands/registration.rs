//! Adding a client: from flags, and from the person at the terminal for what they leave out.

use url::Url;
use vestal_core::client::{Client, ClientAuth, Proof};
use vestal_core::provider::Provider;
use vestal_core::site::Site;
use vestal_engine::NewClient;
use vestal_oauth::endpoint::{self, UnfitEndpoint};

use crate::config::create;
use crate::context::{Context, Vestal};
use crate::entropy::SystemEntropy;
use crate::failure::Failure;
use crate::terminal;
use crate::text::wrap;

mod place;
mod proof;
mod redirect;

pub(crate) use place::{Found, endpoints};
pub(crate) use proof::{SecretOptions, choose_auth, flags_for};
pub(crate) use redirect::{check as check_redirect, ours as our_redirect_uri};

/// What a client can be told on the command line.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "The client")]
pub(crate) struct ClientOptions {
    /// The client id that the provider gave
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    pub(crate) client_id: Option<String>,

    #[command(flatten)]
    pub(crate) secret: SecretOptions,

    /// How the client proves itself: client_secret_basic, client_secret_post, client_secret_jwt, private_key_jwt, tls_client_auth, self_signed_tls_client_auth or none [default: what the provider accepts]
    #[arg(long, value_name = "METHOD")]
    pub(crate) auth: Option<ClientAuth>,

    /// The server's issuer identifier, from which its endpoints are discovered
    #[arg(long, value_name = "URL")]
    pub(crate) issuer: Option<String>,

    /// The authorization endpoint, where nothing is to be discovered
    #[arg(long, value_name = "URL")]
    pub(crate) authorization_endpoint: Option<Url>,

    /// The token endpoint, where nothing is to be discovered
    #[arg(long, value_name = "URL", conflicts_with = "issuer")]
    pub(crate) token_endpoint: Option<Url>,

    /// The revocation endpoint, where nothing is to be discovered
    #[arg(long, value_name = "URL")]
    pub(crate) revocation_endpoint: Option<Url>,

    /// The device authorization endpoint, where nothing is to be discovered
    #[arg(long, value_name = "URL")]
    pub(crate) device_authorization_endpoint: Option<Url>,

    /// An API that tokens are to be for, as the provider names it (RFC 8707); can be given again
    #[arg(long = "resource", value_name = "URI", value_parser = resource)]
    pub(crate) resources: Vec<String>,

    /// Push what is asked for to the provider (RFC 9126), also where it takes it from the browser
    #[arg(long)]
    pub(crate) push: bool,

    /// Have tokens bound to a key, so that they serve nobody else (DPoP, RFC 9449) [default: as the provider wants it]
    #[arg(long)]
    pub(crate) dpop: bool,

    /// The redirect URI, exactly as it is registered [default: http://localhost:8724/callback, or with 127.0.0.1 where the provider takes no localhost]
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Option<Url>,

    /// The name that the provider gave for the redirect URI, where it wants that in its place (eBay's RuName)
    #[arg(long, value_name = "NAME")]
    pub(crate) redirect_name: Option<String>,

    /// Where the provider is, for all connections of the client.
    #[arg(skip)]
    pub(crate) site: Site,

    /// Nobody is sent anywhere for its tokens, so that any redirect URI will do.
    #[arg(skip)]
    pub(crate) redirects_nobody: bool,
}

impl ClientOptions {
    /// Whether anything is said of a client.
    pub(crate) fn say_something(&self) -> bool {
        self.client_id.is_some()
            || self.secret.given().is_some()
            || self.auth.is_some()
            || self.issuer.is_some()
            || self.authorization_endpoint.is_some()
            || self.token_endpoint.is_some()
            || self.revocation_endpoint.is_some()
            || self.device_authorization_endpoint.is_some()
            || !self.resources.is_empty()
            || self.push
            || self.dpop
            || self.redirect_uri.is_some()
            || self.redirect_name.is_some()
    }
}

/// An absolute URI without a fragment (RFC 8707 §2), to the letter: providers compare it so.
fn resource(text: &str) -> Result<String, String> {
    let uri = Url::parse(text).map_err(|error| error.to_string())?;
    match uri.fragment() {
        Some(_) => Err("it must not have a fragment (#…)".to_owned()),
        None => Ok(text.to_owned()),
    }
}

/// Opens everything; where nothing at all is set up yet, makes the configuration and the key first.
///
/// Nothing is made for a `provider` that nobody knows.
pub(crate) async fn open_or_set_up(context: &Context, provider: &str) -> Result<Vestal, Failure> {
    let config = context.config()?;
    config.catalogue()?.get(provider)?;
    let made = create(&config, &SystemEntropy)?;
    let config = if config.exists { config } else { context.config()? };
    for (path, what) in
        [(made.config, "the configuration"), (made.master_key, "the master key: keep a copy of it elsewhere")]
    {
        if let Some(path) = path {
            context.output.note(format_args!("made {} ({what})", path.display()));
        }
    }
    context.open_or_create(config).await
}

/// Adds a client.
pub(crate) async fn register(
    vestal: &Vestal,
    context: &Context,
    provider: &str,
    name: String,
    options: ClientOptions,
    scopes: &[String],
) -> Result<Client, Failure> {
    let provider = vestal.engine.catalogue().get(provider)?;
    let scopes = match split(scopes) {
        scopes if scopes.is_empty() => provider.authorization.default_scopes().to_vec(),
        scopes => scopes,
    };
    let redirect_uri = match &options.redirect_uri {
        None if options.redirects_nobody => our_redirect_uri(&provider.client)?,
        wanted => redirect::redirect_uri(wanted.clone(), &provider)?,
    };
    if let Some(doubt) = redirect::doubt(&redirect_uri, &provider).filter(|_| !options.redirects_nobody) {
        context.output.warn(doubt);
    }
    if options.client_id.is_none() && terminal::has_person() {
        introduce(&provider, &redirect_uri, &scopes, context);
    }
    let Found { endpoints, mtls, methods } = endpoints(vestal, &provider, &options).await?;
    let redirect_name = match options.redirect_name {
        None if options.redirects_nobody => None,
        named => redirect::name(named, &provider)?,
    };
    let client_id = match options.client_id {
        Some(client_id) => client_id,
        None if terminal::has_person() => terminal::ask("Client id: ")?,
        None => return Err(missing("the client needs an id", "--client-id ID")),
    };
    if client_id.is_empty() {
        return Err(missing("the client needs an id", "--client-id ID"));
    }
    let accepted = match &provider.client.auth {
        Some(fact) => fact.value.clone(),
        None => methods,
    };
    if let Some(auth) = options.auth {
        options.secret.check(auth)?;
    }
    let secret = match options.auth {
        Some(ClientAuth::None) => None,
        asked => options.secret.read(asked)?,
    };
    if secret.is_none() && options.auth.is_none() && !terminal::has_person() {
        // A public client is a choice: at the terminal by an empty answer, otherwise in so many words.
        return Err(proof::needs(Proof::Secret));
    }
    let given = match &secret {
        Some(_) => options.secret.given().unwrap_or(Proof::Secret),
        None => Proof::Nothing,
    };
    let auth = choose_auth(options.auth, given, &accepted)?;
    let mut endpoints = if auth.proof() == Proof::Certificate { mtls } else { endpoints };
    endpoints.resources = options.resources.clone();
    endpoints.redirect_name = redirect_name;
    endpoints.dpop = options.dpop || provider.client.dpop.as_ref().is_some_and(|fact| fact.value);
    endpoints.push |= options.push || provider.authorization.must_be_pushed();
    if endpoints.push && endpoints.pushed_authorization.is_none() && endpoints.authorization.is_some() {
        return Err(Failure::usage(format!("{} names no endpoint to push to", provider.name))
            .why("neither its metadata nor what is known of it has a pushed_authorization_request_endpoint")
            .next("leave out --push"));
    }
    let new = NewClient {
        name,
        provider: provider.id.clone(),
        client_id,
        auth,
        secret,
        redirect_uri,
        scopes,
        endpoints,
    };
    Ok(vestal.engine.add_client(new).await?)
}

/// Scopes as they were typed: several may be in one, separated by spaces.
pub(crate) fn split(scopes: &[String]) -> Vec<String> {
    scopes.iter().flat_map(|scopes| scopes.split_whitespace()).map(str::to_owned).collect()
}

fn missing(what: &str, flags: &str) -> Failure {
    Failure::usage(what)
        .why("it was not given, and there is nobody at the terminal to ask")
        .next(format!("add {flags}"))
}

fn unfit(url: &Url, what: &str, why: UnfitEndpoint) -> Failure {
    let shown = endpoint::bare(url.as_str());
    Failure::usage(format!("{shown} {what}")).why(why).next("name another URL")
}

fn introduce(provider: &Provider, redirect_uri: &Url, scopes: &[String], context: &Context) {
    let output = context.output;
    let palette = output.error_palette;
    output.note(format_args!(
        "{} does not know us yet: a client is needed first.\n",
        palette.strong(&provider.name)
    ));
    for line in wrap(provider.register.trim(), output.width, 0, 0) {
        output.note(line);
    }
    output.note("");
    output.note(format_args!("  Register exactly this URL:  {}", palette.strong(redirect_uri)));
    if !scopes.is_empty() {
        output.note(format_args!("  Tick these scopes:          {}", palette.strong(scopes.join(" "))));
    }
    output.note("");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_named_to_the_letter() {
        for named in ["https://api.example", "https://api.example/", "urn:example:contacts"] {
            assert_eq!(resource(named).as_deref(), Ok(named));
        }
        assert!(resource("contacts").is_err() && resource("https://api.example/#x").is_err());
    }

    #[test]
    fn scopes_may_be_typed_together() {
        assert_eq!(split(&["a b".into(), "c".into()]), ["a", "b", "c"]);
    }
}
