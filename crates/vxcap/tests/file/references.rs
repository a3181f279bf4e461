//! The reference captures, where they are.

use std::path::{Path, PathBuf};

use vxtest::files_below;

/// All capture files below the folder, in the order of their names.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    const TEXTS: [&str; 6] = ["csv", "tsv", "json", "jsonl", "md", "drops"];
    let mut files = files_below(folder, &[]);
    files.retain(|path| TEXTS.iter().all(|text| path.extension() != Some(text.as_ref())));
    assert!(files.len() > 100, "only {} captures", files.len());
    files
}
