//! Files that people write: of a size that people write, and not what never ends.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::path::Path;

use crate::text::without_mark;

/// Nobody writes as much.
const BYTES_MAX: u64 = 1 << 20;

/// What a file says.
pub(super) fn read(path: &Path) -> io::Result<String> {
    // Before it is opened: a pipe that nobody writes to lets whoever opens it wait.
    regular(&std::fs::metadata(path)?)?;
    let mut text = String::new();
    File::open(path)?.take(BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > BYTES_MAX {
        let why = format!("it is larger than {BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(without_mark(text))
}

/// Refuses a folder, a pipe or a device.
pub(super) fn regular(metadata: &Metadata) -> io::Result<()> {
    match metadata.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file")),
    }
}
