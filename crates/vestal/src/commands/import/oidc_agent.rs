//! What `oidc-gen --print ACCOUNT` prints: an account of oidc-agent, decrypted.

use serde::Deserialize;
use url::Url;
use vestal_api::ConnectionRecord;
use vestal_core::connection::ConnectionName;

use super::found::{Bad, Found, GivenClient};

#[derive(Deserialize)]
struct Account {
    name: Option<String>,
    issuer_url: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// Reads an account. `name` is the connection's, if somebody chose another than the account's.
pub(crate) fn read(text: &str, name: Option<&ConnectionName>) -> Result<Vec<Found>, Bad> {
    let printed = || "give what this prints: oidc-gen --print ACCOUNT".to_owned();
    // A line about the password may be in front of it.
    let json = text.find('{').map_or(text, |start| &text[start..]);
    let account: Account =
        serde_json::from_str(json).map_err(|_| Bad::new("it is no account in JSON").next(printed()))?;
    let given = |field: Option<String>| field.filter(|text| !text.is_empty());
    let missing = |field: &str| Bad::new(format!("it has no `{field}`"));
    let refresh_token = given(account.refresh_token)
        .ok_or_else(|| missing("refresh_token").next("renew it first: oidc-gen --reauthenticate ACCOUNT"))?;
    let issuer = given(account.issuer_url).ok_or_else(|| missing("issuer_url").next(printed()))?;
    let name = match name {
        Some(name) => name.clone(),
        None => given(account.name).ok_or_else(|| missing("name"))?.parse().map_err(Bad::new)?,
    };
    let scope = given(account.scope);
    let host = Url::parse(&issuer).ok().and_then(|url| url.host_str().map(str::to_owned));
    let client = GivenClient {
        secret: given(account.client_secret).map(Into::into),
        // oidc-agent keeps issuers with a slash at the end, and servers may be called without.
        issuer: Some(issuer),
        scopes: scope.as_deref().unwrap_or_default().split_whitespace().map(str::to_owned).collect(),
        ..GivenClient::with_id(
            host.unwrap_or_else(|| name.to_string()),
            given(account.client_id).ok_or_else(|| missing("client_id"))?,
        )
    };
    let record =
        ConnectionRecord { refresh_token: Some(refresh_token), scope, ..ConnectionRecord::named(name) };
    Ok(vec![Found { client: Some(client), ..Found::line(1, Ok(record)) }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_oidc_gen_prints_is_read() {
        // As oidc-gen 4.2 prints it; values made up.
        let text = "Enter decryption password for account config 'wlcg': \n{\n\t\"name\":\t\"wlcg\",\n\
            \t\"client_name\":\t\"oidc-agent:wlcg\",\n\t\"issuer_url\":\t\"https://wlcg.example/\",\n\
            \t\"device_authorization_endpoint\":\t\"https://wlcg.example/devicecode\",\n\t\"daeSetByUser\":\t0,\n\
            \t\"client_id\":\t\"c\",\n\t\"client_secret\":\t\"s\",\n\t\"refresh_token\":\t\"rt\",\n\t\"cert_path\":\t\"\",\n\
            \t\"scope\":\t\"openid offline_access\",\n\t\"audience\":\t\"\",\n\t\"redirect_uris\":\t[\"edu.kit.data.oidc-agent:/redirect\"],\n\
            \t\"username\":\t\"\",\n\t\"password\":\t\"\"\n}\n";
        let found = read(text, None).unwrap().remove(0);
        let record = found.record.unwrap();
        assert_eq!((record.name.as_str(), record.refresh_token.as_deref()), ("wlcg", Some("rt")));
        assert_eq!(record.scope.as_deref(), Some("openid offline_access"));
        let client = found.client.unwrap();
        assert_eq!((client.name.as_str(), client.client_id.as_str()), ("wlcg.example", "c"));
        assert_eq!(
            (client.issuer.as_deref(), client.secret.is_some()),
            (Some("https://wlcg.example/"), true)
        );
        assert_eq!(client.scopes, ["openid", "offline_access"]);
    }

    #[test]
    fn what_is_no_account_is_refused() {
        assert_eq!(read("planted", None).unwrap_err().why, "it is no account in JSON");
        let without = r#"{"name":"a","issuer_url":"https://a.example/","client_id":"c","refresh_token":""}"#;
        assert_eq!(read(without, None).unwrap_err().why, "it has no `refresh_token`");
    }
}
