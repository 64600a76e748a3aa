//! How a grant is ended at a provider that does not do it as RFC 7009 has it.

use std::collections::BTreeMap;

use serde::Deserialize;
use url::Url;
use url::form_urlencoded::byte_serialize;

use super::{Encoding, Success};
use crate::site::{fill, variables};

/// The one request that ends a grant. In its URL and its parameters, `{client_id}` stands for the client's identifier; in its
/// parameters also `{token}` for the token, and any other name in braces for what came with the tokens under it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct RevocationRequest {
    /// Where it goes.
    pub url: Url,
    /// Its method.
    #[serde(default)]
    pub method: RevocationMethod,
    /// The token that it names, and that it needs.
    #[serde(default)]
    pub token: RevokedToken,
    /// Its parameters, but for those that prove the client.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
    /// How they are written.
    #[serde(default)]
    pub encoding: Encoding,
    /// Who it shows to ask.
    #[serde(default)]
    pub proof: RevocationProof,
    /// What a success says, where its status does not tell.
    pub success: Option<Success>,
    /// Errors that say that there is nothing left to end.
    #[serde(default)]
    pub gone: Vec<String>,
}

/// A method of HTTP.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub enum RevocationMethod {
    /// `POST`.
    #[default]
    #[serde(rename = "POST")]
    Post,
    /// `DELETE`.
    #[serde(rename = "DELETE")]
    Delete,
    /// `GET`.
    #[serde(rename = "GET")]
    Get,
}

/// Which token a revocation names.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RevokedToken {
    /// The refresh token, or the access token where there is none.
    #[default]
    RefreshToken,
    /// The access token, which has to be alive.
    AccessToken,
    /// None: something else says whose grant it is.
    None,
}

/// Who a revocation shows to ask.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
pub enum RevocationProof {
    /// The client, as at the token endpoint.
    #[default]
    Client,
    /// The client, by its identifier and its secret in HTTP Basic (RFC 7617), whatever the token endpoint takes.
    Basic,
    /// The client, by its secret after the word `Client`.
    ClientHeader,
    /// Whoever holds the token (RFC 6750 §2.1).
    Bearer,
    /// Nobody: the parameters say enough.
    None,
}

impl RevocationMethod {
    /// As HTTP writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Post => "POST",
            Self::Delete => "DELETE",
            Self::Get => "GET",
        }
    }
}

impl RevocationRequest {
    /// Where it goes for this client; `None` where that is no URL.
    pub fn url_for(&self, client_id: &str) -> Option<Url> {
        let written: String = byte_serialize(client_id.as_bytes()).collect();
        // In a path, a plus is a plus.
        let written = written.replace('+', "%20");
        fill(self.url.as_str(), |name| (name == "client_id").then(|| written.clone())).ok()?.parse().ok()
    }

    /// Its parameters, with what stands for the names in braces.
    ///
    /// # Errors
    /// The first name of which nobody knows what stands for it.
    pub fn parameters(&self, known: impl Fn(&str) -> Option<String>) -> Result<Vec<(&str, String)>, String> {
        self.parameters.iter().map(|(name, text)| Ok((name.as_str(), fill(text, &known)?))).collect()
    }

    /// What is wrong with it, if anything is.
    pub(super) fn mistake(&self) -> Option<String> {
        if let Some(name) = variables(self.url.as_str()).into_iter().find(|name| name != "client_id") {
            return Some(format!(
                "of what stands in braces, only {{client_id}} is filled in in its URL, not {{{name}}}"
            ));
        }
        let names = |name: &str| self.parameters.values().any(|text| text.contains(&format!("{{{name}}}")));
        let bears = self.proof == RevocationProof::Bearer;
        match self.token {
            RevokedToken::None if bears || names("token") => {
                Some("it holds a token: say which, by `token`".to_owned())
            }
            RevokedToken::RefreshToken if bears => {
                Some("a refresh token is not for headers: add token = \"access-token\"".to_owned())
            }
            RevokedToken::RefreshToken | RevokedToken::AccessToken if !bears && !names("token") => Some(
                "the token is nowhere in it: write {token} into a parameter, or say proof = \"bearer\", or token = \"none\"".to_owned(),
            ),
            RevokedToken::None if self.parameters.values().all(|text| variables(text).iter().all(|name| name == "client_id")) => {
                Some("nothing says whose grant it is to end: write what came with the tokens, as {account_id}, into a parameter".to_owned())
            }
            _ if self.method == RevocationMethod::Get && self.encoding != Encoding::Query && !self.parameters.is_empty() => {
                Some("a GET has its parameters in the query: add encoding = \"query\"".to_owned())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> RevocationRequest {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn what_stands_in_braces_is_filled_in_once() {
        let request = read(
            "url = \"https://as.example/apps/{client_id}/grant\"\nparameters = { t = \"{token}\", a = \"of {account}\" }",
        );
        assert_eq!(request.url_for("a/b c").unwrap().as_str(), "https://as.example/apps/a%2Fb%20c/grant");
        let known = |name: &str| match name {
            "token" => Some("{account}".to_owned()),
            "account" => Some("7".to_owned()),
            _ => None,
        };
        let filled = request.parameters(known).unwrap();
        assert_eq!(filled, [("a", "of 7".to_owned()), ("t", "{account}".to_owned())]);
        let unknown = request.parameters(|name| (name == "token").then(String::new));
        assert_eq!(unknown, Err("account".to_owned()));
    }

    #[test]
    fn a_request_that_ends_nothing_is_a_mistake() {
        for (text, what) in [
            ("", Some("the token is nowhere in it")),
            ("proof = \"bearer\"", Some("not for headers")),
            ("proof = \"bearer\"\ntoken = \"access-token\"", None),
            ("parameters = { token = \"{token}\" }", None),
            ("parameters = { token = \"{token}\" }\ntoken = \"none\"", Some("say which")),
            ("token = \"none\"\nproof = \"bearer\"", Some("say which")),
            ("token = \"none\"\nparameters = { id = \"{client_id}\" }", Some("nothing says whose grant")),
            ("token = \"none\"\nparameters = { id = \"{account_id}\" }", None),
            ("method = \"GET\"\nparameters = { token = \"{token}\" }", Some("in the query")),
            ("method = \"GET\"\nencoding = \"query\"\nparameters = { token = \"{token}\" }", None),
        ] {
            let said = read(&format!("url = \"https://as.example/revoke\"\n{text}")).mistake();
            assert_eq!(said.is_some(), what.is_some(), "{text}: {said:?}");
            assert!(what.is_none_or(|what| said.unwrap().contains(what)), "{text}");
        }
        let elsewhere = read("url = \"https://{shop}.example/revoke\"").mistake();
        assert!(elsewhere.unwrap().contains("not {shop}"));
    }
}
