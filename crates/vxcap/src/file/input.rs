//! Opens capture files, pipes and compressed files, and counts what was read.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;
use lz4_flex::frame::FrameDecoder;

use crate::Error;

/// Length of the magic number of every compression.
const MAGIC_LEN: usize = 4;
/// What the decompressors read at once.
const COMPRESSED_BLOCK_LEN: usize = 256 << 10;

/// The end of an LZ4 frame (LZ4 Frame Format Description, `EndMark`: 4 zero bytes), as long as the
/// decoder reads of a frame's begin.
const LZ4_END_MARK: [u8; 8] = [0; 8];

/// How a file is compressed.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip (RFC 1952), one or several members.
    Gzip,
    /// Zstandard (RFC 8878), one or several frames with windows of at most 128 MiB.
    Zstd,
    /// LZ4, one or several frames.
    Lz4,
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

    /// A failure to read, in words for people where it is the decompressor's; `read`: bytes of the compressed file so far.
    fn told(self, error: io::Error, read: u64) -> io::Error {
        let name = match self {
            Self::None => return error,
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        };
        match error.kind() {
            io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock => error,
            // the operating system's
            _ if error.raw_os_error().is_some() => error,
            kind @ io::ErrorKind::UnexpectedEof => {
                io::Error::new(kind, format!("the {name} file is cut off at its byte {read}"))
            }
            // where exactly is not told: whole blocks are read
            _ => io::Error::new(
                io::ErrorKind::InvalidData,
                format!("the {name} file is damaged within its first {read} bytes"),
            ),
        }
    }
}

/// The bytes of a capture file, decompressed as they are read.
pub struct Input {
    source: Box<dyn Read + Send>,
    compression: Compression,
    path: Option<PathBuf>,
    progress: ReadProgress,
}

impl Input {
    /// Opens a file, or the standard input for `-`. The first bytes are read to tell the compression.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] where it cannot be opened, [`Error::Io`] where it cannot be read; both with the file's name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        if path.as_os_str() == "-" {
            let name = Path::new("standard input");
            let mut input = Self::new(io::stdin()).map_err(|error| error.in_file(name))?;
            input.path = Some(name.to_owned());
            return Ok(input);
        }
        let file = File::open(path).map_err(|error| Error::Open(error).in_file(path))?;
        let total = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|file| file.len());
        let mut input = Self::counted(file, total).map_err(|error| error.in_file(path))?;
        input.path = Some(path.to_owned());
        Ok(input)
    }

    /// Reads from any source. The first bytes are read to tell the compression.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read.
    pub fn new(source: impl Read + Send + 'static) -> Result<Self, Error> {
        Self::counted(source, None)
    }

    fn counted(source: impl Read + Send + 'static, total: Option<u64>) -> Result<Self, Error> {
        let progress = ReadProgress { read: Arc::default(), total };
        let mut source = Counted { source, read: Arc::clone(&progress.read) };
        let mut magic = [0; MAGIC_LEN];
        let mut len = 0;
        while let Some(room @ [_, ..]) = magic.get_mut(len..) {
            match source.read(room) {
                Ok(0) => break,
                Ok(more) => len += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { offset: len as u64, source }),
            }
        }
        let start = magic.get(..len).unwrap_or_default().to_vec();
        let compression = Compression::detect(&start);
        let whole = Cursor::new(start).chain(source);
        let buffered = |whole| BufReader::with_capacity(COMPRESSED_BLOCK_LEN, whole);
        let source: Box<dyn Read + Send> = match compression {
            Compression::None => Box::new(whole),
            Compression::Gzip => Box::new(MultiGzDecoder::new(buffered(whole))),
            Compression::Zstd => Box::new(
                zstd::Decoder::with_buffer(buffered(whole))
                    .map_err(|source| Error::Io { offset: 0, source })?,
            ),
            Compression::Lz4 => Box::new(Lz4Frames::new(buffered(whole))),
        };
        Ok(Self { source, compression, path: None, progress })
    }

    /// How the file is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The file's name, where it was opened by name.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// A handle on how much has been read, which goes on telling while the input is read elsewhere.
    pub fn progress(&self) -> ReadProgress {
        self.progress.clone()
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.source.read(into).map_err(|error| self.compression.told(error, self.progress.read()))
    }
}

/// How much of a file has been read.
#[derive(Clone, Debug)]
pub struct ReadProgress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl ReadProgress {
    /// Bytes of the (compressed) file that have been read.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Length of the (compressed) file when it was opened; `None` for pipes and devices.
    pub fn total(&self) -> Option<u64> {
        self.total
    }
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let len = self.source.read(into)?;
        self.read.fetch_add(len as u64, Ordering::Relaxed);
        Ok(len)
    }
}

/// Several LZ4 frames one behind the other. The decoder gives an end after each, and also where the input
/// ends between two blocks of a frame.
struct Lz4Frames<R: Read>(FrameDecoder<Marked<R>>);

impl<R: BufRead> Lz4Frames<R> {
    fn new(source: R) -> Self {
        Self(FrameDecoder::new(Marked { source, mark: &[] }))
    }

    /// At the end of the input: whether the last frame has its end mark. Behind a whole frame the decoder
    /// takes another end mark for a wrong magic number.
    fn is_whole(&mut self) -> bool {
        self.0.get_mut().mark = &LZ4_END_MARK;
        let behind = self.0.read(&mut [0]).map_err(io::Error::downcast);
        matches!(behind, Err(Ok(lz4_flex::frame::Error::WrongMagicNumber)))
    }
}

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.0.read(into)?;
            if len > 0 || into.is_empty() {
                return Ok(len);
            }
            if self.0.get_mut().source.fill_buf()?.is_empty() {
                return if self.is_whole() {
                    Ok(0)
                } else {
                    let message = "the lz4 frame is cut off";
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
                };
            }
        }
    }
}

/// The bytes of a source, and then those of a mark.
struct Marked<R> {
    source: R,
    mark: &'static [u8],
}

impl<R: Read> Read for Marked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.source.read(into)? {
            0 => self.mark.read(into),
            len => Ok(len),
        }
    }
}
