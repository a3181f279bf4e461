//! Compressed files: told by their first bytes, and decompressed where the feature is on.

use std::fmt;
use std::io::{self, Read};

use crate::Error;

/// Length of the longest magic number of a compression.
pub(super) const MAGIC_LEN: usize = 4;
/// What the decompressors read at once.
#[cfg(any(feature = "gzip", feature = "zstd", feature = "lz4"))]
const BLOCK_LEN: usize = 256 << 10;

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

    /// The decompressed bytes of a source. Fails where the feature for it is off.
    pub(super) fn decoder(
        self,
        source: impl Read + Send + 'static,
    ) -> Result<Box<dyn Read + Send>, Error> {
        #[cfg(any(feature = "gzip", feature = "zstd", feature = "lz4"))]
        let buffered = |source| io::BufReader::with_capacity(BLOCK_LEN, source);
        match self {
            Self::None => Ok(Box::new(source)),
            #[cfg(feature = "gzip")]
            Self::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered(source)))),
            #[cfg(feature = "zstd")]
            Self::Zstd => match zstd::Decoder::with_buffer(buffered(source)) {
                Ok(decoder) => Ok(Box::new(decoder)),
                Err(source) => Err(Error::Io { offset: 0, source }),
            },
            #[cfg(feature = "lz4")]
            Self::Lz4 => Ok(Box::new(super::lz4::Frames::new(buffered(source)))),
            #[cfg(not(all(feature = "gzip", feature = "zstd", feature = "lz4")))]
            compression => Err(Error::NotDecompressed { compression }),
        }
    }

    /// A failure to read, in plain words where it is the decompressor's; `read`: bytes of the
    /// compressed file so far.
    pub(super) fn explain(self, error: io::Error, read: u64) -> io::Error {
        if self == Self::None {
            return error;
        }
        match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => error,
            // the operating system's
            _ if error.raw_os_error().is_some() => error,
            kind @ io::ErrorKind::UnexpectedEof => {
                io::Error::new(kind, format!("the {self} file is cut off at its byte {read}"))
            }
            // where exactly is not known: whole blocks are read
            _ => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the {self} file is damaged within its first {read} bytes"),
            ),
        }
    }
}
