//! Cuts the bytes of a capture file into blocks.

use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use vxlan::LinkType;

use super::buffer::ReadBlock;
use super::pcap::{FILE_HEADER_LEN, RECORD_HEADER_LEN, RecordHeader, Records};
use super::pcapng::{BLOCK_START_LEN, Located, Sections};
use super::{
    Block, Body, Format, Input, PcapHeader, PcapRecord, PcapngPacket, ReadProgress, block_type,
};
use crate::{Error, Frame, Interface, Part};

/// Reads a capture file block by block.
///
/// ```
/// use vxcap::file::{BlockReader, Body};
///
/// # let file = [0x0a, 0x0d, 0x0d, 0x0a, 28, 0, 0, 0, 0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 28, 0, 0, 0];
/// let mut copy = Vec::new();
/// let mut reader = BlockReader::new(&file[..])?;
/// while let Some(block) = reader.next_block()? {
///     assert!(matches!(block.body, Body::Section(_)));
///     copy.extend_from_slice(block.raw);
/// }
/// assert_eq!(copy, file);
/// # Ok::<(), vxcap::Error>(())
/// ```
pub struct BlockReader<R = Input> {
    buffer: ReadBlock<R>,
    stage: Stage,
    format: Format,
    /// Of a pcap file: its header.
    header: Option<PcapHeader>,
    /// Of a pcap file: how its records are read.
    records: Records,
    sections: Sections,
    path: Option<PathBuf>,
    progress: Option<ReadProgress>,
    /// Packets given so far.
    packets: u64,
}

/// What comes next.
#[derive(Copy, Clone, Debug)]
enum Stage {
    PcapHeader,
    PcapRecords,
    Pcapng,
    Finished,
}

/// A whole block in the buffer.
#[derive(Copy, Clone, Debug)]
struct Span {
    kind: Kind,
    offset: u64,
    /// Position in the buffer, valid until it is filled again.
    start: usize,
    end: usize,
}

#[derive(Copy, Clone, Debug)]
enum Kind {
    PcapHeader,
    PcapRecord,
    /// A pcapng block of this type.
    Pcapng(u32),
}

impl BlockReader<Input> {
    /// Opens a file, compressed or not. `-` is the standard input.
    ///
    /// # Errors
    ///
    /// Those of [`Input::open`] and [`BlockReader::new`], with the file's name.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_input(Input::open(path)?)
    }

    /// Reads an opened file.
    ///
    /// # Errors
    ///
    /// As [`BlockReader::new`], with the file's name.
    pub fn from_input(input: Input) -> Result<Self, Error> {
        let path = input.path().map(Path::to_owned);
        let progress = input.progress();
        let named = |error: Error| match &path {
            Some(path) => error.in_file(path),
            None => error,
        };
        let mut reader = Self::new(input).map_err(named)?;
        reader.path = path;
        reader.progress = Some(progress);
        Ok(reader)
    }
}

impl<R: Read> BlockReader<R> {
    /// Reads uncompressed bytes. The beginning of the file is read to tell its format.
    ///
    /// # Errors
    ///
    /// [`Error::Empty`], [`Error::BadMagic`], [`Error::Truncated`] in the file header,
    /// [`Error::Unsupported`] for an unknown version, [`Error::Io`].
    pub fn new(source: R) -> Result<Self, Error> {
        let mut buffer = ReadBlock::new(source);
        // the longest header that is looked at; a shorter file may still be a capture
        buffer.fill(FILE_HEADER_LEN);
        let Some((magic, rest)) = buffer.available().split_first_chunk() else {
            return Err(match (buffer.take_failure(), buffer.available().len()) {
                (Some(source), len) => Error::Io { offset: len as u64, source },
                (None, 0) => Error::Empty,
                (None, _) => cut(&buffer, Part::FileHeader, FILE_HEADER_LEN),
            });
        };
        let format = Format::detect(*magic, rest)?;
        let mut sections = Sections::new();
        let mut header = None;
        if let Format::Pcap { .. } = format {
            let Some(bytes) = buffer.available().first_chunk() else {
                return Err(failure_or_cut(&mut buffer, Part::FileHeader, FILE_HEADER_LEN));
            };
            let parsed = PcapHeader::parse(format, *bytes)?;
            sections.add_pcap_interface(parsed.interface());
            header = Some(parsed);
        }
        let stage = if header.is_some() { Stage::PcapHeader } else { Stage::Pcapng };
        let records = header.as_ref().map_or(Records::NONE, PcapHeader::records);
        Ok(Self {
            buffer,
            stage,
            format,
            header,
            records,
            sections,
            path: None,
            progress: None,
            packets: 0,
        })
    }

    /// Of a pcap file: its header.
    pub(crate) fn pcap_header_of_file(&self) -> Option<PcapHeader> {
        self.header
    }

    /// Limits the buffer to this many bytes instead of 256 KiB, for programs that have many files
    /// open. It is never less than 64 KiB, and grows beyond the limit for a larger block.
    pub fn limit_read_block(&mut self, len: usize) {
        self.buffer.limit_len(len);
    }

    /// The file's format. The byte order of pcapng is that of the section that was read last.
    pub fn format(&self) -> Format {
        match self.format {
            Format::Pcapng { .. } => Format::Pcapng { order: self.sections.order },
            pcap @ Format::Pcap { .. } => pcap,
        }
    }

    /// The interfaces that the file has described so far, in all sections. A pcap file has one.
    pub fn interfaces(&self) -> &[Interface] {
        self.sections.interfaces()
    }

    /// The offset in the (decompressed) file of the next block.
    pub fn position(&self) -> u64 {
        self.buffer.offset()
    }

    /// How much of the file has been read, if it was opened as [`Input`].
    pub fn progress(&self) -> Option<&ReadProgress> {
        self.progress.as_ref()
    }

    /// The file's name, if it was opened by name.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The next block. `None` at a clean end.
    ///
    /// # Errors
    ///
    /// What is damaged or cut off, and where. Then the reader is finished, and the next call gives
    /// `None`.
    #[inline]
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, Error> {
        let (offset, start) = (self.buffer.offset(), self.buffer.start());
        if let Some((len, record)) = self.usual_record() {
            self.given(len);
            let frame = self.frame(&self.records.located(&record).moved(start));
            let body = Body::PcapRecord(PcapRecord { frame, header_len: self.records.header_len });
            let raw = self.buffer.slice(start, start + len);
            return Ok(Some(Block { raw, offset, order: self.records.order, section: 0, body }));
        }
        if let Some((len, packet)) = self.usual_packet() {
            self.given(len);
            let raw = self.buffer.slice(start, start + len);
            let order = self.sections.order;
            let body = Body::EnhancedPacket(PcapngPacket {
                frame: self.frame(&packet.moved(start)),
                section_interface: order.u32_at(raw, 8).unwrap_or_default(),
                data_at: packet.start,
                drops: None,
            });
            return Ok(Some(Block { raw, offset, order, section: self.sections.section(), body }));
        }
        let Some(span) = self.next_span()? else { return Ok(None) };
        let packet = match self.locate(&span) {
            Ok(packet) => packet,
            Err(error) => return Err(self.fail(error)),
        };
        self.packets += u64::from(packet.is_some());
        let raw = self.buffer.slice(span.start, span.end);
        let (body, order) = match span.kind {
            Kind::Pcapng(kind) => {
                let order = self.sections.order;
                let body = match packet {
                    Some(packet) => self.packet_body(kind, raw, &packet, span.start),
                    None => Body::parse(kind, raw, order, self.sections.last_interface()),
                };
                (body, order)
            }
            Kind::PcapRecord | Kind::PcapHeader => {
                let header_len = self.records.header_len;
                let body = match (packet, self.header) {
                    (Some(packet), _) => {
                        Body::PcapRecord(PcapRecord { frame: self.frame(&packet), header_len })
                    }
                    (None, Some(header)) => Body::PcapHeader(header),
                    (None, None) => Body::Unknown(0),
                };
                (body, self.records.order)
            }
        };
        let section = self.sections.section();
        Ok(Some(Block { raw, offset: span.offset, order, section, body }))
    }

    /// The next packet; blocks before it that are no packets are skipped. `None` at a clean end.
    ///
    /// # Errors
    ///
    /// As [`Self::next_block`].
    #[inline]
    pub fn next_frame(&mut self) -> Result<Option<Frame<'_>>, Error> {
        // the usual record or block, whole in the buffer; everything else below
        let start = self.buffer.start();
        if let Some((len, record)) = self.usual_record() {
            self.given(len);
            return Ok(Some(self.frame(&self.records.located(&record).moved(start))));
        }
        if let Some((len, packet)) = self.usual_packet() {
            self.given(len);
            return Ok(Some(self.frame(&packet.moved(start))));
        }
        match self.next_located()? {
            Some(packet) => Ok(Some(self.frame(&packet))),
            None => Ok(None),
        }
    }

    /// Passes packets that are in the buffer already to `each`, until it breaks. This is much
    /// faster than one call of [`Self::next_frame`] a packet.
    ///
    /// Only packets of the usual form are passed; nothing is read, and damage is not reported. So
    /// it may return before any packet, and [`Self::next_frame`] must be called for the next one.
    #[inline]
    pub fn frames_at_hand<B>(
        &mut self,
        mut each: impl FnMut(Frame<'_>) -> ControlFlow<B>,
    ) -> ControlFlow<B> {
        let all = self.buffer.available();
        let mut rest = all;
        let mut packets = 0;
        let mut flow = ControlFlow::Continue(());
        match self.stage {
            Stage::PcapRecords => {
                let records = self.records;
                while flow.is_continue()
                    && let Some((frame, after)) = records.usual_frame(rest)
                {
                    rest = after;
                    packets += 1;
                    flow = each(frame);
                }
            }
            Stage::Pcapng => {
                while flow.is_continue()
                    && let Some((len, packet)) = self.sections.usual_packet(rest)
                    && let Some((block, after)) = rest.split_at_checked(len)
                {
                    rest = after;
                    packets += 1;
                    flow = each(packet.frame(block));
                }
            }
            Stage::PcapHeader | Stage::Finished => {}
        }
        let given = all.len() - rest.len();
        self.buffer.consume(given);
        self.packets += packets;
        flow
    }

    /// The length and the numbers of the next record, if it is a usual one and whole in the buffer.
    #[inline]
    fn usual_record(&self) -> Option<(usize, RecordHeader)> {
        if !matches!(self.stage, Stage::PcapRecords) {
            return None;
        }
        self.records.usual(self.buffer.available())
    }

    /// Counts a packet of this length as given.
    #[inline]
    fn given(&mut self, len: usize) {
        self.buffer.consume(len);
        self.packets += 1;
    }

    /// The length of the next packet block and the packet's place in it, if it is a usual one and
    /// whole in the buffer.
    #[inline]
    fn usual_packet(&self) -> Option<(usize, Located)> {
        if !matches!(self.stage, Stage::Pcapng) {
            return None;
        }
        self.sections.usual_packet(self.buffer.available())
    }

    /// The place of the next packet in the buffer, which is valid until the next one is asked for.
    pub(crate) fn next_located(&mut self) -> Result<Option<Located>, Error> {
        loop {
            let Some(span) = self.next_span()? else { return Ok(None) };
            match self.locate(&span) {
                Ok(None) => {}
                Ok(packet) => {
                    self.packets += 1;
                    return Ok(packet);
                }
                Err(error) => return Err(self.fail(error)),
            }
        }
    }

    /// The packet at its place in the buffer.
    #[inline]
    pub(crate) fn frame(&self, packet: &Located) -> Frame<'_> {
        packet.frame(self.buffer.bytes())
    }

    /// The packet of a span, with its place in the buffer.
    #[inline]
    fn locate(&self, span: &Span) -> Result<Option<Located>, Error> {
        let raw = self.buffer.slice(span.start, span.end);
        match span.kind {
            Kind::Pcapng(kind) => {
                let packet = self.sections.packet(kind, raw, span.offset)?;
                Ok(packet.map(|packet| packet.moved(span.start)))
            }
            Kind::PcapRecord => Ok(raw.first_chunk().map(|header| {
                let record = self.records.parse(header);
                self.records.located(&record).moved(span.start)
            })),
            Kind::PcapHeader => Ok(None),
        }
    }

    fn packet_body<'a>(
        &'a self,
        kind: u32,
        raw: &'a [u8],
        packet: &Located,
        block_start: usize,
    ) -> Body<'a> {
        let data_at = packet.start - block_start;
        let order = self.sections.order;
        let short = |at| order.u16_at(raw, at).unwrap_or_default();
        let view = |section_interface, drops| PcapngPacket {
            frame: self.frame(packet),
            section_interface,
            data_at,
            drops,
        };
        match kind {
            block_type::SIMPLE_PACKET => Body::SimplePacket(view(0, None)),
            block_type::OBSOLETE_PACKET => {
                // appendix A: 0xffff means that the drops were not counted
                let drops = Some(short(10)).filter(|&drops| drops != u16::MAX);
                Body::ObsoletePacket(view(short(8).into(), drops))
            }
            _ => Body::EnhancedPacket(view(order.u32_at(raw, 8).unwrap_or_default(), None)),
        }
    }

    /// Consumes the next whole block.
    #[inline]
    fn next_span(&mut self) -> Result<Option<Span>, Error> {
        let span = match self.stage {
            Stage::Pcapng => self.pcapng_block(),
            Stage::PcapRecords => self.pcap_record(),
            Stage::PcapHeader => self.pcap_header(),
            Stage::Finished => return Ok(None),
        };
        match span {
            Ok(Some(span)) => Ok(Some(span)),
            Ok(None) => {
                self.stage = Stage::Finished;
                Ok(None)
            }
            Err(error) => Err(self.fail(error)),
        }
    }

    fn pcap_header(&mut self) -> Result<Option<Span>, Error> {
        let len = PcapHeader::file_header_len(self.format);
        if !self.buffer.fill(len) {
            return Err(failure_or_cut(&mut self.buffer, Part::FileHeader, len));
        }
        self.stage = Stage::PcapRecords;
        Ok(Some(self.take(Kind::PcapHeader, len)))
    }

    fn pcap_record(&mut self) -> Result<Option<Span>, Error> {
        let header_len = self.records.header_len;
        if !self.buffer.fill(header_len) {
            return self.clean_end_or(Part::RecordHeader, header_len);
        }
        let header: &[u8; RECORD_HEADER_LEN] =
            self.buffer.available().first_chunk().unwrap_or(&[0; RECORD_HEADER_LEN]);
        let whole = self.records.record_len(header, self.buffer.offset())?;
        if !self.buffer.fill(whole) {
            return Err(failure_or_cut(&mut self.buffer, Part::PacketData, whole));
        }
        Ok(Some(self.take(Kind::PcapRecord, whole)))
    }

    fn pcapng_block(&mut self) -> Result<Option<Span>, Error> {
        if !self.buffer.fill(BLOCK_START_LEN) {
            return self.clean_end_or(Part::Block, BLOCK_START_LEN);
        }
        let offset = self.buffer.offset();
        let (kind, len) = self.sections.meet(self.buffer.available(), offset)?;
        if !self.buffer.fill(len) {
            return Err(failure_or_cut(&mut self.buffer, Part::Block, len));
        }
        let raw = self.buffer.available().get(..len).unwrap_or_default();
        self.sections.take(kind, raw, offset)?;
        Ok(Some(self.take(Kind::Pcapng(kind), len)))
    }

    #[inline]
    fn take(&mut self, kind: Kind, len: usize) -> Span {
        let (offset, start) = (self.buffer.offset(), self.buffer.start());
        self.buffer.consume(len);
        Span { kind, offset, start, end: start + len }
    }

    /// Ends the reader: cleanly if no bytes are left.
    #[cold]
    fn clean_end_or(&mut self, part: Part, needed: usize) -> Result<Option<Span>, Error> {
        let left = self.buffer.available().len();
        match self.buffer.take_failure() {
            None if left == 0 => Ok(None),
            None => Err(cut(&self.buffer, part, needed)),
            Some(source) => Err(Error::Io { offset: self.buffer.offset() + left as u64, source }),
        }
    }

    /// Finishes the reader, and adds the file's name to the error.
    #[cold]
    fn fail(&mut self, error: Error) -> Error {
        self.stage = Stage::Finished;
        match &self.path {
            Some(path) => error.in_file_after(path, self.packets),
            None => error,
        }
    }

    /// The link type of a pcap file, or of the first interface that a pcapng file has described so
    /// far.
    pub fn link_type(&self) -> Option<LinkType> {
        self.interfaces().first().map(|interface| interface.link_type)
    }
}

/// Why a part is not whole: the input failed, or it ended.
#[cold]
fn failure_or_cut<R: Read>(buffer: &mut ReadBlock<R>, part: Part, needed: usize) -> Error {
    let end = buffer.offset() + buffer.available().len() as u64;
    match buffer.take_failure() {
        Some(source) => Error::Io { offset: end, source },
        None => cut(buffer, part, needed),
    }
}

#[cold]
fn cut<R: Read>(buffer: &ReadBlock<R>, part: Part, needed: usize) -> Error {
    Error::Truncated {
        offset: buffer.offset(),
        part,
        needed: needed as u64,
        available: buffer.available().len() as u64,
    }
}
