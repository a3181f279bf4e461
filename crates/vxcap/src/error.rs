//! What can go wrong with a capture, and where.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::file::Compression;

/// Why a capture cannot be read or written, or not any further.
///
/// Offsets count the bytes of the capture format. For a compressed file they are offsets into the
/// decompressed bytes.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// Another error, and the file in which it happened.
    InFile {
        /// The file, as it was named when it was opened.
        path: PathBuf,
        /// How many packets were read before it, where that is known.
        packets: Option<u64>,
        /// What happened.
        error: Box<Error>,
    },
    /// The operating system or a decompressor failed.
    Io {
        /// How many bytes had been read or written.
        offset: u64,
        /// The failure itself.
        source: io::Error,
    },
    /// A file or device could not be opened or created.
    Open(io::Error),
    /// The file has no bytes.
    Empty,
    /// The first bytes do not belong to a capture format that can be read here.
    BadMagic {
        /// The first four bytes.
        magic: [u8; 4],
        /// What the bytes look like, and what helps. It completes the sentence “it …”.
        looks: &'static str,
    },
    /// The file is compressed, and the feature of this crate that decompresses it is off.
    NotDecompressed {
        /// How the file is compressed.
        compression: Compression,
    },
    /// The file ends inside a part of it.
    Truncated {
        /// Where the part begins.
        offset: u64,
        /// What was cut.
        part: Part,
        /// How many bytes the part has at least.
        needed: u64,
        /// How many of them are there.
        available: u64,
    },
    /// The bytes contradict the format.
    Damaged {
        /// Where the record or block begins.
        offset: u64,
        /// What is wrong.
        what: Box<str>,
    },
    /// A version or variant of the format that cannot be read here.
    Unsupported {
        /// Where the header begins.
        offset: u64,
        /// What it asks for.
        what: Box<str>,
    },
    /// The output format cannot hold it.
    Unwritable {
        /// What it is, and what helps.
        what: Box<str>,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InFile { path, packets, error } => {
                write!(f, "{}: {error}{}", path.display(), After(*packets))
            }
            Self::Io { offset, source } => write!(f, "{source} (at byte {offset})"),
            Self::Open(source) => source.fmt(f),
            Self::Empty => f.write_str("empty: a capture file has at least a header of 24 bytes"),
            Self::BadMagic { magic, looks } => {
                let hex = Hex(*magic);
                write!(f, "not a pcap or pcapng file: it {looks} (starts with {hex})")
            }
            Self::NotDecompressed { compression } => write!(
                f,
                "compressed with {compression}, which this program cannot decompress: it was built \
                 without feature `{compression}` of vxcap"
            ),
            Self::Truncated { offset, part, needed, available } => write!(
                f,
                "cut off inside {part} at byte {offset}: {needed} bytes needed, {available} there"
            ),
            Self::Damaged { offset, what } => write!(f, "damaged at byte {offset}: {what}"),
            Self::Unsupported { offset, what } => {
                write!(f, "not supported: {what} (at byte {offset})")
            }
            Self::Unwritable { what } => write!(f, "cannot be written: {what}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::InFile { error, .. } => Some(error.as_ref()),
            Self::Io { source, .. } | Self::Open(source) => Some(source),
            _ => None,
        }
    }
}

impl Error {
    /// The byte offset of the error, if it has one.
    pub fn offset(&self) -> Option<u64> {
        match self.cause() {
            Self::Io { offset, .. }
            | Self::Truncated { offset, .. }
            | Self::Damaged { offset, .. }
            | Self::Unsupported { offset, .. } => Some(*offset),
            _ => None,
        }
    }

    /// The file in which it happened, if it was opened by name.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::InFile { path, .. } => Some(path),
            _ => None,
        }
    }

    /// The error without the file's name.
    pub fn cause(&self) -> &Error {
        match self {
            Self::InFile { error, .. } => error.cause(),
            other => other,
        }
    }

    /// The same error with the name of the file in which it happened. An error that has a name
    /// keeps it.
    #[must_use]
    pub fn in_file(self, path: &Path) -> Self {
        match self {
            Self::InFile { .. } => self,
            error => Self::InFile { path: path.to_owned(), packets: None, error: Box::new(error) },
        }
    }

    /// [`Self::in_file`], after this many packets.
    #[cold]
    pub(crate) fn in_file_after(self, path: &Path, packets: u64) -> Self {
        Self::InFile { path: path.to_owned(), packets: Some(packets), error: Box::new(self) }
    }

    /// Damage at an offset.
    #[cold]
    pub(crate) fn damaged(offset: u64, what: impl Into<Box<str>>) -> Self {
        Self::Damaged { offset, what: what.into() }
    }
}

/// A part of a capture file that can be cut off.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Part {
    /// The header of a pcap file.
    FileHeader,
    /// The header of a packet record of a pcap file.
    RecordHeader,
    /// The captured bytes of a packet of a pcap file.
    PacketData,
    /// A block of a pcapng file.
    Block,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FileHeader => "the file header",
            Self::RecordHeader => "a packet's header",
            Self::PacketData => "a packet",
            Self::Block => "a block",
        })
    }
}

/// Bytes in hexadecimal with spaces between.
struct Hex([u8; 4]);

/// How many packets were read before, if that is known.
struct After(Option<u64>);

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(0) => f.write_str(" (before the first packet)"),
            Some(packets) => write!(f, " (after packet {packets})"),
        }
    }
}

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, " {byte:02x}"))
    }
}
