//! Google's `authorized_user` file, such as gcloud's application_default_credentials.json.

use serde::Deserialize;
use vestal_api::ConnectionRecord;
use vestal_core::connection::ConnectionName;

use super::found::{Bad, Found, GivenClient};

#[derive(Deserialize)]
struct AuthorizedUser {
    #[serde(rename = "type")]
    kind: String,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
    /// What Google's libraries write there is a name of the account, or nothing.
    #[serde(default)]
    account: String,
}

/// Reads the file. Google keeps no name in it; `name` is the connection's, if somebody chose one.
pub(crate) fn read(text: &str, name: Option<&ConnectionName>) -> Result<Vec<Found>, Bad> {
    let file: AuthorizedUser = serde_json::from_str(text)
        .map_err(|_| Bad::new("it is no JSON object with a `type`").next("name a file that gcloud wrote"))?;
    if file.kind != "authorized_user" {
        let bad = Bad::new("its `type` is not authorized_user");
        return Err(match file.kind.as_str() {
            "service_account" => bad.next("a service account has no refresh token: it needs none"),
            _ => bad.next("name a file that gcloud auth application-default login wrote"),
        });
    }
    let missing = |field| Bad::new(format!("it has no `{field}`"));
    let account = (!file.account.is_empty()).then_some(file.account);
    let name = match (name, account) {
        (Some(name), _) => name.clone(),
        (None, Some(account)) => account.parse().map_err(Bad::new)?,
        (None, None) => {
            return Err(Bad::new("it does not say whose it is")
                .next("give the connection a name: vestal import NAME"));
        }
    };
    let record = ConnectionRecord {
        refresh_token: Some(file.refresh_token.ok_or_else(|| missing("refresh_token"))?),
        ..ConnectionRecord::named(name)
    };
    let client = GivenClient {
        provider: Some("google"),
        secret: file.client_secret.map(Into::into),
        ..GivenClient::with_id("google", file.client_id.ok_or_else(|| missing("client_id"))?)
    };
    Ok(vec![Found { client: Some(client), ..Found::line(1, Ok(record)) }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gcloud_writes_is_read() {
        // As gcloud auth application-default login writes it; values made up.
        let text = r#"{
            "account": "", "client_id": "1-a.apps.googleusercontent.com", "client_secret": "s",
            "quota_project_id": "p", "refresh_token": "1//rt", "type": "authorized_user",
            "universe_domain": "googleapis.com"
        }"#;
        let name = "drive".parse().unwrap();
        let found = read(text, Some(&name)).unwrap().remove(0);
        let record = found.record.unwrap();
        assert_eq!((record.name, record.refresh_token.as_deref()), (name, Some("1//rt")));
        let client = found.client.unwrap();
        assert_eq!(
            (client.provider, client.client_id.as_str()),
            (Some("google"), "1-a.apps.googleusercontent.com")
        );
        assert!(client.secret.is_some());
        assert_eq!(read(text, None).unwrap_err().why, "it does not say whose it is");
    }

    #[test]
    fn what_is_no_such_file_is_refused() {
        for (text, why) in [
            ("planted", "it is no JSON object with a `type`"),
            (r#"{"type":"service_account","private_key":"planted"}"#, "its `type` is not authorized_user"),
            (r#"{"type":"authorized_user","client_id":"a"}"#, "it has no `refresh_token`"),
        ] {
            assert_eq!(read(text, Some(&"a".parse().unwrap())).unwrap_err().why, why);
        }
    }
}
