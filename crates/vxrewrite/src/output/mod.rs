//! Outputs: packets and blocks become a capture file again.

mod blocks;
mod interfaces;
mod options;
mod outputs;
mod patches;
mod pcap;
mod pcapng;
mod transcode;

use vxcap::file::Block;
use vxcap::write::{BlockWriter, Sink};
use vxcap::{LinkType, Timestamp};
use vxlan::Vni;

use crate::error::Error;
use crate::packet_block::PacketBlock;
use crate::report::Losses;

pub(crate) use blocks::append as append_block;
pub(crate) use options::push as push_option;
pub use outputs::Sinks;
pub(crate) use outputs::{Outputs, Preface};
pub(crate) use patches::Patches;
pub(crate) use transcode::is_free_form;

/// The format of an output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OutputFormat {
    /// That of the first input.
    #[default]
    AsInput,
    /// pcap, with times in nanoseconds where the first input has them, and in microseconds otherwise.
    Pcap,
    /// pcap with times in microseconds.
    MicrosPcap,
    /// pcap with times in nanoseconds.
    NsecPcap,
    /// pcapng.
    Pcapng,
}

/// A packet on its way out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    /// Number of its file.
    pub(crate) file: usize,
    /// The block that it came in.
    pub(crate) packet: &'a PacketBlock<'a>,
    /// Its bytes now.
    pub(crate) data: &'a [u8],
    /// What is still to be changed in `data`.
    pub(crate) patches: &'a Patches,
    pub(crate) orig_len: u32,
    pub(crate) link_type: LinkType,
    /// What it was taken out of, if it was.
    pub(crate) tunnel: Option<Carrier>,
    /// A comment to add; none where it is empty.
    pub(crate) comment: &'a str,
    /// Whether `data` is not what was captured, apart from being cut.
    pub(crate) changed: bool,
    /// Whether comments that are there may stay.
    pub(crate) keeps_comments: bool,
    /// Number of the packet over all inputs, from 1.
    pub(crate) number: u64,
}

/// What a packet was taken out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    /// A tunnel with an identifier.
    Vni(Vni),
    /// A tunnel without.
    Udp,
    /// One of very many tunnels, which have an interface together.
    Other,
}

/// What happens to the files of a run, which decides what can stay as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) format: OutputFormat,
    /// Several inputs.
    pub(crate) merges: bool,
    /// Packets may be left out or have another length.
    pub(crate) changes: bool,
    /// Every block as it is, unseen.
    pub(crate) verbatim: bool,
    /// Packets are cut to this length.
    pub(crate) snaplen: Option<u32>,
}

/// The form of one output file: how blocks and packets stand in it. Its bytes go to the writer that is handed in.
pub(crate) enum Shape {
    /// Every block as it comes.
    Verbatim,
    Pcap(pcap::PcapShape),
    Pcapng(Box<pcapng::PcapngShape>),
}

impl Shape {
    /// A block other than a packet's.
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

/// Whether a time has a part below a microsecond.
pub(crate) fn is_below_micros(time: Timestamp) -> bool {
    !time.subsec_nanos().is_multiple_of(1000)
}
