//! A packet with its block.

use vxcap::Frame;
use vxcap::file::{Block, Body};

/// A block that holds a packet, by its parts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacketBlock<'a> {
    pub(crate) block: &'a Block<'a>,
    pub(crate) kind: PacketKind,
    pub(crate) frame: &'a Frame<'a>,
    /// Where the captured bytes begin in the block.
    pub(crate) data_at: usize,
}

/// Which kind of block it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PacketKind {
    /// A record of a pcap file.
    Record,
    /// An enhanced packet block.
    Enhanced,
    /// A simple packet block.
    Simple,
    /// An obsolete packet block, with its count of lost packets.
    Obsolete(Option<u16>),
}

impl<'a> PacketBlock<'a> {
    /// `None` where the block holds no packet.
    #[inline]
    pub(crate) fn of(block: &'a Block<'a>) -> Option<Self> {
        let (kind, frame, data_at) = match &block.body {
            Body::PcapRecord(record) => (PacketKind::Record, &record.frame, record.header_len),
            Body::EnhancedPacket(packet) => (PacketKind::Enhanced, &packet.frame, packet.data_at),
            Body::SimplePacket(packet) => (PacketKind::Simple, &packet.frame, packet.data_at),
            Body::ObsoletePacket(packet) => {
                (PacketKind::Obsolete(packet.drops), &packet.frame, packet.data_at)
            }
            _ => return None,
        };
        Some(Self { block, kind, frame, data_at })
    }

    /// The header of the block, before the captured bytes.
    #[inline]
    pub(crate) fn head(&self) -> &'a [u8] {
        self.block.raw.get(..self.data_at).unwrap_or_default()
    }

    /// What follows the captured bytes: padding, options, length.
    #[inline]
    pub(crate) fn tail(&self) -> &'a [u8] {
        self.block.raw.get(self.data_at + self.frame.data.len()..).unwrap_or_default()
    }

    /// Whether it is a record of "patched" pcap, whose header has the interface's index, the
    /// protocol and the packet's type after the usual 16 bytes.
    #[inline]
    pub(crate) fn has_long_header(&self) -> bool {
        self.kind == PacketKind::Record && self.data_at > 16
    }

    /// Whether the block has options.
    #[inline]
    pub(crate) fn has_options(&self) -> bool {
        // at least an end mark and the length
        matches!(self.kind, PacketKind::Enhanced | PacketKind::Obsolete(_))
            && self.tail().len() >= 8
    }
}
