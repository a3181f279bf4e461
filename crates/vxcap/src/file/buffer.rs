//! The read block: bytes of the input in one reused buffer, in which blocks are parsed in place.

use std::io::{self, Read};

/// The buffer begins with this length and doubles while the input fills it, so that many small
/// files cost little memory.
const FIRST_LEN: usize = 64 << 10;

/// The length it grows to: the largest that was as fast as any shorter one (128 KiB and 256 KiB 72
/// ns a packet of 396 bytes, 512 KiB 75, 1 MiB 87 with a second-level cache of 1 MiB a core).
pub(crate) const BLOCK_LEN: usize = 256 << 10;

/// Bytes of the input, those from `start` to `end` not consumed yet.
pub(crate) struct ReadBlock<R> {
    source: R,
    bytes: Vec<u8>,
    start: usize,
    end: usize,
    /// Offset in the input of `bytes[0]`.
    base: u64,
    /// What `bytes` grows to where no single block is longer.
    usual_len: usize,
    state: State,
}

/// Whether more can come.
enum State {
    Open,
    Ended,
    Failed(io::Error),
}

impl<R: Read> ReadBlock<R> {
    pub(crate) fn new(source: R) -> Self {
        Self {
            source,
            bytes: vec![0; FIRST_LEN],
            start: 0,
            end: 0,
            base: 0,
            usual_len: BLOCK_LEN,
            state: State::Open,
        }
    }

    /// Lets the buffer grow to this length only (single larger blocks apart).
    pub(crate) fn limit_len(&mut self, len: usize) {
        self.usual_len = len.max(FIRST_LEN);
    }

    /// The bytes that are there and not consumed.
    #[inline]
    pub(crate) fn available(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// Position in the buffer of the first byte that is not consumed; valid until the next `fill`.
    #[inline]
    pub(crate) fn start(&self) -> usize {
        self.start
    }

    /// Bytes by their position in the buffer.
    #[inline]
    pub(crate) fn slice(&self, start: usize, end: usize) -> &[u8] {
        self.bytes.get(start..end).unwrap_or_default()
    }

    /// All bytes, those that are not there yet too: for slices by position.
    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Offset in the input of the first byte that is not consumed.
    #[inline]
    pub(crate) fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    #[inline]
    pub(crate) fn consume(&mut self, len: usize) {
        self.start = (self.start + len).min(self.end);
    }

    /// Reads until `need` bytes are available; false where the input ends or fails before that.
    #[inline]
    pub(crate) fn fill(&mut self, need: usize) -> bool {
        self.end - self.start >= need || self.read(need)
    }

    #[cold]
    fn read(&mut self, need: usize) -> bool {
        while self.end - self.start < need {
            if !matches!(self.state, State::Open) {
                return false;
            }
            self.make_room(need);
            let Some(room) = self.bytes.get_mut(self.end..) else { return false };
            match self.source.read(room) {
                Ok(0) => self.state = State::Ended,
                Ok(len) => self.end += len.min(room.len()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.state = State::Failed(error),
            }
        }
        true
    }

    /// Makes room behind the bytes that are there; at least one byte of it.
    fn make_room(&mut self, need: usize) {
        let was_full = self.end == self.bytes.len();
        if self.start == self.end || was_full || self.bytes.len() - self.start < need {
            self.bytes.copy_within(self.start..self.end, 0);
            self.base += self.start as u64;
            self.end -= self.start;
            self.start = 0;
        }
        let len = self.bytes.len();
        if self.end == len {
            // one block fills the whole buffer: at most twice as long as the bytes that really came
            self.bytes.resize(need.clamp(len + 1, len * 2), 0);
        } else if was_full && len < self.usual_len {
            self.bytes.resize((len * 2).min(self.usual_len), 0);
        } else if len > self.usual_len && need.max(self.end) < self.usual_len {
            self.bytes.truncate(self.usual_len);
            self.bytes.shrink_to_fit();
        }
    }

    /// The failure that ended the input, once.
    pub(crate) fn take_failure(&mut self) -> Option<io::Error> {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Failed(error) => Some(error),
            State::Ended => None,
            State::Open => {
                self.state = State::Open;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_only_as_bytes_arrive() {
        let mut block = ReadBlock::new(io::repeat(7).take(100_000));
        assert!(!block.fill(200 << 20));
        assert_eq!(block.available().len(), 100_000);
        assert!(block.bytes.len() <= 200_000, "{}", block.bytes.len());
    }

    #[test]
    fn shrinks_after_a_large_block() {
        let mut block = ReadBlock::new(io::repeat(1));
        assert!(block.fill(5 << 20));
        assert_eq!(block.bytes.len(), 5 << 20);
        block.consume(5 << 20);
        assert!(block.fill(10));
        assert_eq!(block.bytes.len(), BLOCK_LEN);
        assert_eq!(block.offset(), 5 << 20);
    }

    #[test]
    fn a_limit_holds_it_small() {
        let mut block = ReadBlock::new(io::repeat(1));
        block.limit_len(70_000);
        for _ in 0..1000 {
            assert!(block.fill(1000));
            block.consume(1000);
        }
        assert!(block.bytes.len() <= 70_000);
    }
}
