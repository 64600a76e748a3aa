//! The redirect back to the client (RFC 6749 §4.1.2, RFC 9207).

use std::borrow::Cow;

use secrecy::SecretString;
use url::form_urlencoded;
use vestal_core::client::Endpoints;
use vestal_core::secret::redact;
use vestal_core::text::is_disruptive;

use crate::issuer::is_or_stands_for;
use crate::words::shown;

/// The longest value of a parameter that is kept.
const PARAMETER_MAX_BYTES: usize = 1024;

/// A redirect's query, taken apart. Nothing in it can be believed before [`Callback::code`] was asked.
pub struct Callback {
    state: SecretString,
    iss: Option<String>,
    outcome: Outcome,
    /// Everything else.
    others: Vec<(String, String)>,
}

enum Outcome {
    Code(SecretString),
    Error { code: String, detail: String },
}

/// Why a redirect brings no code. The provider's words in it are redacted, and not yet fit for HTML.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallbackError {
    /// A parameter comes twice: somebody may have added one (RFC 6749 §3.1).
    #[error("the redirect has the parameter {name} twice, so it cannot be trusted: start again")]
    Duplicate {
        /// Its name.
        name: String,
    },
    /// A parameter that matters holds what it never should.
    #[error("the redirect's parameter {name} is too long, or holds what does not show: start again")]
    Odd {
        /// Its name.
        name: String,
    },
    /// There is no `state`, so nobody knows what the redirect belongs to.
    #[error("the redirect has no state parameter, so it belongs to nothing that was begun here{}: start again", bracketed(.said))]
    NoState {
        /// The error that it carries, for people.
        said: Option<String>,
    },
    /// A code and an error at once.
    #[error("the redirect carries a code and an error at once, so it cannot be trusted: start again")]
    CodeAndError,
    /// Neither a code nor an error.
    #[error("the redirect carries neither a code nor an error: copy the whole URL, or start again")]
    Empty,
    /// Another provider sent it than the one that was asked (RFC 9207 §2.4).
    #[error(
        "the redirect comes from the issuer {found}, but {expected} was asked: it may be an attack; start again"
    )]
    OtherIssuer {
        /// The issuer that was asked.
        expected: String,
        /// The one that it names.
        found: String,
    },
    /// The provider promised to say who it is, and does not (RFC 9207 §2.4).
    #[error(
        "the redirect does not say who sent it, though {expected} promised that it would: it may be an attack; start again"
    )]
    NoIssuer {
        /// The issuer that was asked.
        expected: String,
    },
    /// The provider said no.
    #[error("the provider refused: {detail}")]
    Refused {
        /// The `error` code (RFC 6749 §4.1.2.1).
        code: String,
        /// The code and its description.
        detail: String,
    },
}

fn bracketed(said: &Option<String>) -> String {
    said.as_ref().map(|said| format!(" (it says {said})")).unwrap_or_default()
}

impl Callback {
    /// Takes a redirect's query apart: what comes after `?`, still encoded. Parameters without a value count
    /// as left out (RFC 6749 §3.1), and those that nobody asked for are ignored.
    ///
    /// # Errors
    /// Where a parameter comes twice, `state` is missing, or there is not exactly one of code and error.
    pub fn parse(query: &str) -> Result<Self, CallbackError> {
        let pairs: Vec<_> =
            form_urlencoded::parse(query.as_bytes()).filter(|(_, text)| !text.is_empty()).collect();
        let state = one(&pairs, "state")?;
        let iss = one(&pairs, "iss")?;
        let code = one(&pairs, "code")?;
        let error = one(&pairs, "error")?;
        let description = one(&pairs, "error_description")?;
        let detail = error.map(|error| match description {
            Some(description) => redact(&format!("{error}: {description}")),
            None => redact(error),
        });
        let Some(state) = state else { return Err(CallbackError::NoState { said: detail }) };
        let outcome = match (code, error.zip(detail)) {
            (Some(code), None) => Outcome::Code(code.into()),
            (None, Some((error, detail))) => Outcome::Error { code: redact(error), detail },
            (Some(_), Some(_)) => return Err(CallbackError::CodeAndError),
            (None, None) => return Err(CallbackError::Empty),
        };
        let known = |name: &str| ["state", "iss", "code", "error", "error_description"].contains(&name);
        let others = pairs
            .iter()
            .filter(|(name, _)| !known(name))
            .map(|(name, value)| (name.clone().into_owned(), value.clone().into_owned()));
        Ok(Self { state: state.into(), iss: iss.map(str::to_owned), outcome, others: others.collect() })
    }

    /// The `state`: by its hash, what was begun is found.
    pub fn state(&self) -> &SecretString {
        &self.state
    }

    /// Another parameter, such as Intuit's `realmId`; none where it is not there.
    ///
    /// # Errors
    /// Where it comes twice, or holds what no parameter that matters does.
    pub fn parameter(&self, name: &str) -> Result<Option<&str>, CallbackError> {
        let mut values =
            self.others.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        let first = values.next();
        if values.next().is_some() {
            return Err(CallbackError::Duplicate { name: name.to_owned() });
        }
        match first {
            Some(value) if value.len() > PARAMETER_MAX_BYTES || value.contains(is_disruptive) => {
                Err(CallbackError::Odd { name: name.to_owned() })
            }
            value => Ok(value),
        }
    }

    /// The code, once it is sure that the provider that was asked sent it. `endpoints` are those that the
    /// request went to.
    ///
    /// # Errors
    /// Where another provider sent it, or the provider refused.
    pub fn code(self, endpoints: &Endpoints) -> Result<SecretString, CallbackError> {
        match (&endpoints.issuer, self.iss) {
            // Compared as text, without normalisation (RFC 9207 §2.4).
            (Some(expected), Some(found)) if !is_or_stands_for(expected, &found) => {
                return Err(CallbackError::OtherIssuer { expected: expected.clone(), found: shown(&found) });
            }
            (Some(expected), None) if endpoints.sends_iss => {
                return Err(CallbackError::NoIssuer { expected: expected.clone() });
            }
            _ => {}
        }
        match self.outcome {
            Outcome::Code(code) => Ok(code),
            Outcome::Error { code, detail } => Err(CallbackError::Refused { code, detail }),
        }
    }
}

/// The only parameter of that name, if there is one.
fn one<'a>(pairs: &'a [(Cow<'_, str>, Cow<'_, str>)], name: &str) -> Result<Option<&'a str>, CallbackError> {
    let mut values = pairs.iter().filter(|(found, _)| found == name).map(|(_, value)| &**value);
    let first = values.next();
    if values.next().is_some() { Err(CallbackError::Duplicate { name: name.to_owned() }) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn endpoints(issuer: Option<&str>, sends_iss: bool) -> Endpoints {
        Endpoints {
            issuer: issuer.map(Into::into),
            sends_iss,
            ..Endpoints::at("https://as.example/token".parse().unwrap())
        }
    }

    /// The state and the code, or the error.
    fn read(query: &str, endpoints: &Endpoints) -> Result<(String, String), CallbackError> {
        let callback = Callback::parse(query)?;
        let state = callback.state().expose_secret().to_owned();
        Ok((state, callback.code(endpoints)?.expose_secret().to_owned()))
    }

    #[test]
    fn a_code_comes_out_decoded() {
        for query in [
            "code=a%2Fb&state=s+1",
            "state=s%201&code=a/b&realmId=7&scope=x&scope=y",
            "code=a%2Fb&state=s+1&error=&iss=",
        ] {
            assert_eq!(
                read(query, &endpoints(None, false)).unwrap(),
                ("s 1".into(), "a/b".into()),
                "{query}"
            );
        }
    }

    #[test]
    fn what_cannot_be_trusted_is_refused() {
        use CallbackError::*;
        let said = |said: &str| Some(said.to_owned());
        for (query, error) in [
            ("code=a&code=b&state=s", Duplicate { name: "code".into() }),
            ("code=a&state=s&state=s", Duplicate { name: "state".into() }),
            ("code=a&state=s&iss=x&iss=y", Duplicate { name: "iss".into() }),
            ("error=a&error=b&state=s", Duplicate { name: "error".into() }),
            ("code=a", NoState { said: None }),
            ("code=a&state=", NoState { said: None }),
            (
                "error=invalid_scope&error_description=no+such",
                NoState { said: said("invalid_scope: no such") },
            ),
            ("code=a&error=access_denied&state=s", CodeAndError),
            ("state=s", Empty),
            ("", NoState { said: None }),
            (
                "error=access_denied&error_description=No,+thanks&state=s",
                Refused { code: "access_denied".into(), detail: "access_denied: No, thanks".into() },
            ),
            (
                "error=server_error&state=s",
                Refused { code: "server_error".into(), detail: "server_error".into() },
            ),
        ] {
            assert_eq!(read(query, &endpoints(None, false)), Err(error), "{query}");
        }
    }

    #[test]
    fn further_parameters_come_once_and_in_plain_text() {
        let parse = |query: &str| Callback::parse(&format!("code=c&state=s&{query}")).unwrap();
        let callback = parse("realmId=7&accounts-server=https%3A%2F%2Fa.example&shop=");
        assert_eq!(callback.parameter("realmId"), Ok(Some("7")));
        assert_eq!(callback.parameter("accounts-server"), Ok(Some("https://a.example")));
        assert_eq!((callback.parameter("shop"), callback.parameter("code")), (Ok(None), Ok(None)));
        let name = || "realmId".to_owned();
        let twice = parse("realmId=7&realmId=8").parameter("realmId").map(|_| ());
        assert_eq!(twice, Err(CallbackError::Duplicate { name: name() }));
        for odd in ["a%0Ab".to_owned(), "a%E2%80%AEb".to_owned(), "7".repeat(1025)] {
            let read = parse(&format!("realmId={odd}")).parameter("realmId").map(|_| ());
            assert_eq!(read, Err(CallbackError::Odd { name: name() }));
        }
    }

    #[test]
    fn the_issuer_must_be_the_one_that_was_asked() {
        let is = "https://as.example";
        let expected = || is.to_owned();
        let mixed = |found: &str| CallbackError::OtherIssuer { expected: expected(), found: found.into() };
        for (iss, sends_iss, refused) in [
            (Some("https://as.example"), true, None),
            (Some("https://as.example"), false, None),
            (Some("https://as.example/"), false, Some(mixed("https://as.example/"))),
            (Some("https://evil.example"), true, Some(mixed("https://evil.example"))),
            (None, true, Some(CallbackError::NoIssuer { expected: expected() })),
            (None, false, None),
        ] {
            let iss = iss.map(|iss| format!("&iss={iss}")).unwrap_or_default();
            let read =
                |query: &str| read(&format!("{query}&state=s{iss}"), &endpoints(Some(is), sends_iss)).err();
            assert_eq!(read("code=c"), refused, "{iss}");
            if refused.is_some() {
                assert_eq!(read("error=access_denied"), refused, "an error is checked first, too");
            }
        }
        assert!(read("code=c&state=s&iss=https://any.example", &endpoints(None, false)).is_ok());
    }

    #[test]
    fn an_issuer_of_several_tenants_is_that_of_any_of_them() {
        let is = "https://login.example/{tenantid}/v2.0";
        let read = |iss: &str| read(&format!("code=c&state=s&iss={iss}"), &endpoints(Some(is), false));
        assert!(read("https://login.example/t-1/v2.0").is_ok() && read(is).is_ok());
        for other in
            ["https://login.example//v2.0", "https://login.example/a/b/v2.0", "https://evil.example/t-1/v2.0"]
        {
            assert!(matches!(read(other), Err(CallbackError::OtherIssuer { .. })), "{other}");
        }
    }

    #[test]
    fn errors_say_what_to_do_and_repeat_no_secret() {
        let query = "state=s&error=access_denied&error_description=code+9dKq2mVb7Xw1PzL4+was+used";
        let said = read(query, &endpoints(None, false)).unwrap_err().to_string();
        assert_eq!(said, "the provider refused: access_denied: code [redacted] was used");
        let said = read("error=invalid_scope", &endpoints(None, false)).unwrap_err().to_string();
        assert!(said.contains("(it says invalid_scope)"), "{said}");
    }
}
