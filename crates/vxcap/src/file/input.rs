//! Opens capture files, pipes and compressed files, and counts the bytes that were read.

use std::fs::File;
use std::io::{self, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::compression::{Compression, MAGIC_LEN};
use super::decompress;
use crate::Error;

/// The bytes of a capture file. They are decompressed as they are read.
pub struct Input {
    source: Box<dyn Read + Send>,
    compression: Compression,
    path: Option<PathBuf>,
    progress: ReadProgress,
}

impl Input {
    /// Opens a file; `-` is the standard input. The first bytes are read to detect the compression.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] where it cannot be opened, [`Error::Io`] where it cannot be read,
    /// [`Error::NotDecompressed`] where the feature for its compression is off; all with the file's
    /// name.
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

    /// Reads from any source. The first bytes are read to detect the compression.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where it cannot be read, [`Error::NotDecompressed`] where the feature for its
    /// compression is off.
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
        let source = decompress::decoder(compression, Cursor::new(start).chain(source))?;
        Ok(Self { source, compression, path: None, progress })
    }

    /// How the file is compressed.
    pub fn compression(&self) -> Compression {
        self.compression
    }

    /// The file's name, if it was opened by name.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How much has been read. The value stays up to date while the input is read elsewhere.
    pub fn progress(&self) -> ReadProgress {
        self.progress.clone()
    }
}

impl Read for Input {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let explained = |e| decompress::explain(self.compression, e, self.progress.read());
        self.source.read(into).map_err(explained)
    }
}

/// How much of a file has been read.
#[derive(Clone, Debug)]
pub struct ReadProgress {
    read: Arc<AtomicU64>,
    total: Option<u64>,
}

impl ReadProgress {
    /// How many bytes of the (compressed) file have been read.
    pub fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// The length of the (compressed) file when it was opened. `None` for pipes and devices.
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
