//! Collects whole blocks and writes them in large pieces.

use std::io;

use super::Sink;
use crate::Error;

/// How many bytes are collected before they are written: enough that system calls cost little, and
/// few enough to stay in the second-level cache.
const BUFFER_LEN: usize = 512 << 10;

/// Writes whole blocks (or records) as they are, in large pieces.
///
/// Where writing fails, the bytes that were not written stay in the buffer, and the next call tries
/// again. The bytes that were written may end inside a block: [`Self::whole_len`] is where the last
/// whole one ends.
///
/// Call [`Self::finish`] at the end. A writer that is dropped without it writes its buffer, but
/// cannot report a failure.
#[derive(Debug)]
pub struct BlockWriter<W: Sink> {
    /// `None` once the writer is finished.
    sink: Option<W>,
    buffer: Vec<u8>,
    /// Where in the buffer each block ends.
    ends: Vec<u32>,
    /// How many bytes the sink has taken.
    written: u64,
    /// How many of them belong to whole blocks.
    whole: u64,
}

impl<W: Sink> BlockWriter<W> {
    /// Writes to this sink, which needs no buffer of its own.
    pub fn new(sink: W) -> Self {
        Self { sink: Some(sink), buffer: Vec::new(), ends: Vec::new(), written: 0, whole: 0 }
    }

    /// Writes a block.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails. Then the block is not taken.
    #[inline]
    pub fn raw(&mut self, block: &[u8]) -> Result<(), Error> {
        self.begin(block.len())?;
        self.buffer.extend_from_slice(block);
        self.end()
    }

    /// Writes a block of about `len` bytes, which `fill` appends to the buffer. `fill` must not
    /// change the bytes that are in the buffer already.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails. Then the block is not taken, unless it is longer than
    /// the buffer.
    #[inline]
    pub fn append(&mut self, len: usize, fill: impl FnOnce(&mut Vec<u8>)) -> Result<(), Error> {
        self.begin(len)?;
        fill(&mut self.buffer);
        self.end()
    }

    /// Makes room for a block of this length.
    #[inline]
    pub(crate) fn begin(&mut self, len: usize) -> Result<(), Error> {
        if self.buffer.len() + len > BUFFER_LEN {
            self.write_out()?;
        }
        Ok(())
    }

    /// The buffer, to put a block into, between `begin` and `end`.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Ends a block.
    #[inline]
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        if self.buffer.len() > BUFFER_LEN {
            self.write_large()
        } else {
            self.ends.push(self.buffer.len() as u32);
            Ok(())
        }
    }

    /// Writes a block that is longer than the buffer and alone in it, and makes the buffer small
    /// again. Where that fails, the block counts as taken.
    #[cold]
    fn write_large(&mut self) -> Result<(), Error> {
        self.ends.push(self.buffer.len() as u32);
        self.write_out()?;
        self.buffer = Vec::with_capacity(BUFFER_LEN);
        Ok(())
    }

    /// Writes the buffer to the sink.
    fn write_out(&mut self) -> Result<(), Error> {
        if self.buffer.capacity() < BUFFER_LEN {
            self.buffer.reserve(BUFFER_LEN - self.buffer.len());
        }
        let Some(sink) = &mut self.sink else { return Ok(()) };
        // the sink may keep the buffer once all of it is taken
        let len = self.buffer.len();
        let mut done = 0;
        let failure = loop {
            if done == len {
                break None;
            }
            match sink.take(&mut self.buffer, done) {
                Ok(0) => break Some(io::Error::from(io::ErrorKind::WriteZero)),
                Ok(more) => done = len.min(done + more),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Some(error),
            }
        };
        let Some(source) = failure else {
            self.written += done as u64;
            self.whole = self.written;
            self.buffer.clear();
            self.ends.clear();
            return Ok(());
        };
        let whole_blocks = self.ends.partition_point(|&end| end as usize <= done);
        if let Some(&end) = whole_blocks.checked_sub(1).and_then(|last| self.ends.get(last)) {
            self.whole = self.written + u64::from(end);
        }
        self.written += done as u64;
        self.buffer.drain(..done);
        self.ends.drain(..whole_blocks);
        for end in &mut self.ends {
            *end -= done as u32;
        }
        Err(Error::Io { offset: self.written, source })
    }

    /// Writes what is buffered, and flushes the sink.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.write_out()?;
        match &mut self.sink {
            Some(sink) => sink.flush().map_err(|source| Error::Io { offset: self.written, source }),
            None => Ok(()),
        }
    }

    /// Writes what is buffered, flushes, and gives the sink back.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn finish(mut self) -> Result<W, Error> {
        self.flush()?;
        self.sink.take().ok_or_else(|| Error::Unwritable { what: "the writer is finished".into() })
    }

    /// How many bytes all blocks have, including those in the buffer.
    pub fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// How many bytes of whole blocks the sink has taken. After a failure, a file that is cut to
    /// this length ends with a whole block.
    pub fn whole_len(&self) -> u64 {
        self.whole
    }

    /// The sink. It has not got the bytes that are still in the buffer. `None` once the writer is
    /// finished.
    pub fn sink(&self) -> Option<&W> {
        self.sink.as_ref()
    }
}

impl<W: Sink> Drop for BlockWriter<W> {
    fn drop(&mut self) {
        // a failure cannot be told here; who wants to know calls `finish`
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// Takes so many bytes and then is full.
    struct Full {
        taken: Vec<u8>,
        room: usize,
    }

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.room).min(1000);
            if len == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= len;
            self.taken.extend_from_slice(&bytes[..len]);
            Ok(len)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_loses_nothing() {
        let mut writer = BlockWriter::new(Full { taken: Vec::new(), room: 1_234_567 });
        let mut failed_at = None;
        for number in 0..20_000_u32 {
            let block = [number.to_le_bytes().as_slice(), &[7; 96]].concat();
            if writer.raw(&block).is_err() {
                failed_at = Some(number);
                break;
            }
        }
        let failed_at = failed_at.expect("the sink is full");
        assert_eq!(writer.whole_len(), 1_234_500);
        writer.sink.as_mut().unwrap().room = usize::MAX;
        let sink = writer.finish().unwrap();
        assert_eq!(sink.taken.len(), failed_at as usize * 100);
        for (number, block) in sink.taken.chunks(100).enumerate() {
            assert_eq!(block[..4], (number as u32).to_le_bytes());
        }
    }

    #[test]
    fn large_blocks_go_through() {
        let mut writer = BlockWriter::new(Vec::new());
        writer.raw(&[1; 10]).unwrap();
        writer.raw(&vec![2; 3 * BUFFER_LEN]).unwrap();
        assert!(writer.buffer.capacity() <= BUFFER_LEN);
        writer.raw(&[3; 10]).unwrap();
        assert_eq!(writer.position(), 3 * BUFFER_LEN as u64 + 20);
        let all = writer.finish().unwrap();
        assert_eq!(all, [vec![1; 10], vec![2; 3 * BUFFER_LEN], vec![3; 10]].concat());
    }

    #[test]
    fn dropped_writers_write() {
        let mut bytes = Vec::new();
        BlockWriter::new(&mut bytes).raw(b"block").unwrap();
        assert_eq!(bytes, b"block");
    }
}
