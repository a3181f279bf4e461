//! All outputs of a run: one, or one for each key.

use std::collections::HashMap;
use std::io;

use vxcap::file::{Block, Body, Format};
use vxcap::write::{BlockWriter, Sink};

use super::outgoing::Outgoing;
use super::pcap::PcapShape;
use super::pcapng::PcapngShape;
use super::preface::Preface;
use super::setting::{OutputFormat, Setting};
use super::shape::Shape;
use crate::error::Error;
use crate::report::Losses;
use crate::stored_block::StoredBlock;

/// How many outputs are open at the same time: each has a buffer of up to 512 KiB, and many systems
/// allow 1024 open files.
const MOST_OPEN: usize = 64;
/// More outputs than this are considered a mistake. Own choice.
const MOST_OUTPUTS: usize = 65_536;
/// How many bytes of blocks other than packets are kept to begin further outputs with.
const MOST_STORED: usize = 64 << 20;

/// Makes the outputs of a run. `key` is `None` where a run has one output.
pub trait Sinks {
    /// Takes the bytes of one output.
    type Sink: Sink;

    /// Makes an output.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn create(&mut self, key: Option<&str>) -> io::Result<Self::Sink>;

    /// Opens an output again that was closed, to go on at its end.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn reopen(&mut self, key: Option<&str>) -> io::Result<Self::Sink>;

    /// Takes back a sink to which everything was written. It may be [reopened](Self::reopen).
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    fn close(&mut self, key: Option<&str>, sink: Self::Sink) -> io::Result<()>;

    /// What the output is called in messages.
    fn name(&self, key: Option<&str>) -> String;
}

/// The outputs of a run.
pub(crate) struct Outputs<S: Sinks> {
    sinks: S,
    setting: Setting,
    preface: Option<Preface>,
    files: Vec<OutputFile<S::Sink>>,
    by_key: HashMap<String, usize>,
    open: usize,
    /// Counts uses, to find the least recently used output.
    clock: u64,
    /// Blocks to begin further outputs with.
    stored: Vec<(usize, StoredBlock)>,
    stored_bytes: usize,
    splits: bool,
}

struct OutputFile<W: Sink> {
    key: Option<String>,
    shape: Shape,
    writer: Option<BlockWriter<W>>,
    used: u64,
}

impl<S: Sinks> Outputs<S> {
    /// `splits`: whether outputs are made when their keys come. Otherwise there is one.
    pub(crate) fn new(
        sinks: S,
        setting: Setting,
        splits: bool,
        preface: Option<Preface>,
        first: Format,
    ) -> Result<Self, Error> {
        let format = match (setting.format, first) {
            (OutputFormat::AsInput, Format::Pcapng { .. }) => OutputFormat::Pcapng,
            (OutputFormat::AsInput, Format::Pcap { .. }) => OutputFormat::Pcap,
            (format, _) => format,
        };
        let same = matches!(
            (format, first),
            (OutputFormat::Pcapng, Format::Pcapng { .. })
                | (OutputFormat::Pcap, Format::Pcap { .. })
                | (OutputFormat::MicrosPcap, Format::Pcap { nanos: false, .. })
                | (OutputFormat::NsecPcap, Format::Pcap { nanos: true, .. })
        );
        let verbatim = setting.verbatim && same && !splits;
        let mut outputs = Self {
            sinks,
            setting: Setting { format, verbatim, ..setting },
            preface,
            files: Vec::new(),
            by_key: HashMap::new(),
            open: 0,
            clock: 0,
            stored: Vec::new(),
            stored_bytes: 0,
            splits,
        };
        if !splits {
            outputs.make(None)?;
        }
        Ok(outputs)
    }

    /// Whether blocks are copied unchanged.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.setting.verbatim
    }

    /// Whether the outputs are pcapng.
    pub(crate) fn is_pcapng(&self) -> bool {
        self.setting.format == OutputFormat::Pcapng
    }

    /// Copies a block to the only output.
    #[inline]
    pub(crate) fn raw(&mut self, raw: &[u8]) -> Result<(), Error> {
        match self.files.first_mut().and_then(|file| file.writer.as_mut()) {
            Some(writer) => Ok(writer.raw(raw)?),
            None => Ok(()),
        }
    }

    /// Writes a block that holds no packet to all outputs.
    pub(crate) fn block(
        &mut self,
        file: usize,
        block: &Block<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        for index in 0..self.files.len() {
            // losses count once, not for each output
            let mut again = Losses::default();
            let losses = if index == 0 { &mut *losses } else { &mut again };
            self.resume(index)?;
            if let Some(output) = self.files.get_mut(index)
                && let Some(writer) = &mut output.writer
            {
                output.shape.block(writer, file, block, losses)?;
            }
        }
        if self.splits {
            self.store(file, block);
        }
        Ok(())
    }

    /// Keeps a block for outputs that begin later.
    fn store(&mut self, file: usize, block: &Block<'_>) {
        if matches!(block.body, Body::Section(_)) && !self.setting.merges {
            self.stored.clear();
            self.stored_bytes = 0;
        }
        let needed =
            matches!(block.body, Body::Section(_) | Body::Interface(_) | Body::PcapHeader(_));
        if needed || self.stored_bytes + block.raw.len() <= MOST_STORED {
            self.stored_bytes += block.raw.len();
            self.stored.push((file, StoredBlock::new(block, Vec::new())));
        }
    }

    /// Writes a packet to the output of its key.
    #[inline]
    pub(crate) fn packet(
        &mut self,
        key: Option<&str>,
        packet: &Outgoing<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        let index = match key {
            None => 0,
            Some(key) => self.of_key(key)?,
        };
        let Some(output) = self.files.get_mut(index) else { return Ok(()) };
        let Some(writer) = &mut output.writer else { return Ok(()) };
        output.shape.packet(writer, packet, losses)
    }

    /// The output of a key, opened.
    fn of_key(&mut self, key: &str) -> Result<usize, Error> {
        let index = match self.by_key.get(key) {
            Some(&index) => index,
            None => self.make(Some(key))?,
        };
        self.resume(index)?;
        self.clock += 1;
        if let Some(output) = self.files.get_mut(index) {
            output.used = self.clock;
        }
        Ok(index)
    }

    /// Makes an output, and begins it with the stored blocks.
    fn make(&mut self, key: Option<&str>) -> Result<usize, Error> {
        if self.files.len() >= MOST_OUTPUTS {
            return Err(Error::TooManyOutputs { most: MOST_OUTPUTS });
        }
        let writer = self.sink(key, S::create)?;
        let mut shape = match self.setting.format {
            _ if self.setting.verbatim => Shape::Verbatim,
            OutputFormat::Pcapng => {
                Shape::Pcapng(Box::new(PcapngShape::new(self.setting, self.preface.clone())))
            }
            _ => Shape::Pcap(PcapShape::new(self.setting)),
        };
        let mut writer = BlockWriter::new(writer);
        // losses were counted with the first output
        let mut again = Losses::default();
        for (file, stored) in &self.stored {
            shape.block(&mut writer, *file, &stored.block(), &mut again)?;
        }
        let index = self.files.len();
        self.files.push(OutputFile {
            key: key.map(str::to_owned),
            shape,
            writer: Some(writer),
            used: self.clock,
        });
        if let Some(key) = key {
            self.by_key.insert(key.to_owned(), index);
        }
        Ok(index)
    }

    /// Makes or reopens a sink. Where too many are open, another one is closed first.
    fn sink(
        &mut self,
        key: Option<&str>,
        open: impl FnOnce(&mut S, Option<&str>) -> io::Result<S::Sink>,
    ) -> Result<S::Sink, Error> {
        if self.open >= MOST_OPEN {
            let oldest = self
                .files
                .iter()
                .enumerate()
                .filter(|(_, file)| file.writer.is_some())
                .min_by_key(|(_, file)| file.used)
                .map(|(index, _)| index);
            if let Some(oldest) = oldest {
                self.suspend(oldest)?;
            }
        }
        let sink = open(&mut self.sinks, key)
            .map_err(|source| Error::Create { name: self.sinks.name(key), source })?;
        self.open += 1;
        Ok(sink)
    }

    /// Reopens an output that was closed in between.
    fn resume(&mut self, index: usize) -> Result<(), Error> {
        let Some(output) = self.files.get(index) else { return Ok(()) };
        if output.writer.is_some() {
            return Ok(());
        }
        let key = output.key.clone();
        let sink = self.sink(key.as_deref(), S::reopen)?;
        if let Some(output) = self.files.get_mut(index) {
            output.writer = Some(BlockWriter::new(sink));
        }
        Ok(())
    }

    /// Closes an output.
    fn suspend(&mut self, index: usize) -> Result<(), Error> {
        let Some(output) = self.files.get_mut(index) else { return Ok(()) };
        let Some(writer) = output.writer.take() else { return Ok(()) };
        self.open -= 1;
        let key = output.key.as_deref();
        let sink = writer.finish()?;
        self.sinks
            .close(key, sink)
            .map_err(|source| Error::Create { name: self.sinks.name(key), source })
    }

    /// Writes and closes everything.
    pub(crate) fn finish(mut self, losses: &mut Losses) -> Result<S, Error> {
        for index in 0..self.files.len() {
            self.resume(index)?;
            if let Some(output) = self.files.get_mut(index)
                && let Some(writer) = &mut output.writer
            {
                output.shape.finish(writer, losses)?;
            }
            self.suspend(index)?;
        }
        Ok(self.sinks)
    }
}
