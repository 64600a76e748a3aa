//! Sealing everything anew with the key that seals now, and counting what each key still seals.
//!
//! It goes from connection to connection, some at a time, so that refreshes pass in between. Whatever was on its way meanwhile
//! may still be written as it was sealed before: so it is gone round again until nothing is found any more.

use std::collections::{BTreeMap, HashMap};

use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::id::{ClientId, ConnectionId, GrantId};
use vestal_core::journal::Incomplete;
use vestal_core::seal::{Field, KeyId, Place, Sealed};
use vestal_core::site::Site;
use vestal_core::store::{Authorization, EarlierTokens, Reseal, SealedOf, SealedOwner};
use vestal_core::token::{Candidate, CandidateAnswer, TokenSet};

use crate::connect::verifier_place;
use crate::secrets::place;
use crate::{Engine, Error, Inner};

/// How many connections are looked at, and written, at once.
const AT_ONCE: u32 = 100;

/// What to do with what is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// To count it.
    Count,
    /// To seal it anew with the key that seals now.
    Reseal,
}

/// What was found on a part of the way.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Walked {
    /// How many connections that were.
    pub connections: u64,
    /// How many values each key sealed.
    pub sealed: BTreeMap<KeyId, u64>,
    /// How many were sealed anew.
    pub resealed: u64,
    /// What could not be opened, and stays as it is.
    pub left: Vec<Left>,
    /// After which connection it goes on; `None` where that was the last.
    pub next: Option<ConnectionId>,
}

/// What could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What it is.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl Engine {
    /// Goes through the secrets of clients.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn walk_clients(&self, walk: Walk) -> Result<Walked, Error> {
        let all = self.inner.store.clients().await?;
        let mut round = Round::new(&self.inner, walk);
        for damage in all.damaged {
            round.leave("a client".to_owned(), damage.to_string());
        }
        for client in &all.clients {
            let binding = client.binding();
            for secret in client.secret.iter().chain(&client.second_secret) {
                let place = Client::secret_place(client.id, "");
                round.value(secret, place, &client.name, || Ok(binding.clone()));
            }
            round.turn_to(SealedOwner::Client(client.id));
        }
        round.end().await
    }

    /// Goes through what is kept for some connections, those after `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn walk_connections(&self, after: Option<ConnectionId>, walk: Walk) -> Result<Walked, Error> {
        let inner = &self.inner;
        let page = inner.store.sealed(after, AT_ONCE).await?;
        let mut round = Round::new(inner, walk);
        round.walked.next = page.next;
        round.walked.connections = (page.of.len() + page.damaged.len()) as u64;
        for damage in page.damaged {
            round.leave(format!("the connection {}", damage.connection), damage.what);
        }
        let mut clients = Clients::new(inner);
        for of in &page.of {
            clients.load(of).await?;
            round.of_connection(of, &clients);
            round.turn_to(SealedOwner::Connection(of.connection.id));
        }
        round.end().await
    }

    /// Puts what lies in journals into the store, and returns how many answers are left there that another key has sealed
    /// than the one that seals now.
    ///
    /// # Errors
    ///
    /// Where they cannot be read.
    pub async fn walk_journals(&self) -> Result<u64, Error> {
        let inner = &self.inner;
        Box::pin(inner.replay(None)).await?;
        let left = inner.journal.entries().await.map_err(|Incomplete { why, .. }| why)?;
        let seals = inner.vault.seals_with();
        Ok(left.iter().filter(|entry| entry.answer.key().is_ok_and(|key| key != seals)).count() as u64)
    }
}

/// The clients of some connections.
struct Clients<'e> {
    inner: &'e Inner,
    known: HashMap<ClientId, Option<Client>>,
}

impl<'e> Clients<'e> {
    fn new(inner: &'e Inner) -> Self {
        Self { inner, known: HashMap::new() }
    }

    async fn load(&mut self, of: &SealedOf) -> Result<(), Error> {
        let asked = of.authorizations.iter().map(|authorization| authorization.client);
        for id in asked.chain([of.connection.client]) {
            if !self.known.contains_key(&id) {
                let client = self.inner.store.client(id).await?;
                self.known.insert(id, client);
            }
        }
        Ok(())
    }

    /// What decides where secrets of this client are sent, at a site.
    fn binding(&self, client: ClientId, site: &Site) -> Result<String, Error> {
        let Some(Some(client)) = self.known.get(&client) else {
            let lacks = "does not exist any more".to_owned();
            return Err(Error::Client { client: client.to_string(), lacks });
        };
        Ok(self.inner.at_site(client, site)?.binding())
    }
}

/// A part of the way.
struct Round<'e> {
    inner: &'e Inner,
    walk: Walk,
    seals: KeyId,
    walked: Walked,
    /// What was sealed anew of the one that is being looked at.
    values: Vec<(Sealed, Sealed)>,
    reseals: Vec<Reseal>,
}

impl<'e> Round<'e> {
    fn new(inner: &'e Inner, walk: Walk) -> Self {
        let seals = inner.vault.seals_with();
        let (walked, values, reseals) = Default::default();
        Self { inner, walk, seals, walked, values, reseals }
    }

    fn leave(&mut self, what: String, why: String) {
        self.walked.left.push(Left { what, why });
    }

    /// One value, which is sealed for this place. What it is bound to besides is asked only where that matters.
    fn value(
        &mut self,
        sealed: &Sealed,
        place: Place<'_>,
        of: &str,
        bound: impl FnOnce() -> Result<String, Error>,
    ) {
        let what = || format!("{} of {of:?}", name(place.field));
        let key = match sealed.key() {
            Ok(key) => key,
            Err(error) => return self.leave(what(), error.to_string()),
        };
        *self.walked.sealed.entry(key).or_default() += 1;
        if self.walk == Walk::Count || key == self.seals {
            return;
        }
        let vault = &self.inner.vault;
        let anew = bound().map_err(|error| error.to_string()).and_then(|bound| {
            let place = Place { bound: &bound, ..place };
            let plain = vault.open(&place, sealed).map_err(|error| error.to_string())?;
            Ok(vault.seal(&place, &plain, &*self.inner.entropy))
        });
        match anew {
            Ok(anew) => self.values.push((sealed.clone(), anew)),
            Err(why) => self.leave(what(), why),
        }
    }

    fn of_connection(&mut self, of: &SealedOf, clients: &Clients<'_>) {
        let SealedOf { connection, earlier, candidates, authorizations } = of;
        if let Some(grant) = &connection.grant {
            let site = &grant.about.site;
            self.means(connection, clients, grant.id, site, grant.means.as_ref());
            self.tokens(connection, clients, grant.id, site, &grant.tokens);
        }
        for EarlierTokens { grant, site, means, tokens } in earlier {
            self.means(connection, clients, *grant, site, means.as_ref());
            self.tokens(connection, clients, *grant, site, tokens);
        }
        for candidate in candidates {
            self.candidate(of, clients, candidate);
        }
        for authorization in authorizations {
            let Authorization { state_hash, client, site, code_verifier, .. } = authorization;
            let place = verifier_place(connection.id, state_hash, "");
            self.value(code_verifier, place, connection.name.as_str(), || clients.binding(*client, site));
        }
    }

    fn means(
        &mut self,
        connection: &Connection,
        clients: &Clients<'_>,
        grant: GrantId,
        site: &Site,
        sealed: Option<&Sealed>,
    ) {
        let Some(sealed) = sealed else { return };
        let place = place(connection.id, Field::GrantMeans, grant, 0);
        self.value(sealed, place, connection.name.as_str(), || clients.binding(connection.client, site));
    }

    fn tokens(
        &mut self,
        connection: &Connection,
        clients: &Clients<'_>,
        grant: GrantId,
        site: &Site,
        tokens: &TokenSet,
    ) {
        for (field, sealed) in tokens.sealed() {
            let place = place(connection.id, field, grant, tokens.generation);
            self.value(sealed, place, connection.name.as_str(), || match field {
                Field::RefreshToken => clients.binding(connection.client, site),
                _ => Ok(String::new()),
            });
        }
    }

    fn candidate(&mut self, of: &SealedOf, clients: &Clients<'_>, candidate: &Candidate) {
        let connection = &of.connection;
        let name = connection.name.as_str();
        let Some((grant, generation)) = candidate.sealed_for else {
            // Kept by an earlier version, which did not write down what for.
            let nowhere = |field| Place {
                owner: connection.id.as_uuid(),
                field,
                grant: None,
                generation: 0,
                bound: "",
            };
            let values = match &candidate.answer {
                CandidateAnswer::Raw(raw) => vec![(Field::RawAnswer, raw)],
                CandidateAnswer::Tokens(tokens) => tokens.sealed().collect(),
            };
            for (field, sealed) in values {
                self.value(sealed, nowhere(field), name, || Ok(String::new()));
            }
            return;
        };
        match &candidate.answer {
            CandidateAnswer::Raw(raw) => {
                let place = place(connection.id, Field::RawAnswer, grant, generation);
                self.value(raw, place, name, || Ok(String::new()));
            }
            CandidateAnswer::Tokens(tokens) => {
                self.tokens(connection, clients, grant, &site_of(of, grant), tokens);
            }
        }
    }

    /// What was sealed anew so far belongs to this one.
    fn turn_to(&mut self, of: SealedOwner) {
        if !self.values.is_empty() {
            self.reseals.push(Reseal { of, values: std::mem::take(&mut self.values) });
        }
    }

    async fn end(self) -> Result<Walked, Error> {
        let Self { inner, mut walked, reseals, .. } = self;
        if !reseals.is_empty() {
            walked.resealed = inner.store.reseal(reseals).await?;
        }
        Ok(walked)
    }
}

/// Where the provider of a grant is, as far as that grant is kept; otherwise where the current one's is.
fn site_of(of: &SealedOf, grant: GrantId) -> Site {
    let earlier = of.earlier.iter().find(|earlier| earlier.grant == grant).map(|earlier| &earlier.site);
    let current = of.connection.grant.as_ref().map(|grant| &grant.about.site);
    earlier.or(current).cloned().unwrap_or_default()
}

/// What a value is, for people.
fn name(field: Field) -> &'static str {
    match field {
        Field::AccessToken => "the access token",
        Field::RefreshToken => "the refresh token",
        Field::IdToken => "the id token",
        Field::Extra => "what came with the tokens",
        Field::ClientSecret => "the client's secret",
        Field::CodeVerifier => "a code verifier",
        Field::RawAnswer => "an answer that was kept aside",
        Field::JournalAnswer => "an answer in the journal",
        Field::GrantMeans => "what renewing it needs",
        Field::FingerprintKey => "the key of fingerprints",
    }
}
