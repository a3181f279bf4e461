//! A packet with what is known of it, as all forms of output need it.

use vxcap::Frame;
use vxlan::{Headers, IpProtocol, Packet};

use crate::input::carriages::Carriage;

/// Where a packet comes from.
pub(crate) struct Origin<'a> {
    /// The interface's name, where the input tells.
    pub(crate) interface: Option<&'a str>,
    /// The file's name, where several are read.
    pub(crate) file: Option<&'a str>,
    /// How a frame on a VXLAN device will be, or was, carried.
    pub(crate) carriage: Option<Carriage>,
}

/// A packet to be printed.
pub(crate) struct Seen<'a> {
    pub(crate) frame: &'a Frame<'a>,
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) packet: &'a Packet<'a>,
    /// of the innermost tunnel
    pub(crate) vni: Option<u32>,
    /// length of the innermost frame on the wire
    pub(crate) inner_len: u32,
}

/// What tcpdump calls the length: payload of TCP and UDP, the whole message or packet of all else.
pub(crate) fn length(headers: &Headers<'_>) -> Option<u32> {
    if let Some(arp) = headers.arp() {
        return Some(arp.packet_len() as u32);
    }
    let protocol = headers.protocol()?;
    let has_payload = headers.tcp().is_some() || headers.udp().is_some();
    if let Some(tcp) = headers.tcp() {
        // not what the decoder found to be payload: of a cut header the options would be counted
        // too
        return Some(headers.transport_wire_len().saturating_sub(tcp.header_len() as u32));
    }
    let whole = !has_payload || !matches!(protocol, IpProtocol::TCP | IpProtocol::UDP);
    Some(if whole { headers.transport_wire_len() } else { headers.payload_wire_len() })
}
