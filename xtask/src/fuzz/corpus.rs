//! The inputs that are kept: what people wrote, and beside it what libFuzzer has found to lead elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::folder::remove;
use crate::process::quiet;

use super::{BOUNDS, SCRATCH, Target};

/// No more inputs of a target are kept, so that the repository stays small.
const KEPT_MAX: usize = 60;

/// The folder of what was found for a target, if anything was.
pub(super) fn kept(target: &Target) -> Option<PathBuf> {
    Some(folder(target)).filter(|folder| folder.is_dir())
}

fn folder(target: &Target) -> PathBuf {
    Path::new("fuzz/corpus").join(target.name)
}

/// The words that a target's inputs are made of.
pub(super) fn dictionary(target: &Target) -> Option<String> {
    let path = format!("fuzz/dictionaries/{}.txt", target.name);
    Path::new(&path).exists().then(|| format!("-dict={path}"))
}

/// Puts the fewest and shortest of what was found into the repository that together with the seeds lead everywhere.
pub(super) fn keep(target: &Target, program: &Path) -> Result {
    let merged = Path::new(SCRATCH).join("merged").join(target.name);
    let cannot = |error: io::Error| format!("cannot put together {}: {error}", merged.display());
    remove(&merged).and_then(|()| fs::create_dir_all(&merged)).map_err(cannot)?;
    let seeds = files(Path::new(target.seeds))?;
    let copy = |seed: &Path| Some(merged.join(seed.file_name()?));
    for seed in &seeds {
        if let Some(copy) = copy(seed) {
            fs::copy(seed, copy).map_err(cannot)?;
        }
    }
    let found = Path::new(SCRATCH).join("corpus").join(target.name);
    quiet(
        Command::new(program)
            .arg("-set_cover_merge=1")
            .args(BOUNDS)
            .arg(&merged)
            .arg(found)
            .args(kept(target)),
    )?;
    for seed in &seeds {
        if let Some(copy) = copy(seed) {
            fs::remove_file(copy).map_err(cannot)?;
        }
    }
    // What leads to most is written first.
    let mut by_age = files(&merged)?;
    by_age.sort_by_key(|file| fs::metadata(file).and_then(|metadata| metadata.modified()).ok());
    for file in by_age.iter().skip(KEPT_MAX) {
        fs::remove_file(file).map_err(cannot)?;
    }
    let kept = folder(target);
    let replaced = remove(&kept).and_then(|()| fs::create_dir_all("fuzz/corpus"));
    replaced.and_then(|()| fs::rename(&merged, &kept)).map_err(cannot)
}

/// The files in a folder, by name.
pub(super) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let cannot = |error: io::Error| format!("cannot read {}: {error}", folder.display());
    let listing = fs::read_dir(folder).map_err(cannot)?.collect::<io::Result<Vec<_>>>().map_err(cannot)?;
    let mut files: Vec<PathBuf> = listing.into_iter().map(|file| file.path()).collect();
    files.sort();
    Ok(files)
}
