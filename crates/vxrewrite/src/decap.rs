//! Decapsulation: which bytes of a frame are the inner frame.

use vxlan::{Decoder, EtherType, LinkType, Packet, Tunnel};

use crate::output::Carrier;

/// How far packets are taken out of tunnels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Decap {
    /// The innermost frame.
    #[default]
    Innermost,
    /// Out of the outermost tunnel only.
    OneLevel,
}

/// The inner frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InnerFrame<'a> {
    /// As far as it was captured.
    pub(crate) data: &'a [u8],
    /// Its length on the wire.
    pub(crate) orig_len: u32,
    pub(crate) link_type: LinkType,
    pub(crate) carrier: Carrier,
    /// Where it begins in the outer frame.
    pub(crate) offset: usize,
}

impl Decap {
    /// The inner frame of a packet that `decoder` decoded. `None` for a packet in no tunnel, and
    /// where capture files have no link type for what the tunnel carries.
    #[inline]
    pub(crate) fn inner_frame<'a>(
        self,
        packet: &Packet<'a>,
        decoder: &Decoder,
    ) -> Option<InnerFrame<'a>> {
        let outermost = packet.tunnel?;
        if packet.depth() == 1 || self == Self::OneLevel {
            return of_tunnel(outermost);
        }
        // of nested tunnels, the innermost whose payload has a link type
        decoder.encapsulations(packet).filter_map(|level| of_tunnel(level.tunnel)).last()
    }
}

#[inline]
fn of_tunnel(tunnel: Tunnel<'_>) -> Option<InnerFrame<'_>> {
    let link_type = match tunnel.inner_type() {
        EtherType::ETHERNET => LinkType::ETHERNET,
        // LINKTYPE_RAW holds both
        EtherType::IPV4 | EtherType::IPV6 => LinkType::RAW,
        _ => return None,
    };
    Some(InnerFrame {
        data: tunnel.payload(),
        orig_len: tunnel.payload_wire_len(),
        link_type,
        carrier: tunnel.vni().map_or(Carrier::Udp, Carrier::Vni),
        offset: tunnel.payload_offset() as usize,
    })
}
