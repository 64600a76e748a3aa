//! What bash gives and takes. It splits words at `:` and `=` too, which names may hold, and puts a proposal on the line as it is, in place of
//! the last of those pieces and behind a quote that is open: nothing that is proposed may be run by it.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_complete::engine::complete;
use clap_complete::env::{Bash, EnvCompleter};

/// Pieces are separated by a vertical tab, which is in no name and no path that anybody completes.
const SCRIPT: &str = r#"_vestal() {
    local IFS=$'\v'
    read -r -d '' -a COMPREPLY < <(VARIABLE="bash" COMPLETER -- "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null)
    # More of the same word may follow.
    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/:] ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -F _vestal NAME
"#;

/// What is on the line, as far as it is typed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Typed {
    /// The words, the last of which is being typed.
    pub(super) words: Vec<String>,
    /// What stays of that: bash replaces only what follows.
    kept: String,
    /// The quote that is open.
    quote: Option<char>,
}

impl Typed {
    /// From the line up to the cursor, and the piece at its end that bash replaces.
    pub(super) fn read(line: &str, piece: &str) -> Self {
        let Words { words, last_at, quote } = split(line);
        let raw = line.get(last_at..).unwrap_or_default();
        let kept = raw.strip_suffix(piece).map(|kept| split(kept).words.pop().unwrap_or_default());
        Self { words, kept: kept.unwrap_or_default(), quote }
    }

    /// What bash is to put in place of the piece, for this word; `None` where nothing would come out as the word.
    fn reply(&self, word: &str) -> Option<String> {
        escaped(word.strip_prefix(&self.kept)?, self.quote)
    }
}

struct Words {
    words: Vec<String>,
    /// Where the last begins.
    last_at: usize,
    quote: Option<char>,
}

/// The words of a line that may end in the middle of one (Bash Reference Manual, §3.1.2).
fn split(line: &str) -> Words {
    let (mut words, mut word, mut last_at) = (Vec::new(), String::new(), None);
    let (mut quote, mut is_escaped) = (None, false);
    for (at, character) in line.char_indices() {
        match (quote, character) {
            _ if is_escaped => {
                is_escaped = false;
                // Within these quotes only a few can be escaped.
                if quote.is_some() && !"$`\"\\".contains(character) {
                    word.push('\\');
                }
                word.push(character);
            }
            (None | Some('"'), '\\') => is_escaped = true,
            (None, '\'' | '"') => quote = Some(character),
            (Some(open), _) if open == character => quote = None,
            (None, ' ' | '\t') => {
                if last_at.take().is_some() {
                    words.push(std::mem::take(&mut word));
                }
                continue;
            }
            _ => word.push(character),
        }
        last_at.get_or_insert(at);
    }
    words.push(word);
    Words { words, last_at: last_at.unwrap_or(line.len()), quote }
}

/// A text as bash reads it back behind this quote.
fn escaped(text: &str, quote: Option<char>) -> Option<String> {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        let is_plain =
            character.is_alphanumeric() || !character.is_ascii() || "_-./:=@%+,".contains(character);
        match (quote, character) {
            // The history is expanded within them, and nothing escapes it there.
            (Some('"'), '!') => return None,
            (Some('"'), '"' | '$' | '`' | '\\') => escaped.extend(['\\', character]),
            (Some('\''), '\'') => escaped.push_str(r"'\''"),
            (None, _) if !is_plain => escaped.extend(['\\', character]),
            _ => escaped.push(character),
        }
    }
    Some(escaped)
}

impl EnvCompleter for Typed {
    fn name(&self) -> &'static str {
        Bash.name()
    }

    fn is(&self, name: &str) -> bool {
        Bash.is(name)
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        _program: &str,
        completer: &str,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let script = SCRIPT.replace("VARIABLE", variable).replace("COMPLETER", completer);
        out.write_all(script.replace("NAME", name).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        folder: Option<&Path>,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let index = words.len().saturating_sub(1);
        let proposals = complete(command, words, index, folder)?;
        let replies =
            proposals.iter().filter_map(|proposal| self.reply(&proposal.get_value().to_string_lossy()));
        out.write_all(replies.collect::<Vec<_>>().join("\u{b}").as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_read_as_bash_reads_it() {
        let words = |line: &str| split(line).words;
        assert_eq!(words("vestal token  the\\ shop"), ["vestal", "token", "the shop"]);
        assert_eq!(words("vestal token 'the sh"), ["vestal", "token", "the sh"]);
        assert_eq!(words(r#"vestal token "a\"b\c" "#), ["vestal", "token", r#"a"b\c"#, ""]);
        assert_eq!(words("vestal --client=a"), ["vestal", "--client=a"]);
        assert_eq!(words("café\\"), ["café"]);
        assert_eq!(words(""), [""]);
    }

    #[test]
    fn what_is_proposed_fits_behind_what_is_kept() {
        let reply = |line: &str, piece: &str, word: &str| Typed::read(line, piece).reply(word);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(reply("vestal token sh", "sh", "shop"), some("shop"));
        assert_eq!(reply("vestal token the", "the", "the shop"), some(r"the\ shop"));
        assert_eq!(reply("vestal token acme:p", "p", "acme:prod"), some("prod"));
        assert_eq!(reply("vestal list --client=a", "a", "--client=acme"), some("acme"));
        assert_eq!(reply("vestal token 'the s", "the s", "the shop's"), some(r"the shop'\''s"));
        assert_eq!(reply("vestal token \"ze", "ze", "zed $(x) `y`"), some(r"zed \$(x) \`y\`"));
        assert_eq!(reply("vestal token \"ze", "ze", "zed!"), None);
        assert_eq!(reply("vestal token ze", "ze", "zed$(x)"), some(r"zed\$\(x\)"));
        assert_eq!(reply("vestal token ~", "~", "~root"), some(r"\~root"));
        assert_eq!(reply("vestal token acme:", "", "--min-ttl"), None);
        assert_eq!(reply("vestal token café:", "", "café:é"), some("é"));
    }
}
