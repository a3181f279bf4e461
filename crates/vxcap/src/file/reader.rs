//! The frames of a capture file.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::Path;

use super::pcapng::Located;
use super::{BlockReader, Format, Input, ReadProgress};
use crate::{Error, Frame, Interface};

/// Reads the packets of a capture file.
///
/// A packet is borrowed from the reader's buffer, until the next one is asked for. A damaged file
/// gives every whole packet before the damage, then the error. `None` means a clean end, or that
/// the error was given already.
///
/// ```no_run
/// let mut reader = vxcap::file::Reader::open("node.pcapng.zst")?;
/// while let Some(frame) = reader.next_frame()? {
///     println!("{} bytes on interface {}", frame.orig_len, frame.interface);
/// }
/// # Ok::<(), vxcap::Error>(())
/// ```
pub struct Reader<R = Input> {
    blocks: BlockReader<R>,
}

impl Reader<Input> {
    /// Opens a file, compressed or not. `-` is the standard input.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        BlockReader::open(path).map(Self::from)
    }

    /// Reads an opened file.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::from_input`].
    pub fn from_input(input: Input) -> Result<Self, Error> {
        BlockReader::from_input(input).map(Self::from)
    }
}

impl<R: Read> Reader<R> {
    /// Reads uncompressed bytes. The beginning of the file is read to tell its format.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::new`].
    pub fn new(source: R) -> Result<Self, Error> {
        BlockReader::new(source).map(Self::from)
    }

    /// The next packet; `None` at a clean end.
    ///
    /// # Errors
    ///
    /// What is damaged or cut off, and where. Then the reader is finished, and the next call gives
    /// `None`.
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        self.blocks.next_frame()
    }

    /// Passes the packets that are in memory already to `each`. See
    /// [`BlockReader::frames_at_hand`].
    #[inline]
    pub fn frames_at_hand<B>(
        &mut self,
        each: impl FnMut(Frame<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        self.blocks.frames_at_hand(each)
    }

    /// The next packet, with the interface that it was captured on; `None` at a clean end.
    ///
    /// # Errors
    ///
    /// As [`Reader::next_frame`].
    #[inline]
    pub fn next_with_interface(
        &mut self,
    ) -> Result<Option<(Frame<'_>, Option<&Interface>)>, Error> {
        let Some(packet) = self.blocks.next_located()? else {
            return Ok(None);
        };
        let frame = self.blocks.frame(&packet);
        Ok(Some((frame, self.blocks.interfaces().get(frame.interface as usize))))
    }

    /// The interfaces that the file has described so far, in all sections. A pcap file has one.
    pub fn interfaces(&self) -> &[Interface] {
        self.blocks.interfaces()
    }

    /// The file's format. The byte order of pcapng is that of the section that was read last.
    pub fn format(&self) -> Format {
        self.blocks.format()
    }

    /// The offset in the (decompressed) file of the end of the packet that was given last.
    pub fn position(&self) -> u64 {
        self.blocks.position()
    }

    /// How much of the file has been read, if it was opened as [`Input`].
    pub fn progress(&self) -> Option<&ReadProgress> {
        self.blocks.progress()
    }

    /// The file's name, if it was opened by name.
    pub fn path(&self) -> Option<&Path> {
        self.blocks.path()
    }

    /// The reader of blocks that this one uses. Packets that are read from it are not given again
    /// here.
    pub fn blocks(&mut self) -> &mut BlockReader<R> {
        &mut self.blocks
    }

    pub(crate) fn next_located(&mut self) -> Result<Option<Located>, Error> {
        self.blocks.next_located()
    }

    pub(crate) fn frame(&self, packet: &Located) -> Frame<'_> {
        self.blocks.frame(packet)
    }
}

impl<R> From<BlockReader<R>> for Reader<R> {
    fn from(blocks: BlockReader<R>) -> Self {
        Self { blocks }
    }
}
