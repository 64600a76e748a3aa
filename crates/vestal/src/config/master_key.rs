//! The master key: where it comes from, and reading it.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use vestal_core::seal::KeyRing;
use vestal_core::secret::{ExposeSecret, SecretString};

use super::{Environment, Place, file, text_file};
use crate::failure::Failure;
use crate::text::without_mark;

/// No key, and no secret of a client's, is longer.
const LONGEST_BYTES: u64 = 64 * 1024;

const ROOT: u32 = 0;

/// The file of the key, where none is named.
const DEFAULT_FILE: &str = "master.key";

/// How long the command that prints the key may take: it may ask a person, or a machine far away.
const COMMAND_MAX: Duration = Duration::from_secs(60);

/// Where the master key comes from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// A file of the user's own.
    File {
        /// The file.
        path: PathBuf,
        /// Whether it may be made where there is none.
        ours: bool,
    },
    /// The value of a variable.
    Variable {
        /// Its name.
        name: String,
        /// Its value; `None` where it is not set.
        value: Option<SecretString>,
    },
    /// What a command prints.
    Command(Vec<String>),
    /// A credential that systemd hands over.
    Credential {
        /// Its name.
        name: String,
        /// The folder that it is in; `None` where systemd did not start this process.
        folder: Option<PathBuf>,
    },
}

impl KeySource {
    /// The source that is to be used: a variable wins over the file.
    pub(super) fn choose(
        environment: &Environment,
        said: file::MasterKey,
        place: &Place,
    ) -> Result<Self, Failure> {
        let text = |value: &OsStr| SecretString::from(value.to_string_lossy().into_owned());
        match (environment.get("VESTAL_MASTER_KEY").map(text), environment.path("VESTAL_MASTER_KEY_FILE")) {
            (Some(_), Some(_)) => {
                return Err(Failure::usage("the master key is given twice")
                    .why("both VESTAL_MASTER_KEY and VESTAL_MASTER_KEY_FILE are set")
                    .next("unset one of them"));
            }
            (value @ Some(_), None) => {
                let name = "VESTAL_MASTER_KEY".to_owned();
                return Ok(Self::Variable { name, value });
            }
            (None, Some(path)) => return Ok(Self::File { path, ours: false }),
            (None, None) => {}
        }
        let file::MasterKey { file, env, command, credential } = said;
        match (file, env, command, credential) {
            (None, None, None, None) => {
                Ok(Self::File { path: place.beside(Path::new(DEFAULT_FILE)), ours: true })
            }
            (Some(path), None, None, None) => Ok(Self::File { path: place.beside(&path), ours: true }),
            (None, Some(name), None, None) => {
                let value = environment.named(&name).map(text);
                Ok(Self::Variable { name, value })
            }
            (None, None, Some(command), None) if !command.is_empty() => Ok(Self::Command(command)),
            (None, None, None, Some(name)) if is_file_name(&name) => {
                let folder = environment.path("CREDENTIALS_DIRECTORY");
                Ok(Self::Credential { name, folder })
            }
            (None, None, Some(_), None) => Err(mistaken(place, "`command` names no program")),
            (None, None, None, Some(_)) => Err(mistaken(place, "`credential` is a name, not a path")),
            _ => Err(mistaken(place, "it names more than one of `file`, `env`, `command` and `credential`")),
        }
    }

    /// The file that the key is in, or belongs into.
    fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Variable { .. } | Self::Command(_) | Self::Credential { .. } => None,
        }
    }

    /// The files that hold the key, or may: also those that it is not read from now, since the next process has another
    /// environment.
    pub(super) fn files(&self, said: Option<&Path>, place: &Place) -> Vec<PathBuf> {
        let named = said.map(|path| place.beside(path));
        let default = place.beside(Path::new(DEFAULT_FILE));
        self.file().map(Path::to_owned).into_iter().chain(named).chain([default]).collect()
    }

    /// The file that the key belongs into, where there is none yet and it may be made.
    pub(crate) fn missing_file(&self) -> Option<&Path> {
        match self {
            Self::File { path, ours: true } if !path.exists() => Some(path),
            _ => None,
        }
    }

    /// What it is, for people.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::File { path, .. } => path.display().to_string(),
            Self::Variable { name, .. } => format!("the variable {name}"),
            Self::Command(command) => format!("the command {}", command.first().map_or("", String::as_str)),
            Self::Credential { name, .. } => format!("the systemd credential {name}"),
        }
    }

    /// The file that a new key may be added to.
    pub(crate) fn own_file(&self) -> Option<&Path> {
        match self {
            Self::File { path, ours: true } => Some(path),
            _ => None,
        }
    }

    /// Whether a process that runs can come to other keys by reading it again: its variables, and the credentials that it
    /// was handed, stay what they are.
    pub(crate) fn may_change(&self) -> bool {
        matches!(self, Self::File { .. } | Self::Command(_))
    }

    /// Reads the keys: one a line, the newest last.
    pub(crate) fn read(&self, environment: &Environment) -> Result<KeyRing, Failure> {
        let text = match self {
            Self::File { path, ours } => read_private_file(path, *ours)?,
            Self::Variable { name, value } => value.clone().ok_or_else(|| {
                Failure::failed("there is no master key")
                    .why(format!("the variable {name} is not set, or empty"))
                    .next(format!("set {name} to the master key"))
            })?,
            Self::Command(command) => output_of(command, environment, COMMAND_MAX)?,
            Self::Credential { name, folder } => {
                let folder = folder.as_ref().ok_or_else(|| {
                    Failure::failed("there is no master key")
                        .why("CREDENTIALS_DIRECTORY is not set: systemd hands credentials to its services only")
                        .next(format!("add LoadCredential={name}:… to the unit, and run it there"))
                })?;
                read_secret_file(&folder.join(name))?
            }
        };
        KeyRing::parse(text.expose_secret()).map_err(|error| {
            Failure::failed(format!("{} holds no master key", self.describe())).why(error).next(
                "restore the key from its copy: the store opens with no other one; where there is no store yet, a key is \
                 32 random bytes in base64: openssl rand -base64 32",
            )
        })
    }
}

fn is_file_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|last| last == name)
}

fn mistaken(place: &Place, what: &str) -> Failure {
    Failure::failed(format!("{}: [master_key] cannot be used", place.config.display()))
        .why(what)
        .next("name one of `file`, `env`, `command` and `credential`")
}

/// Reads a file that nobody else may read. `ours` is whether it is one that Vestal may have made.
pub(super) fn read_private_file(path: &Path, ours: bool) -> Result<SecretString, Failure> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    // It is read again while a process runs.
    text_file::regular(&metadata).map_err(|error| {
        unreadable(path, &error)
            .next("put the key into a file; a program that prints it is named as [master_key] command")
    })?;
    let mode = metadata.permissions().mode() & 0o777;
    let is_handed_over = !ours && metadata.uid() == ROOT;
    if !is_private(mode, is_handed_over) {
        let path = path.display();
        return Err(Failure::failed(format!("others can read the master key {path}"))
            .why(format!("its mode is {mode:04o}; it must be 0600"))
            .next(format!("chmod 600 '{path}'")));
    }
    read_secret_file(path)
}

/// Whether only those can read a file who are to. One that root hands over to a user may be read by a group: systemd gives
/// credentials of the mode 0400 to a user by an access control list, whose mask shows as the group's bits, and Kubernetes
/// by the group of the pod.
fn is_private(mode: u32, is_handed_over: bool) -> bool {
    mode & if is_handed_over { 0o037 } else { 0o077 } == 0
}

/// Reads a file that holds a secret.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretString, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_bounded(file).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    let failure = Failure::failed(format!("{} cannot be read", path.display())).why(error);
    match error.kind() {
        ErrorKind::NotFound => failure.next("put the file there, or name the right one"),
        ErrorKind::PermissionDenied => failure.next("let this user read it, or run as the user who may"),
        _ => failure.next("look at the file, or name another one"),
    }
}

fn read_bounded(from: impl Read) -> std::io::Result<SecretString> {
    let mut text = String::new();
    from.take(LONGEST_BYTES + 1).read_to_string(&mut text)?;
    let secret = SecretString::from(without_mark(text));
    if secret.expose_secret().len() as u64 > LONGEST_BYTES {
        return Err(std::io::Error::other(format!("it has more than {LONGEST_BYTES} bytes")));
    }
    Ok(secret)
}

/// What a command prints. It inherits stderr, so that it can say what is wrong, and none of our variables.
fn output_of(
    command: &[String],
    environment: &Environment,
    limit: Duration,
) -> Result<SecretString, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::failed("there is no master key").why("the command is empty"));
    };
    let failed = |why: String| {
        Failure::failed(format!("the command {program:?} gave no master key"))
            .why(why)
            .next("run it by hand; it is [master_key] command in the configuration")
    };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    // The configuration names no variable beside a command.
    environment.hide_from(&mut command, None);
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let pid = Pid::from_child(&child);
    let (sender, ended) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        // Nobody hears it once the time is up.
        let _ = sender.send(ending(&mut child));
    });
    match ended.recv_timeout(limit) {
        Ok(ending) => ending.map_err(failed),
        Err(_) => {
            let _ = kill_process(pid, Signal::KILL);
            Err(failed(format!("it had not ended after {} s", limit.as_secs())))
        }
    }
}

/// What a child has printed when it ends.
fn ending(child: &mut Child) -> Result<SecretString, String> {
    let output = match child.stdout.take() {
        Some(stdout) => read_bounded(stdout).map_err(|error| error.to_string()),
        None => Err("it has no output".to_owned()),
    };
    if output.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| error.to_string())?;
    let output = output?;
    if status.success() { Ok(output) } else { Err(format!("it ended with {status}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_may_read_what_root_hands_over_and_nothing_else() {
        for (mode, by_its_owner, handed_over) in [
            (0o600, true, true),
            (0o400, true, true),
            (0o440, false, true),
            (0o640, false, true),
            (0o660, false, false),
            (0o604, false, false),
            (0o444, false, false),
        ] {
            assert_eq!(
                (is_private(mode, false), is_private(mode, true)),
                (by_its_owner, handed_over),
                "{mode:o}"
            );
        }
    }

    #[test]
    fn a_command_that_does_not_end_is_not_waited_for() {
        let command = ["sleep".to_owned(), "600".to_owned()];
        let failure = output_of(&command, &Environment::of(&[]), Duration::from_millis(50)).unwrap_err();
        assert!(failure.view().unwrap().why.unwrap().contains("had not ended"));
    }
}
