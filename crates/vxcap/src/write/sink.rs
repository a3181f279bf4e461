//! Where collected blocks go.

use std::io::{self, Write};

/// Takes what a [`BlockWriter`](super::BlockWriter) has collected.
///
/// Everything that is [`Write`] does. A sink that hands bytes on, to a thread say, can take the whole buffer instead of copying it.
pub trait Sink {
    /// Takes bytes of `buffer`, of which those before `from` are taken already: how many more. A sink that takes all of a
    /// buffer may keep it, and leave an empty one in its place.
    ///
    /// # Errors
    ///
    /// Where it takes nothing. `buffer` is as it was then.
    fn take(&mut self, buffer: &mut Vec<u8>, from: usize) -> io::Result<usize>;

    /// Brings what was taken to where it belongs.
    ///
    /// # Errors
    ///
    /// Where that fails.
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
