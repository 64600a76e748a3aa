//! The files of `[files]`: whether each can be written, holds the token that it should, and is its user's alone.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use rustix::fs::{Access, access};
use vestal_api::{Finding, Trouble};
use vestal_core::secret::ExposeSecret as _;

use super::finding::{fail, failed, of_store, ok, warn};
use crate::context::Vestal;
use crate::failure::{Failure, word};
use crate::token_file;
use crate::token_files::KeptFile;

pub(super) async fn look(vestal: &Vestal) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &vestal.config.files {
        findings.extend(one(vestal, file).await);
    }
    let files = vestal.config.files.len();
    if findings.is_empty() && files > 0 {
        let what = if files == 1 { "holds the token that it" } else { "hold the tokens that they" };
        findings.push(ok("files", format!("{files} {what} should")));
    }
    findings
}

async fn one(vestal: &Vestal, file: &KeptFile) -> Option<Finding> {
    let (name, shown) = (word(file.connection.as_str()), file.path.display());
    if let Err(failure) = writable(file) {
        return Some(failed(Trouble::FileUnwritable, failure));
    }
    let connection = match vestal.engine.store().connection_named(&file.connection).await {
        Ok(Some(connection)) => connection,
        Ok(None) => {
            let found = format!("{shown} is to hold the token of {name}, and there is no such connection");
            return Some(warn(
                Trouble::FileForNobody,
                found,
                &format!("vestal connect {name}; or correct [files]"),
            ));
        }
        Err(error) => return Some(of_store(error)),
    };
    let token = match vestal.engine.held_access_token(&connection) {
        Ok(Some(token)) => token,
        Ok(None) => {
            let found = format!("{shown} cannot hold the token of {name}, which has none");
            return Some(warn(Trouble::FileStale, found, &format!("vestal token {name}, which says why")));
        }
        Err(error) => {
            let found = format!("whether {shown} holds the token of {name} cannot be told: {error}");
            return Some(fail(
                Trouble::Sealed,
                found,
                &format!("restore the store from a backup, or: vestal connect {name}"),
            ));
        }
    };
    let held = fs::read(&file.path).unwrap_or_default();
    let is_current = contains(&held, token.expose_secret().as_bytes());
    let mode = fs::metadata(&file.path).map_or(0, |metadata| metadata.permissions().mode() & 0o777);
    judge(file, &name, is_current, mode)
}

fn judge(file: &KeptFile, name: &str, is_current: bool, mode: u32) -> Option<Finding> {
    let shown = file.path.display();
    if mode & 0o077 != 0 {
        let found = format!("others can read or write the token in {shown} (mode {mode:04o})");
        let next = format!(
            "chmod 600 '{shown}'; or, on a disk that keeps no modes, as FAT: name a folder elsewhere in [files]"
        );
        return Some(fail(Trouble::FileOpen, found, &next));
    }
    (!is_current).then(|| {
        let found = format!("{shown} does not hold the newest token of {name}");
        warn(Trouble::FileStale, found, "vestal refresh --due; or, to keep it up to date: vestal serve")
    })
}

/// Whether a token could be put there.
fn writable(file: &KeptFile) -> Result<(), Failure> {
    token_file::check(&file.path)?;
    let folder = token_file::folder_of(&file.path);
    access(folder, Access::WRITE_OK | Access::EXEC_OK).map_err(|error| {
        Failure::failed(format!("{} cannot be written", file.path.display()))
            .why(format!("{}: {error}", folder.display()))
            .next("make its folder, and let this user write to it; or correct [files] in the configuration")
    })
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len().max(1)).any(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token_file::Format;

    #[test]
    fn a_file_is_judged_by_what_it_holds_and_by_who_can_read_it() {
        let path = "/run/shop".into();
        let file = KeptFile { connection: "shop".parse().unwrap(), path, format: Format::Token };
        let of =
            |is_current, mode| judge(&file, "shop", is_current, mode).and_then(|finding| finding.trouble);
        assert_eq!(of(true, 0o600), None);
        assert_eq!(of(false, 0o600), Some(Trouble::FileStale));
        assert_eq!(of(true, 0o640), Some(Trouble::FileOpen));
        assert!(contains(b"Authorization: Bearer abc\n", b"abc") && !contains(b"ab", b"abc"));
    }
}
