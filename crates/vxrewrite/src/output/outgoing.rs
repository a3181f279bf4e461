//! A packet on its way out.

use vxcap::LinkType;
use vxlan::Vni;

use super::patches::Patches;
use crate::packet_block::PacketBlock;

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
    /// The tunnel that it was taken out of, if it was.
    pub(crate) tunnel: Option<Carrier>,
    /// A comment to add, if it is not empty.
    pub(crate) comment: &'a str,
    /// Whether `data` differs from what was captured, other than by being cut.
    pub(crate) changed: bool,
    /// Whether existing comments may stay.
    pub(crate) keeps_comments: bool,
    /// Number of the packet over all inputs, from 1.
    pub(crate) number: u64,
}

/// The tunnel that a packet was taken out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Carrier {
    /// A tunnel with an identifier.
    Vni(Vni),
    /// A tunnel without an identifier.
    Udp,
    /// One of very many tunnels, which share an interface.
    Other,
}
