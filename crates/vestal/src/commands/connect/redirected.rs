//! The URL that a browser ends at after a consent: whether it is the one that is waited for.

use std::fmt;

use url::Url;
use vestal_core::secret::{ExposeSecret, SecretString};
use vestal_engine::ConsentRequest;
use vestal_oauth::callback::{Callback, CallbackError};

use crate::failure::Failure;

/// How often somebody may paste something else.
const TRIES: usize = 3;

/// Why a text is not the URL that is waited for. It is never repeated: it may hold a code.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Unfit {
    NoUrl,
    Elsewhere,
    /// It has no `state`, with what it says besides.
    Stateless(String),
    AnotherConsent,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoUrl => "what was pasted is no URL",
            Self::Elsewhere => "what was pasted does not begin with the redirect URI",
            Self::Stateless(why) => why,
            Self::AnotherConsent => {
                "what was pasted belongs to another consent: its `state` is not that of the page above"
            }
        })
    }
}

/// Reads lines until one is the URL that is waited for; `tell` hears why another one is not.
pub(super) fn read(
    request: &ConsentRequest,
    mut read_line: impl FnMut() -> Result<String, Failure>,
    mut tell: impl FnMut(&dyn fmt::Display),
) -> Result<Url, Failure> {
    let mut last = None;
    for _ in 0..TRIES {
        if let Some(unfit) = &last {
            tell(unfit);
        }
        let text = match (read_line(), &last) {
            (Ok(text), _) => text,
            // Nobody is there to paste it again.
            (Err(_), Some(unfit)) => return Err(refused(unfit, request)),
            (Err(failure), None) => return Err(failure),
        };
        match parse(&text, &request.redirect_uri, &request.state) {
            Ok(url) => return Ok(url),
            Err(unfit) => last = Some(unfit),
        }
    }
    Err(refused(last.as_ref().unwrap_or(&Unfit::NoUrl), request))
}

fn refused(unfit: &Unfit, request: &ConsentRequest) -> Failure {
    Failure::failed("the consent was not completed").why(unfit).next(format!(
        "start again, and paste the whole address of the page that the browser ends at; it begins with {}",
        request.redirect_uri
    ))
}

fn parse(text: &str, redirect_uri: &Url, asked: &SecretString) -> Result<Url, Unfit> {
    let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '<' | '>'));
    let url: Url = bare.parse().map_err(|_| Unfit::NoUrl)?;
    let place = |url: &Url| {
        (
            url.scheme().to_owned(),
            url.host_str().map(str::to_owned),
            url.port_or_known_default(),
            url.path().to_owned(),
        )
    };
    if place(&url) != place(redirect_uri) {
        Err(Unfit::Elsewhere)
    } else if let Some(why) = stateless(&url) {
        Err(Unfit::Stateless(why))
    } else if !is_ours(&url, asked) {
        Err(Unfit::AnotherConsent)
    } else {
        Ok(url)
    }
}

/// Whether a redirect answers a request: by its `state` (RFC 6749 §4.1.2).
pub(super) fn is_ours(redirected: &Url, asked: &SecretString) -> bool {
    redirected.query_pairs().any(|(name, value)| name == "state" && value == asked.expose_secret())
}

/// What a redirect says that has no `state`: nobody can know which request it answers, but what it says may help a person.
pub(super) fn stateless(redirected: &Url) -> Option<String> {
    match Callback::parse(redirected.query().unwrap_or_default()) {
        Err(error @ CallbackError::NoState { .. }) => Some(error.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "abc";
    const REDIRECT_URI: &str = "http://localhost:8724/callback";

    fn parsed(text: &str) -> Result<String, Unfit> {
        parse(text, &REDIRECT_URI.parse().unwrap(), &ASKED.into()).map(String::from)
    }

    #[test]
    fn a_redirect_is_ours_by_its_state() {
        let asked = ASKED.into();
        let ours = |query: &str| is_ours(&format!("{REDIRECT_URI}?{query}").parse().unwrap(), &asked);
        assert!(ours("code=x&state=abc") && ours("error=access_denied&state=abc"));
        assert!(!ours("code=x&state=other") && !ours("code=x") && !ours(""));
    }

    #[test]
    fn what_is_pasted_may_come_in_quotes_and_must_come_from_the_redirect_uri() {
        let whole = format!("{REDIRECT_URI}?code=x&state=abc");
        for text in [whole.clone(), format!(" \"{whole}\"\t"), format!("<{whole}>"), format!("'{whole}'")] {
            assert_eq!(parsed(&text), Ok(whole.clone()), "{text}");
        }
        assert_eq!(parsed("code=x&state=abc"), Err(Unfit::NoUrl));
        for elsewhere in [
            "https://localhost:8724/callback",
            "http://localhost:8725/callback",
            "http://localhost:8724/",
            "https://as.example/authorize",
        ] {
            assert_eq!(
                parsed(&format!("{elsewhere}?code=x&state=abc")),
                Err(Unfit::Elsewhere),
                "{elsewhere}"
            );
        }
        assert_eq!(parsed(&whole.replace("abc", "abd")), Err(Unfit::AnotherConsent));
        let refused = "?error=access_denied&error_description=The+app+is+not+approved";
        let Err(Unfit::Stateless(why)) = parsed(&format!("{REDIRECT_URI}{refused}")) else {
            panic!("{refused}")
        };
        assert!(why.contains("access_denied: The app is not approved"), "{why}");
    }
}
