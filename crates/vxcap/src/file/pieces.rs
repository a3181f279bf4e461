//! A capture file in pieces, for several threads.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::pcapng::Sections;
use super::piece::{Known, Piece, Stored, Walk};
use super::{BlockReader, Compression, Input, PcapHeader};
use crate::Error;

/// Bytes of the file that belong to a piece: what a thread reads stays in the processor's second cache.
const PIECE_LEN: u64 = 256 << 10;

/// A capture file in pieces that several threads read side by side, where its bytes can be read at any place: an
/// uncompressed regular file.
///
/// Where the first record or block of a piece begins is known from the piece before it, which is walked over as soon as
/// its bytes are there: nothing is guessed from what records look like, so that a capture which carries another capture
/// is read right too. The sections and interfaces of pcapng are handed on in the same way.
///
/// What is read is the file as long as it was when it was opened.
#[derive(Debug)]
pub struct Pieces {
    stored: Stored,
    path: PathBuf,
    piece_len: u64,
    next: Mutex<Next>,
    moved: Condvar,
}

/// Whose turn it is to walk on.
#[derive(Debug)]
struct Next {
    /// The number of a piece: those before it were walked over.
    piece: u64,
    walk: Walk,
    /// The file is damaged or cut: no piece has more packets.
    ended: bool,
}

impl Pieces {
    /// Opens a file; `None` where it cannot be read in pieces: it is compressed, a pipe, or does not tell its length.
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

    /// The same file in pieces of this many bytes, at least one, instead of 256 KiB.
    #[must_use]
    pub fn of_len(self, piece_len: u64) -> Self {
        Self { piece_len: piece_len.max(1), ..self }
    }

    /// How many pieces there are.
    pub fn count(&self) -> u64 {
        self.stored.len.div_ceil(self.piece_len)
    }

    /// Length of the file in bytes, and how many of them come before piece `number`.
    pub fn progress(&self, number: u64) -> (u64, u64) {
        (self.stored.len, self.stored.len.min(number.saturating_mul(self.piece_len)))
    }

    /// Reads piece `number`. Each is to be read once, and begun in the order of their numbers: it waits for the piece
    /// before it, and for ever if nobody reads that.
    ///
    /// # Errors
    ///
    /// What is damaged or cut, and where, as [`Reader::next_frame`](super::Reader::next_frame) has it; the packets before
    /// that are there.
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

    /// Waits until the pieces before this one were walked over.
    fn turn(&self, number: u64) -> MutexGuard<'_, Next> {
        let next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = self.moved.wait_while(next, |next| next.piece < number);
        turn.unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those who wait for their turn, who are woken in any case.
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
