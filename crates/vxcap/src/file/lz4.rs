//! LZ4 frames.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

/// The end of an LZ4 frame (LZ4 Frame Format Description, `EndMark`: 4 zero bytes), as long as the
/// decoder reads of a frame's begin.
const END_MARK: [u8; 8] = [0; 8];

/// Reads several LZ4 frames, one behind the other. The decoder reports an end after each of them,
/// and also where the input ends between two blocks of a frame.
pub(super) struct Frames<R: Read>(FrameDecoder<Marked<R>>);

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self(FrameDecoder::new(Marked { source, mark: &[] }))
    }

    /// At the end of the input: whether the last frame has its end mark. Behind a whole frame the
    /// decoder takes another end mark for a wrong magic number.
    fn is_whole(&mut self) -> bool {
        self.0.get_mut().mark = &END_MARK;
        let behind = self.0.read(&mut [0]).map_err(io::Error::downcast);
        matches!(behind, Err(Ok(lz4_flex::frame::Error::WrongMagicNumber)))
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let len = self.0.read(into)?;
            if len > 0 || into.is_empty() {
                return Ok(len);
            }
            if self.0.get_mut().source.fill_buf()?.is_empty() {
                return if self.is_whole() {
                    Ok(0)
                } else {
                    let message = "the lz4 frame is cut off";
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
                };
            }
        }
    }
}

/// The bytes of a source, and then those of a mark.
struct Marked<R> {
    source: R,
    mark: &'static [u8],
}

impl<R: Read> Read for Marked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match self.source.read(into)? {
            0 => self.mark.read(into),
            len => Ok(len),
        }
    }
}
