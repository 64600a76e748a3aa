//! `docs/cli.md`: what `--help` says, of every verb.

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::process::{line, text};
use crate::vestal;

const HEAD: &str = "\
# The command line

<!-- Made by `cargo xtask generate` from the program's own help: edit that. -->
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
    page.push_str(&format!("\n{level} `{name}`\n\n```text\n{}\n```\n", help.trim()));
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
}
