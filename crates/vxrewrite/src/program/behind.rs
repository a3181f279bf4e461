//! Writing in a thread of its own: copying into the page cache takes as long as everything else
//! together.

use std::io::{self, Write};
use std::mem;
use std::sync::mpsc::{Receiver, SendError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use vxcap::write::Sink;

/// How many pieces may wait, so that memory stays small when the disk is slower than the reader.
const WAITING: usize = 2;

/// The memory of a longer piece, which came from a single large block, is not reused.
const LONGEST_SPARE: usize = 1 << 20;

/// Passes buffers to a thread that writes them, without copying them. A later call returns the
/// thread's failure, and every call after that one fails too. Dropping it waits until everything is
/// written.
pub(crate) struct Behind<W> {
    pieces: Option<SyncSender<Vec<u8>>>,
    /// Pieces that were written, for reuse.
    spare: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<io::Result<W>>>,
}

impl<W: Write + Send + 'static> Behind<W> {
    pub(crate) fn new(mut sink: W) -> Self {
        let (pieces, waiting) = sync_channel::<Vec<u8>>(WAITING);
        let (written, spare) = sync_channel(WAITING + 2);
        let thread = thread::spawn(move || {
            for piece in waiting {
                sink.write_all(&piece)?;
                if piece.capacity() <= LONGEST_SPARE {
                    // where nobody takes it back, it is dropped
                    let _ = written.try_send(piece);
                }
            }
            Ok(sink)
        });
        Self { pieces: Some(pieces), spare, thread: Some(thread) }
    }

    /// Waits until everything is written, and returns the sink.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.join()
    }
}

impl<W> Behind<W> {
    fn join(&mut self) -> io::Result<W> {
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(io::Error::other("the writing thread has ended")),
        }
    }
}

impl<W> Drop for Behind<W> {
    /// Waits for the thread, so that nothing is written to the file after it is removed or read. A
    /// failure is ignored: nobody is left to hear of it.
    fn drop(&mut self) {
        if self.thread.is_some() {
            let _ = self.join();
        }
    }
}

impl<W: Write + Send + 'static> Sink for Behind<W> {
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<usize> {
        let len = buffer.len() - from;
        let spare = self.spare.try_recv();
        let mut piece = spare.unwrap_or_else(|_| Vec::with_capacity(buffer.capacity()));
        piece.clear();
        if from == 0 {
            // the whole buffer, uncopied
            mem::swap(buffer, &mut piece);
        } else {
            piece.extend_from_slice(buffer.get(from..).unwrap_or_default());
        }
        let refused = match &self.pieces {
            Some(pieces) => match pieces.send(piece) {
                Ok(()) => return Ok(len),
                Err(SendError(refused)) => refused,
            },
            None => piece,
        };
        if from == 0 {
            *buffer = refused;
        }
        // the thread ends only after a failure
        match self.join() {
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Does nothing: the thread writes at once, and [`Self::finish`] waits for it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    /// Takes so many bytes and then is full.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let len = bytes.len().min(self.0);
            self.0 -= len;
            if len == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(len) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_in_order() {
        let mut behind = Behind::new(Vec::new());
        let mut expected = Vec::new();
        for number in 0..2000_u32 {
            let mut piece = number.to_le_bytes().repeat(number as usize % 50);
            expected.extend_from_slice(&piece);
            let from = piece.len() / 8 * (number as usize % 2);
            if let Some(start) = piece.get(..from) {
                let mut start = start.to_vec();
                assert_eq!(behind.take(&mut start, 0).unwrap(), from);
                assert!(start.is_empty());
            }
            assert_eq!(behind.take(&mut piece, from).unwrap(), number as usize % 50 * 4 - from);
        }
        assert_eq!(behind.finish().unwrap(), expected);
    }

    /// Takes its time with each piece.
    struct Slow(Arc<AtomicUsize>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            thread::sleep(Duration::from_millis(20));
            self.0.fetch_add(bytes.len(), Ordering::Relaxed);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn nothing_is_written_once_it_is_dropped() {
        let written = Arc::new(AtomicUsize::new(0));
        let mut behind = Behind::new(Slow(Arc::clone(&written)));
        for _ in 0..3 {
            behind.take(&mut vec![7; 100], 0).unwrap();
        }
        drop(behind);
        assert_eq!(written.load(Ordering::Relaxed), 300);
    }

    #[test]
    fn failures_arrive() {
        let mut behind = Behind::new(Full(10_000));
        let failure = (0..1000).find_map(|_| {
            let mut piece = vec![7; 1000];
            let failure = behind.take(&mut piece, 0).err();
            // what was not taken is still there
            assert_eq!(piece.len(), if failure.is_some() { 1000 } else { 0 });
            failure
        });
        assert_eq!(failure.unwrap().kind(), io::ErrorKind::StorageFull);
        // nothing is taken any more
        let mut piece = vec![7; 1000];
        assert!(behind.take(&mut piece, 0).is_err());
        assert_eq!(piece.len(), 1000);
        assert!(behind.finish().is_err());
        let mut behind = Behind::new(Full(10));
        behind.take(&mut vec![7; 100], 0).unwrap();
        assert_eq!(behind.finish().err().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
