//! The program as it is shipped, built so that everybody who builds it gets the same bytes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::folder::remove;
use crate::process::{must, text};
use crate::vestal;

/// Where `cargo xtask dist` builds.
const PLACE: &str = "target/reproduced";

/// What the folders are called in the program, wherever they are.
const SOURCE: &str = "/usr/src/vestal";
const CARGO_HOME: &str = "/usr/src/cargo";

/// Builds the program from the source in `folder`, which was changed last at a time of [`last_change`].
pub(crate) fn build(folder: &Path, changed_at: &str) -> Result<PathBuf> {
    let folder = fs::canonicalize(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut command = vestal::command("vestal", "dist");
    command.current_dir(&folder).env("CARGO_TARGET_DIR", folder.join("target"));
    // Paths get into a program by the messages of panics, and of asserts in C.
    let replaced = [(folder.clone(), SOURCE), (cargo_home()?, CARGO_HOME)];
    let flags = |option: &str| {
        let flags = replaced.iter().map(|(from, to)| format!("{option}={}={to}", from.display()));
        flags.collect::<Vec<_>>()
    };
    command.env("CARGO_ENCODED_RUSTFLAGS", flags("--remap-path-prefix").join("\u{1f}"));
    command.env("CFLAGS", flags("-ffile-prefix-map").join(" "));
    command.env("SOURCE_DATE_EPOCH", changed_at);
    vestal::executable("vestal", &mut command)
}

/// Builds the last commit twice, in two folders, and compares.
pub(crate) fn run() -> Result {
    let folders = ["once", "and-again"].map(|name| Path::new(PLACE).join(name));
    // Named once: somebody may commit meanwhile, and to build takes minutes.
    let commit = text(Command::new("git").args(["rev-parse", "HEAD"]))?.trim().to_owned();
    let changed_at = change_of(&commit);
    folders.iter().try_for_each(|folder| check_out(&commit, folder))?;
    let mut built = Vec::new();
    for folder in &folders {
        let program = build(folder, &changed_at)?;
        println!("{}  {} bytes  {}", hash(&program)?, bytes(&program)?, program.display());
        built.push(program);
    }
    let [one, other] = [&built[0], &built[1]]
        .map(|program| fs::read(program).map_err(|error| format!("{}: {error}", program.display())));
    if one? == other? {
        println!("The same bytes, from two folders.");
        Ok(())
    } else {
        Err("the two programs are not the same: something of where or when they were built is in them"
            .to_owned())
    }
}

/// SHA-256, in hexadecimal.
pub(crate) fn hash(file: &Path) -> Result<String> {
    let said = text(Command::new("sha256sum").arg(file))?;
    Ok(said.split_whitespace().next().unwrap_or_default().to_owned())
}

/// The time of the last commit, in seconds since 1970: the time at which all was made that is made of it.
pub(crate) fn last_change() -> String {
    change_of("HEAD")
}

fn change_of(commit: &str) -> String {
    text(Command::new("git").args(["log", "-1", "--format=%ct", commit]))
        .map_or("0".to_owned(), |at| at.trim().to_owned())
}

/// Puts a commit into a folder, and nothing else.
fn check_out(commit: &str, folder: &Path) -> Result {
    remove(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let archive = folder.with_extension("tar");
    must(Command::new("git").args(["archive", "--output"]).arg(&archive).arg(commit))?;
    must(Command::new("tar").arg("--extract").arg("--directory").arg(folder).arg("--file").arg(&archive))
}

fn cargo_home() -> Result<PathBuf> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(Path::new(&env::var_os("HOME")?).join(".cargo")));
    let home = home.ok_or("neither CARGO_HOME nor HOME says where cargo keeps its crates")?;
    fs::canonicalize(&home).map_err(|error| format!("{}: {error}", home.display()))
}

fn bytes(file: &Path) -> Result<u64> {
    fs::metadata(file).map(|metadata| metadata.len()).map_err(|error| format!("{}: {error}", file.display()))
}
