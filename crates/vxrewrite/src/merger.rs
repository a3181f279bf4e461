//! Several files in time order.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::io::Read;

use vxcap::file::{Block, BlockReader};
use vxcap::{Error, Timestamp};

use crate::packet_block::{PacketBlock, PacketKind};
use crate::stored_block::StoredBlock;

/// This many packets of each file are read ahead and sorted: captures of several devices are
/// written in pieces, device by device, so a file may be out of order itself.
const WINDOW_PACKETS: usize = 4096;
/// The packets read ahead of all files together stay below about this many bytes.
const WINDOW_BYTES: usize = 64 << 20;
/// The read blocks of all files together stay below this, unless there are very many files.
const READ_BLOCKS: usize = 32 << 20;

/// Reads several files and gives their packets in time order.
pub(crate) struct Merger<R> {
    files: Vec<File<R>>,
    /// For each file with waiting packets, the time of the earliest.
    heads: BinaryHeap<Head>,
    /// Blocks other than packets: given as soon as they are read.
    between: VecDeque<(usize, StoredBlock)>,
    errors: VecDeque<Error>,
    /// The block that was returned last.
    given: Option<(usize, StoredBlock)>,
    /// Buffers for reuse.
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

// a heap returns the greatest first, so an earlier time is greater

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
    pub(crate) fn new(readers: Vec<BlockReader<R>>) -> Self {
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

    /// The next block, with the number of its file in `number`; `None` at the end of all files.
    pub(crate) fn next_block(&mut self, number: &mut usize) -> Result<Option<Block<'_>>, Error> {
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
                // damage is returned at the end, after the packets of the other files
                self.errors.extend(error);
                let (file, stored) = self.given.insert(next);
                *number = *file;
                Ok(Some(stored.block()))
            }
        }
    }

    /// The readers of the files.
    pub(crate) fn readers(&self) -> impl Iterator<Item = &BlockReader<R>> {
        self.files.iter().map(|file| &file.reader)
    }

    /// How many packets came out earlier than one that was given before them.
    pub(crate) fn unsorted(&self) -> u64 {
        self.unsorted
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
                    // a packet without a time takes that of the one before it
                    if packet.kind != PacketKind::Simple {
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
