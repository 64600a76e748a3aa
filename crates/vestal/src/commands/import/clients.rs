//! Which client tokens are imported for: one that is there, or one that the other keeper knows.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use vestal_core::client::{Client, Endpoints, Proof};
use vestal_core::provider::Provider;
use vestal_core::site::{Site, filled_wholly};
use vestal_engine::NewClient;
use vestal_oauth::issuer::is_or_stands_for;

use super::found::{Bad, GivenClient};
use crate::commands::registration::{self, ClientOptions};
use crate::context::{Context, Vestal};
use crate::failure::{Failure, word};

/// The clients that were asked for.
pub(super) struct Clients<'a> {
    vestal: &'a Vestal,
    context: &'a Context,
    /// `--client`.
    flag: Option<String>,
    /// `--provider`.
    provider: Option<String>,
    /// Those that there are, by name: as they were at the beginning, and those that were added since.
    known: BTreeMap<String, Client>,
    /// What was decided, by all that it was decided by.
    decided: HashMap<Asked, Result<Chosen, Bad>>,
}

/// A client, and where its provider is, as far as its endpoint shows.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) name: String,
    pub(super) site: Site,
}

/// What a client is chosen by. An identifier is unique at its provider only: another provider's client may be called the same,
/// and must not be sent this one's tokens.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Asked {
    wanted: Option<String>,
    client_id: String,
    provider: Option<String>,
    issuer: Option<String>,
    token_endpoint: Option<String>,
}

impl<'a> Clients<'a> {
    pub(super) async fn read(
        vestal: &'a Vestal,
        context: &'a Context,
        flag: Option<String>,
        provider: Option<String>,
    ) -> Result<Self, Failure> {
        let all = vestal.engine.store().clients().await?.clients;
        let known = all.into_iter().map(|client| (client.name.clone(), client)).collect();
        Ok(Self { vestal, context, flag, provider, known, decided: HashMap::new() })
    }

    /// What is known of the provider of a client, if there is that client.
    pub(super) fn provider_of(&self, client: &str) -> Option<Arc<Provider>> {
        self.vestal.engine.catalogue().get(&self.known.get(client)?.provider).ok()
    }

    /// Where the provider of a client is, as Nango has it.
    pub(super) fn site_by(&self, client: &str, config: &Site) -> Site {
        let Some((client, provider)) = self.known.get(client).zip(self.provider_of(client)) else {
            return Site::new();
        };
        let open = client.endpoints.variables();
        let facts = provider.site.iter().filter(|(variable, _)| open.contains(*variable));
        let value = |templates: &[String]| templates.iter().find_map(|it| filled_wholly(it, config));
        facts.filter_map(|(variable, fact)| Some((variable.clone(), value(&fact.nango)?))).collect()
    }

    /// The client for a record that names `named`, and whose other keeper knew `given`.
    pub(super) async fn choose(
        &mut self,
        named: Option<&str>,
        given: Option<GivenClient>,
    ) -> Result<Result<Chosen, Bad>, Failure> {
        let wanted = named.or(self.flag.as_deref()).map(str::to_owned);
        let Some(given) = given else {
            return Ok(wanted.map(|name| Chosen { name, site: Site::new() }).ok_or_else(|| {
                Bad::new("it does not say which client it was made with").next("name it with --client CLIENT")
            }));
        };
        let asked = Asked {
            wanted: wanted.clone(),
            client_id: given.client_id.clone(),
            provider: self.provider.clone().or_else(|| given.provider.map(str::to_owned)),
            issuer: given.issuer.clone(),
            token_endpoint: given.token_endpoint.as_ref().map(ToString::to_string),
        };
        if let Some(decided) = self.decided.get(&asked) {
            return Ok(decided.clone());
        }
        let decision = self.decide(&asked, given).await?;
        self.decided.insert(asked, decision.clone());
        Ok(decision)
    }

    async fn decide(&mut self, asked: &Asked, given: GivenClient) -> Result<Result<Chosen, Bad>, Failure> {
        let provider = asked.provider.clone().or_else(|| self.by_endpoint(&given));
        let is = |client: &Client, named| {
            let here = || provider.as_ref().is_none_or(|provider| client.provider == *provider);
            client.client_id == given.client_id && here() && self.is_at(client, &given, named)
        };
        let name = match &asked.wanted {
            Some(name) => match self.known.get(name) {
                Some(client) if is(client, true) => return Ok(Ok(self.chosen(client, &given))),
                Some(_) => {
                    let why = format!(
                        "the client {name:?} has another client id than the one it was made with, or is at another provider"
                    );
                    return Ok(Err(Bad::new(why).next("name another client with --client")));
                }
                None => name.clone(),
            },
            // Another provider's client may have the same id, and would be sent this one's refresh tokens.
            None if provider.is_none() && !given.names_a_server() => {
                let why = "it says which client it was made with by an id, which only its provider knows";
                let next = "say which provider that is with --provider, or name the client with --client";
                return Ok(Err(Bad::new(why).next(next)));
            }
            None => {
                let mut same = self.known.values().filter(|client| is(client, false));
                match (same.next(), same.next()) {
                    (Some(client), None) => return Ok(Ok(self.chosen(client, &given))),
                    (Some(_), Some(_)) => {
                        let why = "there are several clients with the id of the one it was made with";
                        return Ok(Err(Bad::new(why).next("name the one you mean with --client")));
                    }
                    (None, _) => given.name.clone(),
                }
            }
        };
        if self.known.contains_key(&name) {
            let why =
                format!("it was made with a client that is not known, and {name:?} is another one's name");
            return Ok(Err(Bad::new(why).next("choose a name for its client: --client CLIENT")));
        }
        let Some(provider) = provider.or_else(|| given.names_a_server().then(|| "custom".to_owned())) else {
            return Ok(Err(Bad::new("it was made with a client that is not known, and nobody says whose")
                .next("say which provider it is with --provider; or first: vestal client add")));
        };
        self.add(name, given, &provider).await
    }

    /// The provider, as its token endpoint tells.
    fn by_endpoint(&self, given: &GivenClient) -> Option<String> {
        let token = given.token_endpoint.as_ref()?;
        let catalogue = self.vestal.engine.catalogue();
        let is_there = |id: &String| {
            let provider = catalogue.get(id).ok();
            provider.is_some_and(|provider| site_at(&provider, token).is_some())
        };
        catalogue.ids().into_iter().find(is_there)
    }

    /// Whether a client is where the other keeper has it. Where it is not known who a client's issuer is, it counts as the same
    /// only if somebody has `named` it.
    fn is_at(&self, client: &Client, given: &GivenClient, named: bool) -> bool {
        let same_issuer = |known: &String, issuer: &String| {
            // oidc-agent keeps issuers with a slash at the end.
            is_or_stands_for(known.trim_end_matches('/'), issuer.trim_end_matches('/'))
        };
        let issuer = given.issuer.as_ref().is_none_or(|issuer| {
            client.endpoints.issuer.as_ref().map_or(named, |known| same_issuer(known, issuer))
        });
        issuer && (given.token_endpoint.is_none() || self.site_of(client, given).is_some())
    }

    /// Where its provider is for a token from the token endpoint that the other keeper has.
    fn site_of(&self, client: &Client, given: &GivenClient) -> Option<Site> {
        let token = given.token_endpoint.as_ref()?;
        client.endpoints.site_at(token, &*self.provider_of(&client.name)?)
    }

    fn chosen(&self, client: &Client, given: &GivenClient) -> Chosen {
        Chosen { name: client.name.clone(), site: self.site_of(client, given).unwrap_or_default() }
    }

    async fn add(
        &mut self,
        name: String,
        given: GivenClient,
        provider: &str,
    ) -> Result<Result<Chosen, Bad>, Failure> {
        let vestal = self.vestal;
        let provider = vestal.engine.catalogue().get(provider)?;
        let known = given.token_endpoint.as_ref().is_some_and(|token| site_at(&provider, token).is_some());
        let options = match known {
            // What is known of it says more, and leaves its variables open for others.
            true => ClientOptions::default(),
            false => ClientOptions {
                issuer: given.issuer.clone().filter(|_| given.token_endpoint.is_none()),
                authorization_endpoint: given.authorization_endpoint.clone(),
                token_endpoint: given.token_endpoint.clone(),
                ..ClientOptions::default()
            },
        };
        let proof = if given.secret.is_some() { Proof::Secret } else { Proof::Nothing };
        let registered = async {
            let registration::Found { mut endpoints, methods, .. } =
                registration::endpoints(vestal, &provider, &options).await?;
            endpoints.dpop = provider.client.dpop.as_ref().is_some_and(|fact| fact.value);
            let accepted = provider.client.auth.as_ref().map_or(methods, |fact| fact.value.clone());
            let new = NewClient {
                name: name.clone(),
                provider: provider.id.clone(),
                client_id: given.client_id.clone(),
                auth: registration::choose_auth(None, proof, &accepted)?,
                secret: given.secret.clone(),
                redirect_uri: registration::our_redirect_uri(&provider.client)?,
                scopes: match given.scopes.is_empty() {
                    true => provider.authorization.default_scopes().to_vec(),
                    false => given.scopes.clone(),
                },
                endpoints,
            };
            vestal.engine.add_client(new).await.map_err(Failure::from)
        };
        match registered.await {
            Ok(client) => {
                let shown = word(&client.name);
                self.context.output.note(format_args!(
                    "added the client {:?} ({}); look at it with: vestal client show {shown}",
                    client.name, client.provider
                ));
                self.known.insert(client.name.clone(), client.clone());
                Ok(Ok(self.chosen(&client, &given)))
            }
            Err(failure) => match failure.view() {
                Some(view) => Ok(Err(Bad {
                    name: None,
                    why: format!(
                        "its client could not be added: {}",
                        view.why.map_or(view.error.clone(), |why| format!("{}: {why}", view.error))
                    ),
                    next: Some("add it first: vestal client add".to_owned()),
                })),
                None => Ok(Err(Bad::new("its client could not be added"))),
            },
        }
    }
}

/// Where a provider is whose token endpoint is this one, if it is its.
fn site_at(provider: &Provider, token: &url::Url) -> Option<Site> {
    let fact = provider.endpoints.token.as_ref()?;
    Endpoints::at(fact.value.clone()).site_at(token, provider)
}

#[cfg(test)]
mod tests {
    use vestal_engine::Catalogue;

    use super::*;

    #[test]
    fn a_provider_is_known_by_its_token_endpoint() {
        let catalogue = Catalogue::builtin();
        let found = |url: &str| {
            let url = url.parse().unwrap();
            let at = |id: String| Some((id.clone(), site_at(&catalogue.get(&id).unwrap(), &url)?));
            catalogue.ids().into_iter().filter_map(at).collect::<Vec<_>>()
        };
        let tenant = |tenant: &str| {
            vec![("microsoft".to_owned(), Site::from([("tenant".to_owned(), tenant.to_owned())]))]
        };
        let microsoft =
            |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        assert_eq!(found(&microsoft("common")), tenant("common"));
        assert_eq!(found(&microsoft("contoso.onmicrosoft.com")), tenant("contoso.onmicrosoft.com"));
        assert_eq!(found("https://oauth2.googleapis.com/token"), [("google".to_owned(), Site::new())]);
        assert_eq!(found("https://login.example/token"), []);
    }
}
