//! What a consent brought and is refused: it is kept aside, sealed, and nobody uses it.

use vestal_core::event::{Event, What};
use vestal_core::id::{AttemptId, GrantId};
use vestal_core::provider::Provider;
use vestal_core::token::{Candidate, CandidateAnswer, WhyCandidate};

use crate::consent::{Consent, too_late};
use crate::secrets::Destination;
use crate::{Error, Inner};

impl Inner {
    /// Keeps aside what came for a consent that is refused, and returns the refusal, which says so where it is for what came.
    pub(crate) async fn keep_refused(
        &self,
        consent: &Consent<'_>,
        provider: &Provider,
        why: WhyCandidate,
        refusal: Error,
    ) -> Error {
        let Consent { connection, client, answer, started_at, .. } = consent;
        let now = self.clock.now();
        // No attempt brought it, and no grant is made of it: both are names that nothing else has.
        let attempt = AttemptId::new(now, &*self.entropy);
        let (grant, generation) = (GrantId::new(*started_at, &*self.entropy), connection.generation());
        let to = Destination {
            connection: connection.id,
            client,
            grant,
            generation: generation + 1,
            issued_at: *started_at,
            default_life: provider.first_access_token_life(),
        };
        let tokens = CandidateAnswer::Tokens(Box::new(self.seal_tokens(answer, to, None)));
        let candidate =
            Candidate { attempt, kept_at: now, why, sealed_for: Some((grant, generation)), answer: tokens };
        let told = [Event { connection: connection.id, at: now, what: What::CandidateKept { attempt, why } }];
        let kept = self
            .until_stored(&connection.name, || self.store.keep_candidate(connection.id, &candidate, &told));
        let what = match kept.await {
            Ok(true) => "what it brought is kept aside, sealed, and nobody uses it",
            Ok(false) => return too_late("was removed"),
            Err(error) => {
                tracing::error!(connection = %connection.name, %error, "what a refused consent brought could not be kept");
                "what it brought could not be kept"
            }
        };
        match refusal {
            Error::Consent { why } => Error::Consent { why: format!("{why}; {what}") },
            other => other,
        }
    }
}
