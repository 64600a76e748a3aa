//! Reading a provider's file, with errors that say where and what to do.

use std::collections::BTreeMap;

use super::{Fact, Provider, Source};

/// What is wrong with a provider's file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Mistake {
    /// The line, from 1; 0 where it is about the file as a whole.
    pub line: usize,
    /// What is wrong, and what to do about it.
    pub what: String,
}

impl Provider {
    /// Reads and checks a provider's file.
    ///
    /// # Errors
    ///
    /// Every mistake there is; only the first one, where the file cannot be read at all.
    pub fn parse(text: &str) -> Result<Self, Vec<Mistake>> {
        let provider: Self = toml::from_str(text).map_err(|error| {
            let line = error.span().map_or(0, |span| line_of(text, span.start));
            vec![Mistake { line, what: with_nearest_name(error.message()) }]
        })?;
        let mistakes = provider.mistakes(text);
        if mistakes.is_empty() { Ok(provider) } else { Err(mistakes) }
    }

    fn mistakes(&self, text: &str) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let id_is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if self.id.is_empty() || !self.id.chars().all(id_is_plain) {
            let what = format!("the id {:?} may hold lower-case letters, digits and hyphens only", self.id);
            mistakes.push(Mistake { line: line_with(text, "id"), what });
        }
        if self.endpoints.token.is_none() && self.endpoints.issuer.is_none() {
            let what =
                "neither a token endpoint nor an issuer: add `token` or `issuer` to [endpoints]".into();
            mistakes.push(Mistake { line: line_with(text, "[endpoints]"), what });
        }
        for (name, source, unverified) in self.facts() {
            let Some(what) = unfounded(name, source, unverified, &self.sources) else { continue };
            let key = name.rsplit('.').next().unwrap_or(name);
            mistakes.push(Mistake { line: line_with(text, key), what });
        }
        let mut lines =
            (1..).zip(text.lines()).filter(|(_, text)| text.trim_start().starts_with("[[errors]]"));
        for error in &self.errors {
            let line = lines.next().map_or(0, |(line, _)| line);
            let origin = unfounded("errors", error.source.as_deref(), error.unverified, &self.sources);
            let what = error.mistake().map(str::to_owned).into_iter().chain(origin);
            mistakes.extend(what.map(|what| Mistake { line, what }));
        }
        mistakes
    }

    /// Every fact: its name, its source, and whether it is marked as unverified.
    fn facts(&self) -> Vec<(&'static str, Option<&str>, bool)> {
        fn fact<'a, T>(
            name: &'static str,
            fact: Option<&'a Fact<T>>,
        ) -> Option<(&'static str, Option<&'a str>, bool)> {
            fact.map(|fact| (name, fact.source.as_deref(), fact.unverified))
        }
        let (endpoints, client, requests) = (&self.endpoints, &self.client, &self.requests);
        let (access, refresh) = (&self.access_token, &self.refresh_token);
        [
            fact("endpoints.authorization", endpoints.authorization.as_ref()),
            fact("endpoints.token", endpoints.token.as_ref()),
            fact("endpoints.refresh", endpoints.refresh.as_ref()),
            fact("endpoints.revocation", endpoints.revocation.as_ref()),
            fact("endpoints.device_authorization", endpoints.device_authorization.as_ref()),
            fact("client.auth", client.auth.as_ref()),
            fact("client.redirect_uri", client.redirect_uri.as_ref()),
            fact("requests.encoding", requests.encoding.as_ref()),
            fact("requests.client_id", requests.client_id.as_ref()),
            fact("requests.scope_separator", requests.scope_separator.as_ref()),
            fact("requests.pkce", requests.pkce.as_ref()),
            fact("authorization.offline_scope", self.authorization.offline_scope.as_ref()),
            fact("access_token.life", access.life.as_ref()),
            fact("access_token.minimum_age", access.minimum_age.as_ref()),
            fact("access_token.refresh_on_rejection", access.refresh_on_rejection.as_ref()),
            fact("refresh_token.idle_limit", refresh.idle_limit.as_ref()),
            fact("refresh_token.absolute_life", refresh.absolute_life.as_ref()),
            fact("refresh_token.rotation", refresh.rotation.as_ref()),
            fact("refresh_token.grace", refresh.grace.as_ref()),
            fact("refresh_token.reuse", refresh.reuse.as_ref()),
        ]
        .into_iter()
        .flatten()
        .chain(self.notes.iter().map(|note| ("notes", note.source.as_deref(), note.unverified)))
        .collect()
    }
}

/// What is wrong with where a fact comes from, if anything is.
fn unfounded(
    name: &str,
    source: Option<&str>,
    unverified: bool,
    sources: &BTreeMap<String, Source>,
) -> Option<String> {
    match source {
        None if !unverified => {
            Some(format!("{name} names no source: add `source = \"…\"`, or mark it `unverified = true`"))
        }
        Some(source) if !sources.contains_key(source) => {
            Some(format!("{name} names the source {source:?}, which is not among [sources]"))
        }
        _ => None,
    }
}

/// Adds the nearest known name to a message about an unknown one.
///
/// Such a message reads "unknown field `x`, expected one of `a`, `b`".
pub fn with_nearest_name(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let nearest = message.starts_with("unknown ").then(|| {
        let unknown = quoted.next()?;
        let near = |name: &&str| strsim::jaro_winkler(unknown, name);
        quoted.filter(|name| near(name) > 0.7).max_by(|a, b| near(a).total_cmp(&near(b)))
    });
    match nearest.flatten() {
        Some(name) => format!("{message}; did you mean `{name}`?"),
        None => message.to_owned(),
    }
}

/// The line that the byte at `offset` is in, from 1.
pub fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The first line that begins with `start`; 0 where none does.
fn line_with(text: &str, start: &str) -> usize {
    text.lines().position(|line| line.trim_start().starts_with(start)).map_or(0, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"
id = "small"
name = "Small"
register = "Ask them."
[sources.page]
url = "https://small.example/docs"
verified_on = "2026-11-15"
[endpoints]
token = { is = "https://small.example/token", source = "page" }
[refresh_token]
idle_limit = { is = "60d", unverified = true }
[[errors]]
code = "throttled"
means = "transient"
wait = "1s"
source = "page"
"#;

    fn mistake(from: &str, to: &str) -> Mistake {
        assert!(SMALL.contains(from), "{from}");
        Provider::parse(&SMALL.replacen(from, to, 1)).unwrap_err().remove(0)
    }

    #[test]
    fn a_small_file_is_read() {
        let provider = Provider::parse(SMALL).unwrap();
        assert_eq!(provider.id, "small");
        let limit = std::time::Duration::from_secs(60 * 86_400);
        assert_eq!(provider.idle_limit(), super::super::IdleLimit::After { limit, verified: false });
    }

    #[test]
    fn mistakes_say_where_and_what_to_do() {
        for (from, to, line, said) in [
            ("idle_limit", "idle_limt", 11, "did you mean `idle_limit`?"),
            ("\"60d\"", "\"sixty\"", 11, "such as \"24h\""),
            ("\"60d\"", "\"0s\"", 11, "such as \"24h\""),
            (", unverified = true", "", 11, "names no source"),
            ("source = \"page\"", "source = \"leaf\"", 9, "not among [sources]"),
            ("\"small\"", "\"Small Co\"", 2, "lower-case"),
            ("https://small.example/token", "small", 9, "relative URL"),
            ("token = ", "authorization = ", 8, "neither a token endpoint"),
            ("2026-11-15", "soon", 7, ""),
            ("name = \"Small\"", "name = ", 3, ""),
            ("\"transient\"", "\"later\"", 14, "unknown variant `later`"),
            ("\"1s\"", "\"noon\"", 15, "utc-midnight"),
            ("code = \"throttled\"", "cod = \"throttled\"", 13, "did you mean `code`?"),
            ("code = \"throttled\"", "", 12, "neither a `code` nor a `status`"),
            ("code = \"throttled\"", "code = \"\"", 12, "empty"),
            ("code = \"throttled\"", "says = \"slow\"", 12, "needs its `code`"),
            ("code = \"throttled\"", "status = 200", 12, "from 400 to 599"),
            (
                "code = \"throttled\"\nmeans = \"transient\"",
                "status = 403\nmeans = \"permanent\"",
                12,
                "alone",
            ),
            ("wait = \"1s\"\nsource = \"page\"", "", 12, "names no source"),
        ] {
            let mistake = mistake(from, to);
            assert_eq!(mistake.line, line, "{from} → {to}: {mistake}");
            assert!(mistake.what.contains(said), "{from} → {to}: {mistake}");
        }
    }
}
