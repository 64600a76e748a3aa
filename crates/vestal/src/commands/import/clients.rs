//! Which client tokens are imported for: one that is there, or one that the other keeper knows.

use std::collections::HashMap;

use vestal_core::client::Client;
use vestal_core::client::Proof;
use vestal_core::provider::{Provider, catalogue};
use vestal_engine::NewClient;

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
    /// What was decided, by the id of the client.
    decided: HashMap<String, Result<String, Bad>>,
}

impl<'a> Clients<'a> {
    pub(super) fn new(
        vestal: &'a Vestal,
        context: &'a Context,
        flag: Option<String>,
        provider: Option<String>,
    ) -> Self {
        Self { vestal, context, flag, provider, decided: HashMap::new() }
    }

    /// The name of the client for a record that names `named`, and whose other keeper knew `given`.
    pub(super) async fn name_for(
        &mut self,
        named: Option<&str>,
        given: Option<GivenClient>,
    ) -> Result<Result<String, Bad>, Failure> {
        let Some(given) = given else {
            let name = named.or(self.flag.as_deref());
            return Ok(name.map(str::to_owned).ok_or_else(|| {
                Bad::new("it does not say which client it was made with").next("name it with --client CLIENT")
            }));
        };
        if let Some(decided) = self.decided.get(&given.client_id) {
            return Ok(decided.clone());
        }
        let wanted = named.map(str::to_owned).or_else(|| self.flag.clone());
        let client_id = given.client_id.clone();
        let decision = self.decide(wanted, given).await?;
        self.decided.insert(client_id, decision.clone());
        Ok(decision)
    }

    async fn decide(
        &self,
        wanted: Option<String>,
        given: GivenClient,
    ) -> Result<Result<String, Bad>, Failure> {
        let all = self.vestal.engine.store().clients().await?.clients;
        let same_id = |client: &&Client| client.client_id == given.client_id;
        let name = match wanted {
            Some(name) => match all.iter().find(|client| client.name == name) {
                Some(client) if same_id(&client) => return Ok(Ok(name)),
                Some(_) => {
                    let why =
                        format!("the client {name:?} has another client id than the one it was made with");
                    return Ok(Err(Bad::new(why).next("name another client with --client")));
                }
                None => name,
            },
            None => {
                let mut same = all.iter().filter(same_id);
                match (same.next(), same.next()) {
                    (Some(client), None) => return Ok(Ok(client.name.clone())),
                    (Some(_), Some(_)) => {
                        let why = "there are several clients with the id of the one it was made with";
                        return Ok(Err(Bad::new(why).next("name the one you mean with --client")));
                    }
                    (None, _) => given.name.clone(),
                }
            }
        };
        if all.iter().any(|client| client.name == name) {
            let why =
                format!("it was made with a client that is not known, and {name:?} is another one's name");
            return Ok(Err(Bad::new(why).next("choose a name for its client: --client CLIENT")));
        }
        let Some(provider) = self.provider_of(&given) else {
            return Ok(Err(Bad::new("it was made with a client that is not known, and nobody says whose")
                .next("say which provider it is with --provider; or first: vestal client add")));
        };
        self.add(name, given, &provider).await
    }

    /// The provider, as somebody said, or as its endpoint tells.
    fn provider_of(&self, given: &GivenClient) -> Option<String> {
        let said = self.provider.clone().or_else(|| given.provider.map(str::to_owned));
        let by_endpoint = || {
            let token = given.token_endpoint.as_ref()?;
            let is_there = |provider: &Provider| {
                provider.endpoints.token.as_ref().is_some_and(|fact| fact.value == *token)
            };
            catalogue::ids()
                .find(|id| catalogue::builtin(id).is_some_and(|found| found.as_ref().is_ok_and(is_there)))
                .map(str::to_owned)
        };
        let anywhere = given.token_endpoint.is_some() || given.issuer.is_some();
        said.or_else(by_endpoint).or_else(|| anywhere.then(|| "custom".to_owned()))
    }

    async fn add(
        &self,
        name: String,
        given: GivenClient,
        provider: &str,
    ) -> Result<Result<String, Bad>, Failure> {
        let vestal = self.vestal;
        let failed = |error| Failure::of(error, None, &self.context.calendar());
        let provider = vestal.engine.catalogue().get(provider).map_err(|error| failed(error.into()))?;
        let options = ClientOptions {
            issuer: given.issuer.filter(|_| given.token_endpoint.is_none()),
            authorization_endpoint: given.authorization_endpoint,
            token_endpoint: given.token_endpoint,
            ..ClientOptions::default()
        };
        let proof = if given.secret.is_some() { Proof::Secret } else { Proof::Nothing };
        let registered = async {
            let registration::Found { endpoints, methods, .. } =
                registration::endpoints(vestal, &provider, &options).await?;
            let accepted = provider.client.auth.as_ref().map_or(methods, |fact| fact.value.clone());
            let new = NewClient {
                name: name.clone(),
                provider: provider.id.clone(),
                client_id: given.client_id,
                auth: registration::choose_auth(None, proof, &accepted)?,
                secret: given.secret,
                redirect_uri: registration::redirect_uri(None)?,
                scopes: match given.scopes {
                    scopes if scopes.is_empty() => provider.authorization.default_scopes.clone(),
                    scopes => scopes,
                },
                endpoints,
            };
            vestal.engine.add_client(new).await.map_err(failed)
        };
        match registered.await {
            Ok(client) => {
                let shown = word(&client.name);
                self.context.output.note(format_args!(
                    "added the client {:?} ({}); look at it with: vestal client show {shown}",
                    client.name, client.provider
                ));
                Ok(Ok(client.name))
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
