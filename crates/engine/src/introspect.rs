//! What a provider says of an access token whose answer does not say how long it lives (RFC 7662).

use vestal_core::client::Client;
use vestal_core::provider::Provider;
use vestal_core::token::TokenAnswer;
use vestal_oauth::client_auth::Prover;
use vestal_oauth::introspection;

use crate::Inner;
use crate::identity::ASK_WITHIN;

impl Inner {
    /// Adds to the answer of a consent how long its access token lives, where only introspection tells that. Not to learn
    /// it is no failure: a token of unknown life is renewed when it is rejected.
    pub(crate) async fn learn_life(
        &self,
        answer: &mut TokenAnswer,
        client: &Client,
        prover: &Prover,
        provider: &Provider,
    ) {
        let Some(endpoint) = &client.endpoints.introspection else { return };
        // What nobody has verified is worth a question.
        let known = provider.access_token.life.as_ref().is_some_and(|life| !life.unverified);
        if answer.expires_in.is_some() || known {
            return;
        }
        let Ok(credentials) = self.credentials(client, prover) else { return };
        let request =
            introspection::request(endpoint, &credentials, &answer.access_token, &provider.requests);
        let started_at = self.clock.now();
        let Some((exchange, sent)) = self.within(ASK_WITHIN, self.exchange(request)).await else {
            tracing::warn!(client = %client.name, "the provider does not say in time how long an access token lives");
            return;
        };
        match introspection::read(exchange, started_at, &sent) {
            Ok(said) if said.active => {
                answer.expires_in = said.expires_in;
                answer.scope = answer.scope.take().or(said.scope);
            }
            Ok(_) => {
                tracing::warn!(client = %client.name, "the provider calls an access token inactive that it has just issued");
            }
            Err(none) => {
                tracing::warn!(client = %client.name, detail = %none, "how long an access token lives could not be learned");
            }
        }
    }
}
