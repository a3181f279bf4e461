//! The reference captures, where they are.

use std::path::{Path, PathBuf};
use std::{env, fs};

/// The folder of the reference captures, by `VXDUMP_CAPTURES` or beside the workspace; `None`, with a
/// message, where it is absent.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = env::var_os("VXDUMP_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no reference captures in {} (VXDUMP_CAPTURES)", folder.display());
    None
}

/// All capture files below the folder, in the order of their names.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder that can be read") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let is_text = path.extension().is_some_and(|ending| {
                ["csv", "tsv", "json", "jsonl", "md", "drops"].iter().any(|text| ending == *text)
            });
            if !is_text {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(files.len() > 100, "only {} captures", files.len());
    files
}
