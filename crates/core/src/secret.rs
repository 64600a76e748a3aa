//! Secrets that cannot print themselves, and the redaction of text that others wrote.

use std::cmp::Reverse;

pub use secrecy::{ExposeSecret, SecretString};
use url::form_urlencoded::byte_serialize;

use crate::text::is_disruptive;

/// Runs of this many characters without a break are taken for a token.
const TOKEN_LIKE_CHARS: usize = 16;

/// The longest text of a provider's that is kept, in characters.
const KEPT_CHARS: usize = 300;

/// A provider's own words, fit to be kept and shown: runs that may be a token are replaced, characters that do
/// not show become spaces, and what is too long is cut.
///
/// A run may be a token when it has [`TOKEN_LIKE_CHARS`] or more of the characters that tokens are made of
/// (RFC 6750 §2.1 `b64token`, and `:`), unless it is made of lower-case letters, `_`, `.` and `:` only, or of
/// upper-case words that are joined by `_`, as error codes are.
pub fn redact(text: &str) -> String {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || "-._~+/=:%_".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run_len = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        if run_len == 0 {
            out.push(if is_disruptive(first) { ' ' } else { first });
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (run, after) = rest.split_at(run_len);
        let shouted = |part: &str| {
            part.len() < TOKEN_LIKE_CHARS && part.chars().all(|c| c.is_ascii_uppercase() || c == ':')
        };
        let a_word =
            run.chars().all(|c| c.is_ascii_lowercase() || "_.:".contains(c)) || run.split('_').all(shouted);
        out.push_str(if run_len < TOKEN_LIKE_CHARS || a_word { run } else { "[redacted]" });
        rest = after;
    }
    match out.char_indices().nth(KEPT_CHARS) {
        Some((cut, _)) => format!("{}…", &out[..cut]),
        None => out,
    }
}

/// A secret of so many characters is removed wherever it stands; a shorter one only as a word of its own, since it may
/// be a part of any word.
const UNMISTAKABLE_CHARS: usize = 8;

/// Removes from text that others wrote what they were sent, to the letter; and then what looks like a token.
#[derive(Debug, Default)]
pub struct Redactor {
    secrets: Vec<SecretString>,
}

impl Redactor {
    /// One that knows these secrets, also as they are written in a form, a URL or JSON.
    pub fn knowing(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut written: Vec<SecretString> = Vec::new();
        for secret in secrets.into_iter().filter(|secret| !secret.expose_secret().trim().is_empty()) {
            let in_a_form: String = byte_serialize(secret.expose_secret().as_bytes()).collect();
            written.push(in_a_form.replace('+', "%20").into());
            written.push(in_a_form.into());
            let in_json = serde_json::Value::from(secret.expose_secret()).to_string();
            let in_json = in_json.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or_default();
            written.push(in_json.replace('/', "\\/").into());
            written.push(in_json.into());
            written.push(secret);
        }
        // One may be a part of another.
        written.sort_by_key(|secret| Reverse(secret.expose_secret().len()));
        Self { secrets: written }
    }

    /// Whether this is one of them, and nothing else.
    pub fn knows(&self, text: &str) -> bool {
        self.secrets.iter().any(|secret| secret.expose_secret() == text)
    }

    /// A provider's own words, fit to be kept and shown: see [`redact`].
    pub fn redact(&self, text: &str) -> String {
        let known = self.secrets.iter().map(ExposeSecret::expose_secret);
        redact(&known.fold(text.to_owned(), |text, secret: &str| without(&text, secret)))
    }
}

/// `text` with `[redacted]` in place of `secret`.
fn without(text: &str, secret: &str) -> String {
    let anywhere = secret.chars().count() >= UNMISTAKABLE_CHARS;
    let in_a_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(secret) {
        let (before, found) = rest.split_at(at);
        let after = &found[secret.len()..];
        let previous = before.chars().next_back().or_else(|| out.chars().next_back());
        out.push_str(before);
        let alone = !in_a_word(previous) && !in_a_word(after.chars().next());
        out.push_str(if anywhere || alone { "[redacted]" } else { secret });
        rest = after;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_and_tokens_go() {
        for (said, kept) in [
            ("The refresh token is invalid or expired.", "The refresh token is invalid or expired."),
            ("token rt_9dKq2mVb7Xw1PzL4 is unknown", "token [redacted] is unknown"),
            ("token=9dKq2mVb7Xw1PzL4", "[redacted]"),
            ("AADSTS70008: expired", "AADSTS70008: expired"),
            ("authorization_pending_for_long", "authorization_pending_for_long"),
            ("unauthorizedredirecturi: no", "unauthorizedredirecturi: no"),
            ("INVALID_SESSION_ID: no", "INVALID_SESSION_ID: no"),
            ("INVALIDSESSIONIDOFTHESORT", "[redacted]"),
            ("two\nlines\u{7}", "two lines "),
            ("\u{202e}turned\u{2066} \u{9b}31m", " turned   31m"),
        ] {
            assert_eq!(redact(said), kept, "{said}");
        }
        assert!(redact(&"word ".repeat(200)).chars().count() <= KEPT_CHARS + 1);
    }

    #[test]
    fn what_was_sent_is_removed_to_the_letter() {
        let knowing = |secrets: &[&str]| Redactor::knowing(secrets.iter().map(|&secret| secret.into()));
        for (secrets, said, kept) in [
            // All lower-case: by its shape it might be an error code.
            (&["correcthorsebatterystaple"][..], "no correcthorsebatterystaple!", "no [redacted]!"),
            (
                &["correct horse"],
                "is not correct horse nor correct+horse",
                "is not [redacted] nor [redacted]",
            ),
            (&["a\"b/c\\d"], r#"{"no":"a\"b\/c\\d","a\"b/c\\d"}"#, r#"{"no":"[redacted]","[redacted]"}"#),
            (&["a b&c"], "refresh_token=a+b%26c, a%20b%26c", "refresh_token=[redacted], [redacted]"),
            (
                &["hunter2"],
                "token hunter2, 'hunter2' and hunter2",
                "token [redacted], '[redacted]' and [redacted]",
            ),
            (&["hunter22"], "xhunter22y", "x[redacted]y"),
            // A short one may be a part of any word, and of the error's code.
            (
                &["client"],
                "invalid_client: the client is unknown",
                "invalid_client: the [redacted] is unknown",
            ),
            (&["ab", "abcdefgh"], "ab abcdefgh cab", "[redacted] [redacted] cab"),
            (&["geheim-ü"], "geheim-ü", "[redacted]"),
            (&["", " "], "two words", "two words"),
            (&["aaaaaaaa"], "aaaaaaaaaaaaaaaaaaaaa", "[redacted][redacted]aaaaa"),
        ] {
            assert_eq!(knowing(secrets).redact(said), kept, "{secrets:?}");
        }
        // Before a long text is cut, so that no beginning of a secret stays.
        let secret = "s".repeat(100);
        let said = format!("{}{secret}", "w ".repeat(140));
        assert!(!knowing(&[&secret]).redact(&said).contains("ss"));
        assert!(!format!("{:?}", knowing(&["hunter2-hunter2"])).contains("hunter2"));

        let sent = knowing(&["a/b"]);
        assert!(sent.knows("a/b") && sent.knows("a\\/b") && sent.knows("a%2Fb"));
        assert!(!sent.knows("a") && !sent.knows("a/b/c") && !sent.knows(""));
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = SecretString::from("hunter2-hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
