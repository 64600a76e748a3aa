//! Adding a client: from flags, and from the person at the terminal for what they leave out.

use std::path::PathBuf;

use url::Url;
use vestal_core::client::{Client, ClientAuth, Endpoints, Proof};
use vestal_core::provider::{Issuer, Provider, catalogue};
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_core::site::{Site, variables};
use vestal_engine::NewClient;
use vestal_oauth::discovery::{Discovered, DiscoveryError, discover};
use vestal_oauth::endpoint::{self, UnfitEndpoint};

use crate::config::{create, read_secret_file};
use crate::context::{Context, Vestal};
use crate::entropy::SystemEntropy;
use crate::failure::{Failure, unfit_site};
use crate::terminal;
use crate::text::wrap;

/// What is registered unless somebody wants another one.
const REDIRECT_URI: &str = "http://localhost:8724/callback";

/// What a client can be told on the command line.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "The client")]
pub(crate) struct ClientOptions {
    /// The client id that the provider gave
    #[arg(long, value_name = "ID")]
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

    /// The redirect URI, exactly as it is registered [default: http://localhost:8724/callback]
    #[arg(long, value_name = "URI")]
    pub(crate) redirect_uri: Option<Url>,

    /// Where the provider is, for all connections of the client.
    #[arg(skip)]
    pub(crate) site: Site,
}

/// Where what proves a client comes from.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct SecretOptions {
    /// A file that holds the client secret
    #[arg(long, value_name = "FILE")]
    pub(crate) client_secret_file: Option<PathBuf>,

    /// Read the client secret from stdin, as a line
    #[arg(long, conflicts_with = "client_secret_file")]
    pub(crate) client_secret_stdin: bool,

    /// A file that holds the client's private key, as PEM or JWK
    #[arg(long, value_name = "FILE", conflicts_with_all = ["client_secret_file", "client_secret_stdin"])]
    pub(crate) key_file: Option<PathBuf>,

    /// A file that holds the client's certificate as PEM, its own first
    #[arg(long, value_name = "FILE", requires = "key_file")]
    pub(crate) certificate_file: Option<PathBuf>,
}

impl SecretOptions {
    /// What there is for a client that proves itself so; `None` where nothing is given and nobody can be asked, or the
    /// person has none.
    pub(crate) fn read(&self, auth: Option<ClientAuth>) -> Result<Option<SecretString>, Failure> {
        if let Some(path) = &self.key_file {
            let key = read_secret_file(path)?;
            let Some(path) = &self.certificate_file else { return Ok(Some(key)) };
            let certificate = read_secret_file(path)?;
            let pem = format!("{}\n{}", certificate.expose_secret().trim(), key.expose_secret());
            return Ok(Some(pem.into()));
        }
        let is_a_secret = auth.is_none_or(|auth| auth.proof() == Proof::Secret);
        let secret = match &self.client_secret_file {
            Some(path) => Some(read_secret_file(path)?.expose_secret().trim().into()),
            None if self.client_secret_stdin => Some(terminal::read_line()?.into()),
            None if is_a_secret && terminal::has_person() => {
                Some(terminal::ask_secret("Client secret (does not show): ")?)
            }
            None => None,
        };
        Ok(secret.filter(|secret: &SecretString| !secret.expose_secret().is_empty()))
    }

    /// What kind of thing is given.
    pub(crate) fn given(&self) -> Option<Proof> {
        match (&self.key_file, &self.certificate_file) {
            (Some(_), Some(_)) => Some(Proof::Certificate),
            (Some(_), None) => Some(Proof::Key),
            _ if self.client_secret_stdin || self.client_secret_file.is_some() => Some(Proof::Secret),
            _ => None,
        }
    }

    /// Refuses what does not go with a client's method.
    pub(crate) fn check(&self, auth: ClientAuth) -> Result<(), Failure> {
        match (auth.proof(), self.given()) {
            // A key may come with its certificate, by which some providers know it.
            (_, None) | (Proof::Key, Some(Proof::Certificate)) => Ok(()),
            (needed, Some(given)) if needed == given => Ok(()),
            (needed, Some(given)) => Err(Failure::usage(format!("{auth} needs {needed}, not {given}"))
                .next(format!("give it with {}", flags_for(needed)))),
        }
    }
}

/// The flags that give such a thing.
pub(crate) fn flags_for(proof: Proof) -> &'static str {
    match proof {
        Proof::Secret => "--client-secret-file FILE or --client-secret-stdin",
        Proof::Key => "--key-file FILE",
        Proof::Certificate => "--certificate-file FILE and --key-file FILE",
        Proof::Nothing => "no flag at all",
    }
}

impl ClientOptions {
    /// Whether anything is said of a client.
    pub(crate) fn say_something(&self) -> bool {
        self.client_id.is_some()
            || self.secret.given().is_some()
            || self.auth.is_some()
            || self.issuer.is_some()
            || self.token_endpoint.is_some()
            || self.dpop
            || self.redirect_uri.is_some()
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
    config
        .catalogue()?
        .get(provider)
        .map_err(|error| Failure::of(error.into(), None, &context.calendar()))?;
    let made = create(&config, &SystemEntropy)?;
    let config = if made.config.is_some() { context.config()? } else { config };
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
    let calendar = context.calendar();
    let failed = |error: vestal_engine::Error| Failure::of(error, None, &calendar);
    let provider = vestal.engine.catalogue().get(provider).map_err(|error| failed(error.into()))?;
    let scopes = match split(scopes) {
        scopes if scopes.is_empty() => provider.authorization.default_scopes.clone(),
        scopes => scopes,
    };
    let redirect_uri = redirect_uri(options.redirect_uri.clone())?;
    if options.client_id.is_none() && terminal::has_person() {
        introduce(&provider, &redirect_uri, &scopes, context);
    }
    let Found { endpoints, mtls, methods } = endpoints(vestal, &provider, &options).await?;
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
        return Err(needs(Proof::Secret));
    }
    let given = match &secret {
        Some(_) => options.secret.given().unwrap_or(Proof::Secret),
        None => Proof::Nothing,
    };
    let auth = choose_auth(options.auth, given, &accepted)?;
    let mut endpoints = if auth.proof() == Proof::Certificate { mtls } else { endpoints };
    endpoints.resources = options.resources.clone();
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
    vestal.engine.add_client(new).await.map_err(failed)
}

/// Scopes as they were typed: several may be in one, separated by spaces.
pub(crate) fn split(scopes: &[String]) -> Vec<String> {
    scopes.iter().flat_map(|scopes| scopes.split_whitespace()).map(str::to_owned).collect()
}

fn needs(proof: Proof) -> Failure {
    match proof {
        Proof::Secret => missing(
            "the client needs a secret",
            &format!("{}; for a public client, --auth none", flags_for(proof)),
        ),
        _ => missing(&format!("the client needs {proof}"), flags_for(proof)),
    }
}

fn missing(what: &str, flags: &str) -> Failure {
    Failure::usage(what)
        .why("it was not given, and there is nobody at the terminal to ask")
        .next(format!("add {flags}"))
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

pub(super) fn redirect_uri(wanted: Option<Url>) -> Result<Url, Failure> {
    let uri = match wanted {
        Some(uri) => uri,
        None => Url::parse(REDIRECT_URI).map_err(Failure::failed)?,
    };
    // RFC 6749 §3.1.2; and what is sent in the clear must not leave this machine.
    endpoint::check(&uri).map_err(|error| unfit(&uri, "cannot be a redirect URI", error))?;
    Ok(uri)
}

/// Where a provider is, and how its server says that clients may prove themselves.
pub(super) struct Found {
    pub(super) endpoints: Endpoints,
    /// For a client that shows a certificate.
    mtls: Endpoints,
    pub(super) methods: Vec<ClientAuth>,
}

pub(super) async fn endpoints(
    vestal: &Vestal,
    provider: &Provider,
    options: &ClientOptions,
) -> Result<Found, Failure> {
    let facts = &provider.endpoints;
    let is_said = |said: &Option<Issuer>| match said {
        Some(Issuer::Is(issuer)) => Some(issuer.clone()),
        Some(Issuer::Ask) | None => None,
    };
    let named = options.token_endpoint.clone().or_else(|| {
        let fact = facts.token.as_ref().filter(|_| options.issuer.is_none());
        fact.map(|fact| fact.value.clone())
    });
    let mut found = if let Some(token) = named {
        let fact = |fact: &Option<vestal_core::provider::Fact<Url>>| {
            // The provider's other endpoints do not belong to a token endpoint that somebody else named.
            fact.as_ref().filter(|_| options.token_endpoint.is_none()).map(|fact| fact.value.clone())
        };
        let endpoints = Endpoints {
            issuer: is_said(&facts.issuer).filter(|_| options.token_endpoint.is_none()),
            authorization: options.authorization_endpoint.clone().or_else(|| fact(&facts.authorization)),
            refresh: fact(&facts.refresh),
            lengthen: fact(&facts.lengthen),
            revocation: options.revocation_endpoint.clone().or_else(|| fact(&facts.revocation)),
            device_authorization: options
                .device_authorization_endpoint
                .clone()
                .or_else(|| fact(&facts.device_authorization)),
            pushed_authorization: fact(&facts.pushed_authorization),
            introspection: fact(&facts.introspection),
            userinfo: fact(&facts.userinfo),
            jwks: fact(&facts.jwks),
            ..Endpoints::at(token)
        };
        let methods = vec![ClientAuth::ClientSecretBasic, ClientAuth::None];
        Found { mtls: endpoints.clone(), endpoints, methods }
    } else {
        let issuer = match options.issuer.clone().or_else(|| is_said(&facts.issuer)) {
            Some(issuer) => issuer,
            None if terminal::has_person() => {
                let example = facts.issuer_example.as_deref().unwrap_or("https://login.example.com");
                terminal::ask(&format!("Issuer (such as {example}): "))?
            }
            None => {
                let what = format!("nobody says where {} is", provider.name);
                return Err(missing(
                    &what,
                    "--issuer URL, or --authorization-endpoint URL and --token-endpoint URL",
                ));
            }
        };
        refuse_retired(&issuer)?;
        let Discovered { mut endpoints, mut mtls, auth_methods, .. } =
            discover(&*vestal.http, &issuer, vestal.config.limits.answer).await.map_err(undiscovered)?;
        for endpoints in [&mut endpoints, &mut mtls] {
            if let Some(authorization) = &options.authorization_endpoint {
                endpoints.authorization = Some(authorization.clone());
            }
            if let Some(revocation) = &options.revocation_endpoint {
                endpoints.revocation = Some(revocation.clone());
            }
            if let Some(device_authorization) = &options.device_authorization_endpoint {
                endpoints.device_authorization = Some(device_authorization.clone());
            }
        }
        Found { endpoints, mtls, methods: auth_methods }
    };
    let unfit_here = |why| unfit_site(&provider.name, &why);
    let site = found.endpoints.site(&options.site, provider).map_err(unfit_here)?;
    for endpoints in [&mut found.endpoints, &mut found.mtls] {
        *endpoints = endpoints.filled(&site, provider).map_err(unfit_here)?;
    }
    for url in found.endpoints.all().chain(found.mtls.all()) {
        refuse_retired(url.as_str())?;
        if !variables(url.as_str()).is_empty() {
            // It is known only with a connection where this leads, and looked at then.
            continue;
        }
        endpoint::check(url).map_err(|error| unfit(url, "cannot be used", error))?;
    }
    Ok(found)
}

fn unfit(url: &Url, what: &str, why: UnfitEndpoint) -> Failure {
    let shown = endpoint::bare(url.as_str());
    Failure::usage(format!("{shown} {what}")).why(why).next("name another URL")
}

fn undiscovered(error: DiscoveryError) -> Failure {
    let failure = match error {
        DiscoveryError::Unreachable { .. } => Failure::new(
            vestal_api::Code::TemporarilyUnavailable,
            "the server's endpoints could not be discovered",
        ),
        _ => Failure::failed("the server's endpoints could not be discovered"),
    };
    failure.why(error).next("check the issuer; or name --authorization-endpoint and --token-endpoint")
}

/// Refuses what does not work any more at any of the providers that are known, whichever was named.
fn refuse_retired(text: &str) -> Result<(), Failure> {
    let Ok(url) = Url::parse(text) else { return Ok(()) };
    let providers = catalogue::ids().filter_map(|id| catalogue::builtin(id)?.ok());
    for provider in providers {
        if let Some(retired) = provider.retired(&url) {
            let since = retired.since.strftime("%-d %b %Y");
            return Err(Failure::usage(format!(
                "{} does not answer at {} any more",
                provider.name, retired.prefix
            ))
            .why(format!("it ended on {since}"))
            .next(format!("use {}: vestal connect NAME --provider {}", retired.instead, provider.id)));
        }
    }
    Ok(())
}

/// How the client proves itself: as asked, or else by the first way that the provider accepts and that fits what is
/// given. A secret is sent as it is before anything is signed with it: that is how most clients are registered.
pub(super) fn choose_auth(
    asked: Option<ClientAuth>,
    given: Proof,
    accepted: &[ClientAuth],
) -> Result<ClientAuth, Failure> {
    if let Some(auth) = asked {
        return if auth.needs_secret() && given == Proof::Nothing {
            Err(needs(auth.proof()))
        } else {
            Ok(auth)
        };
    }
    let fitting = || accepted.iter().copied().filter(|auth| auth.proof() == given);
    let usual = fitting().find(|auth| *auth != ClientAuth::ClientSecretJwt).or_else(|| fitting().next());
    match (usual, given) {
        (Some(auth), _) => Ok(auth),
        (None, Proof::Secret) => Ok(ClientAuth::ClientSecretBasic),
        (None, Proof::Key) => Ok(ClientAuth::PrivateKeyJwt),
        (None, Proof::Certificate) => Ok(ClientAuth::TlsClientAuth),
        (None, Proof::Nothing) => Err(needs(Proof::Secret)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_prove_oneself_fits_what_there_is() {
        let (basic, post) = (ClientAuth::ClientSecretBasic, ClientAuth::ClientSecretPost);
        let public = ClientAuth::None;
        let (signed, key) = (ClientAuth::ClientSecretJwt, ClientAuth::PrivateKeyJwt);
        let (secret, nothing) = (Proof::Secret, Proof::Nothing);
        for (asked, given, accepted, chosen) in [
            (None, secret, &[post, basic][..], Some(post)),
            (None, secret, &[signed, basic], Some(basic)),
            (None, secret, &[signed, key], Some(signed)),
            (None, Proof::Key, &[basic, key], Some(key)),
            (None, Proof::Key, &[basic], Some(key)),
            (
                None,
                Proof::Certificate,
                &[key, ClientAuth::SelfSignedTlsClientAuth],
                Some(ClientAuth::SelfSignedTlsClientAuth),
            ),
            (None, Proof::Certificate, &[], Some(ClientAuth::TlsClientAuth)),
            (None, nothing, &[basic, public], Some(public)),
            (None, nothing, &[basic], None),
            (None, secret, &[], Some(basic)),
            (Some(post), secret, &[basic], Some(post)),
            (Some(post), nothing, &[], None),
            (Some(key), nothing, &[], None),
            (Some(public), nothing, &[], Some(public)),
        ] {
            assert_eq!(choose_auth(asked, given, accepted).ok(), chosen, "{asked:?} {given} {accepted:?}");
        }
    }

    #[test]
    fn a_resource_is_named_to_the_letter() {
        for named in ["https://api.example", "https://api.example/", "urn:example:contacts"] {
            assert_eq!(resource(named).as_deref(), Ok(named));
        }
        assert!(resource("contacts").is_err() && resource("https://api.example/#x").is_err());
    }

    #[test]
    fn what_is_given_goes_with_the_method() {
        let secret = SecretOptions { client_secret_stdin: true, ..SecretOptions::default() };
        let key = SecretOptions { key_file: Some("k".into()), ..SecretOptions::default() };
        let both = SecretOptions {
            certificate_file: Some("c".into()),
            key_file: Some("k".into()),
            ..SecretOptions::default()
        };
        for (options, auth, fits) in [
            (&secret, ClientAuth::ClientSecretJwt, true),
            (&secret, ClientAuth::PrivateKeyJwt, false),
            (&key, ClientAuth::PrivateKeyJwt, true),
            (&key, ClientAuth::TlsClientAuth, false),
            (&key, ClientAuth::None, false),
            (&both, ClientAuth::PrivateKeyJwt, true),
            (&both, ClientAuth::SelfSignedTlsClientAuth, true),
            (&both, ClientAuth::ClientSecretPost, false),
            (&SecretOptions::default(), ClientAuth::PrivateKeyJwt, true),
        ] {
            assert_eq!(options.check(auth).is_ok(), fits, "{options:?} {auth}");
        }
    }

    #[test]
    fn retired_endpoints_are_refused_whichever_provider_was_named() {
        let refused = |url: &str| refuse_retired(url).err().and_then(Failure::view);
        let view = refused("https://api.cc.email/v3/idfed?x").unwrap();
        assert!(view.next.unwrap().contains("https://authz.constantcontact.com/"));
        assert_eq!(refused("https://authz.constantcontact.com/oauth2/default/v1/token"), None);
    }

    #[test]
    fn a_redirect_uri_stays_on_this_machine_or_is_https() {
        let fits = |uri: &str| redirect_uri(Some(uri.parse().unwrap())).is_ok();
        assert!(fits("http://localhost:8724/callback") && fits("https://shop.example/back"));
        assert!(!fits("http://shop.example/back") && !fits("http://localhost/x#y"));
        let with_a_password = redirect_uri(Some("https://me:hunter2@shop.example/back".parse().unwrap()));
        let told = with_a_password.unwrap_err().view().unwrap();
        assert!(!format!("{told:?}").contains("hunter2"), "{told:?}");
        assert_eq!(redirect_uri(None).unwrap().as_str(), REDIRECT_URI);
    }

    #[test]
    fn scopes_may_be_typed_together() {
        assert_eq!(split(&["a b".into(), "c".into()]), ["a", "b", "c"]);
    }
}
