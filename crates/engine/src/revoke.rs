//! Ending a grant at its provider: as RFC 7009 has it, or as the provider's file does.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::provider::{Provider, RevocationEnds, RevocationRequest, RevokedToken};
use vestal_core::token::Grant;
use vestal_oauth::revocation::{self, Material, NoRequest, TokenKind};

use crate::lookup::is_its_own;
use crate::{CatalogueError, Error, Inner};

/// What became of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// The provider revoked it.
    Revoked,
    /// The provider ended its access token, and offers no way to end its refresh token, or none that is known.
    AccessTokenRevoked,
    /// The provider offers no way to revoke it, none that is known, or only one that takes a token that works, and there is
    /// none any more: it has to be done in its own pages.
    NotOffered,
    /// There was none.
    NothingToRevoke,
    /// It was left as it is, as asked.
    Kept,
}

/// How a grant is ended.
enum Way<'a> {
    /// At a revocation endpoint (RFC 7009).
    Endpoint(&'a Url),
    /// By the request that the provider's file describes.
    Stated(&'a RevocationRequest),
}

/// What there is to send to end a grant.
enum ToSend<'a> {
    /// Nothing, and that is what becomes of it.
    Nothing(Revocation),
    /// This, or why it cannot be sent.
    Request(Way<'a>, Box<Result<Request<Bytes>, NoRequest>>),
}

/// By whom a grant is ended.
pub(crate) struct Revoker {
    /// The client as it is stored, and as it is for the grant.
    base: Client,
    client: Client,
    /// None where its file is gone: then a grant is revoked as RFC 7009 has it.
    provider: Option<Arc<Provider>>,
}

impl Revoker {
    /// How, where any way is known. An endpoint that somebody named wins; and somebody else's server knows nothing of what the
    /// file says.
    fn way(&self) -> Option<Way<'_>> {
        let stated = || {
            let provider = self.provider.as_deref()?;
            let asked = &provider.revocation.as_ref()?.value;
            is_its_own(&asked.url, &self.client.endpoints, provider).then_some(Way::Stated(asked))
        };
        self.client.endpoints.revocation.as_ref().map(Way::Endpoint).or_else(stated)
    }

    /// Which token the request takes that the provider's file describes, where the grant is ended so.
    pub(crate) fn stated(&self) -> Option<(RevokedToken, &Arc<Provider>)> {
        match self.way()? {
            Way::Stated(asked) => Some((asked.token, self.provider.as_ref()?)),
            Way::Endpoint(_) => None,
        }
    }

    /// That the grant was not ended.
    pub(crate) fn not_done(&self, connection: &Connection, detail: String, transient: bool) -> Error {
        let provider = self.provider.as_ref().map_or(&self.client.provider, |provider| &provider.name);
        let (name, provider) = (connection.name.clone(), provider.clone());
        Error::NotRevoked { name, provider, detail, transient }
    }
}

impl Inner {
    /// By whom a grant is ended.
    pub(crate) async fn revoker_of(&self, connection: &Connection, grant: &Grant) -> Result<Revoker, Error> {
        let base = self.client_of(connection).await?;
        let provider = match self.catalogue.get(&base.provider) {
            Ok(provider) => Some(provider),
            Err(CatalogueError::Unknown { .. }) => None,
            Err(mistaken) => return Err(mistaken.into()),
        };
        let client = self.at_site_of(&base, Some(grant))?;
        Ok(Revoker { base, client, provider })
    }

    /// Refuses what nothing could be sent for, whatever is done before. Another token may be had, and is not what it lacks.
    pub(crate) fn check_request(
        &self,
        connection: &Connection,
        grant: &Grant,
        revoker: &Revoker,
    ) -> Result<(), Error> {
        match self.revocation_request(connection, grant, revoker)? {
            ToSend::Request(_, request) => match *request {
                Ok(_) | Err(NoRequest::NoToken) => Ok(()),
                Err(why) => Err(revoker.not_done(connection, why.to_string(), false)),
            },
            ToSend::Nothing(_) => Ok(()),
        }
    }

    /// Ends a grant.
    pub(crate) async fn revoke(
        &self,
        connection: &Connection,
        grant: &Grant,
        revoker: &Revoker,
    ) -> Result<Revocation, Error> {
        let failed = |detail, transient| Err(revoker.not_done(connection, detail, transient));
        let (way, request) = match self.revocation_request(connection, grant, revoker)? {
            ToSend::Nothing(became) => return Ok(became),
            ToSend::Request(way, request) => match *request {
                Ok(request) => (way, request),
                Err(why) => return failed(why.to_string(), false),
            },
        };
        let (exchange, sent) = self.exchange(Ok(request)).await;
        let now = self.clock.now();
        let came = match way {
            Way::Endpoint(_) => revocation::read(exchange, now, &sent),
            Way::Stated(asked) => revocation::read_stated(asked, exchange, now, &sent),
        };
        let ends = revoker.provider.as_ref().map(|provider| match way {
            Way::Endpoint(_) => provider.refresh_token.revocation_ends(),
            Way::Stated(_) => provider.revocation_ends(),
        });
        match came {
            revocation::Revocation::Done
                if ends == Some(RevocationEnds::AccessToken) && grant.tokens.refresh_token.is_some() =>
            {
                Ok(Revocation::AccessTokenRevoked)
            }
            revocation::Revocation::Done => Ok(Revocation::Revoked),
            revocation::Revocation::Unsupported => Ok(Revocation::NotOffered),
            revocation::Revocation::Retry { detail, .. } => failed(detail, true),
            revocation::Revocation::Failed { detail } => failed(detail, false),
        }
    }

    fn revocation_request<'a>(
        &self,
        connection: &Connection,
        grant: &Grant,
        revoker: &'a Revoker,
    ) -> Result<ToSend<'a>, Error> {
        let Revoker { base, client, provider } = revoker;
        let Some(way) = revoker.way() else { return Ok(ToSend::Nothing(Revocation::NotOffered)) };
        let refresh_token = self.refresh_token(connection, grant, client)?;
        let access_token = self.access_token(connection, grant)?;
        // The one whose revocation ends the most.
        let (first, kind) = match (&refresh_token, &access_token) {
            (Some(token), _) => (token, TokenKind::RefreshToken),
            (None, Some(token)) => (token, TokenKind::AccessToken),
            (None, None) => return Ok(ToSend::Nothing(Revocation::NothingToRevoke)),
        };
        let facts = provider.as_ref().map(|provider| (provider.client.clone(), provider.requests.clone()));
        let (facts, requests) = facts.unwrap_or_default();
        let prover = self.prover_at(base, &client.endpoints, &facts)?;
        let credentials = self.credentials(client, &prover)?;
        let request = match way {
            Way::Endpoint(endpoint) => {
                revocation::request(endpoint, &credentials, first, kind, &requests).map_err(NoRequest::from)
            }
            Way::Stated(asked) => {
                let material = Material {
                    client_id: &client.client_id,
                    prover: &prover,
                    credentials: &credentials,
                    token: match asked.token {
                        RevokedToken::RefreshToken => Some(first),
                        RevokedToken::AccessToken => access_token.as_ref(),
                        RevokedToken::None => None,
                    },
                    extra: &self.open_extra(connection.id, grant.id, &grant.tokens).unwrap_or_default(),
                };
                revocation::stated_request(asked, &material, &requests)
            }
        };
        Ok(ToSend::Request(way, Box::new(request)))
    }
}
