//! Several capture files in the order of time.

use std::cmp::Reverse;
use std::collections::binary_heap::PeekMut;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read;
use std::path::Path;

use super::pcapng::Located;
use super::{Input, Reader};
use crate::{Error, Frame, Interface, Timestamp};

/// The limit of all buffers together, unless there are very many files.
const ALL_READ_BLOCKS: usize = 32 << 20;

/// Reads several capture files in the order of time.
///
/// Each call gives the earliest among the next packets of all files. At equal times, the file that
/// was named first comes first. A file that is not in the order of time itself is not sorted.
///
/// Each file has interfaces of its own: see [`Merge::interfaces`] and [`Merge::origin`].
///
/// A damaged file does not stop the others. Its whole packets are given, and its error comes at the
/// end. So does the error of a file that is not a capture.
///
/// ```
/// use vxcap::file::{Merge, Reader};
/// use vxcap::write::{PcapFormat, PcapWriter};
/// use vxcap::{Interface, LinkType, Timestamp};
///
/// let format = PcapFormat::of(&Interface::new(LinkType::ETHERNET, 0));
/// let file = |seconds: [i64; 2]| {
///     let mut writer = PcapWriter::new(Vec::new(), format)?;
///     for second in seconds {
///         writer.record(Timestamp::from_nanos(second * 1_000_000_000), 60, &[0; 60])?;
///     }
///     writer.finish()
/// };
/// let (first, second) = (file([1, 4])?, file([2, 3])?);
/// let readers = [first.as_slice(), second.as_slice()].map(Reader::new);
///
/// let mut merge = Merge::new(readers.into_iter().collect::<Result<_, _>>()?);
/// let mut order = Vec::new();
/// while let Some(packet) = merge.next_frame()? {
///     order.push((packet.file, packet.frame.time.seconds()));
/// }
/// assert_eq!(order, [(0, 1), (1, 2), (1, 3), (0, 4)]);
/// # Ok::<(), vxcap::Error>(())
/// ```
pub struct Merge<R = Input> {
    readers: Vec<Source<R>>,
    /// The time of the next packet of each reader that has one, and the reader.
    heads: BinaryHeap<Reverse<(Timestamp, usize)>>,
    /// Whether the packet of the earliest reader was given: it must read the next one then.
    given: bool,
    interfaces: Vec<Interface>,
    origins: Vec<(usize, u32)>,
    /// The errors of files that were read, then those of files that could not be read.
    errors: VecDeque<Error>,
    /// How many of the errors are of files that could not be read.
    refused: usize,
}

struct Source<R> {
    reader: Reader<R>,
    /// The number of the file that it reads.
    file: usize,
    head: Option<Located>,
    /// The number among all interfaces of each of the reader's interfaces.
    interfaces: Vec<u32>,
}

/// A packet of one of several files.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub struct Merged<'a> {
    /// The packet. Its interface is an index into [`Merge::interfaces`].
    pub frame: Frame<'a>,
    /// The number of the file, in the order in which the files were named, counted from 0.
    pub file: usize,
    /// The interface that it was captured on.
    pub interface: Option<&'a Interface>,
}

impl Merge<Input> {
    /// Opens files; `-` is the standard input. A file that is not a capture does not stop the
    /// others: its error is given at the end, after all other errors.
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

    /// Merges readers, each with the number of its file.
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

    /// The next packet. `None` at the end of all files.
    ///
    /// # Errors
    ///
    /// At the end, one error a call: those of damaged files, then those of files that are not
    /// captures.
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

    /// The interfaces that all files have described so far.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// The file of an interface, and its index among the interfaces of that file.
    pub fn origin(&self, interface: u32) -> Option<(usize, u32)> {
        self.origins.get(interface as usize).copied()
    }

    /// How many bytes of all files have been read, and their length. `None` where the length of one
    /// is not known.
    pub fn progress(&self) -> Option<(u64, u64)> {
        self.readers.iter().try_fold((0, 0), |(read, total), source| {
            let progress = source.reader.progress()?;
            Some((read + progress.read(), total + progress.total()?))
        })
    }

    /// Reads the next packet of a file, and gives its time.
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
