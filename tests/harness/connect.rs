//! `vestal connect`, with a person at the other end who consents at once.

use url::Url;

use super::Home;
use super::browser::Browser;
use super::process::{Ended, Running};
use super::sandbox::{CLIENT_ID, CLIENT_SECRET, Provider};

impl Home {
    /// Connects to the sandbox, as its registered client.
    #[track_caller]
    pub(crate) fn connect(&self, name: &str, provider: &Provider) -> Ended {
        self.connect_with(name, &["--provider", "custom"], provider)
    }

    /// The same with other arguments: the profile, for one.
    #[track_caller]
    pub(crate) fn connect_with(&self, name: &str, args: &[&str], provider: &Provider) -> Ended {
        let registered = ["--issuer", &provider.issuer, "--client-id", CLIENT_ID, "--client-secret-stdin"];
        self.consent(name, &[args, &registered].concat(), CLIENT_SECRET).ok()
    }

    /// Runs `connect NAME --no-browser ARGS`, types `first` if it is not empty, consents at the URL that is printed,
    /// and pastes the URL at the end of it.
    #[track_caller]
    pub(crate) fn consent(&self, name: &str, args: &[&str], first: &str) -> Ended {
        let mut connect = self.start(&[&["connect", name, "--no-browser"], args].concat());
        if !first.is_empty() {
            connect.say(&format!("{first}\n"));
        }
        let url = self.asked_to_open(&mut connect);
        let redirected = Browser::default().consent(&url);
        connect.say(&format!("{redirected}\n"));
        connect.end()
    }

    /// The URL that a `connect` asks to open.
    #[track_caller]
    pub(crate) fn asked_to_open(&self, connect: &mut Running) -> Url {
        let url = connect.hear("a URL to open", authorization_url);
        self.record().add_consent(&url);
        url.parse().unwrap()
    }
}

/// A whole authorization URL, with something behind it.
fn authorization_url(text: &str) -> Option<String> {
    let start = text.match_indices("http").map(|(at, _)| at).find(|at| {
        let end = text[*at..].find(is_end).map_or(text.len(), |length| at + length);
        ["response_type=code", "request_uri=urn"].iter().any(|part| text[*at..end].contains(part))
    })?;
    let length = text[start..].find(is_end)?;
    Some(text[start..start + length].to_owned())
}

fn is_end(character: char) -> bool {
    character.is_whitespace() || character == '"'
}
