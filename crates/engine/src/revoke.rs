//! Ending a grant at its provider: as RFC 7009 has it, or as the provider's file does.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use url::Url;
use vestal_core::client::Client;
use vestal_core::connection::Connection;
use vestal_core::provider::{Provider, RevocationEnds, RevocationRequest, RevokedToken};
use vestal_core::secret::SecretString;
use vestal_core::token::Grant;
use vestal_oauth::revocation::{self, Material, TokenKind};

use crate::lookup::is_its_own;
use crate::{Error, Inner};

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

/// The tokens of a grant, opened.
struct Tokens {
    refresh: Option<SecretString>,
    access: Option<SecretString>,
}

impl Tokens {
    /// The one whose revocation ends the most.
    fn first(&self) -> Option<(&SecretString, TokenKind)> {
        let refresh = self.refresh.as_ref().map(|token| (token, TokenKind::RefreshToken));
        refresh.or_else(|| self.access.as_ref().map(|token| (token, TokenKind::AccessToken)))
    }
}

impl Inner {
    /// Ends the grant of a connection.
    pub(crate) async fn revoke(&self, connection: &Connection) -> Result<Revocation, Error> {
        let Some(grant) = &connection.grant else { return Ok(Revocation::NothingToRevoke) };
        let base = self.client_of(connection).await?;
        let client = self.at_site_of(&base, Some(grant))?;
        let provider = self.catalogue.get(&client.provider).ok();
        let Some(way) = way(&client, provider.as_deref()) else { return Ok(Revocation::NotOffered) };
        let tokens = Tokens {
            refresh: self.refresh_token(connection, grant, &client)?,
            access: self.access_token(connection, grant)?,
        };
        let Some(first) = tokens.first() else { return Ok(Revocation::NothingToRevoke) };
        let failed = |detail, transient| {
            let provider = provider.as_ref().map_or(&client.provider, |provider| &provider.name);
            Err(not_revoked(connection, provider, detail, transient))
        };
        let of = Of { connection, grant, base: &base, client: &client, provider: provider.as_deref() };
        let request = match self.revocation_request(&way, first, tokens.access.as_ref(), of)? {
            Ok(request) => request,
            Err(why) => return failed(why, false),
        };
        let (exchange, sent) = self.exchange(Ok(request)).await;
        let now = self.clock.now();
        let came = match way {
            Way::Endpoint(_) => revocation::read(exchange, now, &sent),
            Way::Stated(asked) => revocation::read_stated(asked, exchange, now, &sent),
        };
        let ends = provider.as_ref().map(|provider| match way {
            Way::Endpoint(_) => provider.refresh_token.revocation_ends(),
            Way::Stated(_) => provider.revocation_ends(),
        });
        match came {
            revocation::Revocation::Done
                if ends == Some(RevocationEnds::AccessToken) && tokens.refresh.is_some() =>
            {
                Ok(Revocation::AccessTokenRevoked)
            }
            revocation::Revocation::Done => Ok(Revocation::Revoked),
            revocation::Revocation::Unsupported => Ok(Revocation::NotOffered),
            revocation::Revocation::Retry { detail, .. } => failed(detail, true),
            revocation::Revocation::Failed { detail } => failed(detail, false),
        }
    }

    /// Which token the request takes by which a grant is ended as its provider's file has it, where it is ended so.
    pub(crate) async fn stated_revocation(
        &self,
        connection: &Connection,
    ) -> Result<Option<(RevokedToken, Arc<Provider>)>, Error> {
        let Some(grant) = &connection.grant else { return Ok(None) };
        let client = self.at_site_of(&self.client_of(connection).await?, Some(grant))?;
        let Ok(provider) = self.catalogue.get(&client.provider) else { return Ok(None) };
        Ok(match way(&client, Some(&provider)) {
            Some(Way::Stated(asked)) => Some((asked.token, Arc::clone(&provider))),
            Some(Way::Endpoint(_)) | None => None,
        })
    }

    /// The request, or why there is none.
    fn revocation_request(
        &self,
        way: &Way<'_>,
        first: (&SecretString, TokenKind),
        access_token: Option<&SecretString>,
        of: Of<'_>,
    ) -> Result<Result<Request<Bytes>, String>, Error> {
        let Of { connection, grant, base, client, provider } = of;
        // Without the provider's file, a grant is revoked as RFC 7009 has it.
        let facts = provider.map(|provider| (provider.client.clone(), provider.requests.clone()));
        let (facts, requests) = facts.unwrap_or_default();
        let prover = self.prover_at(base, &client.endpoints, &facts)?;
        let credentials = self.credentials(client, &prover)?;
        let (first, kind) = first;
        Ok(match way {
            Way::Endpoint(endpoint) => revocation::request(endpoint, &credentials, first, kind, &requests)
                .map_err(|why| why.to_string()),
            Way::Stated(asked) => {
                let material = Material {
                    client_id: &client.client_id,
                    prover: &prover,
                    credentials: &credentials,
                    token: match asked.token {
                        RevokedToken::RefreshToken => Some(first),
                        RevokedToken::AccessToken => access_token,
                        RevokedToken::None => None,
                    },
                    extra: &self.open_extra(connection.id, grant.id, &grant.tokens).unwrap_or_default(),
                };
                revocation::stated_request(asked, &material, &requests).map_err(|why| why.to_string())
            }
        })
    }
}

/// That a grant was not ended.
pub(crate) fn not_revoked(connection: &Connection, provider: &str, detail: String, transient: bool) -> Error {
    Error::NotRevoked { name: connection.name.clone(), provider: provider.to_owned(), detail, transient }
}

/// What a revocation is of.
#[derive(Clone, Copy)]
struct Of<'a> {
    connection: &'a Connection,
    grant: &'a Grant,
    /// The client as it is stored, and as it is for the grant.
    base: &'a Client,
    client: &'a Client,
    provider: Option<&'a Provider>,
}

/// How a grant of a client is ended, where any way is known. An endpoint that somebody named wins; and somebody else's server
/// knows nothing of what the file says.
fn way<'a>(client: &'a Client, provider: Option<&'a Provider>) -> Option<Way<'a>> {
    let stated = || {
        let provider = provider?;
        let asked = &provider.revocation.as_ref()?.value;
        is_its_own(&asked.url, &client.endpoints, provider).then_some(Way::Stated(asked))
    };
    client.endpoints.revocation.as_ref().map(Way::Endpoint).or_else(stated)
}
