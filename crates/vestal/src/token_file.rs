//! An access token in a file, for programs that read it from there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use vestal_api::TokenView;
use vestal_core::clock::Entropy;
use vestal_core::secret::ExposeSecret as _;
use vestal_engine::IssuedToken;

use crate::failure::Failure;

/// No file that was written here is longer: a token answer is cut off at less.
const LONGEST_BYTES: u64 = 4 * 1024 * 1024;

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
    /// The token in this format, with a proof for one request where there is one. `read_at` is when it is read, where that is known:
    /// a file tells when the token ends, and not in how many seconds, so that it stays the same while the token does.
    pub(crate) fn text(
        self,
        issued: &IssuedToken,
        read_at: Option<Timestamp>,
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
                    expires_in: issued
                        .expires_at
                        .zip(read_at)
                        .map(|(end, at)| TokenView::expires_in(end, at)),
                    token_type: issued.token_type.clone(),
                    expires_at: issued.expires_at,
                    scope: issued.scope.clone(),
                    generation: issued.generation,
                    extra: issued.extra.clone(),
                    found_among: issued.found_among,
                    dpop: proof.map(str::to_owned),
                };
                (serde_json::to_string(&view)?, None)
            }
        };
        Ok([Some(first), second].into_iter().flatten().map(|line| line + "\n").collect())
    }
}

/// Has a file hold a text, for its user alone, and leaves it alone where it does, so that whoever watches it is not called for
/// nothing. `before` is how it was left the last time: what the disk made of the mode then is not asked for again. Returns how it
/// was left.
pub(crate) fn keep(
    path: &Path,
    text: &str,
    before: Option<&Left>,
    entropy: &dyn Entropy,
) -> Result<Left, Failure> {
    let is_as_well_as_can_be =
        |there: &Left| there.mode & 0o077 == 0 || before.is_some_and(|before| before.mode == there.mode);
    match Left::of(path) {
        Some(there) if there.digest == digest(text.as_bytes()) && is_as_well_as_can_be(&there) => Ok(there),
        _ => write(path, text, entropy),
    }
}

/// Puts a text in the place of a file, which only this user can read: whoever reads it finds the old one or the new one, whole.
fn write(path: &Path, text: &str, entropy: &dyn Entropy) -> Result<Left, Failure> {
    check(path)?;
    replace(path, text, entropy).map_err(|error| {
        Failure::failed(format!("{} could not be written", path.display()))
            .why(error)
            .next("name a file in a folder that is there, and that this user may write to")
    })
}

/// What was in a file when it was left, and who could read it. Nothing else tells whether somebody has touched it: on FUSE and on
/// FAT, a file gets another number and another time whenever they like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Left {
    digest: [u8; 32],
    /// What the disk made of the mode that was asked for: FAT has one for all files.
    mode: u32,
}

impl Left {
    /// How a file is now; `None` where there is none, or none that can be read.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        // Anything else may never end.
        let metadata = fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
        let mut bytes = Vec::new();
        File::open(path).ok()?.take(LONGEST_BYTES).read_to_end(&mut bytes).ok()?;
        Some(Self { digest: digest(&bytes), mode: mode(&metadata) })
    }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn mode(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
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

fn replace(path: &Path, text: &str, entropy: &dyn Entropy) -> io::Result<Left> {
    let name = path.file_name().ok_or_else(|| io::Error::from(ErrorKind::InvalidFilename))?;
    let folder = folder_of(path);
    let mut random = [0; 8];
    entropy.fill(&mut random);
    let aside = folder.join(format!(".{}.{:016x}", name.to_string_lossy(), u64::from_ne_bytes(random)));
    let put = |aside: &PathBuf| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(aside)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        // As it is before anybody else finds it.
        let left = Left { digest: digest(text.as_bytes()), mode: mode(&file.metadata()?) };
        fs::rename(aside, path)?;
        match File::open(folder)?.sync_all() {
            // Some disks have no such thing for folders. The file is there all the same.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => {}
            synced => synced?,
        }
        Ok(left)
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

    fn written(path: &Path, text: &str) -> Result<Left, String> {
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
        assert_eq!(Left::of(&path), Some(left));
        assert_eq!(fs::read_to_string(&path).unwrap(), "new\n");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(io::read_to_string(old).unwrap(), "old and longer", "who had it open reads on");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_is_written_only_where_it_holds_something_else_or_others_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let number = || fs::metadata(&path).unwrap().ino();
        let keep = |text, before: Option<&Left>| keep(&path, text, before, &SystemEntropy).ok().unwrap();
        let left = keep("new\n", None);
        // As FUSE has it: another number, another time, and nobody has touched it.
        fs::copy(&path, folder.path().join("copy")).unwrap();
        fs::rename(folder.path().join("copy"), &path).unwrap();
        let as_it_was = number();
        assert_eq!(Left::of(&path), Some(left.clone()));
        assert_eq!(keep("new\n", None), left);
        assert_eq!(number(), as_it_was, "it is left alone");
        for text in ["old\n", "new", "new\n"] {
            let before = number();
            keep(text, Some(&left));
            assert!(number() != before && fs::read_to_string(&path).unwrap() == text);
        }
        let (open, as_it_was) = (fs::Permissions::from_mode(0o755), number());
        fs::set_permissions(&path, open.clone()).unwrap();
        assert_ne!(Left::of(&path), Some(left.clone()), "others read it");
        keep("new\n", Some(&left));
        assert!(number() != as_it_was && fs::metadata(&path).unwrap().mode() & 0o777 == 0o600);
        // As FAT has it: whatever mode is asked for, it has that one.
        fs::set_permissions(&path, open).unwrap();
        let (fat, as_it_was) = (Left::of(&path).unwrap(), number());
        assert_eq!(keep("new\n", Some(&fat)), fat);
        assert_eq!(number(), as_it_was, "to write it once more would not help");
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
