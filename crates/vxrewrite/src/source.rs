//! Where blocks come from: one file as it is, or several in time order.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read;

use vxcap::file::{Block, BlockReader};
use vxcap::{Error, Timestamp};

use crate::packet_block::{Kind, PacketBlock};
use crate::stored_block::StoredBlock;

/// So many packets of each file are read ahead, so that files are put in order that are not so themselves: captures of several
/// devices are written in pieces, device by device.
const WINDOW_PACKETS: usize = 4096;
/// The packets that are read ahead of all files together stay below about so many bytes.
const WINDOW_BYTES: usize = 64 << 20;
/// The read block of a single file: it stays in the second-level cache beside the blocks that are being written.
const READ_BLOCK: usize = 256 << 10;
/// The read blocks of all files together stay below this, as far as there are not too many files.
const READ_BLOCKS: usize = 32 << 20;

/// Gives blocks.
pub(crate) enum Source<R> {
    /// One file, block by block as it is.
    One(Box<BlockReader<R>>),
    /// Several files.
    Many(Box<Merger<R>>),
}

impl<R: Read> Source<R> {
    pub(crate) fn new(mut readers: Vec<BlockReader<R>>) -> Self {
        match (readers.pop(), readers.is_empty()) {
            (Some(mut only), true) => {
                only.limit_read_block(READ_BLOCK);
                Self::One(Box::new(only))
            }
            (last, _) => {
                readers.extend(last);
                Self::Many(Box::new(Merger::new(readers)))
            }
        }
    }

    /// The next block, with the number of its file in `file`; `None` at the end of all files. After an error the blocks of other
    /// files may follow.
    #[inline]
    pub(crate) fn next_block(&mut self, file: &mut usize) -> Result<Option<Block<'_>>, Error> {
        match self {
            Self::One(reader) => reader.next_block(),
            Self::Many(merger) => merger.next_block(file),
        }
    }

    /// Bytes read of all files, and how many there are, where that is known.
    pub(crate) fn progress(&self) -> (u64, Option<u64>) {
        let add = |(read, total): (u64, Option<u64>), reader: &BlockReader<R>| {
            let Some(progress) = reader.progress() else {
                return (read + reader.position(), None);
            };
            let total = total.and_then(|sum| Some(sum + progress.total()?));
            (read + progress.read(), total)
        };
        match self {
            Self::One(reader) => add((0, Some(0)), reader),
            Self::Many(merger) => {
                merger.files.iter().map(|file| &file.reader).fold((0, Some(0)), add)
            }
        }
    }

    /// Packets that came out earlier than one that was given before them.
    pub(crate) fn unsorted(&self) -> u64 {
        match self {
            Self::One(_) => 0,
            Self::Many(merger) => merger.unsorted,
        }
    }
}

/// Several files in time order.
pub(crate) struct Merger<R> {
    files: Vec<File<R>>,
    /// The file of the earliest packet of each file that has one.
    heads: BinaryHeap<Head>,
    /// What stands between packets: given as soon as it is read.
    between: VecDeque<(usize, StoredBlock)>,
    errors: VecDeque<Error>,
    /// The block that was given last.
    given: Option<(usize, StoredBlock)>,
    /// Buffers to be used again.
    spare: Vec<Vec<u8>>,
    window_bytes: usize,
    last: Timestamp,
    unsorted: u64,
}

struct File<R> {
    reader: BlockReader<R>,
    ended: bool,
    window: BinaryHeap<Waiting>,
    bytes: usize,
    count: u64,
    last: Timestamp,
}

/// A packet that waits for its turn.
struct Waiting {
    time: Timestamp,
    number: u64,
    block: StoredBlock,
}

/// The time of a file's earliest packet.
#[derive(PartialEq, Eq)]
struct Head {
    time: Timestamp,
    file: usize,
}

// the greatest of a heap comes first: so earlier is greater

impl Ord for Head {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.file).cmp(&(self.time, self.file))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.number).cmp(&(self.time, self.number))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Waiting {}

impl<R: Read> Merger<R> {
    fn new(readers: Vec<BlockReader<R>>) -> Self {
        let count = readers.len().max(1);
        let mut merger = Self {
            files: Vec::with_capacity(readers.len()),
            heads: BinaryHeap::with_capacity(readers.len()),
            between: VecDeque::new(),
            errors: VecDeque::new(),
            given: None,
            spare: Vec::new(),
            window_bytes: WINDOW_BYTES / count,
            last: Timestamp::from_nanos(i64::MIN),
            unsorted: 0,
        };
        for (index, mut reader) in readers.into_iter().enumerate() {
            reader.limit_read_block(READ_BLOCKS / count);
            merger.files.push(File {
                reader,
                ended: false,
                window: BinaryHeap::new(),
                bytes: 0,
                count: 0,
                last: Timestamp::default(),
            });
            merger.read_ahead(index);
            merger.push_head(index);
        }
        merger
    }

    fn next_block(&mut self, number: &mut usize) -> Result<Option<Block<'_>>, Error> {
        if let Some((_, used)) = self.given.take() {
            self.spare.push(used.into_bytes());
        }
        let next = match self.between.pop_front() {
            Some(between) => Some(between),
            None => self.next_packet(),
        };
        match (next, self.errors.pop_front()) {
            (None, Some(error)) => Err(error),
            (None, None) => Ok(None),
            (Some(next), error) => {
                // damage is told at the end, when the other files are through
                self.errors.extend(error);
                let (file, stored) = self.given.insert(next);
                *number = *file;
                Ok(Some(stored.block()))
            }
        }
    }

    fn next_packet(&mut self) -> Option<(usize, StoredBlock)> {
        let Head { time, file: index } = self.heads.pop()?;
        let file = self.files.get_mut(index)?;
        let waiting = file.window.pop()?;
        file.bytes -= waiting.block.len();
        if time < self.last {
            self.unsorted += 1;
        }
        self.last = self.last.max(time);
        self.read_ahead(index);
        self.push_head(index);
        Some((index, waiting.block))
    }

    fn push_head(&mut self, file: usize) {
        if let Some(first) = self.files.get(file).and_then(|f| f.window.peek()) {
            self.heads.push(Head { time: first.time, file });
        }
    }

    /// Fills a file's window.
    fn read_ahead(&mut self, index: usize) {
        let Some(file) = self.files.get_mut(index) else { return };
        let full = |file: &File<R>| {
            file.window.len() >= WINDOW_PACKETS
                || (file.bytes >= self.window_bytes && !file.window.is_empty())
        };
        while !file.ended && !full(file) {
            let block = match file.reader.next_block() {
                Ok(Some(block)) => block,
                Ok(None) => {
                    file.ended = true;
                    break;
                }
                Err(error) => {
                    self.errors.push_back(error);
                    file.ended = true;
                    break;
                }
            };
            let stored = StoredBlock::new(&block, self.spare.pop().unwrap_or_default());
            match PacketBlock::of(&block) {
                Some(packet) => {
                    // a packet without a time comes with the one before it
                    if packet.kind != Kind::Simple {
                        file.last = packet.frame.time;
                    }
                    file.bytes += stored.len();
                    file.window.push(Waiting {
                        time: file.last,
                        number: file.count,
                        block: stored,
                    });
                    file.count += 1;
                }
                None => self.between.push_back((index, stored)),
            }
        }
    }
}
