//! Files that people write: of a size that people write, and not what never ends.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use crate::text::without_mark;

/// Nobody writes as much.
const BYTES_MAX: u64 = 1 << 20;

/// What a file says.
pub(super) fn read(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(bytes(path, BYTES_MAX)?);
    text.map(without_mark).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is no text in UTF-8"))
}

/// What is in a file, of so many bytes at most.
pub(crate) fn bytes(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    // Before it is opened: a pipe that nobody writes to lets whoever opens it wait.
    regular(&std::fs::metadata(path)?)?;
    let mut bytes = Vec::new();
    File::open(path)?.take(max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max {
        let why = format!("it is larger than {max} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(bytes)
}

/// Refuses a folder, a pipe or a device.
pub(super) fn regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}
