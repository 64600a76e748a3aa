//! The table in the README: how the story ends, as the program tells it.

use std::fs;

use crate::Result;
use crate::process::{cargo, text};

const PAGE: &str = "README.md";
const BEGIN: &str = "<!-- Made by `cargo xtask generate`. -->\n\n";
const END: &str = "\n<!-- So far. -->";

/// The README with the table of today.
pub(crate) fn page() -> Result<String> {
    let page = fs::read_to_string(PAGE).map_err(|error| format!("cannot read {PAGE}: {error}"))?;
    let table = text(&mut cargo(&[
        "run",
        "--quiet",
        "--locked",
        "--package=vestal-simulation",
        "--bin=vestal-story",
    ]))?;
    replaced(&page, &table).ok_or_else(|| format!("{PAGE} has no place for the table of the story"))
}

/// The page with this between its marks; `None` where it has no such marks.
fn replaced(page: &str, part: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{part}{END}{after}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_between_the_marks_is_replaced() {
        let page = format!("# Title\n\n{BEGIN}| old |\n{END}\n\nmore\n");
        assert_eq!(
            replaced(&page, "| new |\n").unwrap(),
            format!("# Title\n\n{BEGIN}| new |\n{END}\n\nmore\n")
        );
        assert_eq!(replaced("# Title\n", "| new |\n"), None);
    }
}
