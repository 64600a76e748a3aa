//! An access token in a file, for programs that read it from there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use vestal_api::TokenView;
use vestal_core::clock::Entropy;
use vestal_core::secret::ExposeSecret as _;
use vestal_engine::IssuedToken;

use crate::failure::Failure;

/// How a token is printed, or written into a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// The access token alone.
    #[default]
    Token,
    /// The header of an HTTP request.
    Header,
    /// A [`TokenView`].
    Json,
}

impl Format {
    /// The token in this format, with a proof for one request where there is one.
    pub(crate) fn text(
        self,
        issued: &IssuedToken,
        now: Timestamp,
        proof: Option<&str>,
    ) -> io::Result<String> {
        let token = issued.access_token.expose_secret();
        let (first, second) = match self {
            Self::Token => (token.to_owned(), proof.map(str::to_owned)),
            Self::Header => {
                let scheme = issued.scheme();
                (format!("Authorization: {scheme} {token}"), proof.map(|proof| format!("DPoP: {proof}")))
            }
            Self::Json => {
                let view = TokenView {
                    access_token: token.to_owned(),
                    expires_in: issued.expires_at.map(|end| TokenView::expires_in(end, now)),
                    token_type: issued.token_type.clone(),
                    expires_at: issued.expires_at,
                    scope: issued.scope.clone(),
                    generation: issued.generation,
                    extra: issued.extra.clone(),
                    dpop: proof.map(str::to_owned),
                };
                (serde_json::to_string(&view)?, None)
            }
        };
        Ok([Some(first), second].into_iter().flatten().map(|line| line + "\n").collect())
    }
}

/// Has a file hold a text, and leaves it alone where it does. Returns how it was left.
pub(crate) fn keep(path: &Path, text: &str, entropy: &dyn Entropy) -> Result<Stamp, Failure> {
    // Before it is read: what somebody does to it meanwhile shows afterwards.
    match Stamp::of(path) {
        Some(stamp) if holds(path, text) => Ok(stamp),
        _ => write(path, text, entropy),
    }
}

/// Puts a text in the place of a file, which only this user can read: whoever reads it finds the old one or the new one, whole.
fn write(path: &Path, text: &str, entropy: &dyn Entropy) -> Result<Stamp, Failure> {
    check(path)?;
    replace(path, text, entropy).map_err(|error| {
        Failure::failed(format!("{} could not be written", path.display()))
            .why(error)
            .next("name a file in a folder that is there, and that this user may write to")
    })
}

/// Whether a file holds this already, and is its user's alone, so that whoever watches it is not called for nothing.
fn holds(path: &Path, text: &str) -> bool {
    let is_like_it = |metadata: Metadata| {
        metadata.is_file() && metadata.len() == text.len() as u64 && metadata.mode() & 0o077 == 0
    };
    fs::symlink_metadata(path).is_ok_and(is_like_it)
        && fs::read(path).is_ok_and(|bytes| bytes == text.as_bytes())
}

/// What tells, at a glance, whether a file is still as it was left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    mode: u32,
}

impl Stamp {
    /// That of a file; `None` where there is none.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(Self::from)
    }
}

impl From<Metadata> for Stamp {
    fn from(metadata: Metadata) -> Self {
        Self {
            file: (metadata.dev(), metadata.ino()),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            mode: metadata.mode(),
        }
    }
}

/// Whether a file can be put here: there is one, or nothing.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    let refuse = |what: &str| Failure::usage(format!("{} is {what}", path.display()));
    match fs::symlink_metadata(path) {
        Ok(there) if there.is_symlink() => Err(refuse("a symbolic link")
            .why("a token takes the place of a file whole, so the link would go, and what it leads to would stay as it is")
            .next("name the file itself")),
        Ok(there) if there.is_dir() => Err(refuse("a folder").next("name a file in it")),
        Ok(there) if !there.is_file() => {
            Err(refuse("no plain file").next("name a file; vestal token without --write prints to stdout"))
        }
        Ok(_) | Err(_) => Ok(()),
    }
}

/// The folder that a file is in, or is to be in.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

fn replace(path: &Path, text: &str, entropy: &dyn Entropy) -> io::Result<Stamp> {
    let name = path.file_name().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidFilename))?;
    let folder = folder_of(path);
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let aside = folder.join(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_ne_bytes(random)));
    let put = |aside: &PathBuf| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // As it is before anybody else finds it.
        let stamp = Stamp::from(file.metadata()?);
        fs::rename(aside, path)?;
        File::open(folder)?.sync_all()?;
        Ok(stamp)
    };
    put(&aside).inspect_err(|_| {
        // It may not be there at all.
        let _ = fs::remove_file(&aside);
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::entropy::SystemEntropy;

    fn written(path: &Path, text: &str) -> Result<Stamp, String> {
        let told = |failure: Failure| failure.view().unwrap().error;
        write(path, text, &SystemEntropy).map_err(told)
    }

    #[test]
    fn a_file_is_replaced_whole_and_only_its_user_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        fs::write(&path, "old and longer").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let old = File::open(&path).unwrap();
        let left = written(&path, "new\n").unwrap();
        assert_eq!(Stamp::of(&path), Some(left.clone()));
        assert_eq!(keep(&path, "new\n", &SystemEntropy).ok(), Some(left.clone()), "it is left alone");
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(io::read_to_string(old).unwrap(), "old and longer", "who had it open reads on");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
        assert!(holds(&path, "new\n") && !holds(&path, "old\n") && !holds(&path, "new"));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(!holds(&path, "new\n"), "others read it");
        assert_ne!(Stamp::of(&path), Some(left));
    }

    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("real"), "untouched").unwrap();
        symlink(at("real"), at("link")).unwrap();
        symlink(at("nothing"), at("dangling")).unwrap();
        for (name, told) in [("link", "a symbolic link"), ("dangling", "a symbolic link"), ("", "a folder")] {
            assert!(written(&at(name), "x").unwrap_err().ends_with(told), "{name}");
        }
        assert!(written(Path::new("/dev/null"), "x").unwrap_err().ends_with("no plain file"));
        assert!(written(&at("no/such/folder"), "x").unwrap_err().ends_with("could not be written"));
        assert_eq!(fs::read_to_string(at("real")).unwrap(), "untouched");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
