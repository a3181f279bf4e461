//! Writes pcap files (draft-ietf-opsawg-pcap).

use vxlan::LinkType;

use super::{BlockWriter, Sink};
use crate::file::ByteOrder;
use crate::file::magic::{PCAP_MICROS, PCAP_NANOS};
use crate::frame::NANOS_PER_SECOND;
use crate::{Error, Frame, Interface, Resolution, Timestamp};

/// The contents of the header of a pcap file.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PcapFormat {
    /// The byte order of the headers.
    pub order: ByteOrder,
    /// Whether times are in nanoseconds. Otherwise they are in microseconds.
    pub nanos: bool,
    /// The link type of all packets.
    pub link_type: LinkType,
    /// At most this many bytes of a packet are written. 0 means no limit.
    pub snaplen: u32,
    /// The length in bytes (even, at most 30) of the frame check sequence at the end of each
    /// packet, if it is known.
    pub fcs_len: Option<u8>,
}

impl PcapFormat {
    /// The format for the packets of an interface, in this machine's byte order. Times are in
    /// microseconds if the interface's unit is microseconds or longer, else in nanoseconds.
    pub fn of(interface: &Interface) -> Self {
        let Resolution(resolution) = interface.resolution;
        Self {
            order: ByteOrder::NATIVE,
            nanos: resolution > Resolution::MICROS.0,
            link_type: interface.link_type,
            snaplen: interface.snaplen,
            fcs_len: interface.fcs_len.filter(|len| len % 2 == 0 && *len <= 30),
        }
    }
}

/// Writes a pcap file.
#[derive(Debug)]
pub struct PcapWriter<W: Sink> {
    blocks: BlockWriter<W>,
    format: PcapFormat,
}

impl<W: Sink> PcapWriter<W> {
    /// Begins a file with its header.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn new(sink: W, format: PcapFormat) -> Result<Self, Error> {
        let mut blocks = BlockWriter::new(sink);
        let PcapFormat { order, nanos, link_type, snaplen, fcs_len } = format;
        // section 4: the F bit, and the length in units of 16 bits
        let fcs = fcs_len.map_or(0, |len| u32::from(len / 2) << 28 | 1 << 26);
        let mut header = [0; 24];
        for (field, number) in header.chunks_exact_mut(4).zip([
            if nanos { PCAP_NANOS } else { PCAP_MICROS },
            0,
            0,
            0,
            snaplen,
            u32::from(link_type.0) | fcs,
        ]) {
            field.copy_from_slice(&order.bytes32(number));
        }
        // the version, 2.4, is two 16-bit numbers
        let ([a, b], [c, d]) = (order.bytes16(2), order.bytes16(4));
        if let Some(version) = header.get_mut(4..8) {
            version.copy_from_slice(&[a, b, c, d]);
        }
        blocks.raw(&header)?;
        Ok(Self { blocks, format })
    }

    /// Writes a packet, cut to the file's snapshot length.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for another link type than the file's, and for a time before 1970 or
    /// after
    /// 2106. [`Error::Io`] where the sink fails.
    #[inline]
    pub fn packet(&mut self, frame: &Frame<'_>) -> Result<(), Error> {
        if frame.link_type != self.format.link_type {
            return Err(other_link_type(frame.link_type, self.format.link_type));
        }
        let snaplen = match self.format.snaplen {
            0 => usize::MAX,
            snaplen => snaplen as usize,
        };
        let data = frame.data.get(..snaplen).unwrap_or(frame.data);
        self.record(frame.time, frame.orig_len, data)
    }

    /// Writes a packet with the file's link type: its time, its length on the wire, its captured
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`Error::Unwritable`] for a time before 1970 or after 2106. [`Error::Io`] where the sink
    /// fails.
    #[inline]
    pub fn record(&mut self, time: Timestamp, orig_len: u32, data: &[u8]) -> Result<(), Error> {
        let order = self.format.order;
        let Ok(seconds) = u32::try_from(time.nanos().div_euclid(NANOS_PER_SECOND)) else {
            return Err(far_time(time));
        };
        let nanos = time.subsec_nanos();
        let fraction = if self.format.nanos { nanos } else { nanos / 1_000 };
        let mut header = [0; 16];
        for (field, number) in
            header.chunks_exact_mut(4).zip([seconds, fraction, data.len() as u32, orig_len])
        {
            field.copy_from_slice(&order.bytes32(number));
        }
        self.blocks.begin(header.len() + data.len())?;
        let buffer = self.blocks.buffer();
        buffer.extend_from_slice(&header);
        buffer.extend_from_slice(data);
        self.blocks.end()
    }

    /// The contents of the header.
    pub fn format(&self) -> PcapFormat {
        self.format
    }

    /// The writer of blocks that this one uses, to write records as they are, and to ask how much
    /// was written.
    pub fn blocks(&mut self) -> &mut BlockWriter<W> {
        &mut self.blocks
    }

    /// Writes what is buffered, and flushes the sink.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.blocks.flush()
    }

    /// Writes what is buffered, flushes, and gives the sink back.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] where the sink fails.
    pub fn finish(self) -> Result<W, Error> {
        self.blocks.finish()
    }
}

#[cold]
fn other_link_type(packet: LinkType, file: LinkType) -> Error {
    let what = format!(
        "a packet of link type {} in a pcap file of link type {}: write pcapng",
        packet.0, file.0
    );
    Error::Unwritable { what: what.into() }
}

#[cold]
fn far_time(time: Timestamp) -> Error {
    let seconds = time.seconds();
    let what = format!(
        "a time {} seconds {} 1970 in a pcap file, which tells times from 1970 to 2106: write pcapng",
        seconds.unsigned_abs(),
        if seconds < 0 { "before" } else { "after" }
    );
    Error::Unwritable { what: what.into() }
}
