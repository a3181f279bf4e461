//! How a file is compressed, detected by its first bytes.

use std::fmt;

/// The length of the longest magic number of a compression.
pub(super) const MAGIC_LEN: usize = 4;

/// How a file is compressed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not compressed.
    None,
    /// gzip (RFC 1952), one or several members.
    Gzip,
    /// Zstandard (RFC 8878), one or several frames with windows of at most 128 MiB.
    Zstd,
    /// LZ4, one or several frames.
    Lz4,
}

impl fmt::Display for Compression {
    /// The name of the compression, which is also that of its feature.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        })
    }
}

impl Compression {
    /// The compression of a file that begins with these bytes.
    pub fn detect(magic: &[u8]) -> Self {
        match magic {
            // RFC 1952, section 2.3.1
            [0x1f, 0x8b, ..] => Self::Gzip,
            // RFC 8878, sections 3.1.1 and 3.1.2 (skippable frames, with which pzstd begins)
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            // LZ4 Frame Format Description, "Magic Number"
            [0x04, 0x22, 0x4d, 0x18, ..] => Self::Lz4,
            _ => Self::None,
        }
    }
}
