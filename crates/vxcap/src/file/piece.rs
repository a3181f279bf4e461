//! One piece of a capture file: its bytes, and the walk over its records or blocks.

use std::fs::File;
use std::io;
use std::ops::Range;
#[cfg(unix)]
use std::os::unix::fs::FileExt;
#[cfg(windows)]
use std::os::windows::fs::FileExt;

use super::pcap::{RECORD_HEADER_LEN, Records};
use super::pcapng::{BLOCK_START_LEN, Located, Sections};
use crate::{Error, Frame, Part};

/// Memory that a long block took is given back, but for this many bytes.
const KEPT_LEN: usize = 1 << 20;

/// The packets of one piece of a file. The memory is used again for the next piece.
#[derive(Debug)]
pub struct Piece {
    /// The offset in the file of the first byte.
    offset: u64,
    bytes: Vec<u8>,
    /// How many of the bytes belong to this piece.
    have: usize,
    /// Of a pcap file: where its records are among the bytes, and how they are read.
    span: Range<usize>,
    records: Records,
    /// Of a pcapng file: where its packets are among the bytes.
    packets: Vec<Located>,
}

/// An uncompressed regular file.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) file: File,
    /// Its length when it was opened.
    pub(super) len: u64,
}

/// How far the file has been walked over, so that the begin of records or blocks is known.
#[derive(Debug)]
pub(super) struct Walk {
    /// The offset of the first record or block that has not been walked over.
    pub(super) offset: u64,
    /// How many packets are before that.
    pub(super) packets: u64,
    pub(super) known: Known,
}

/// What must be known of a file to read on from a place in it.
#[derive(Debug)]
pub(super) enum Known {
    /// Of a pcap file: how its records are read.
    Records(Records),
    /// Of a pcapng file: its sections and interfaces so far.
    Sections(Sections),
}

impl Default for Piece {
    fn default() -> Self {
        Self {
            offset: 0,
            bytes: Vec::new(),
            have: 0,
            span: 0..0,
            records: Records::NONE,
            packets: Vec::new(),
        }
    }
}

impl Piece {
    /// The packets of the piece, in the order of the file.
    pub fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        // a file has one or the other
        let records = self.records;
        let mut rest = self.bytes.get(self.span.clone()).unwrap_or_default();
        let of_records = std::iter::from_fn(move || {
            let (frame, after) = records.usual_frame(rest)?;
            rest = after;
            Some(frame)
        });
        of_records.chain(self.packets.iter().map(|packet| packet.frame(&self.bytes)))
    }

    /// Empties it, and reads what can be read of the bytes from `begin` up to `end`.
    pub(super) fn begin(&mut self, begin: u64, end: u64, stored: &Stored) {
        if self.bytes.len() > KEPT_LEN {
            self.bytes.truncate(KEPT_LEN);
            self.bytes.shrink_to_fit();
        }
        self.offset = begin;
        self.have = 0;
        self.span = 0..0;
        self.packets.clear();
        // what fails here fails for the walk again, which tells it
        self.fill(end, stored).ok();
    }

    /// The bytes of a part of the file that must be whole.
    fn part(
        &mut self,
        offset: u64,
        len: usize,
        part: Part,
        stored: &Stored,
    ) -> Result<&[u8], Error> {
        let needed = len as u64;
        let cut = |available| Error::Truncated { offset, part, needed, available };
        let available = stored.len.saturating_sub(offset);
        if available < needed {
            return Err(cut(available));
        }
        self.fill(offset + needed, stored)?;
        let at = (offset - self.offset) as usize;
        let there = self.bytes.get(at..self.have).unwrap_or_default();
        // or else the file became shorter since it was opened
        there.get(..len).ok_or_else(|| cut(there.len() as u64))
    }

    /// Reads the bytes up to `end` that are not there yet, as far as the file has them.
    #[inline]
    fn fill(&mut self, end: u64, stored: &Stored) -> Result<(), Error> {
        let need = end.saturating_sub(self.offset) as usize;
        if self.bytes.len() < need {
            self.bytes.resize(need, 0);
        }
        while let Some(room @ [_, ..]) = self.bytes.get_mut(self.have..need) {
            let offset = self.offset + self.have as u64;
            match stored.read_at(room, offset) {
                Ok(0) => break,
                Ok(len) => self.have += len.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(Error::Io { offset, source }),
            }
        }
        Ok(())
    }
}

impl Stored {
    #[inline]
    fn read_at(&self, room: &mut [u8], offset: u64) -> io::Result<usize> {
        #[cfg(unix)]
        return self.file.read_at(room, offset);
        #[cfg(windows)]
        return self.file.seek_read(room, offset);
    }
}

impl Walk {
    /// Walks over what begins before `end`; the last record or block may end behind it.
    pub(super) fn over(
        &mut self,
        piece: &mut Piece,
        end: u64,
        stored: &Stored,
    ) -> Result<(), Error> {
        if let Known::Records(records) = self.known {
            let start = self.offset.saturating_sub(piece.offset) as usize;
            (piece.records, piece.span) = (records, start..start);
        }
        while self.offset < end {
            let (packets, len) = match self.usual(piece) {
                (_, 0) => self.unusual(piece, stored)?,
                usual => usual,
            };
            self.offset += len as u64;
            self.packets += packets;
            if let Known::Records(_) = self.known {
                piece.span.end += len;
            }
        }
        Ok(())
    }

    /// Walks over the usual packets that are whole among the bytes at hand. How many there are, and
    /// their bytes.
    #[inline]
    fn usual(&self, piece: &mut Piece) -> (u64, usize) {
        let start = (self.offset - piece.offset) as usize;
        let bytes = piece.bytes.get(start..piece.have).unwrap_or_default();
        match &self.known {
            Known::Records(records) => records.whole(bytes),
            Known::Sections(sections) => {
                let (mut rest, before) = (bytes, piece.packets.len());
                while let Some((len, packet)) = sections.usual_packet(rest)
                    && let Some((_, after)) = rest.split_at_checked(len)
                {
                    piece.packets.push(packet.moved(start + bytes.len() - rest.len()));
                    rest = after;
                }
                ((piece.packets.len() - before) as u64, bytes.len() - rest.len())
            }
        }
    }

    /// Walks over one record or block of any kind. How many packets it is, and its length.
    fn unusual(&mut self, piece: &mut Piece, stored: &Stored) -> Result<(u64, usize), Error> {
        let offset = self.offset;
        match &mut self.known {
            Known::Records(records) => {
                let header = piece.part(offset, records.header_len, Part::RecordHeader, stored)?;
                let header = header.first_chunk().unwrap_or(&[0; RECORD_HEADER_LEN]);
                let len = records.record_len(header, offset)?;
                piece.part(offset, len, Part::PacketData, stored)?;
                Ok((1, len))
            }
            Known::Sections(sections) => {
                let start = piece.part(offset, BLOCK_START_LEN, Part::Block, stored)?;
                let (kind, len) = sections.meet(start, offset)?;
                let block = piece.part(offset, len, Part::Block, stored)?;
                sections.take(kind, block, offset)?;
                let packet = sections.packet(kind, block, offset)?;
                let start = (offset - piece.offset) as usize;
                piece.packets.extend(packet.map(|packet| packet.moved(start)));
                Ok((u64::from(packet.is_some()), len))
            }
        }
    }
}
