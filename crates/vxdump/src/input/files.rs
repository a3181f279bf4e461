//! Capture files: one, or several in the order of their packets' times, and what is wanted of them.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use podmap::PodMap;
use vxcap::file::{Merge, Pieces, Reader};
use vxcap::{Error, Frame, Interface};
use vxcli::args::SelectArgs;
use vxcli::{Failure, Progress, Selection, Terminal, setup};
use vxlan::Decoder;

use super::args::InputArgs;
use super::capture::Next;
use super::following::Following;
use super::wanted::{Snaplen, Wanted};

/// The files of a command line, open, and what is wanted of them.
pub(crate) struct Files {
    pub(crate) source: Source,
    pub(crate) decoder: Decoder,
    pub(crate) map: Arc<PodMap>,
    select: SelectArgs,
    /// Made before the files are opened: a selection that makes no sense is told first.
    first: Option<Selection>,
    pub(crate) snaplen: Snaplen,
    /// What is wrong with the files, as far as they were read.
    pub(crate) damage: Vec<Error>,
}

impl Files {
    /// Reads the map and opens the files.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where no file is named, or the command line cannot be carried out.
    pub(crate) fn open(input: &InputArgs, terminal: &mut Terminal) -> Result<Self, Failure> {
        if input.files.read.is_empty() {
            let ways = "a capture file with -r FILE, or a device with -i";
            return Err(Failure::nothing_to_read(ways, &input.select.expression));
        }
        let decoder = setup::decoder(&input.files.tunnel)?;
        let map = Arc::new(Following::once(&input.map, terminal)?);
        let (select, snaplen) = (input.selection()?, Snaplen::new(input.snaplen));
        let first = Selection::new(&select, &map)?;
        let source = Source::open(&input.files.read)?;
        Ok(Self { first: Some(first), source, decoder, map, select, snaplen, damage: Vec::new() })
    }

    /// What decides on frames; for each thread another.
    pub(crate) fn wanted(&mut self) -> Result<Wanted, Failure> {
        let selection = match self.first.take() {
            Some(first) => first,
            None => Selection::new(&self.select, &self.map)?,
        };
        Ok(Wanted::new(self.decoder.clone(), Arc::clone(&self.map), selection, self.snaplen))
    }

    /// Gives all frames to `each`, until it has enough. Damage is collected, and what can be read
    /// on is.
    #[inline]
    pub(crate) fn read(
        &mut self,
        progress: &Progress,
        mut each: impl FnMut(FileFrame<'_>) -> Result<Next, Failure>,
    ) -> Result<(), Failure> {
        let mut number = 0;
        loop {
            progress.packet(number, || self.source.progress());
            match self.source.next_frame() {
                Ok(Some(captured)) => {
                    number += 1;
                    if each(captured)? == Next::Enough {
                        return Ok(());
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => self.damage.push(error),
            }
        }
    }

    /// The end of a run that read all it could: tells what was damaged.
    ///
    /// # Errors
    ///
    /// [`Failure::Error`] where anything was.
    pub(crate) fn end(self, terminal: &mut Terminal) -> Result<(), Failure> {
        terminal.tell_damage(self.damage)
    }
}

/// Frames of the input.
pub(crate) enum Source {
    /// One file.
    File(Box<Reader>),
    /// Several files.
    Several(Box<Several>),
}

/// Files that are read in time order.
pub(crate) struct Several {
    merge: Merge,
    /// As they were given.
    names: Vec<String>,
}

/// A frame of a file.
pub(crate) struct FileFrame<'a> {
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
        Ok(Self::Several(Box::new(Several { merge, names })))
    }

    /// The next frame; `None` at the end. After an error the frames of other files may follow.
    #[inline]
    pub(crate) fn next_frame(&mut self) -> Result<Option<FileFrame<'_>>, Error> {
        match self {
            Self::File(reader) => Ok(reader
                .next_with_interface()?
                .map(|(frame, interface)| FileFrame { frame, interface, file: None })),
            Self::Several(files) => {
                let Several { merge, names } = &mut **files;
                Ok(merge.next_frame()?.map(|merged| FileFrame {
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
            Self::Several(_) => Ok(self.next_frame()?.map(|captured| captured.frame)),
        }
    }

    /// Gives the frames of a single file that are in memory already to `each`, while it goes on. It
    /// may give none: [`Source::next_frame_alone`] tells what comes next.
    #[inline]
    pub(crate) fn frames_at_hand<B>(
        &mut self,
        each: impl FnMut(Frame<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        match self {
            Self::File(reader) => reader.frames_at_hand(each),
            Self::Several(_) => ControlFlow::Continue(()),
        }
    }

    /// The file in pieces, where it is one that can be read so. Nothing may have been read of it
    /// yet.
    pub(crate) fn pieces(&self) -> Result<Option<Pieces>, Failure> {
        match self {
            Self::File(reader) => {
                let pieces = reader.path().map(Pieces::open).transpose();
                pieces.map(Option::flatten).map_err(Failure::opening)
            }
            Self::Several(_) => Ok(None),
        }
    }

    /// The interfaces seen so far.
    pub(crate) fn interfaces(&self) -> &[Interface] {
        match self {
            Self::File(reader) => reader.interfaces(),
            Self::Several(files) => files.merge.interfaces(),
        }
    }

    /// Bytes read so far, and how many there are in all, where that is known.
    pub(crate) fn progress(&self) -> (u64, Option<u64>) {
        match self {
            Self::File(reader) => reader.progress().map_or((0, None), |p| (p.read(), p.total())),
            Self::Several(files) => {
                files.merge.progress().map_or((0, None), |(read, total)| (read, Some(total)))
            }
        }
    }
}
