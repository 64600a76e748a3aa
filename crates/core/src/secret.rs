//! Secrets that cannot print themselves, and the redaction of text that others wrote.

pub use secrecy::{ExposeSecret, SecretString};

/// Runs of this many characters without a break are taken for a token.
const TOKEN_LIKE_CHARS: usize = 16;

/// The longest text of a provider's that is kept, in characters.
const KEPT_CHARS: usize = 300;

/// A provider's own words, fit to be kept and shown: runs that may be a token are replaced, control
/// characters become spaces, and what is too long is cut.
///
/// A run may be a token when it has [`TOKEN_LIKE_CHARS`] or more of the characters that tokens are made of
/// (RFC 6750 §2.1 `b64token`, and `:`), unless it is made of lower-case letters, `_`, `.` and `:` only,
/// as error codes are.
pub fn redact(text: &str) -> String {
    let is_token_char = |c: char| c.is_ascii_alphanumeric() || "-._~+/=:%_".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let run_len = rest.find(|c| !is_token_char(c)).unwrap_or(rest.len());
        if run_len == 0 {
            out.push(if first.is_control() { ' ' } else { first });
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (run, after) = rest.split_at(run_len);
        let a_word = run.chars().all(|c| c.is_ascii_lowercase() || "_.:".contains(c));
        out.push_str(if run_len < TOKEN_LIKE_CHARS || a_word { run } else { "[redacted]" });
        rest = after;
    }
    match out.char_indices().nth(KEPT_CHARS) {
        Some((cut, _)) => format!("{}…", &out[..cut]),
        None => out,
    }
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
            ("two\nlines\u{7}", "two lines "),
        ] {
            assert_eq!(redact(said), kept, "{said}");
        }
        assert!(redact(&"word ".repeat(200)).chars().count() <= KEPT_CHARS + 1);
    }

    #[test]
    fn a_secret_does_not_print_itself() {
        let secret = SecretString::from("hunter2-hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
    }
}
