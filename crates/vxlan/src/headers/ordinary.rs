//! The short way for ordinary traffic.

use super::{Headers, Network};
use crate::bytes::{array, be16};
use crate::ether_type::EtherType;
use crate::ip_protocol::IpProtocol;
use crate::ipv4::Ipv4Header;
use crate::ipv6::Ipv6Header;
use crate::link::EthernetHeader;
use crate::link_type::LinkType;
use crate::stop::Limit;
use crate::tcp;
use crate::udp::UdpHeader;

/// Value of a `SIX` parameter: the header is IPv4's.
pub const IPV4: bool = false;
/// Value of a `SIX` parameter: the header is IPv6's.
pub const IPV6: bool = true;

/// What nearly all traffic is: Ethernet without tags; IPv4 without options, or ([`IPV6`]) IPv6
/// without extension headers; not a fragment, and a whole packet of TCP or UDP. A few comparisons
/// at fixed places find it, and give all that [`Headers`] hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ordinary<const SIX: bool> {
    pub(crate) is_udp: bool,
    pub(crate) payload: u32,
    pub(crate) end: u32,
}

impl<const SIX: bool> Ordinary<SIX> {
    const NETWORK: usize = EthernetHeader::LEN;
    pub(crate) const TRANSPORT: usize =
        Self::NETWORK + if SIX { Ipv6Header::LEN } else { Ipv4Header::MIN_LEN };
    /// Up to the shortest transport header.
    pub(crate) const LEN: usize = Self::TRANSPORT + UdpHeader::LEN;

    /// `None` for all else than ordinary traffic.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a call would hand a struct through memory, at the price of the comparisons
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        // one check of the length for all that stands before the transport header
        let (start, rest) = bytes.split_at_checked(Self::LEN)?;
        let start = start.first_chunk::<42>()?;
        let (ether_type, protocol, end) = if SIX {
            let length = u32::from(u16::from_be_bytes([start[18], start[19]]));
            // 0: a jumbogram, perhaps
            let end = if length == 0 { return None } else { Self::TRANSPORT as u32 + length };
            (0x86dd_6000, start[20], end)
        } else {
            if u16::from_be_bytes([start[20], start[21]]) & 0x3fff != 0 {
                return None;
            }
            let total = u32::from(u16::from_be_bytes([start[16], start[17]]));
            (0x0800_4500, start[23], Self::NETWORK as u32 + total)
        };
        // EtherType, version and, of IPv4, 20 bytes; the type of service may be any
        let mask = if SIX { 0xffff_f000 } else { 0xffff_ff00 };
        let first = u32::from_be_bytes([start[12], start[13], start[14], start[15]]);
        if first & mask != ether_type || end as usize > bytes.len() {
            return None;
        }
        let transport = Self::TRANSPORT as u32;
        if protocol == IpProtocol::UDP.0 {
            let length = u32::from(be16(bytes, Self::TRANSPORT + 4)?);
            let udp_end = transport + length;
            return (length >= 8 && udp_end <= end).then_some(Self {
                is_udp: true,
                payload: transport + 8,
                end: udp_end,
            });
        }
        if protocol == IpProtocol::TCP.0 {
            let length = u32::from(rest.get(4)? >> 4) * 4;
            let payload = transport + length;
            return (length >= 20 && payload <= end).then_some(Self {
                is_udp: false,
                payload,
                end,
            });
        }
        None
    }

    /// The IPv4 header, where it is one.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(crate) fn ipv4(bytes: &[u8]) -> Option<Ipv4Header<'_>> {
        if SIX {
            return None;
        }
        Some(Ipv4Header { fixed: array(bytes, Self::NETWORK)?, options: &[] })
    }

    /// The IPv6 header, where it is one.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(crate) fn ipv6(bytes: &[u8]) -> Option<Ipv6Header<'_>> {
        if SIX { array(bytes, Self::NETWORK).map(Ipv6Header) } else { None }
    }

    /// Source and destination port.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(crate) fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
        tcp::ports(bytes.get(Self::TRANSPORT..Self::LEN)?)
    }

    /// The headers in `bytes`, which stand at `base` in their frame.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as above
    pub(crate) fn headers(self, bytes: &[u8], base: u32) -> Headers<'_> {
        let Self { is_udp, payload, end } = self;
        let (ether_type, layer, limit) = if SIX {
            (EtherType::IPV6, Network::Ipv6, Limit::Ipv6PayloadLength)
        } else {
            (EtherType::IPV4, Network::Ipv4, Limit::Ipv4TotalLength)
        };
        Headers {
            bytes,
            base,
            tags: 12,
            network: Self::NETWORK as u32,
            fragment: 0,
            transport: Self::TRANSPORT as u32,
            payload,
            end,
            payload_wire_len: end - payload,
            ether_type,
            link_type: LinkType::ETHERNET,
            tag_count: 0,
            layer,
            protocol: if is_udp { IpProtocol::UDP } else { IpProtocol::TCP },
            limit: if is_udp { Limit::UdpLength } else { limit },
            stop: None,
        }
    }
}
