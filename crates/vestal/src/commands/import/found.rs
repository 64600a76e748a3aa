//! What is found in what another keeper has.

use std::fmt::Display;
use std::io;

use jiff::Timestamp;
use url::Url;
use vestal_api::ConnectionRecord;
use vestal_core::secret::SecretString;
use vestal_core::site::Site;

/// What is read as a whole has at most so many bytes, and so has a line.
pub(crate) const LONGEST_BYTES: usize = 1024 * 1024;

/// What was found in one place of what is imported.
#[derive(Debug)]
pub(crate) struct Found {
    /// Its line, or its place, from 1.
    pub(crate) line: u64,
    /// What is there.
    pub(crate) record: Result<ConnectionRecord, Bad>,
    /// The client that its tokens were issued to, where the other keeper knows it.
    pub(crate) client: Option<GivenClient>,
    /// What Nango knows of where its tokens come from, in its words.
    pub(crate) config: Option<Site>,
    /// It is all that the other keeper has: without a refresh token, there is none.
    pub(crate) is_all: bool,
}

impl Found {
    /// What a line says, or why it says nothing.
    pub(crate) fn line(line: u64, record: Result<ConnectionRecord, Bad>) -> Self {
        Self { line, record, client: None, config: None, is_all: false }
    }
}

/// Why something cannot be imported. Tells nothing that may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// The connection's name, as far as that could be read.
    pub(crate) name: Option<String>,
    /// What is wrong.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) next: Option<String>,
}

impl Bad {
    pub(crate) fn new(why: impl Display) -> Self {
        Self { name: None, why: why.to_string(), next: None }
    }

    /// What happened for it, in one line.
    pub(crate) fn error(&self) -> String {
        match &self.name {
            Some(name) => format!("{name:?} was not imported"),
            None => "it was not imported".to_owned(),
        }
    }

    /// The same, with what to do about it.
    #[must_use]
    pub(crate) fn next(self, next: impl Display) -> Self {
        Self { next: Some(next.to_string()), ..self }
    }
}

/// A client as another keeper knows it.
#[derive(Clone, Debug)]
pub(crate) struct GivenClient {
    /// What to call it where it is not known here.
    pub(crate) name: String,
    /// The provider, where that is certain.
    pub(crate) provider: Option<&'static str>,
    /// Its id.
    pub(crate) client_id: String,
    /// Its secret.
    pub(crate) secret: Option<SecretString>,
    /// The server's issuer identifier.
    pub(crate) issuer: Option<String>,
    /// The server's authorization endpoint.
    pub(crate) authorization_endpoint: Option<Url>,
    /// The server's token endpoint.
    pub(crate) token_endpoint: Option<Url>,
    /// Its scopes.
    pub(crate) scopes: Vec<String>,
}

impl GivenClient {
    /// One of which nothing is known but its id.
    pub(crate) fn with_id(name: impl Display, client_id: impl Display) -> Self {
        Self {
            name: name.to_string(),
            provider: None,
            client_id: client_id.to_string(),
            secret: None,
            issuer: None,
            authorization_endpoint: None,
            token_endpoint: None,
            scopes: Vec::new(),
        }
    }

    /// Whether it is said where the server is that issued the tokens.
    pub(crate) fn names_a_server(&self) -> bool {
        self.token_endpoint.is_some() || self.issuer.is_some()
    }
}

/// Reads JSON Lines.
pub(crate) fn json_lines(
    from: impl io::BufRead + Send,
    now: Timestamp,
) -> impl Iterator<Item = io::Result<Found>> + Send {
    super::lines::Lines::new(from).filter_map(move |line| {
        let (number, line) = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(error)),
        };
        let record = match line {
            Ok(text) if text.trim().is_empty() => return None,
            Ok(text) => ConnectionRecord::from_json(&text, now).map_err(|bad| {
                let fields = matches!(bad, vestal_api::BadRecord::Unknown(_));
                let known = || format!("the fields are: {}", vestal_api::RECORD_FIELDS.join(", "));
                Bad { next: fields.then(known), ..Bad::new(bad) }
            }),
            Err(bad) => Err(bad),
        };
        Some(Ok(Found::line(number, record)))
    })
}
