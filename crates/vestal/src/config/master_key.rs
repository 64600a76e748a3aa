//! The master key: where it comes from, and reading it.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vestal_core::seal::MasterKey;
use vestal_core::secret::{ExposeSecret, SecretString};

use super::{Environment, Place, file};
use crate::failure::Failure;

/// No key, and no secret of a client's, is longer.
const LONGEST_BYTES: u64 = 64 * 1024;

/// Where the master key comes from.
#[derive(Debug)]
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
        let variable =
            |name: &str| environment.get(name).map(|value| value.to_string_lossy().into_owned().into());
        match (variable("VESTAL_MASTER_KEY"), environment.path("VESTAL_MASTER_KEY_FILE")) {
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
                let path = place.beside(Path::new("master.key"));
                Ok(Self::File { path, ours: true })
            }
            (Some(path), None, None, None) => Ok(Self::File { path: place.beside(&path), ours: true }),
            (None, Some(name), None, None) => {
                let value = variable(&name);
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

    /// The file that the key belongs into, where there is none yet and it may be made.
    pub(crate) fn missing_file(&self) -> Option<&Path> {
        match self {
            Self::File { path, ours: true } if !path.exists() => Some(path),
            _ => None,
        }
    }

    /// The variable that it is in.
    pub(crate) fn variable(&self) -> Option<&str> {
        match self {
            Self::Variable { name, .. } => Some(name),
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

    /// Reads the key.
    pub(crate) fn read(&self, environment: &Environment) -> Result<MasterKey, Failure> {
        let text = match self {
            Self::File { path, .. } => read_private_file(path)?,
            Self::Variable { name, value } => value.clone().ok_or_else(|| {
                Failure::failed("there is no master key").why(format!("the variable {name} is not set"))
            })?,
            Self::Command(command) => output_of(command, environment)?,
            Self::Credential { name, folder } => {
                let folder = folder.as_ref().ok_or_else(|| {
                    Failure::failed("there is no master key")
                        .why("CREDENTIALS_DIRECTORY is not set: systemd hands credentials to its services only")
                        .next(format!("add LoadCredential={name}:… to the unit, and run it there"))
                })?;
                read_secret_file(&folder.join(name))?
            }
        };
        MasterKey::parse(text.expose_secret())
            .map_err(|error| Failure::failed(format!("{} holds no master key", self.describe())).why(error))
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

/// Reads a file that nobody else may read.
fn read_private_file(path: &Path) -> Result<SecretString, Failure> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(Failure::failed(format!("others can read the master key {path}"))
            .why(format!("its mode is {mode:04o}; it must be 0600"))
            .next(format!("chmod 600 '{path}'")));
    }
    read_secret_file(path)
}

/// Reads a file that holds a secret.
pub(crate) fn read_secret_file(path: &Path) -> Result<SecretString, Failure> {
    let file = File::open(path).map_err(|error| unreadable(path, &error))?;
    read_bounded(file).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::failed(format!("{} cannot be read", path.display())).why(error)
}

fn read_bounded(from: impl Read) -> std::io::Result<SecretString> {
    let mut text = String::new();
    from.take(LONGEST_BYTES + 1).read_to_string(&mut text)?;
    let secret = SecretString::from(text);
    if secret.expose_secret().len() as u64 > LONGEST_BYTES {
        return Err(std::io::Error::other(format!("it has more than {LONGEST_BYTES} bytes")));
    }
    Ok(secret)
}

/// What a command prints. It inherits stderr, so that it can say what is wrong, and none of our variables.
fn output_of(command: &[String], environment: &Environment) -> Result<SecretString, Failure> {
    let [program, arguments @ ..] = command else {
        return Err(Failure::failed("there is no master key").why("the command is empty"));
    };
    let failed =
        |why: String| Failure::failed(format!("the command {program:?} gave no master key")).why(why);
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    environment.ours().for_each(|name| {
        command.env_remove(name);
    });
    let mut child = command.spawn().map_err(|error| failed(error.to_string()))?;
    let output = match child.stdout.take() {
        Some(stdout) => read_bounded(stdout).map_err(|error| error.to_string()),
        None => Err("it has no output".to_owned()),
    };
    if output.is_err() {
        let _ = child.kill();
    }
    let status = child.wait().map_err(|error| failed(error.to_string()))?;
    match output {
        Ok(output) if status.success() => Ok(output),
        Ok(_) => Err(failed(format!("it ended with {status}"))),
        Err(error) => Err(failed(error)),
    }
}
