//! Text from outside that holds no secret, made fit to be shown.

use vestal_core::text::is_disruptive;

/// The longest text that is shown, in characters: as long as a host name may be (RFC 1035 §2.3.4).
const SHOWN_MAX_CHARS: usize = 255;

/// An identifier that somebody else chose, as an issuer or a host: cut, and without what does not show. For
/// sentences, which may hold a token, there is [`vestal_core::secret::redact`].
pub(crate) fn shown(text: &str) -> String {
    text.chars().map(|c| if is_disruptive(c) { ' ' } else { c }).take(SHOWN_MAX_CHARS).collect()
}
