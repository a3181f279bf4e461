//! The output stream: written in large blocks, or line by line where somebody watches.

use std::io::Write;

use vxcli::Failure;

/// Written when this many bytes are waiting.
const BLOCK: usize = 256 * 1024;

/// Collects what is printed and writes it in large blocks.
pub(crate) struct Output<'w> {
    to: &'w mut dyn Write,
    waiting: Vec<u8>,
    each_line: bool,
}

impl<'w> Output<'w> {
    /// `each_line`: write after every [`Output::end_of_line`].
    pub(crate) fn new(to: &'w mut dyn Write, each_line: bool) -> Self {
        Self { to, waiting: Vec::with_capacity(BLOCK + 64 * 1024), each_line }
    }

    /// Where to append.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.waiting
    }

    /// Says that what was appended is a whole line, or some.
    pub(crate) fn end_of_line(&mut self) -> Result<(), Failure> {
        if self.each_line || self.waiting.len() >= BLOCK { self.flush() } else { Ok(()) }
    }

    /// Writes all that is waiting.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        let result = self.to.write_all(&self.waiting).and_then(|()| self.to.flush());
        self.waiting.clear();
        result.map_err(|e| Failure::writing(&e))
    }
}
