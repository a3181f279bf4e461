//! Where captures and maps lie.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::skip::{Missing, skip};

/// The root of the workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A file that comes with the project: `captures/ping-n1-eth0.pcap`, `maps/nodes.json`.
pub fn testdata(name: &str) -> PathBuf {
    root().join("testdata").join(name)
}

/// A folder of the reference captures: `lab`, `third-party`, or all with an empty name. `None`
/// where they are not there; the test is then recorded as skipped.
pub fn references(folder: &str) -> Option<PathBuf> {
    let all = env::var_os("VXDUMP_CAPTURES")
        .map_or_else(|| root().join("../shared/captures"), PathBuf::from);
    let path = all.join(folder);
    if path.is_dir() {
        return Some(path);
    }
    skip(Missing::Captures, "no reference captures (VXDUMP_CAPTURES names their folder)");
    None
}

/// All files below a folder whose names end in one of these extensions, or all files where there is
/// none; sorted by path.
///
/// # Panics
///
/// Where a folder cannot be read.
pub fn files_below(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
        for entry in entries {
            let path = entry.unwrap_or_else(|e| panic!("{}: {e}", folder.display())).path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if path.is_dir() {
                folders.push(path);
            } else if extensions.is_empty() || extensions.contains(&extension.unwrap_or("")) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}
