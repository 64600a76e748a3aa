//! Text that others wrote, where people read it.

/// Whether a character does something to a terminal, or to the text beside it, instead of showing: a control character, or one that
/// has text turned around (Unicode Standard Annex #9, §2.1 to §2.5).
pub fn is_disruptive(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
