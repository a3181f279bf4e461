//! Blocks kept beyond the read block that they came in.

use vxcap::file::{
    Block, Body, ByteOrder, Custom, InterfaceDescription, InterfaceStatistics, PcapHeader,
    PcapRecord, PcapngPacket, Secrets, SectionHeader,
};
use vxcap::{Frame, FrameFlags, LinkType, Timestamp};

/// A copy of a block.
#[derive(Debug)]
pub(crate) struct StoredBlock {
    raw: Vec<u8>,
    offset: u64,
    order: ByteOrder,
    section: u32,
    body: StoredBody,
}

/// A block's body without its bytes, which are in the copy.
#[derive(Clone, Copy, Debug)]
enum StoredBody {
    PcapHeader(PcapHeader),
    Section(SectionHeader),
    Interface(InterfaceDescription),
    NameResolution,
    Statistics(InterfaceStatistics),
    Secrets { kind: u32, len: usize },
    Custom { enterprise: u32, copy: bool, len: usize },
    Journal { len: usize },
    Unknown(u32),
    Record(StoredFrame),
    Enhanced(StoredFrame, u32),
    Simple(StoredFrame, u32),
    Obsolete(StoredFrame, u32, Option<u16>),
}

/// A frame without its bytes.
#[derive(Clone, Copy, Debug)]
struct StoredFrame {
    time: Timestamp,
    link_type: LinkType,
    interface: u32,
    orig_len: u32,
    flags: FrameFlags,
    data_at: usize,
    len: usize,
}

/// Offset of the secrets in a secrets block (draft-ietf-opsawg-pcapng, section 4.8).
const SECRETS_AT: usize = 16;
/// Offset of the data in a custom block (section 4.9).
const CUSTOM_AT: usize = 12;
/// Offset of the entry in a systemd journal block (section 4.7).
const JOURNAL_AT: usize = 8;

impl StoredBlock {
    /// Copies a block. The memory of `raw` is reused.
    pub(crate) fn new(block: &Block<'_>, mut raw: Vec<u8>) -> Self {
        raw.clear();
        raw.extend_from_slice(block.raw);
        let packet = |packet: &PcapngPacket<'_>| {
            (StoredFrame::new(&packet.frame, packet.data_at), packet.section_interface)
        };
        let body = match &block.body {
            Body::PcapHeader(header) => StoredBody::PcapHeader(*header),
            Body::PcapRecord(record) => {
                StoredBody::Record(StoredFrame::new(&record.frame, record.header_len))
            }
            Body::Section(header) => StoredBody::Section(*header),
            Body::Interface(description) => StoredBody::Interface(*description),
            Body::EnhancedPacket(view) => {
                let (frame, interface) = packet(view);
                StoredBody::Enhanced(frame, interface)
            }
            Body::SimplePacket(view) => {
                let (frame, interface) = packet(view);
                StoredBody::Simple(frame, interface)
            }
            Body::ObsoletePacket(view) => {
                let (frame, interface) = packet(view);
                StoredBody::Obsolete(frame, interface, view.drops)
            }
            Body::NameResolution => StoredBody::NameResolution,
            Body::Statistics(statistics) => StoredBody::Statistics(*statistics),
            Body::Secrets(secrets) => {
                StoredBody::Secrets { kind: secrets.kind, len: secrets.data.len() }
            }
            Body::Custom(custom) => StoredBody::Custom {
                enterprise: custom.enterprise,
                copy: custom.copy,
                len: custom.data.len(),
            },
            Body::Journal(entry) => StoredBody::Journal { len: entry.len() },
            Body::Unknown(kind) => StoredBody::Unknown(*kind),
            _ => StoredBody::Unknown(block.block_type().unwrap_or_default()),
        };
        Self { raw, offset: block.offset, order: block.order, section: block.section, body }
    }

    /// The block as it was.
    pub(crate) fn block(&self) -> Block<'_> {
        let part = |at: usize, len: usize| self.raw.get(at..at + len).unwrap_or_default();
        let packet = |stored: &StoredFrame, section_interface, drops| PcapngPacket {
            frame: stored.frame(&self.raw),
            section_interface,
            data_at: stored.data_at,
            drops,
        };
        let body = match &self.body {
            StoredBody::PcapHeader(header) => Body::PcapHeader(*header),
            StoredBody::Record(stored) => Body::PcapRecord(PcapRecord {
                frame: stored.frame(&self.raw),
                header_len: stored.data_at,
            }),
            StoredBody::Section(header) => Body::Section(*header),
            StoredBody::Interface(description) => Body::Interface(*description),
            StoredBody::Enhanced(stored, interface) => {
                Body::EnhancedPacket(packet(stored, *interface, None))
            }
            StoredBody::Simple(stored, interface) => {
                Body::SimplePacket(packet(stored, *interface, None))
            }
            StoredBody::Obsolete(stored, interface, drops) => {
                Body::ObsoletePacket(packet(stored, *interface, *drops))
            }
            StoredBody::NameResolution => Body::NameResolution,
            StoredBody::Statistics(statistics) => Body::Statistics(*statistics),
            StoredBody::Secrets { kind, len } => {
                Body::Secrets(Secrets { kind: *kind, data: part(SECRETS_AT, *len) })
            }
            StoredBody::Custom { enterprise, copy, len } => Body::Custom(Custom {
                enterprise: *enterprise,
                copy: *copy,
                data: part(CUSTOM_AT, *len),
            }),
            StoredBody::Journal { len } => Body::Journal(part(JOURNAL_AT, *len)),
            StoredBody::Unknown(kind) => Body::Unknown(*kind),
        };
        Block {
            raw: &self.raw,
            offset: self.offset,
            order: self.order,
            section: self.section,
            body,
        }
    }

    /// Length of the block in bytes.
    pub(crate) fn len(&self) -> usize {
        self.raw.len()
    }

    /// The copy's bytes, for reuse.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.raw
    }
}

impl StoredFrame {
    fn new(frame: &Frame<'_>, data_at: usize) -> Self {
        Self {
            time: frame.time,
            link_type: frame.link_type,
            interface: frame.interface,
            orig_len: frame.orig_len,
            flags: frame.flags,
            data_at,
            len: frame.data.len(),
        }
    }

    fn frame<'a>(&self, raw: &'a [u8]) -> Frame<'a> {
        Frame {
            time: self.time,
            link_type: self.link_type,
            interface: self.interface,
            orig_len: self.orig_len,
            flags: self.flags,
            data: raw.get(self.data_at..self.data_at + self.len).unwrap_or_default(),
        }
    }
}
