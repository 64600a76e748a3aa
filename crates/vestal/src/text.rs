//! Text measured in columns: East Asian characters take two.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};
use vestal_core::text::is_disruptive;

/// A text as it is shown: it does nothing to what stands beside it.
pub(crate) fn shown(text: &str) -> Cow<'_, str> {
    if text.contains(is_disruptive) { text.replace(is_disruptive, "\u{fffd}").into() } else { text.into() }
}

/// The same in at most `width` columns; a cut shows as `…`.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = shown(text);
    if text.width() <= width {
        return text.into_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept: String = text
        .chars()
        .take_while(|c| {
            let columns = c.width().unwrap_or(0);
            let fits = columns <= room;
            room = room.saturating_sub(columns);
            fits
        })
        .collect();
    format!("{kept}…")
}

/// A text without the mark that some editors put in front of it (Unicode Standard, §23.8): it says nothing, and is part of no
/// token.
pub(crate) fn without_mark(mut text: String) -> String {
    if text.starts_with(MARK) {
        text.drain(..MARK.len_utf8());
    }
    text
}

const MARK: char = '\u{feff}';

/// So many names are told of in one place.
pub(crate) const NAMED: usize = 10;

/// The first of some names, and how many more there are.
pub(crate) fn some_of<T: AsRef<str>>(names: &[T], count: u64) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    match count.saturating_sub(shown.len() as u64) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// How many there are, and what one of them is called, or several.
pub(crate) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// The text, with as many spaces behind it as bring it to `width`.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// The text in lines of at most `width` columns, broken at spaces. The first line is indented by `first`, the others
/// by `rest` columns.
pub(crate) fn wrap(text: &str, width: usize, first: usize, rest: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = " ".repeat(first);
    let mut is_begun = false;
    for word in text.split(' ') {
        if is_begun && line.width() + 1 + word.width() > width {
            lines.push(std::mem::replace(&mut line, " ".repeat(rest)));
        } else if is_begun {
            line.push(' ');
        }
        line.push_str(word);
        is_begun = true;
    }
    lines.push(line);
    lines
}

/// That a token is good for others than the one that is named as well.
pub(crate) fn one_of(among: u32) -> String {
    match among {
        0 => " (as before the last consent: the API has not said it again yet)".to_owned(),
        1 => String::new(),
        _ => format!(" (one of {among} that the token is good for)"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_many_are_named() {
        let names: Vec<String> = (0..12).map(|number| format!("c{number}")).collect();
        assert_eq!(some_of(&names[..2], 2), "c0, c1");
        assert!(some_of(&names, 30).ends_with("c9 and 20 more"));
    }

    #[test]
    fn what_is_one_of_several_or_not_confirmed_is_told() {
        assert_eq!(one_of(1), "");
        assert!(one_of(3).contains("one of 3"));
        assert!(one_of(0).contains("before the last consent"));
    }

    #[test]
    fn a_cut_never_splits_a_wide_character() {
        assert_eq!(cut("店舗一号", 8), "店舗一号");
        assert_eq!(cut("店舗一号店", 8), "店舗一…");
        assert_eq!(cut("店舗一号店", 7), "店舗一…");
        assert_eq!(cut("店舗", 2), "…");
    }

    #[test]
    fn what_is_written_from_right_to_left_stays_in_its_place() {
        let cut_name = cut("חנות תל אביב", 8);
        assert_eq!((cut_name.as_str(), cut_name.width()), ("חנות תל…", 8));
        assert_eq!(cut("cafe\u{301}s", 5), "cafe\u{301}s", "a mark takes no column");
        assert_eq!(cut("shop\u{202e}evitca", 40), "shop\u{fffd}evitca", "nothing is turned around");
    }

    #[test]
    fn padding_counts_columns() {
        assert_eq!(pad("店舗", 6), "店舗  ");
        assert_eq!(pad("too long", 3), "too long");
    }

    #[test]
    fn text_is_wrapped_at_words() {
        assert_eq!(wrap("a short one", 40, 2, 4), ["  a short one"]);
        assert_eq!(wrap("a rather long one", 10, 0, 2), ["a rather", "  long one"]);
        assert_eq!(wrap("", 10, 0, 2), [""]);
        assert_eq!(wrap("unbreakable-word", 8, 1, 1), [" unbreakable-word"]);
        assert_eq!(wrap("店舗 一号", 6, 0, 0), ["店舗", "一号"]);
    }

    #[test]
    fn a_mark_in_front_is_no_part_of_a_text() {
        assert_eq!(without_mark("\u{feff}token".to_owned()), "token");
        assert_eq!(without_mark("to\u{feff}ken".to_owned()), "to\u{feff}ken");
    }
}
