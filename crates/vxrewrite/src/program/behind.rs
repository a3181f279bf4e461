//! Writing in a thread of its own: copying into the page cache takes as long as everything else together.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// So many pieces wait at most, so that memory stays small when the disk is slower than the reader.
const WAITING: usize = 2;

/// Hands what is written to a thread, piece by piece. A failure of the thread is given by a later call.
pub(crate) struct Behind<W> {
    pieces: Option<SyncSender<Vec<u8>>>,
    /// Pieces that were written, to be used again.
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
                // where nobody takes it, it is dropped
                let _ = written.try_send(piece);
            }
            Ok(sink)
        });
        Self { pieces: Some(pieces), spare, thread: Some(thread) }
    }

    /// Waits until everything is written: the sink.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.join()
    }

    fn join(&mut self) -> io::Result<W> {
        self.pieces = None;
        match self.thread.take().map(JoinHandle::join) {
            Some(Ok(result)) => result,
            Some(Err(_)) | None => Err(io::Error::other("the writing thread has ended")),
        }
    }
}

impl<W: Write + Send + 'static> Write for Behind<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut piece = self.spare.try_recv().unwrap_or_default();
        piece.clear();
        piece.extend_from_slice(bytes);
        let sent = self.pieces.as_ref().is_some_and(|pieces| pieces.send(piece).is_ok());
        if sent {
            return Ok(bytes.len());
        }
        // the thread has ended, which it does only after a failure
        match self.join() {
            Err(error) => Err(error),
            Ok(_) => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// What was handed over is written without being asked for; [`Self::finish`] waits for it.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
            let piece = number.to_le_bytes().repeat(number as usize % 50);
            behind.write_all(&piece).unwrap();
            expected.extend(piece);
        }
        assert_eq!(behind.finish().unwrap(), expected);
    }

    #[test]
    fn failures_arrive() {
        let mut behind = Behind::new(Full(10_000));
        let failure = (0..1000).find_map(|_| behind.write_all(&[7; 1000]).err());
        assert_eq!(failure.unwrap().kind(), io::ErrorKind::StorageFull);
        let mut behind = Behind::new(Full(10));
        behind.write_all(&[7; 100]).unwrap();
        assert_eq!(behind.finish().err().unwrap().kind(), io::ErrorKind::StorageFull);
    }
}
