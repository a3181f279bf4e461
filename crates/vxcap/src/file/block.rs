//! Views of blocks, the parts of a capture file.

use std::ops::Range;

use vxlan::LinkType;

use super::{ByteOrder, NameRecords, OptionFields, PcapHeader, block_type, interface_block};
use crate::{Frame, Interface};

/// Offset of the options in a section header block (draft-ietf-opsawg-pcapng, section 4.1).
const SECTION_OPTIONS_AT: usize = 24;
/// Offset of the options in a statistics block (section 4.6).
const STATISTICS_OPTIONS_AT: usize = 20;
/// Offset of the records in a name resolution block (section 4.5).
const NAMES_AT: usize = 8;
/// Offset of the secrets in a secrets block (section 4.8).
const SECRETS_AT: usize = 16;

/// A part of a capture file: a block of pcapng, or the file header or a packet record of pcap.
///
/// The `raw` bytes of all blocks, in their order, are the file.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug)]
pub struct Block<'a> {
    /// The whole block as it is in the file, with its headers and padding.
    pub raw: &'a [u8],
    /// Its offset in the (decompressed) file.
    pub offset: u64,
    /// The byte order of its numbers.
    pub order: ByteOrder,
    /// The section that it belongs to, counted from 0. A section header block belongs to the
    /// section that it begins.
    pub section: u32,
    /// What it is.
    pub body: Body<'a>,
}

/// What a block is.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub enum Body<'a> {
    /// The header of a pcap file.
    PcapHeader(PcapHeader),
    /// A packet of a pcap file.
    PcapRecord(PcapRecord<'a>),
    /// A section header block.
    Section(SectionHeader),
    /// An interface description block. [`Block::interface`] reads all of it.
    Interface(InterfaceDescription),
    /// An enhanced packet block.
    EnhancedPacket(PcapngPacket<'a>),
    /// A simple packet block.
    SimplePacket(PcapngPacket<'a>),
    /// An obsolete packet block.
    ObsoletePacket(PcapngPacket<'a>),
    /// A name resolution block. [`Block::name_records`] reads its records.
    NameResolution,
    /// An interface statistics block. Its counts are options.
    Statistics(InterfaceStatistics),
    /// A decryption secrets block.
    Secrets(Secrets<'a>),
    /// A custom block.
    Custom(Custom<'a>),
    /// A systemd journal export block, with its entry.
    Journal(&'a [u8]),
    /// A block of this type, which is unknown, or whose block is too short for what it should hold.
    Unknown(u32),
}

/// A packet record of a pcap file.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug)]
pub struct PcapRecord<'a> {
    /// The packet.
    pub frame: Frame<'a>,
    /// The length of the record header: 16 bytes, or 24 in Kuznetzov's variant.
    pub header_len: usize,
}

/// A section header block (draft-ietf-opsawg-pcapng, section 4.1).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionHeader {
    /// Major and minor version.
    pub version: (u16, u16),
    /// The length in bytes of the section after its header, if the file has it. Nothing relies on
    /// it.
    pub length: Option<u64>,
}

/// The fixed part of an interface description block (draft-ietf-opsawg-pcapng, section 4.2).
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct InterfaceDescription {
    /// The index of the interface among the reader's interfaces, over all sections.
    pub index: u32,
    /// The link type of its packets.
    pub link_type: LinkType,
    /// At most this many bytes of a packet were captured. 0 means no limit.
    pub snaplen: u32,
}

/// A packet block of pcapng.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug)]
pub struct PcapngPacket<'a> {
    /// The packet.
    pub frame: Frame<'a>,
    /// The number of the interface in its section, as it is in the block.
    pub section_interface: u32,
    /// The offset of the packet's bytes in the block.
    pub data_at: usize,
    /// How many packets were lost before it, if that was counted. Only obsolete packet blocks have
    /// it.
    pub drops: Option<u16>,
}

/// The fixed part of an interface statistics block (draft-ietf-opsawg-pcapng, section 4.6).
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct InterfaceStatistics {
    /// The number of the interface in its section.
    pub section_interface: u32,
    /// When the counts were taken, in the interface's unit.
    pub ticks: u64,
}

/// A decryption secrets block (draft-ietf-opsawg-pcapng, section 4.8).
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Secrets<'a> {
    /// What they are: `544c534b` is a TLS key log, `5353484b` an SSH key log, `57474b4c` a
    /// `WireGuard` key log.
    pub kind: u32,
    /// The secrets.
    pub data: &'a [u8],
}

/// A custom block (draft-ietf-opsawg-pcapng, section 4.9).
///
/// Callers build it, so a new field is a breaking change.
#[derive(Copy, Clone, Debug, PartialEq, Eq)]
pub struct Custom<'a> {
    /// IANA's number of the enterprise that defined it.
    pub enterprise: u32,
    /// Whether a rewriter that does not know the block should copy it.
    pub copy: bool,
    /// The rest of the body: data, padding and perhaps options. Only the enterprise knows its form.
    pub data: &'a [u8],
}

impl<'a> Block<'a> {
    /// The packet, if the block has one.
    pub fn frame(&self) -> Option<Frame<'a>> {
        match self.body {
            Body::PcapRecord(record) => Some(record.frame),
            Body::EnhancedPacket(packet)
            | Body::SimplePacket(packet)
            | Body::ObsoletePacket(packet) => Some(packet.frame),
            _ => None,
        }
    }

    /// The type of a pcapng block. `None` for the parts of a pcap file.
    pub fn block_type(&self) -> Option<u32> {
        match self.body {
            Body::PcapHeader(_) | Body::PcapRecord(_) => None,
            _ => self.order.u32_at(self.raw, 0),
        }
    }

    /// The interface that an interface description block describes. `None` for other blocks.
    pub fn interface(&self) -> Option<Interface> {
        match self.body {
            Body::Interface(_) => interface_block::parse(self.raw, self.order, self.section),
            _ => None,
        }
    }

    /// The place of the options in `raw`, with the end-of-options mark. It may be empty. `None`
    /// where a block of this kind has no options.
    pub fn options_range(&self) -> Option<Range<usize>> {
        let end = self.raw.len().checked_sub(4)?;
        let start = match self.body {
            Body::Section(_) => SECTION_OPTIONS_AT,
            Body::Interface(_) => interface_block::OPTIONS_AT,
            Body::EnhancedPacket(packet) | Body::ObsoletePacket(packet) => {
                (packet.data_at + packet.frame.data.len()).next_multiple_of(4)
            }
            Body::NameResolution => self.names()?.end().1,
            Body::Statistics(_) => STATISTICS_OPTIONS_AT,
            Body::Secrets(secrets) => SECRETS_AT + secrets.data.len().next_multiple_of(4),
            _ => return None,
        };
        Some(start.min(end)..end)
    }

    /// The options. A block of a kind without options gives none.
    pub fn options(&self) -> OptionFields<'a> {
        let range = self.options_range().unwrap_or_default();
        OptionFields::new(self.raw.get(range.clone()).unwrap_or_default(), range.start, self.order)
    }

    /// The offset in `raw` at which another option could be inserted: after the last one, before
    /// the end-of-options mark. `None` where a block of this kind has no options.
    pub fn options_end(&self) -> Option<usize> {
        self.options_range()?;
        Some(self.options().end())
    }

    /// The records of a name resolution block. Other blocks give none.
    pub fn name_records(&self) -> NameRecords<'a> {
        self.names().unwrap_or_else(|| NameRecords::new(&[], 0, self.order))
    }

    /// The offset in `raw` at which another record could be inserted in a name resolution block.
    /// `None` for other blocks.
    pub fn name_records_end(&self) -> Option<usize> {
        Some(self.names()?.end().0)
    }

    fn names(&self) -> Option<NameRecords<'a>> {
        let Body::NameResolution = self.body else { return None };
        let records = self.raw.get(NAMES_AT..self.raw.len().checked_sub(4)?)?;
        Some(NameRecords::new(records, NAMES_AT, self.order))
    }
}

impl<'a> Body<'a> {
    /// The body of a whole pcapng block that is not a packet. `index` is that of the interface read
    /// last.
    pub(crate) fn parse(kind: u32, raw: &'a [u8], order: ByteOrder, index: u32) -> Self {
        Self::parse_known(kind, raw, order, index).unwrap_or(Self::Unknown(kind))
    }

    fn parse_known(kind: u32, raw: &'a [u8], order: ByteOrder, index: u32) -> Option<Self> {
        let raw = raw.get(..raw.len().checked_sub(4)?)?;
        let halves = |high, low| {
            Some(u64::from(order.u32_at(raw, high)?) << 32 | u64::from(order.u32_at(raw, low)?))
        };
        Some(match kind {
            block_type::SECTION => {
                let length = order.u64(*raw.get(16..)?.first_chunk()?);
                Self::Section(SectionHeader {
                    version: (order.u16_at(raw, 12)?, order.u16_at(raw, 14)?),
                    // section 4.1: -1 means not told
                    length: (length != u64::MAX).then_some(length),
                })
            }
            block_type::INTERFACE => Self::Interface(InterfaceDescription {
                index,
                link_type: LinkType(order.u16_at(raw, 8)?),
                snaplen: order.u32_at(raw, 12)?,
            }),
            block_type::NAME_RESOLUTION => Self::NameResolution,
            block_type::STATISTICS => Self::Statistics(InterfaceStatistics {
                section_interface: order.u32_at(raw, 8)?,
                ticks: halves(12, 16)?,
            }),
            block_type::SECRETS => {
                let len = order.u32_at(raw, 12)? as usize;
                let data = raw.get(SECRETS_AT..)?.get(..len)?;
                Self::Secrets(Secrets { kind: order.u32_at(raw, 8)?, data })
            }
            block_type::CUSTOM | block_type::CUSTOM_NO_COPY => Self::Custom(Custom {
                enterprise: order.u32_at(raw, 8)?,
                copy: kind == block_type::CUSTOM,
                data: raw.get(12..)?,
            }),
            block_type::JOURNAL => Self::Journal(raw.get(8..)?),
            _ => return None,
        })
    }
}
