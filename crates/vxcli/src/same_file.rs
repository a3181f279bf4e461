//! Whether two names are those of one file.

use std::fs;
use std::path::Path;

use crate::failure::Failure;

/// Standard input as a file, where the system has such names.
const STDIN: &str = "/dev/stdin";

/// Refuses to write over a file that is read.
///
/// # Errors
///
/// [`Failure::Usage`] where `out` is one of the files that are `read`.
pub fn refuse_same_file<'f>(
    read: impl IntoIterator<Item = &'f Path>,
    out: &Path,
) -> Result<(), Failure> {
    match read.into_iter().find(|file| is_same_file(file, out)) {
        Some(file) => Err(Failure::usage(format_args!(
            "{} would be read and written at the same time: give -w another name",
            file.display()
        ))),
        None => Ok(()),
    }
}

/// Whether both names lead to one file: what is read must not be written over. The input `-` is
/// what standard input was redirected from; the output `-` is no file.
pub fn is_same_file(input: &Path, out: &Path) -> bool {
    if out.as_os_str() == "-" {
        return false;
    }
    let input = if input.as_os_str() == "-" { Path::new(STDIN) } else { input };
    let (Ok(a), Ok(b)) = (fs::metadata(input), fs::metadata(out)) else { return false };
    if !a.is_file() {
        return false;
    }
    same_metadata(&a, &b)
        || matches!((fs::canonicalize(input), fs::canonicalize(out)), (Ok(a), Ok(b)) if a == b)
}

#[cfg(unix)]
fn same_metadata(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;

    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn same_metadata(_a: &fs::Metadata, _b: &fs::Metadata) -> bool {
    false
}
