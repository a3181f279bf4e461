//! A capture file in pieces, for several threads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::pcapng::Sections;
use super::piece::{Known, Piece, Stored, Walk};
use super::{BlockReader, Compression, Input, PcapHeader};
use crate::Error;

/// The bytes of a piece: few enough that they stay in the processor's second-level cache.
const PIECE_LEN: u64 = 256 << 10;

/// A capture file in pieces, which several threads read at the same time. It must be an
/// uncompressed regular file.
///
/// A thread that reads a piece first finds where its records or blocks begin and end, and so where
/// the next piece begins. Nothing is guessed from what records look like, so a capture that
/// contains another capture is read correctly. The sections and interfaces of pcapng are passed on
/// in the same way.
///
/// The file is read up to the length that it had when it was opened.
///
/// ```
/// use vxcap::file::{Piece, Pieces};
/// # use vxcap::write::{PcapFormat, PcapWriter};
/// # use vxcap::{Interface, LinkType, Timestamp};
/// # let path = std::env::temp_dir().join(format!("vxcap-pieces-{}.pcap", std::process::id()));
/// # let format = PcapFormat::of(&Interface::new(LinkType::ETHERNET, 0));
/// # let mut writer = PcapWriter::new(std::fs::File::create(&path).unwrap(), format)?;
/// # for second in 0..10_000 {
/// #     writer.record(Timestamp::from_nanos(second * 1_000_000_000), 60, &[0; 60])?;
/// # }
/// # writer.finish()?;
///
/// // a file with 10,000 packets
/// let pieces = Pieces::open(&path)?.expect("a regular file that is not compressed");
/// let next = std::sync::atomic::AtomicU64::new(0);
/// let count = || {
///     let (mut piece, mut packets) = (Piece::default(), 0);
///     loop {
///         let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
///         if number >= pieces.count() {
///             return Ok::<_, vxcap::Error>(packets);
///         }
///         pieces.read(number, &mut piece)?;
///         packets += piece.frames().count();
///     }
/// };
/// let packets = std::thread::scope(|scope| {
///     let threads = [scope.spawn(count), scope.spawn(count)];
///     threads.map(|thread| thread.join().unwrap().unwrap()).iter().sum::<usize>()
/// });
/// assert_eq!(packets, 10_000);
/// # std::fs::remove_file(path).unwrap();
/// # Ok::<(), vxcap::Error>(())
/// ```
#[derive(Debug)]
pub struct Pieces {
    stored: Stored,
    path: PathBuf,
    piece_len: u64,
    next: Mutex<Next>,
    moved: Condvar,
}

/// The piece that is walked over next.
#[derive(Debug)]
struct Next {
    /// The number of the piece. Those before it have been walked over.
    piece: u64,
    walk: Walk,
    /// The file is damaged or cut off: no piece has more packets.
    ended: bool,
}

impl Pieces {
    /// Opens a file. `None` where it cannot be read in pieces: it is compressed, a pipe, or has no
    /// known length.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Option<Self>, Error> {
        let path = path.as_ref();
        // asked before anything is opened: what is read of a pipe is gone for its other readers
        if !std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file()) {
            return Ok(None);
        }
        let input = Input::open(path)?;
        if input.compression() != Compression::None {
            return Ok(None);
        }
        let (known, start) = match BlockReader::from_input(input)?.pcap_header_of_file() {
            Some(header) => (
                Known::Records(header.records()),
                PcapHeader::file_header_len(header.format) as u64,
            ),
            None => (Known::Sections(Sections::new()), 0),
        };
        let opening = |error| Error::Open(error).in_file(path);
        let file = File::open(path).map_err(opening)?;
        let len = file.metadata().map_err(opening)?.len();
        // a file header that is cut is for the reader to tell; the files of /proc have no length
        if len < start.max(1) {
            return Ok(None);
        }
        let walk = Walk { offset: start, packets: 0, known };
        Ok(Some(Self {
            stored: Stored { file, len },
            path: path.to_owned(),
            piece_len: PIECE_LEN,
            next: Mutex::new(Next { piece: 0, walk, ended: false }),
            moved: Condvar::new(),
        }))
    }

    /// The same file in pieces of this many bytes (at least one) instead of 256 KiB.
    #[must_use]
    pub fn of_len(self, piece_len: u64) -> Self {
        Self { piece_len: piece_len.max(1), ..self }
    }

    /// How many pieces there are.
    pub fn count(&self) -> u64 {
        self.stored.len.div_ceil(self.piece_len)
    }

    /// The length of the file in bytes, and how many of them are before piece `number`.
    pub fn progress(&self, number: u64) -> (u64, u64) {
        (self.stored.len, self.stored.len.min(number.saturating_mul(self.piece_len)))
    }

    /// Reads piece `number`. Every piece must be read once. The threads must begin them in the
    /// order of their numbers: a piece waits for the one before it, and for ever if no thread reads
    /// that one.
    ///
    /// # Errors
    ///
    /// What is damaged or cut off, and where, as [`Reader::next_frame`](super::Reader::next_frame)
    /// does. The piece has the packets before that.
    pub fn read(&self, number: u64, piece: &mut Piece) -> Result<(), Error> {
        let (_, begin) = self.progress(number);
        let (_, end) = self.progress(number.saturating_add(1));
        piece.begin(begin, end, &self.stored);
        let waiting = Waiting(self);
        let mut next = self.turn(number);
        let result = if next.ended { Ok(()) } else { next.walk.over(piece, end, &self.stored) };
        next.ended |= result.is_err();
        next.piece = number.saturating_add(1);
        let packets = next.walk.packets;
        drop(next);
        drop(waiting);
        result.map_err(|error| error.in_file_after(&self.path, packets))
    }

    /// Waits until the pieces before this one have been walked over.
    fn turn(&self, number: u64) -> MutexGuard<'_, Next> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.moved.wait_while(next, |next| next.piece < number);
        turn.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes the threads that wait for their turn, whatever happens.
struct Waiting<'a>(&'a Pieces);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // nobody knows where the next piece begins
            let mut next = self.0.next.lock().unwrap_or_else(PoisonError::into_inner);
            (next.ended, next.piece) = (true, u64::MAX);
        }
        self.0.moved.notify_all();
    }
}
