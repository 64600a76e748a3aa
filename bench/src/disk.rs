//! How long the disk takes to be sure.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use crate::real;

const WRITES: usize = 100;

/// The median time of an fsync after 4 KiB were written over what was there, as in a log that is used again.
pub(crate) fn fsync_time(folder: &Path) -> Result<Duration> {
    let path = folder.join("fsync");
    fs::write(&path, vec![0; 4096 * WRITES])?;
    let mut file = File::options().write(true).open(&path)?;
    let mut times = Vec::with_capacity(WRITES);
    for _ in 0..WRITES {
        file.write_all(&[7; 4096])?;
        let start = real::now();
        file.sync_data()?;
        times.push(start.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(times.get(WRITES / 2).copied().unwrap_or_default())
}
