//! `docs/cli.md`: what `--help` says, of every verb.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{line, text};
use crate::vestal;

const HEAD: &str = "\
# The command line

<!-- Made by `cargo xtask generate` from the program's own help: edit that. -->

Every verb takes the global options, which are shown of `vestal` alone.
";

/// Deeper nesting than this is a mistake in the reading, not a command line.
const DEPTH_MAX: usize = 4;

pub(crate) fn page() -> Result<String> {
    let vestal = vestal::build("dev")?;
    let mut page = HEAD.to_owned();
    describe(&vestal, &[], &mut page)?;
    Ok(page)
}

/// Appends the help of the verb at `path`, then that of the verbs below it.
fn describe(vestal: &Path, path: &[&str], page: &mut String) -> Result {
    let help = help(vestal, path)?;
    let level = "#".repeat(path.len() + 2);
    let name = [&["vestal"], path].concat().join(" ");
    let shown = if path.is_empty() { help.clone() } else { without_global_options(&help) };
    page.push_str(&format!("\n{level} `{name}`\n\n```text\n{}\n```\n", shown.trim()));
    if path.len() == DEPTH_MAX {
        return Err(format!("`{name}` has more than {DEPTH_MAX} words; is its help read rightly?"));
    }
    for verb in verbs(&help) {
        describe(vestal, &[path, &[verb]].concat(), page)?;
    }
    Ok(())
}

/// The help as a reader of the page would get it: the machine's own variables and the terminal's width left out.
fn help(vestal: &Path, path: &[&str]) -> Result<String> {
    let mut command = Command::new(vestal);
    let help = text(command.args(path).arg("--help").env_clear().env("COLUMNS", "100"))?;
    if help.trim().is_empty() {
        return Err(format!("`{}` says nothing", line(&command)));
    }
    let lines: Vec<&str> = help.lines().map(str::trim_end).collect();
    Ok(lines.join("\n"))
}

/// What a help text says of its own verb.
fn without_global_options(help: &str) -> String {
    let is_title = |line: &str| !line.is_empty() && !line.starts_with(' ');
    let mut is_global = false;
    let own = help.lines().filter(|line| {
        if is_title(line) {
            is_global = *line == "Global options:";
        }
        !is_global
    });
    own.collect::<Vec<_>>().join("\n")
}

/// The verbs listed in a help text, without `help` itself.
fn verbs(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with(' '))
        // A description that wraps goes on further to the right.
        .filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_are_read_from_the_help() {
        let help = "Keeps tokens alive\n\nUsage: vestal <COMMAND>\n\nCommands:\n  token      a fresh access token,\n             \
                    on stdout\n  providers  what is known\n  help       Print this message\n\nOptions:\n  -h, --help  Print help\n";
        assert_eq!(verbs(help), ["token", "providers"]);
        assert_eq!(verbs("Usage: vestal token NAME\n\nOptions:\n  -h, --help\n"), Vec::<&str>::new());
    }

    #[test]
    fn global_options_are_left_out_and_what_follows_them_is_not() {
        let help = "Usage: x\n\nOptions:\n  -h\n\nGlobal options:\n  --json\n\n  -v\n\nExamples:\n  x y\n";
        assert_eq!(without_global_options(help), "Usage: x\n\nOptions:\n  -h\n\nExamples:\n  x y");
    }
}
