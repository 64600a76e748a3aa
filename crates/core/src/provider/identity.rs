//! Where a provider says whose a grant is.

use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer};
use url::Url;

/// Where it is said whose a grant is. Two consents to one connection have to be the same account's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// `"id_token.sub"`: by the id token's issuer and subject (OpenID Connect Core §2).
    IdToken,
    /// `"redirect.NAME"`: by a parameter of the redirect.
    Redirect(String),
    /// `"site.NAME"`: by what stands for a variable of the endpoints.
    Site(String),
    /// `"token.A.B"`: by a field of the token answer.
    Token(Vec<String>),
    /// `{ get = URL, path = "A.B" }`: by a field of what the API answers to the new access token.
    Get {
        /// What is asked for.
        get: Url,
        /// Where it is in the answer.
        path: Vec<String>,
    },
}

impl Identity {
    /// How it is written.
    pub(super) const WRITTEN: &str =
        "\"id_token.sub\", \"redirect.NAME\", \"site.NAME\", \"token.FIELD\", or { get = URL, path = FIELD }";

    fn read(text: &str) -> Option<Self> {
        let (from, name) = text.split_once('.').filter(|(_, name)| !name.is_empty())?;
        match from {
            "id_token" if name == "sub" => Some(Self::IdToken),
            "redirect" => Some(Self::Redirect(name.to_owned())),
            "site" => Some(Self::Site(name.to_owned())),
            "token" => Some(Self::Token(path(name))),
            _ => None,
        }
    }
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IdToken => f.write_str("id_token.sub"),
            Self::Redirect(name) => write!(f, "redirect.{name}"),
            Self::Site(name) => write!(f, "site.{name}"),
            Self::Token(path) => write!(f, "token.{}", path.join(".")),
            Self::Get { get, path } => write!(f, "{} of {get}", path.join(".")),
        }
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Text(String),
            Get(Get),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Get {
            get: Url,
            path: String,
        }
        let expected = Self::WRITTEN;
        match Written::deserialize(deserializer)
            .map_err(|_| de::Error::custom(format!("expected {expected}")))?
        {
            Written::Text(text) => Self::read(&text)
                .ok_or_else(|| de::Error::invalid_value(de::Unexpected::Str(&text), &expected)),
            Written::Get(Get { get, path: at }) => Ok(Self::Get { get, path: path(&at) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_is_shown() {
        #[derive(Debug, Deserialize)]
        struct File {
            it: Identity,
        }
        let read =
            |text: &str| toml::from_str::<File>(&format!("it = {text}")).map(|file| file.it.to_string());
        for text in ["id_token.sub", "redirect.realmId", "site.shop", "token.team.id"] {
            assert_eq!(read(&format!("{text:?}")).unwrap(), text);
        }
        let get = r#"{ get = "https://api.example/me", path = "data.id" }"#;
        assert_eq!(read(get).unwrap(), "data.id of https://api.example/me");
        for wrong in [
            "\"id_token.iss\"",
            "\"token\"",
            "\"token.\"",
            "\"me.id\"",
            "7",
            "{ get = \"x\", path = \"id\" }",
        ] {
            let told = read(wrong).unwrap_err().to_string();
            assert!(told.contains("redirect.NAME"), "{told}");
        }
    }
}
