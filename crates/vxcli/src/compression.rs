//! Compressed output that no program here writes.

use std::path::Path;

/// Endings of compressed files and of archives, other than .gz, .zst and .lz4.
const FOREIGN: [&str; 15] = [
    "7z", "br", "bz2", "bzip2", "gzip", "lz", "lzma", "lzo", "rar", "sz", "tgz", "xz", "z", "zip",
    "zstd",
];

/// The ending of a file that promises a compression that is not written: without a refusal the file
/// would silently hold a plain capture.
pub fn foreign_compression(file: &Path) -> Option<&str> {
    let ending = file.extension()?.to_str()?;
    FOREIGN.iter().any(|known| ending.eq_ignore_ascii_case(known)).then_some(ending)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_ending_counts() {
        assert_eq!(foreign_compression(Path::new("a/y.pcap.xz")), Some("xz"));
        assert_eq!(foreign_compression(Path::new("y.BZ2")), Some("BZ2"));
        for name in ["y.pcap", "y.xz.pcapng", "y.pcap.gz", "y.zst", "y.lz4", "xz", "-", ".xz"] {
            assert_eq!(foreign_compression(Path::new(name)), None, "{name}");
        }
    }
}
