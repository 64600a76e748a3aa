//! Refresh tokens that several connections hold, in words.

use vestal_api::Trouble;
use vestal_core::client::Client;
use vestal_core::connection::{Connection, ConnectionName};
use vestal_core::seal::Fingerprint;
use vestal_core::store::StoreError;

use super::Told;
use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::text::NAMED;

/// As many are told of at a glance.
const SHARED_TOLD: usize = 3;

/// As many are looked at for those.
const SHARED_LOOKED_AT: u32 = 100;

/// Whether others hold the refresh token of a connection.
pub(crate) async fn shared_with(vestal: &Vestal, connection: &Connection) -> Result<Option<Told>, Failure> {
    let tokens = connection.grant.as_ref().map(|grant| &grant.tokens);
    let Some(token) = tokens.and_then(|tokens| tokens.refresh_token.as_ref()) else { return Ok(None) };
    let holders = holders_of(vestal, &token.fingerprint).await?;
    let mut holders: Vec<_> = holders.into_iter().map(|holder| holder.name).collect();
    holders.retain(|holder| *holder != connection.name);
    if holders.is_empty() {
        return Ok(None);
    }
    // The one that is looked at is the one that a person has just made, most likely.
    holders.push(connection.name.clone());
    Ok(shared(&holders))
}

/// The refresh tokens that several connections hold, each with the client of one of them.
pub(super) async fn by_any(vestal: &Vestal, clients: &[Client]) -> Result<Vec<(String, Told)>, Failure> {
    let mut all = Vec::new();
    for token in vestal.engine.store().shared_tokens(SHARED_LOOKED_AT).await? {
        if all.len() >= SHARED_TOLD {
            break;
        }
        let holders = holders_of(vestal, &token).await?;
        let Some(first) = holders.first().filter(|_| holders.len() > 1) else { continue };
        let client = clients.iter().find(|it| it.id == first.client).map(|it| it.name.clone());
        let names: Vec<_> = holders.iter().map(|holder| holder.name.clone()).collect();
        all.extend(shared(&names).map(|told| (client.unwrap_or_default(), told)));
    }
    Ok(all)
}

/// Some connections that hold a refresh token now. A process of an older version does not note that it has replaced one.
async fn holders_of(vestal: &Vestal, token: &Fingerprint) -> Result<Vec<Connection>, Failure> {
    let store = vestal.engine.store();
    let mut holders = Vec::new();
    for name in store.holders_of(token, NAMED as u32).await? {
        let holder = match store.connection_named(&name).await {
            Ok(Some(holder)) => holder,
            // What it holds is told of elsewhere.
            Ok(None) | Err(StoreError::Corrupt { .. }) => continue,
            Err(error) => return Err(error.into()),
        };
        let held = holder.grant.as_ref().and_then(|grant| grant.tokens.refresh_token.as_ref());
        if held.is_some_and(|held| held.fingerprint == *token) {
            holders.push(holder);
        }
    }
    Ok(holders)
}

/// That these connections hold the same refresh token; the last one is the one to part with.
fn shared(holders: &[ConnectionName]) -> Option<Told> {
    let last = holders.last()?;
    let names: Vec<String> = holders.iter().map(|name| format!("{:?}", name.as_str())).collect();
    Some(Told {
        trouble: Trouble::SharedRefreshToken,
        what: format!("{} hold the same refresh token", names.join(" and ")),
        why: "where a refresh replaces it, each ends the other's".to_owned(),
        next: format!("vestal disconnect --keep-grant {}", word(last.as_str())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_shares_a_refresh_token_is_told_of_all_of_them() {
        let names = ["a", "the crm", "b"].map(|name| name.parse().unwrap());
        let told = shared(&names).unwrap();
        assert_eq!(told.what, r#""a" and "the crm" and "b" hold the same refresh token"#);
        assert_eq!(told.next, "vestal disconnect --keep-grant b");
    }
}
