//! Several capture files in time order.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};
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
/// A damaged file gives its whole packets and the other files go on; its error is given at the end, as is that of a file
/// that is no capture.
pub struct Merge<R = Input> {
    readers: Vec<Source<R>>,
    /// The time of the next packet of each reader that has one, and the reader.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Whether the packet of the earliest reader was given, so that it is to be advanced.
    given: bool,
    interfaces: Vec<Interface>,
    origins: Vec<(usize, u32)>,
    /// What is wrong with files that were read, and behind it with those that could not be.
    errors: VecDeque<Error>,
    /// How many of the errors are of files that could not be read.
    refused: usize,
}

struct Source<R> {
    reader: Reader<R>,
    /// Which of the files it reads.
    file: usize,
    head: Option<Located>,
    /// The number here of each of the reader's interfaces.
    interfaces: Vec<u32>,
}

/// A packet of one of several files.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub struct Merged<'a> {
    /// The packet; its interface is an index into [`Merge::interfaces`].
    pub frame: Frame<'a>,
    /// The file, as an index into the files in the order in which they were named.
    pub file: usize,
    /// The interface that it was captured on.
    pub interface: Option<&'a Interface>,
}

impl Merge<Input> {
    /// Opens files; `-` is the standard input. Files that are no captures do not keep the others from being read: what is
    /// wrong with them is given at the end, after all other errors.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] of the first file that cannot be opened.
    pub fn open<P: AsRef<Path>>(paths: impl IntoIterator<Item = P>) -> Result<Self, Error> {
        let (mut readers, mut refused) = (Vec::new(), Vec::new());
        for (file, path) in paths.into_iter().enumerate() {
            match Reader::open(path) {
                Ok(reader) => readers.push((file, reader)),
                // a file that is not there is a mistake of who named it
                Err(error) if matches!(error.cause(), Error::Open(_)) => return Err(error),
                Err(error) => refused.push(error),
            }
        }
        let mut merge = Self::of(readers);
        merge.refused = refused.len();
        merge.errors.extend(refused);
        Ok(merge)
    }
}

impl<R: Read> Merge<R> {
    /// Merges readers. The first packet of each is read.
    pub fn new(readers: Vec<Reader<R>>) -> Self {
        Self::of(readers.into_iter().enumerate().collect())
    }

    /// Merges readers, each of the file with that number.
    fn of(readers: Vec<(usize, Reader<R>)>) -> Self {
        let share = ALL_READ_BLOCKS / readers.len().max(1);
        let mut merge = Self {
            readers: Vec::with_capacity(readers.len()),
            heads: BinaryHeap::with_capacity(readers.len()),
            given: false,
            interfaces: Vec::new(),
            origins: Vec::new(),
            errors: VecDeque::new(),
            refused: 0,
        };
        for (index, (file, mut reader)) in readers.into_iter().enumerate() {
            if share < super::buffer::BLOCK_LEN {
                reader.blocks().limit_read_block(share);
            }
            merge.readers.push(Source { reader, file, head: None, interfaces: Vec::new() });
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
    /// At the end the error of each damaged file, one a call, then of each that is no capture, and then `None`.
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
        let Some(&Reverse((_, index))) = self.heads.peek() else {
            return self.errors.pop_front().map_or(Ok(None), Err);
        };
        self.given = true;
        let Some(source) = self.readers.get(index) else { return Ok(None) };
        let Source { reader, file, head: Some(packet), interfaces } = source else {
            return Ok(None);
        };
        let mut frame = reader.frame(packet);
        frame.interface = interfaces.get(frame.interface as usize).copied().unwrap_or(u32::MAX);
        let interface = self.interfaces.get(frame.interface as usize);
        Ok(Some(Merged { frame, file: *file, interface }))
    }

    /// The interfaces of all files that were described so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The file of an interface, and its index among the interfaces of that file.
    pub fn origin(&self, interface: u32) -> Option<(usize, u32)> {
        self.origins.get(interface as usize).copied()
    }

    /// Bytes read of all captures, and their length; `None` where one of them has no known length.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.readers.iter().try_fold((0, 0), |(read, total), source| {
            let progress = source.reader.progress()?;
            Some((read + progress.read(), total + progress.total()?))
        })
    }

    /// Reads the next packet of a file: its time.
    fn advance(&mut self, index: usize) -> Option<Timestamp> {
        let source = self.readers.get_mut(index)?;
        source.head = source.reader.next_located().unwrap_or_else(|error| {
            self.errors.insert(self.errors.len().saturating_sub(self.refused), error);
            None
        });
        let described = source.reader.interfaces();
        for local in source.interfaces.len()..described.len() {
            source.interfaces.push(self.interfaces.len() as u32);
            self.interfaces.extend(described.get(local).cloned());
            self.origins.push((source.file, local as u32));
        }
        Some(source.head?.time)
    }
}
