//! A connection: one account's authorization through one client.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::id::{AttemptId, ClientId, ConnectionId, GrantId, NodeId};
use crate::schedule::Plan;
use crate::seal::Fingerprint;
use crate::state::State;
use crate::text::is_disruptive;
use crate::token::Grant;

/// A connection as it is stored. Its secrets are sealed.
#[derive(Clone, Debug, PartialEq)]
pub struct Connection {
    /// Never changes.
    pub id: ConnectionId,
    /// Counts the writes to this row. A write names the revision it decided on, and fails if that is not the
    /// current one: so every decision is made on what is stored, whoever else is writing.
    pub revision: u64,
    /// Chosen by the user; unique.
    pub name: ConnectionName,
    /// The client it was made with.
    pub client: ClientId,
    /// The user's own identifier, unique per client.
    pub external_id: Option<String>,
    /// The user's own labels.
    pub tags: BTreeMap<String, String>,
    /// When to refresh.
    pub policy: Policy,
    /// When the connection was created.
    pub created_at: Timestamp,
    /// When its access token was last asked for, to the hour.
    pub last_read_at: Option<Timestamp>,
    /// What it is doing.
    pub state: State,
    /// The current consent; none before the first.
    pub grant: Option<Grant>,
    /// When it is due, as decided at the last write.
    pub plan: Plan,
    /// Who is talking to the provider about it, if anybody.
    pub lease: Option<Lease>,
}

impl Connection {
    /// One that waits for its first consent.
    pub fn pending(id: ConnectionId, name: ConnectionName, client: ClientId, now: Timestamp) -> Self {
        Self {
            id,
            revision: 1,
            name,
            client,
            external_id: None,
            tags: BTreeMap::new(),
            policy: Policy::default(),
            created_at: now,
            last_read_at: None,
            state: State::Pending,
            grant: None,
            plan: Plan::default(),
            lease: None,
        }
    }

    /// The attempt whose outcome nobody wrote down: its lease ran out, or its process is gone.
    pub fn abandoned_attempt(&self) -> Option<&Attempt> {
        self.lease.as_ref().filter(|lease| !lease.valid).map(|lease| &lease.attempt)
    }

    /// The generation of the current token set; 0 where there is none.
    pub fn generation(&self) -> u64 {
        self.grant.as_ref().map_or(0, |grant| grant.tokens.generation)
    }
}

/// The right to talk to the provider about one connection, held by one node until a time.
///
/// A lease lives from the start of an attempt until its end; its proof is the attempt's id.
#[derive(Clone, Debug, PartialEq)]
pub struct Lease {
    /// The attempt it was taken for.
    pub attempt: Attempt,
    /// When it ends, in the store's time.
    pub until: Timestamp,
    /// Whether it has not ended, as the store judged when it was asked.
    pub valid: bool,
}

/// One try at a refresh, written down before it starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Attempt {
    /// The attempt.
    pub id: AttemptId,
    /// The node that made it.
    pub node: NodeId,
    /// The grant it is made within.
    pub grant: GrantId,
    /// The generation it starts from.
    pub generation: u64,
    /// The refresh token it sends, if it sends one.
    pub fingerprint: Option<Fingerprint>,
    /// When it was started.
    pub started_at: Timestamp,
}

/// When to refresh.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Fresh while that is cheap or the token is being read; otherwise once a day.
    #[default]
    Auto,
    /// Always fresh.
    Always,
    /// Only when somebody asks, and as often as the refresh token needs to stay alive.
    OnDemand,
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::OnDemand => "on-demand",
        })
    }
}

/// A text that is none of the policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the policies are auto, always and on-demand; {0:?} is none of them")]
pub struct UnknownPolicy(String);

impl FromStr for Policy {
    type Err = UnknownPolicy;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self::Auto),
            "always" => Ok(Self::Always),
            "on-demand" => Ok(Self::OnDemand),
            _ => Err(UnknownPolicy(text.to_owned())),
        }
    }
}

/// A connection's name: 1 to 255 bytes of UTF-8 without control characters.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConnectionName(String);

/// A text that can name neither a connection nor a client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// There is nothing in it.
    #[error("a name cannot be empty")]
    Empty,
    /// It is longer than 255 bytes.
    #[error("a name has at most 255 bytes of UTF-8; this one has {0}")]
    TooLong(usize),
    /// It holds a character that would not show, or would break a terminal, or turn text around.
    #[error("a name cannot hold the control character {0:?}")]
    Control(char),
}

impl ConnectionName {
    /// The longest name, in bytes.
    pub const LONGEST_BYTES: usize = 255;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ConnectionName {
    type Error = BadName;

    /// Any name that there may be: what a new one may not hold besides is told by [`check_name`].
    fn try_from(name: String) -> Result<Self, BadName> {
        check_without(char::is_control, &name)?;
        Ok(Self(name))
    }
}

/// Whether a new connection, or a client, can have this name: one that turns the text around it is read as another.
///
/// # Errors
/// Where it cannot.
pub fn check_name(name: &str) -> Result<(), BadName> {
    check_without(is_disruptive, name)
}

fn check_without(unfit: fn(char) -> bool, name: &str) -> Result<(), BadName> {
    if name.is_empty() {
        return Err(BadName::Empty);
    }
    if name.len() > ConnectionName::LONGEST_BYTES {
        return Err(BadName::TooLong(name.len()));
    }
    match name.chars().find(|c| unfit(*c)) {
        Some(control) => Err(BadName::Control(control)),
        None => Ok(()),
    }
}

/// The most tags that a connection has.
pub const MOST_TAGS: usize = 32;

/// What cannot be a tag or an external id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLabel {
    /// The external id is none.
    #[error("its external id cannot be used: {0}")]
    ExternalId(#[source] BadName),
    /// There are more tags than a connection can have.
    #[error("it has {0} tags, and a connection has at most {MOST_TAGS}")]
    TooMany(usize),
    /// A tag cannot be called so.
    #[error("the tag {name:?} cannot be used: {why}")]
    Tag {
        /// Its name.
        name: String,
        /// What is wrong with it, or with its value.
        #[source]
        why: BadName,
    },
}

/// Whether these can be a connection's external id and tags: each is written like a name, but a tag's value may be empty.
///
/// # Errors
/// Where they cannot.
pub fn check_labels(external_id: Option<&str>, tags: &BTreeMap<String, String>) -> Result<(), BadLabel> {
    external_id.map_or(Ok(()), check_name).map_err(BadLabel::ExternalId)?;
    if tags.len() > MOST_TAGS {
        return Err(BadLabel::TooMany(tags.len()));
    }
    for (name, value) in tags {
        let value = if value.is_empty() { Ok(()) } else { check_name(value) };
        check_name(name).and(value).map_err(|why| BadLabel::Tag { name: name.clone(), why })?;
    }
    Ok(())
}

impl FromStr for ConnectionName {
    type Err = BadName;

    fn from_str(name: &str) -> Result<Self, BadName> {
        name.to_owned().try_into()
    }
}

impl From<ConnectionName> for String {
    fn from(name: ConnectionName) -> Self {
        name.0
    }
}

impl fmt::Debug for ConnectionName {
    /// As a quoted text, which is how messages show it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for ConnectionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        let tags = |tags: &[(&str, &str)]| {
            tags.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let fit = |id, with: &[(&str, &str)]| check_labels(id, &tags(with));
        assert_eq!(fit(Some("42"), &[("org", "7"), ("beta", "")]), Ok(()));
        assert_eq!(fit(Some(""), &[]), Err(BadLabel::ExternalId(BadName::Empty)));
        let bad = |name: &str, why| Err(BadLabel::Tag { name: name.to_owned(), why });
        assert_eq!(fit(None, &[("", "7")]), bad("", BadName::Empty));
        assert_eq!(fit(None, &[("org", "a\nb")]), bad("org", BadName::Control('\n')));
        assert_eq!(fit(None, &[("org", "\u{202e}7")]), bad("org", BadName::Control('\u{202e}')));
        let turned = Err(BadLabel::ExternalId(BadName::Control('\u{2067}')));
        assert_eq!(fit(Some("\u{2067}42"), &[]), turned);
        let many: Vec<String> = (0..33).map(|number| number.to_string()).collect();
        let many: Vec<_> = many.iter().map(|name| (name.as_str(), "")).collect();
        assert_eq!(fit(None, &many[..32]), Ok(()));
        assert_eq!(fit(None, &many), Err(BadLabel::TooMany(33)));
    }

    #[test]
    fn names() {
        assert_eq!("shop".parse::<ConnectionName>().unwrap().as_str(), "shop");
        assert!("متجر 🏪 / wide".parse::<ConnectionName>().is_ok());
        assert_eq!("".parse::<ConnectionName>(), Err(BadName::Empty));
        assert_eq!("a\nb".parse::<ConnectionName>(), Err(BadName::Control('\n')));
        assert_eq!("a\u{1b}[2Jb".parse::<ConnectionName>(), Err(BadName::Control('\u{1b}')));
        assert_eq!(check_name("a\nb"), Err(BadName::Control('\n')));
        for turns in ['\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            let name = format!("shop{turns}7");
            assert_eq!(check_name(&name), Err(BadName::Control(turns)));
            assert!(name.parse::<ConnectionName>().is_ok(), "what is stored is read");
        }
        assert!("x".repeat(255).parse::<ConnectionName>().is_ok());
        assert_eq!("x".repeat(256).parse::<ConnectionName>(), Err(BadName::TooLong(256)));
    }
}
