//! Where blocks come from: one file as it is, or several in time order.

use std::io::Read;

use vxcap::Error;
use vxcap::file::{Block, BlockReader};

use crate::merger::Merger;

/// The read block of a single file: it stays in the second-level cache beside the blocks that are
/// being written.
const READ_BLOCK: usize = 256 << 10;

/// The captures that are read.
pub(crate) enum Inputs<R> {
    /// One file, block by block as it is.
    One(Box<BlockReader<R>>),
    /// Several files.
    Many(Box<Merger<R>>),
}

impl<R: Read> Inputs<R> {
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

    /// The next block, with the number of its file in `file`; `None` at the end of all files. After
    /// an error the blocks of other files may follow.
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
            Self::Many(merger) => merger.readers().fold((0, Some(0)), add),
        }
    }

    /// How many packets came out earlier than one that was given before them.
    pub(crate) fn unsorted(&self) -> u64 {
        match self {
            Self::One(_) => 0,
            Self::Many(merger) => merger.unsorted(),
        }
    }
}
