//! Where collected blocks go.

use std::io::{self, Write};

/// Takes what a [`BlockWriter`](super::BlockWriter) has collected.
///
/// Every [`Write`] is a sink. A sink that passes bytes on, as to another thread, can take the whole
/// buffer instead of copying it.
pub trait Sink {
    /// Takes bytes of `buffer`, from offset `from` on, and gives how many it took. A sink that
    /// takes all of them may keep the buffer, and leave an empty one in its place.
    ///
    /// # Errors
    ///
    /// Where it takes nothing. Then `buffer` is unchanged.
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<usize>;

    /// Writes the bytes that were taken to their destination.
    ///
    /// # Errors
    ///
    /// Where the destination fails.
    fn flush(&mut self) -> io::Result<()>;
}

impl<W: Write> Sink for W {
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<usize> {
        self.write(buffer.get(from..).unwrap_or_default())
    }

    fn flush(&mut self) -> io::Result<()> {
        Write::flush(self)
    }
}
