//! Names of compressed files.

use std::path::Path;

/// Endings of compressed files and of archives.
const ENDINGS: [&str; 18] = [
    "7z", "br", "bz2", "bzip2", "gz", "gzip", "lz", "lz4", "lzma", "lzo", "rar", "sz", "tgz", "xz",
    "z", "zip", "zst", "zstd",
];

/// The ending of a file whose name promises compression. A program that does not compress so must
/// refuse to write it: the file would silently hold a plain capture.
pub fn compression(file: &Path) -> Option<&str> {
    let ending = file.extension()?.to_str()?;
    ENDINGS.iter().any(|known| ending.eq_ignore_ascii_case(known)).then_some(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ending_counts() {
        for (name, ending) in [("a/y.pcap.xz", "xz"), ("y.BZ2", "BZ2"), ("y.pcapng.GZ", "GZ")] {
            assert_eq!(compression(Path::new(name)), Some(ending));
        }
        for name in ["y.pcap", "y.xz.pcapng", "xz", "-", ".xz"] {
            assert_eq!(compression(Path::new(name)), None, "{name}");
        }
    }
}
