//! Several capture files in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io::Read;
use std::path::Path;

use super::pcapng::Located;
use super::{Input, Reader};
use crate::{Error, Frame, Interface, Timestamp};

/// The read blocks of all files together stay below this, as far as there are not too many files.
const ALL_READ_BLOCKS: usize = 32 << 20;

/// Reads several capture files in time order.
///
/// Always the earliest of the packets that come next in each file is given; at equal times that
/// of the file that was named first. Files that are not in time order themselves are not sorted.
///
/// Interfaces are numbered apart by file: see [`Merge::interfaces`] and [`Merge::origin`].
///
/// A damaged file gives its whole packets and the other files go on; its error is given at the end.
pub struct Merge<R = Input> {
    readers: Vec<Source<R>>,
    /// The time of the next packet of each reader that has one, and the reader.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Whether the packet of the earliest reader was given, so that it is to be advanced.
    given: bool,
    interfaces: Vec<Interface>,
    origins: Vec<(usize, u32)>,
    errors: Vec<Error>,
}

struct Source<R> {
    reader: Reader<R>,
    head: Option<Located>,
    /// The number here of each of the reader's interfaces.
    interfaces: Vec<u32>,
}

/// A packet of one of several files.
#[derive(Copy, Clone, Debug)]
pub struct Merged<'a> {
    /// The packet; its interface is an index into [`Merge::interfaces`].
    pub frame: Frame<'a>,
    /// The file, as an index into the files in their order.
    pub file: usize,
    /// The interface that it was captured on.
    pub interface: Option<&'a Interface>,
}

impl Merge<Input> {
    /// Opens files; `-` is the standard input.
    ///
    /// # Errors
    ///
    /// As [`Reader::open`], of the first file that cannot be opened or is no capture.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let readers = paths.into_iter().map(Reader::open).collect::<Result<Vec<_>, _>>()?;
        Ok(Self::new(readers))
    }
}

impl<R: Read> Merge<R> {
    /// Merges readers. The first packet of each is read.
    pub fn new(readers: Vec<Reader<R>>) -> Self {
        let share = ALL_READ_BLOCKS / readers.len().max(1);
        let mut merge = Self {
            readers: Vec::with_capacity(readers.len()),
            heads: BinaryHeap::with_capacity(readers.len()),
            given: false,
            interfaces: Vec::new(),
            origins: Vec::new(),
            errors: Vec::new(),
        };
        for (index, mut reader) in readers.into_iter().enumerate() {
            if share < super::buffer::BLOCK_LEN {
                reader.blocks().limit_read_block(share);
            }
            merge.readers.push(Source { reader, head: None, interfaces: Vec::new() });
            if let Some(time) = merge.advance(index) {
                merge.heads.push(Reverse((time, index)));
            }
        }
        merge
    }

    /// The next packet; `None` at the end of all files.
    ///
    /// # Errors
    ///
    /// At the end the error of each damaged file, one a call, and then `None`.
    pub fn next_frame(&mut self) -> Result<Option<Merged<'_>>, Error> {
        if std::mem::take(&mut self.given)
            && let Some(&Reverse((_, index))) = self.heads.peek()
        {
            let time = self.advance(index);
            if let Some(mut head) = self.heads.peek_mut() {
                match time {
                    Some(time) => *head = Reverse((time, index)),
                    None => drop(PeekMut::pop(head)),
                }
            }
        }
        let Some(&Reverse((_, file))) = self.heads.peek() else {
            return if self.errors.is_empty() { Ok(None) } else { Err(self.errors.remove(0)) };
        };
        self.given = true;
        let Some(Source { reader, head: Some(packet), interfaces }) = self.readers.get(file) else {
            return Ok(None);
        };
        let mut frame = reader.frame(packet);
        frame.interface = interfaces.get(frame.interface as usize).copied().unwrap_or(u32::MAX);
        let interface = self.interfaces.get(frame.interface as usize);
        Ok(Some(Merged { frame, file, interface }))
    }

    /// The interfaces of all files that were described so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The file of an interface, and its index among the interfaces of that file.
    pub fn origin(&self, interface: u32) -> Option<(usize, u32)> {
        self.origins.get(interface as usize).copied()
    }

    /// The errors of files that are not given yet.
    pub fn pending_errors(&self) -> &[Error] {
        &self.errors
    }

    /// The readers, in the order of their files.
    pub fn readers(&self) -> impl ExactSizeIterator<Item = &Reader<R>> {
        self.readers.iter().map(|source| &source.reader)
    }

    /// Bytes read of all files, and their length; `None` where one of them has no known length.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.readers().try_fold((0, 0), |(read, total), reader| {
            let progress = reader.progress()?;
            Some((read + progress.read(), total + progress.total()?))
        })
    }

    /// Reads the next packet of a file: its time.
    fn advance(&mut self, index: usize) -> Option<Timestamp> {
        let source = self.readers.get_mut(index)?;
        source.head = source.reader.next_located().unwrap_or_else(|error| {
            self.errors.push(error);
            None
        });
        let described = source.reader.interfaces();
        for local in source.interfaces.len()..described.len() {
            source.interfaces.push(self.interfaces.len() as u32);
            self.interfaces.extend(described.get(local).cloned());
            self.origins.push((index, local as u32));
        }
        Some(source.head?.time)
    }
}
