//! The form of one output file, in any format.

use vxcap::file::Block;
use vxcap::write::{BlockWriter, Sink};

use super::outgoing::Outgoing;
use super::pcap::PcapShape;
use super::pcapng::PcapngShape;
use crate::error::Error;
use crate::report::Losses;

/// The form of one output file: how blocks and packets are written. The bytes go to the writer that
/// is passed in.
pub(crate) enum Shape {
    /// Every block is copied.
    Verbatim,
    Pcap(PcapShape),
    Pcapng(Box<PcapngShape>),
}

impl Shape {
    /// Writes a block that holds no packet.
    pub(crate) fn block<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        file: usize,
        block: &Block<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        match self {
            Self::Verbatim => Ok(writer.raw(block.raw)?),
            Self::Pcap(shape) => {
                shape.block(block, losses);
                Ok(())
            }
            Self::Pcapng(shape) => shape.block(writer, file, block, losses),
        }
    }

    #[inline]
    pub(crate) fn packet<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        packet: &Outgoing<'_>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        match self {
            Self::Verbatim => Ok(writer.raw(packet.packet.block.raw)?),
            Self::Pcap(shape) => shape.packet(writer, packet, losses),
            Self::Pcapng(shape) => shape.packet(writer, packet, losses),
        }
    }

    /// Writes what is still to be written at the end.
    pub(crate) fn finish<W: Sink>(
        &mut self,
        writer: &mut BlockWriter<W>,
        losses: &mut Losses,
    ) -> Result<(), Error> {
        match self {
            Self::Pcap(shape) => shape.finish(writer, losses),
            Self::Verbatim | Self::Pcapng(_) => Ok(()),
        }
    }
}
