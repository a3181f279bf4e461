//! Where frames come from: one file, or several in time order.

use std::ops::ControlFlow;
use std::path::PathBuf;

use vxcap::file::{Merge, Pieces, Reader};
use vxcap::{Error, Frame, Interface};
use vxcli::Failure;

/// Frames of the input.
pub(crate) enum Source {
    /// One file.
    File(Box<Reader>),
    /// Several files.
    Files(Box<Files>),
}

/// Files that are read in time order.
pub(crate) struct Files {
    merge: Merge,
    /// As they were given.
    names: Vec<String>,
}

/// A frame, and where it was captured.
pub(crate) struct Captured<'a> {
    pub(crate) frame: Frame<'a>,
    /// The interface; `None` where a damaged file does not describe it.
    pub(crate) interface: Option<&'a Interface>,
    /// The file's name, where several are read.
    pub(crate) file: Option<&'a str>,
}

impl Source {
    /// Opens the files; `-` is stdin.
    pub(crate) fn open(paths: &[PathBuf]) -> Result<Self, Failure> {
        if let [path] = paths {
            return Reader::open(path).map(|r| Self::File(Box::new(r))).map_err(Failure::opening);
        }
        let merge = Merge::open(paths).map_err(Failure::opening)?;
        let names = paths.iter().map(|path| path.display().to_string()).collect();
        Ok(Self::Files(Box::new(Files { merge, names })))
    }

    /// The next frame; `None` at the end. After an error the frames of other files may follow.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<Captured<'_>>, Error> {
        match self {
            Self::File(reader) => Ok(reader
                .next_with_interface()?
                .map(|(frame, interface)| Captured { frame, interface, file: None })),
            Self::Files(files) => {
                let Files { merge, names } = &mut **files;
                Ok(merge.next_frame()?.map(|merged| Captured {
                    frame: merged.frame,
                    interface: merged.interface,
                    file: names.get(merged.file).map(String::as_str),
                }))
            }
        }
    }

    /// As [`Source::next_frame`], for those who need no more than the frame.
    #[inline]
    pub(crate) fn next_frame_alone(&mut self) -> Result<Option<Frame<'_>>, Error> {
        match self {
            Self::File(reader) => reader.next_frame(),
            Self::Files(_) => Ok(self.next_frame()?.map(|captured| captured.frame)),
        }
    }

    /// Gives the frames of a single file that are in memory already to `each`, while it goes on. It may give none:
    /// [`Source::next_frame_alone`] tells what comes next.
    #[inline]
    pub(crate) fn frames_at_hand<B>(
        &mut self,
        each: impl FnMut(Frame<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            Self::File(reader) => reader.frames_at_hand(each),
            Self::Files(_) => ControlFlow::Continue(()),
        }
    }

    /// The file in pieces, where it is one that can be read so. Nothing may have been read of it yet.
    pub(crate) fn pieces(&self) -> Result<Option<Pieces>, Failure> {
        match self {
            Self::File(reader) => {
                let pieces = reader.path().map(Pieces::open).transpose();
                pieces.map(Option::flatten).map_err(Failure::opening)
            }
            Self::Files(_) => Ok(None),
        }
    }

    /// The interfaces seen so far.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        match self {
            Self::File(reader) => reader.interfaces(),
            Self::Files(files) => files.merge.interfaces(),
        }
    }

    /// Bytes read so far, and how many there are in all, where that is known.
    pub(crate) fn progress(&self) -> (u64, Option<u64>) {
        match self {
            Self::File(reader) => reader.progress().map_or((0, None), |p| (p.read(), p.total())),
            Self::Files(files) => {
                files.merge.progress().map_or((0, None), |(read, total)| (read, Some(total)))
            }
        }
    }
}
