//! `cargo xtask package`: what is shipped, as a Debian package; beside it, what it is made of.

mod bill;
mod licences;
mod native;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::folder::remove;
use crate::process::{must, text};
use crate::{dependencies, dist};

const FROM: &str = "deploy/debian";
const UNITS: &str = "deploy/systemd";
const DOCUMENTS: &str = "usr/share/doc/vestal";

/// What is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Options {
    /// The program, if it is built already.
    binary: Option<PathBuf>,
    /// The folder to write to.
    out: Option<PathBuf>,
    /// What is added to the version.
    revision: Option<String>,
}

impl Options {
    /// `None` where the arguments are not understood.
    pub(crate) fn parse(args: &[&str]) -> Option<Self> {
        let mut options = Self::default();
        for pair in args.chunks(2) {
            match *pair {
                ["--binary", path] => options.binary = Some(path.into()),
                ["--out", path] => options.out = Some(path.into()),
                ["--revision", revision] => options.revision = Some(revision.to_owned()),
                _ => return None,
            }
        }
        Some(options)
    }
}

/// Builds the program as it is shipped, and the package around it.
pub(crate) fn run(options: Options) -> Result {
    let binary = match options.binary {
        Some(binary) => binary,
        None => dist::build(Path::new("."), &dist::last_change())?,
    };
    let out = options.out.unwrap_or_else(|| "target/package".into());
    let root = out.join("root");
    // What an earlier version had must not be shipped.
    remove(&root).map_err(|error| format!("{}: {error}", root.display()))?;
    let version = version(&binary)?;
    let version = options.revision.map_or(version.clone(), |revision| format!("{version}-{revision}"));
    lay_out(&root, &binary)?;
    let crates = dependencies::of_vestal()?;
    let licences = licences::of(&crates, &native::of(&crates)?)?;
    let bill = bill(&version, &dist::hash(&binary)?)?;
    for (text, installed, beside) in
        [(&licences, "copyright", "licences.txt"), (&bill, "vestal.cdx.json", "cdx.json")]
    {
        write(&root.join(DOCUMENTS).join(installed), text, 0o644)?;
        write(&out.join(format!("vestal_{version}.{beside}")), text, 0o644)?;
    }
    let architecture = text(Command::new("dpkg").arg("--print-architecture"))?.trim().to_owned();
    control(&root, &version, &architecture)?;
    let package = out.join(format!("vestal_{version}_{architecture}.deb"));
    must(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "--build"])
            .arg(&root)
            .arg(&package)
            .env("SOURCE_DATE_EPOCH", dist::last_change())
            .stdout(std::process::Stdio::null()),
    )?;
    println!(
        "{}: {} KiB, of which the program is {} KiB",
        package.display(),
        kibibytes(&package),
        kibibytes(&binary)
    );
    Ok(())
}

/// What a program of this version and with this hash is made of.
pub(crate) fn bill(version: &str, hash: &str) -> Result<String> {
    let crates = dependencies::of_vestal()?;
    let bill = bill::of(&crates, &native::of(&crates)?, version, &built_at()?, hash);
    Ok(format!("{bill:#}\n"))
}

/// Puts everything where it is installed.
fn lay_out(root: &Path, binary: &Path) -> Result {
    put(binary, &root.join("usr/bin/vestal"), 0o755)?;
    for unit in ["vestal.service", "vestal-refresh.service", "vestal-refresh.timer"] {
        put(&Path::new(UNITS).join(unit), &root.join("usr/lib/systemd/system").join(unit), 0o644)?;
    }
    let from = Path::new(FROM);
    put(&from.join("sysusers.conf"), &root.join("usr/lib/sysusers.d/vestal.conf"), 0o644)?;
    put(&from.join("vestal.toml"), &root.join("etc/vestal/vestal.toml"), 0o644)?;
    for (document, name) in [("README.md", "README.md"), ("CHANGELOG.md", "changelog.md")] {
        put(Path::new(document), &root.join(DOCUMENTS).join(name), 0o644)?;
    }
    for (shell, place) in [
        ("bash", "usr/share/bash-completion/completions/vestal"),
        ("zsh", "usr/share/zsh/vendor-completions/_vestal"),
        ("fish", "usr/share/fish/vendor_completions.d/vestal.fish"),
    ] {
        let script = text(Command::new(binary).args(["completions", shell]))?;
        write(&root.join(place), &script, 0o644)?;
    }
    let pages = root.join("usr/share/man/man1");
    must(Command::new(binary).arg("man").arg("--folder").arg(&pages).stdout(std::process::Stdio::null()))
}

fn control(root: &Path, version: &str, architecture: &str) -> Result {
    let from = Path::new(FROM);
    let read = |name: &str| {
        let path = from.join(name);
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let size = text(Command::new("du").args(["--summarize", "--block-size=1K"]).arg(root))?;
    let size = size.split_whitespace().next().unwrap_or("0").to_owned();
    let said = read("control")?
        .replace("@VERSION@", version)
        .replace("@ARCHITECTURE@", architecture)
        .replace("@GLIBC@", &glibc()?)
        .replace("@KIBIBYTES@", &size);
    let folder = root.join("DEBIAN");
    write(&folder.join("control"), &said, 0o644)?;
    write(&folder.join("conffiles"), &read("conffiles")?, 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        write(&folder.join(script), &read(script)?, 0o755)?;
    }
    Ok(())
}

fn version(binary: &Path) -> Result<String> {
    let said = text(Command::new(binary).arg("--version"))?;
    let version = said.split_whitespace().nth(1).map(str::to_owned);
    version.ok_or_else(|| format!("{} does not say its version: {said:?}", binary.display()))
}

/// The C library that it was built with, and needs at least.
fn glibc() -> Result<String> {
    let said = text(Command::new("getconf").arg("GNU_LIBC_VERSION"))?;
    said.split_whitespace().nth(1).map(str::to_owned).ok_or_else(|| format!("no version in {said:?}"))
}

/// When it was made, as far as anybody is to see: at the last commit.
fn built_at() -> Result<String> {
    let at = format!("--date=@{}", dist::last_change());
    Ok(text(Command::new("date").args(["--utc", "+%Y-%m-%dT%H:%M:%SZ", &at]))?.trim().to_owned())
}

fn put(from: &Path, to: &Path, mode: u32) -> Result {
    make_folder(to)?;
    fs::copy(from, to).map_err(|error| format!("{} to {}: {error}", from.display(), to.display()))?;
    set_mode(to, mode)
}

fn write(to: &Path, text: &str, mode: u32) -> Result {
    make_folder(to)?;
    fs::write(to, text).map_err(|error| format!("{}: {error}", to.display()))?;
    set_mode(to, mode)
}

fn make_folder(of: &Path) -> Result {
    let folder = of.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))
}

fn set_mode(path: &Path, mode: u32) -> Result {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .map_err(|error| format!("{}: {error}", path.display()))
}

fn kibibytes(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |metadata| metadata.len() / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_in_pairs() {
        assert_eq!(Options::parse(&[]), Some(Options::default()));
        let parsed = Options::parse(&["--revision", "2", "--out", "there"]).unwrap();
        assert_eq!((parsed.revision.as_deref(), parsed.out), (Some("2"), Some("there".into())));
        assert_eq!(Options::parse(&["--out"]), None);
        assert_eq!(Options::parse(&["--in", "there"]), None);
    }
}
