//! Decompressing files, where the feature for their compression is on.

use std::io::{self, Read};

use super::compression::Compression;
use crate::Error;

/// What the decompressors read at once.
#[cfg(any(feature = "gzip", feature = "zstd", feature = "lz4"))]
const BLOCK_LEN: usize = 256 << 10;

/// The decompressed bytes of a source. Fails where the feature for it is off.
pub(super) fn decoder(
    compression: Compression,
    source: impl Read + Send + 'static,
) -> Result<Box<dyn Read + Send>, Error> {
    #[cfg(any(feature = "gzip", feature = "zstd", feature = "lz4"))]
    let buffered = |source| io::BufReader::with_capacity(BLOCK_LEN, source);
    match compression {
        Compression::None => Ok(Box::new(source)),
        #[cfg(feature = "gzip")]
        Compression::Gzip => Ok(Box::new(flate2::bufread::MultiGzDecoder::new(buffered(source)))),
        #[cfg(feature = "zstd")]
        Compression::Zstd => match zstd::Decoder::with_buffer(buffered(source)) {
            Ok(decoder) => Ok(Box::new(decoder)),
            Err(source) => Err(Error::Io { offset: 0, source }),
        },
        #[cfg(feature = "lz4")]
        Compression::Lz4 => Ok(Box::new(super::lz4::Frames::new(buffered(source)))),
        #[cfg(not(all(feature = "gzip", feature = "zstd", feature = "lz4")))]
        compression => Err(Error::NotDecompressed { compression }),
    }
}

/// A failure to read, in plain words where it is the decompressor's; `read`: bytes of the
/// compressed file so far.
pub(super) fn explain(compression: Compression, error: io::Error, read: u64) -> io::Error {
    if compression == Compression::None {
        return error;
    }
    match error.kind() {
        io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => error,
        // the operating system's
        _ if error.raw_os_error().is_some() => error,
        kind @ io::ErrorKind::UnexpectedEof => {
            io::Error::new(kind, format!("the {compression} file is cut off at its byte {read}"))
        }
        // where exactly is not known: whole blocks are read
        _ => io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the {compression} file is damaged within its first {read} bytes"),
        ),
    }
}
