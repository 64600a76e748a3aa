//! The configuration file, as it is written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use vestal_core::connection::ConnectionName;
use vestal_core::provider::parse::{line_of, with_nearest_name};
use vestal_core::text::is_disruptive;

use crate::failure::Failure;
use crate::heartbeat::HeartbeatUrl;
use crate::lazy_http::Proxy;
use crate::logging::Level;
use crate::token_file::Format;

/// The whole file. Paths in it are relative to its folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) store: Store,
    pub(super) master_key: MasterKey,
    pub(super) limits: Limits,
    pub(super) serve: Serve,
    pub(super) http: Http,
    pub(super) providers: Providers,
    pub(super) heartbeat: Heartbeat,
    pub(super) files: BTreeMap<ConnectionName, TokenFile>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Store {
    pub(super) path: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct MasterKey {
    pub(super) file: Option<PathBuf>,
    pub(super) env: Option<String>,
    pub(super) command: Option<Vec<String>>,
    pub(super) credential: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) answer: Option<Length>,
    pub(super) reader_wait: Option<Length>,
    pub(super) requests_per_host: Option<std::num::NonZeroU8>,
    pub(super) refreshes_at_once: Option<std::num::NonZeroU16>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Serve {
    pub(super) log: Option<Level>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) proxy: Option<Proxy>,
    pub(super) ca_file: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Providers {
    pub(super) folder: Option<PathBuf>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Heartbeat {
    pub(super) url: Option<HeartbeatUrl>,
}

/// A file that is to hold a connection's token: its path, or that and how the token is written.
#[derive(Debug)]
pub(super) struct TokenFile {
    pub(super) path: PathBuf,
    pub(super) format: Format,
}

impl<'de> Deserialize<'de> for TokenFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Table {
            path: PathBuf,
            #[serde(default)]
            format: Format,
        }

        struct PathOrTable;

        impl<'de> Visitor<'de> for PathOrTable {
            type Value = TokenFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a table such as { path = \"shop.json\", format = \"json\" }")
            }

            fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<TokenFile, E> {
                Ok(TokenFile { path: path.into(), format: Format::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TokenFile, A::Error> {
                let Table { path, format } = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TokenFile { path, format })
            }
        }

        deserializer.deserialize_any(PathOrTable)
    }
}

/// A length of time, as `"30s"`; not 0, and at most an hour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Length(Duration);

const LONGEST: Duration = Duration::from_secs(3600);

impl From<Length> for Duration {
    fn from(length: Length) -> Self {
        length.0
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let fits = |length: &Duration| !length.is_zero() && *length <= LONGEST;
        humantime::parse_duration(&text).ok().filter(fits).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!("{text:?} is no length of time up to an hour, such as \"30s\""))
        })
    }
}

/// Reads a file's text.
pub(super) fn parse(text: &str, path: &Path) -> Result<File, Failure> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| line_of(text, span.start));
        // It quotes what is there.
        let message = error.message().replace(is_disruptive, " ");
        Failure::failed(format!("{}:{line}: {}", path.display(), with_nearest_name(&message)))
            .next("correct that line; vestal doctor looks at all the rest")
    })
}
