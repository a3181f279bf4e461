//! A pcap file in pieces, for several threads.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::block_reader::BlockReader;
use super::pcap::{PcapHeader, Records};
use super::{Compression, Input};
use crate::{Error, Frame};

/// Bytes of the file that belong to a piece: what a thread reads stays in the processor's second cache.
const PIECE_LEN: u64 = 256 << 10;

/// A pcap file in pieces that several threads read side by side, where its bytes can be read at any place: an
/// uncompressed regular file.
///
/// Where the first record of a piece begins is known from the piece before it, whose record headers are walked over as
/// soon as its bytes are there: nothing is guessed from what records look like, so that a capture which carries
/// another capture is read right too.
#[derive(Debug)]
pub struct Pieces {
    file: File,
    path: PathBuf,
    header: PcapHeader,
    records: Records,
    /// Length of the file when it was opened.
    len: u64,
    next: Mutex<Next>,
    moved: Condvar,
}

/// How far it is known where records begin.
#[derive(Clone, Copy, Debug)]
struct Next {
    /// The number of a piece …
    piece: u64,
    /// … and the offset of the first record that is not in those before it.
    record: u64,
    /// How many records come before that.
    packets: u64,
    /// It is damaged or cut: no piece has more records.
    ended: bool,
}

/// The packets of a piece, in memory that is used again.
#[derive(Debug, Default)]
pub struct Piece {
    bytes: Vec<u8>,
    /// How many of them are this piece's.
    have: usize,
    /// Where its first record begins, and its last one ends.
    start: usize,
    end: usize,
}

impl Pieces {
    /// Opens a file; `None` where it cannot be read in pieces: it is compressed, a pipe, or no pcap file.
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
        let reader = BlockReader::from_input(input)?;
        let Some(header) = reader.pcap_header_of_file() else { return Ok(None) };
        let opening = |error| Error::Open(error).in_file(path);
        let file = File::open(path).map_err(opening)?;
        let len = file.metadata().map_err(opening)?.len();
        let record = PcapHeader::file_header_len(header.format) as u64;
        Ok(Some(Self {
            file,
            path: path.to_owned(),
            records: header.records(),
            header,
            len,
            next: Mutex::new(Next { piece: 0, record, packets: 0, ended: len < record }),
            moved: Condvar::new(),
        }))
    }

    /// How many pieces there are.
    pub fn count(&self) -> u64 {
        self.len.div_ceil(PIECE_LEN)
    }

    /// Length of the file in bytes, and how many of them come before piece `number`.
    pub fn progress(&self, number: u64) -> (u64, u64) {
        (self.len, self.len.min(number.saturating_mul(PIECE_LEN)))
    }

    /// Reads piece `number`. Each is to be read once, and begun in the order of their numbers: it waits for the piece
    /// before it, and for ever if nobody reads that.
    ///
    /// # Errors
    ///
    /// What is damaged or cut, and where, as [`Reader::next_frame`](super::Reader::next_frame) has it; the packets before
    /// that are there.
    pub fn read(&self, number: u64, piece: &mut Piece) -> Result<(), Error> {
        let offset = self.len.min(number.saturating_mul(PIECE_LEN));
        let end = self.len.min(offset + PIECE_LEN);
        piece.have = 0;
        let read = self.fill(piece, offset, end);
        let mut next = self.next();
        while next.piece < number {
            next = self.moved.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
        let mut place = *next;
        drop(next);
        piece.start = place.record.saturating_sub(offset) as usize;
        piece.end = piece.start;
        let result = match read {
            _ if place.ended => Ok(()),
            Ok(()) => self.walk(piece, offset, end, &mut place),
            Err(error) => Err(error),
        };
        place.ended |= result.is_err();
        place.piece = number + 1;
        *self.next() = place;
        self.moved.notify_all();
        result
    }

    /// Walks over the records that begin before `end`, the last of which may be longer than what was read so far.
    fn walk(
        &self,
        piece: &mut Piece,
        offset: u64,
        end: u64,
        place: &mut Next,
    ) -> Result<(), Error> {
        while place.record < end {
            let at = (place.record - offset) as usize;
            let there = piece.bytes.get(at..piece.have.min((end - offset) as usize));
            let (packets, passed) = self.records.whole(there.unwrap_or_default());
            if passed > 0 {
                piece.end = at + passed;
                place.record += passed as u64;
                place.packets += packets;
                continue;
            }
            let header_end = place.record + self.records.header_len as u64;
            if header_end > self.len {
                return Err(self.damage(place));
            }
            self.fill(piece, offset, header_end)?;
            let Some(header) = piece.bytes.get(at..).and_then(|rest| rest.first_chunk()) else {
                return Err(self.damage(place));
            };
            let captured = self.records.parse(header).captured;
            let record_end = header_end + u64::from(captured);
            if captured > self.records.max_len || record_end > self.len {
                return Err(self.damage(place));
            }
            place.record = record_end;
            place.packets += 1;
            piece.end = (record_end - offset) as usize;
        }
        self.fill(piece, offset, offset + piece.end as u64)
    }

    /// Sees to it that the bytes from `offset` up to `end`, which is within the file, are there.
    #[inline]
    fn fill(&self, piece: &mut Piece, offset: u64, end: u64) -> Result<(), Error> {
        let need = end.saturating_sub(offset) as usize;
        if need <= piece.have {
            return Ok(());
        }
        if piece.bytes.len() < need {
            piece.bytes.resize(need, 0);
        }
        let at = offset + piece.have as u64;
        let room = piece.bytes.get_mut(piece.have..need).unwrap_or_default();
        piece.have = need;
        self.file
            .read_exact_at(room, at)
            .map_err(|source| Error::Io { offset: at, source }.in_file(&self.path))
    }

    /// The packets of a piece that was read, in the order of the file.
    pub fn frames<'a>(&self, piece: &'a Piece) -> impl Iterator<Item = Frame<'a>> {
        let records = self.records;
        let mut rest = piece.bytes.get(piece.start..piece.end).unwrap_or_default();
        std::iter::from_fn(move || {
            let (frame, after) = records.usual_frame(rest)?;
            rest = after;
            Some(frame)
        })
    }

    /// What is wrong with the record at this place, in the words of the reader that reads from the start to the end.
    #[cold]
    fn damage(&self, place: &Next) -> Error {
        let offset = place.record;
        let rest = || -> io::Result<_> {
            let mut file = self.file.try_clone()?;
            file.seek(SeekFrom::Start(offset))?;
            Ok(file.take(self.len - offset))
        };
        let error = match rest() {
            Ok(rest) => BlockReader::of_records(rest, offset, self.header).next_frame().err(),
            Err(source) => Some(Error::Io { offset, source }),
        };
        error
            .unwrap_or_else(|| Error::damaged(offset, "the file changed while it was read"))
            .in_file_after(&self.path, place.packets)
    }

    fn next(&self) -> MutexGuard<'_, Next> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Reader;
    use super::*;

    /// A pcap file with packets of these lengths, each filled with the header of a record.
    fn file(name: &str, lengths: &[u32], cut: usize) -> PathBuf {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 4 << 16 | 2, 0, 0, 262_144, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for (n, &len) in (0..).zip(lengths) {
            for word in [n, 0, len, len] {
                bytes.extend(word.to_le_bytes());
            }
            let fake: Vec<u8> =
                [n, 0, 100, 100].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
            bytes.extend(fake.iter().cycle().take(len as usize));
        }
        bytes.truncate(bytes.len() - cut);
        let path = std::env::temp_dir().join(format!("vxcap-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// What pieces give is what the reader gives, whichever thread reads which piece.
    fn compare(path: &Path) {
        let mut reader = Reader::open(path).unwrap();
        let mut expected = Vec::new();
        let failure = loop {
            match reader.next_frame() {
                Ok(Some(frame)) => expected.push((frame.time, frame.orig_len, frame.data.to_vec())),
                Ok(None) => break None,
                Err(error) => break Some(error.to_string()),
            }
        };
        let pieces = Pieces::open(path).unwrap().unwrap();
        let number = Mutex::new(0..pieces.count());
        let all = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    let mut piece = Piece::default();
                    loop {
                        let Some(number) = number.lock().unwrap().next() else { return };
                        let error = pieces.read(number, &mut piece).err();
                        let frames = pieces.frames(&piece);
                        let frames: Vec<_> =
                            frames.map(|f| (f.time, f.orig_len, f.data.to_vec())).collect();
                        all.lock().unwrap().push((number, frames, error.map(|e| e.to_string())));
                    }
                });
            }
        });
        let mut all = all.into_inner().unwrap();
        all.sort_by_key(|(number, ..)| *number);
        let (frames, errors): (Vec<_>, Vec<_>) = all.into_iter().map(|(_, f, e)| (f, e)).unzip();
        assert!(frames.concat() == expected);
        assert_eq!(errors.into_iter().flatten().collect::<Vec<_>>(), Vec::from_iter(failure));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn as_the_reader() {
        let many: Vec<u32> = (0..5000_u32).map(|n| n.wrapping_mul(2_654_435_761) % 1500).collect();
        compare(&file("whole", &many, 0));
        for cut in [1, 16, 1000, 1_000_000] {
            compare(&file("cut", &many, cut));
        }
        compare(&file("none", &[], 0));
        // longer than a piece
        compare(&file("long", &[100, 262_144, 262_144, 0, 7, 262_000, 262_144, 262_144, 1], 0));
        compare(&file("mad", &[100, 300_000, 5, 6], 0));
        // a record header across the end of a piece
        for len in 262_144 - 24 - 16 - 20..262_144 - 24 - 16 + 2 {
            compare(&file("edge", &[len, 5, 6], 0));
        }
    }
}
