//! `vestal man`: the manual pages.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::Cli;
use crate::context::Context;
use crate::failure::Failure;

/// Print a manual page, or write all of them
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  vestal man token | man -l -
  vestal man --folder ~/.local/share/man/man1      then: man vestal, man vestal-token")]
pub(crate) struct Args {
    /// The verb whose page to print, such as: client add [default: the page of vestal itself]
    #[arg(value_name = "VERB")]
    verb: Vec<String>,

    /// Write all pages into this folder, over those that are there
    #[arg(long, value_name = "FOLDER", conflicts_with = "verb")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, _: &Context) -> Result<(), Failure> {
    let mut vestal = Cli::command();
    vestal.build();
    let Some(folder) = &args.folder else {
        let page = page(verb(&vestal, &args.verb)?)?;
        io::stdout().lock().write_all(&page)?;
        return Ok(());
    };
    let failed = |error: io::Error| {
        Failure::failed(format!("the manual pages could not be written to {}", folder.display()))
            .why(error)
            .next("name a folder that this user may write to")
    };
    fs::create_dir_all(folder).map_err(failed)?;
    write_all(&vestal, folder).map_err(failed)
}

fn verb<'a>(vestal: &'a Command, words: &[String]) -> Result<&'a Command, Failure> {
    words.iter().try_fold(vestal, |command, word| {
        command.find_subcommand(word).ok_or_else(|| {
            Failure::usage(format!("there is no verb {:?}", words.join(" ")))
                .next("see those there are with: vestal --help")
        })
    })
}

/// Writes the page of a verb, and those of the verbs below it.
fn write_all(command: &Command, folder: &Path) -> io::Result<()> {
    fs::write(folder.join(Man::new(command.clone()).get_filename()), page(command)?)?;
    command.get_subcommands().try_for_each(|verb| write_all(verb, folder))
}

/// A page, in roff. What stands at the end of the help text has sections of its own.
fn page(command: &Command) -> io::Result<Vec<u8>> {
    let man = Man::new(command.clone().after_help(None));
    // No date, so that a page is the same whenever it is made; what is empty would be left out.
    let man = man.date(" ").source(concat!("Vestal ", env!("CARGO_PKG_VERSION"))).manual("Vestal");
    let mut page = Vec::new();
    man.render(&mut page)?;
    let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    after.split("\n\n").try_for_each(|paragraph| section(paragraph, &mut page))?;
    Ok(page)
}

/// What stands at the end of a help text, such as its examples: a title, and lines that stay as they are.
fn section(paragraph: &str, page: &mut Vec<u8>) -> io::Result<()> {
    let Some((title, lines)) = paragraph.split_once(":\n") else { return Ok(()) };
    let mut roff = Roff::new();
    roff.control("SH", [title.to_uppercase().as_str()]);
    roff.control("nf", []);
    lines.lines().for_each(|line| {
        roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
    });
    roff.control("fi", []);
    roff.to_writer(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_the_examples_line_by_line() {
        let mut vestal = Cli::command();
        vestal.build();
        let words = |words: &str| words.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let page = page(verb(&vestal, &words("client add")).unwrap()).unwrap();
        let page = String::from_utf8(page).unwrap();
        let (_, examples) = page.split_once(".SH EXAMPLES\n.nf\n").unwrap();
        assert!(examples.starts_with("vestal client add "), "{page}");
        assert!(page.contains(".TH vestal-client-add 1 \" \" \"Vestal "), "{page}");
        assert!(verb(&vestal, &words("client ad")).is_err());
    }
}
