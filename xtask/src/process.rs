//! Runs other programs: says what is run, and says clearly when it did not work.

use std::env;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, ErrorKind};
use std::process::{Command, ExitStatus, Output, Stdio};

use crate::Result;

/// The same cargo that runs this program.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args);
    command
}

/// Runs a command in view of the user, who sees it echoed first.
pub(crate) fn show(command: &mut Command) -> Result<ExitStatus> {
    let line = line(command);
    eprintln!("$ {line}");
    command.status().map_err(|error| not_started(command, &error))
}

/// As [`show`], and what it wrote to its standard output, which the user sees too.
pub(crate) fn hear(command: &mut Command) -> Result<(ExitStatus, String)> {
    eprintln!("$ {}", line(command));
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| not_started(command, &error))?;
    let mut said = String::new();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(|error| format!("`{}` cannot be heard: {error}", self::line(command)))?;
        eprintln!("{line}");
        said.push_str(&line);
        said.push('\n');
    }
    let status = child.wait().map_err(|error| format!("`{}` does not end: {error}", line(command)))?;
    Ok((status, said))
}

/// As [`show`], and an unsuccessful end is an error.
pub(crate) fn must(command: &mut Command) -> Result {
    let status = show(command)?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", line(command))) }
}

/// Runs a command out of sight. An unsuccessful end is an error that quotes all it said.
pub(crate) fn quiet(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| not_started(command, &error))?;
    if output.status.success() {
        return Ok(output);
    }
    let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    Err(format!("`{}` failed ({})\n{}", line(command), output.status, said.join("").trim_end()))
}

/// As [`quiet`], and what it wrote to its standard output.
pub(crate) fn text(command: &mut Command) -> Result<String> {
    let output = quiet(command)?;
    String::from_utf8(output.stdout).map_err(|error| format!("`{}`: {error}", line(command)))
}

/// The command as one could type it.
pub(crate) fn line(command: &Command) -> String {
    let variables =
        command.get_envs().filter_map(|(name, value)| Some(format!("{}={}", name.display(), quoted(value?))));
    let program = command.get_program();
    let program = if program == cargo(&[]).get_program() { "cargo".to_owned() } else { quoted(program) };
    let args = command.get_args().map(quoted);
    variables.chain([program]).chain(args).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &OsStr) -> String {
    let word = word.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.into_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

fn not_started(command: &Command, error: &std::io::Error) -> String {
    let program = command.get_program().display();
    match error.kind() {
        ErrorKind::NotFound => format!("`{program}` was not found; install it and try again"),
        _ => format!("`{program}` could not be started: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_it_could_be_typed() {
        let mut command = cargo(&["doc", "it's here", ""]);
        command.env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(line(&command), r"RUSTDOCFLAGS='-D warnings' cargo doc 'it'\''s here' ''");
    }

    #[test]
    fn what_is_heard_is_what_was_said() {
        let (status, said) = hear(Command::new("sh").args(["-c", "echo one; echo two; exit 3"])).unwrap();
        assert_eq!((status.code(), said.as_str()), (Some(3), "one\ntwo\n"));
    }

    #[test]
    fn a_failure_quotes_what_was_said() {
        let error = quiet(Command::new("sh").args(["-c", "echo one; echo two >&2; exit 3"])).unwrap_err();
        assert!(error.contains("exit status: 3") && error.contains("one\ntwo"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = must(&mut Command::new("no-such-program")).unwrap_err();
        assert!(error.contains("`no-such-program` was not found"), "{error}");
    }
}
