//! The headers of one level: link layer, tags, network, transport. One type serves outer and inner.

mod decode;
mod ordinary;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::arp::ArpPacket;
use crate::bytes::{array, be16, be32, clamped};
use crate::ether_type::EtherType;
use crate::icmp::{IcmpHeader, Icmpv6Header};
use crate::igmp::IgmpHeader;
use crate::ip_protocol::IpProtocol;
use crate::ipv4::Ipv4Header;
use crate::ipv6::{Ipv6ExtensionHeaders, Ipv6Header};
use crate::link::{EthernetHeader, MacAddr, SllHeader, VlanTags};
use crate::link_type::{LinkShape, LinkType};
use crate::sctp::SctpHeader;
use crate::stop::{Limit, Stop};
use crate::tcp::{self, TcpHeader};
use crate::udp::UdpHeader;

pub(crate) use decode::Input;
pub(crate) use ordinary::Ordinary;
pub use ordinary::{IPV4, IPV6};

/// What the network layer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    None,
    Ipv4,
    Ipv6,
    Arp,
}

/// A fragment of an IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Fragment {
    /// Identification: 16 bits in IPv4, 32 in IPv6.
    pub id: u32,
    /// Where the fragment's bytes stand in the whole packet's payload, in bytes.
    pub offset: u32,
    /// More fragments follow.
    pub more: bool,
}

impl Fragment {
    /// Is it the first one, the one with the transport header?
    #[inline]
    pub const fn is_first(self) -> bool {
        self.offset == 0
    }
}

/// The headers of one level of a frame, as views into its bytes.
///
/// What is not there, or could not be decoded, is `None`; [`Headers::stop`] says why. All lengths
/// are in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Headers<'a> {
    /// from the link-layer header on, as captured, with padding
    bytes: &'a [u8],
    /// bytes of the frame before `bytes`
    base: u32,
    /// where the first VLAN tag's type field is; network header; fragment header of IPv6 (0: none);
    /// transport header; payload; end of the payload: all within `bytes`
    tags: u32,
    network: u32,
    fragment: u32,
    transport: u32,
    payload: u32,
    end: u32,
    /// length on the wire of what begins at `payload`
    payload_wire_len: u32,
    ether_type: EtherType,
    link_type: LinkType,
    tag_count: u8,
    layer: Network,
    protocol: IpProtocol,
    /// who set `end`
    limit: Limit,
    stop: Option<Stop>,
}

impl<'a> Headers<'a> {
    /// The bytes of this level from its first header on, as captured, padding included.
    #[inline]
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where this level begins, in bytes from the start of the frame.
    #[inline]
    pub const fn offset(&self) -> u32 {
        self.base
    }

    /// The link layer of this level; [`LinkType::RAW`] where a tunnel carries bare IP.
    #[inline]
    pub const fn link_type(&self) -> LinkType {
        self.link_type
    }

    /// Why decoding ended early at this level, if it did.
    #[inline]
    pub const fn stop(&self) -> Option<Stop> {
        self.stop
    }

    #[cold]
    pub(crate) const fn with_stop(mut self, stop: Stop) -> Self {
        self.stop = Some(stop);
        self
    }

    /// The Ethernet header.
    #[inline]
    pub fn ethernet(&self) -> Option<EthernetHeader<'a>> {
        if self.link_type != LinkType::ETHERNET {
            return None;
        }
        self.bytes.first_chunk().map(EthernetHeader)
    }

    /// The Linux cooked header of `-i any`.
    pub fn sll(&self) -> Option<SllHeader<'a>> {
        let is_v2 = match self.link_type.shape() {
            LinkShape::Sll => false,
            LinkShape::Sll2 => true,
            _ => return None,
        };
        let (bytes, rest) = self.bytes.split_first_chunk()?;
        let rest = rest.get(..if is_v2 { 4 } else { 0 })?;
        Some(SllHeader { bytes, rest, is_v2 })
    }

    /// The sender's MAC address, of Ethernet or of a cooked header.
    pub fn source_mac(&self) -> Option<MacAddr> {
        self.ethernet().map(EthernetHeader::source).or_else(|| self.sll()?.source())
    }

    /// The receiver's MAC address; a cooked header has none.
    pub fn destination_mac(&self) -> Option<MacAddr> {
        self.ethernet().map(EthernetHeader::destination)
    }

    /// VLAN tags, the outermost first.
    #[inline]
    pub fn vlan_tags(&self) -> VlanTags<'a> {
        VlanTags {
            bytes: self.bytes.get(self.tags as usize..).unwrap_or(&[]),
            left: self.tag_count,
        }
    }

    /// What the link layer, with all its tags and labels, says about the network layer. `None`
    /// where the link layer could not be decoded, or is an IEEE 802.3 frame without SNAP.
    #[inline]
    pub const fn ether_type(&self) -> Option<EtherType> {
        if self.ether_type.0 == 0 { None } else { Some(self.ether_type) }
    }

    /// The IPv4 header.
    #[inline]
    pub fn ipv4(&self) -> Option<Ipv4Header<'a>> {
        if self.layer != Network::Ipv4 {
            return None;
        }
        let fixed: &[u8; 20] = array(self.bytes, self.network as usize)?;
        let start = self.network as usize + 20;
        let options =
            clamped(self.bytes, start, start + usize::from(fixed[0] & 0x0f).saturating_sub(5) * 4);
        Some(Ipv4Header { fixed, options })
    }

    /// The IPv6 header.
    #[inline]
    pub fn ipv6(&self) -> Option<Ipv6Header<'a>> {
        if self.layer != Network::Ipv6 {
            return None;
        }
        array(self.bytes, self.network as usize).map(Ipv6Header)
    }

    /// The extension headers of an IPv6 packet, and the authentication header of either IP.
    pub fn extension_headers(&self) -> Ipv6ExtensionHeaders<'a> {
        let (start, next) = match (self.ipv4(), self.ipv6()) {
            (Some(ip), _) => (ip.header_len(), ip.protocol()),
            (_, Some(ip)) => (Ipv6Header::LEN, ip.next_header()),
            _ => (0, IpProtocol::NO_NEXT_HEADER),
        };
        let start = self.network as usize + start;
        Ipv6ExtensionHeaders { bytes: clamped(self.bytes, start, self.transport as usize), next }
    }

    /// The ARP packet, or reverse ARP packet.
    pub fn arp(&self) -> Option<ArpPacket<'a>> {
        if self.layer != Network::Arp {
            return None;
        }
        ArpPacket::new(clamped(self.bytes, self.network as usize, self.end as usize))
    }

    /// Source address of the IP packet, or the sender's of ARP for IPv4.
    #[inline]
    pub fn source(&self) -> Option<IpAddr> {
        if self.layer == Network::Ipv4 {
            return Some(IpAddr::V4(self.ipv4_addresses()?.0));
        }
        if self.layer == Network::Ipv6 {
            return Some(IpAddr::V6(self.ipv6_addresses()?.0));
        }
        self.arp()?.sender_ip().map(IpAddr::V4)
    }

    /// Destination address of the IP packet, or the target's of ARP for IPv4.
    #[inline]
    pub fn destination(&self) -> Option<IpAddr> {
        if self.layer == Network::Ipv4 {
            return Some(IpAddr::V4(self.ipv4_addresses()?.1));
        }
        if self.layer == Network::Ipv6 {
            return Some(IpAddr::V6(self.ipv6_addresses()?.1));
        }
        self.arp()?.target_ip().map(IpAddr::V4)
    }

    /// Time to live or hop limit.
    #[inline]
    pub fn ttl(&self) -> Option<u8> {
        match self.layer {
            Network::Ipv4 => self.ipv4().map(Ipv4Header::ttl),
            Network::Ipv6 => self.ipv6().map(Ipv6Header::hop_limit),
            _ => None,
        }
    }

    /// The protocol behind the IP header and its extension headers; for a fragment that of the
    /// whole packet.
    #[inline]
    pub fn protocol(&self) -> Option<IpProtocol> {
        matches!(self.layer, Network::Ipv4 | Network::Ipv6).then_some(self.protocol)
    }

    /// Which fragment it is, where the packet is one.
    #[inline]
    pub fn fragment(&self) -> Option<Fragment> {
        match self.layer {
            Network::Ipv4 => {
                let field = be16(self.bytes, self.network as usize + 6)?;
                (field & 0x3fff != 0).then(|| Fragment {
                    id: u32::from(be16(self.bytes, self.network as usize + 4).unwrap_or(0)),
                    offset: u32::from(field & 0x1fff) * 8,
                    more: field & 0x2000 != 0,
                })
            }
            Network::Ipv6 if self.fragment != 0 => {
                let field = be16(self.bytes, self.fragment as usize + 2)?;
                let id = be32(self.bytes, self.fragment as usize + 4)?;
                // an atomic fragment (RFC 6946) is a whole packet
                (field & 0xfff9 != 0).then(|| Fragment {
                    id,
                    offset: u32::from(field & 0xfff8),
                    more: field & 1 != 0,
                })
            }
            _ => None,
        }
    }

    /// Where the IPv6 fragment header begins within [`Headers::bytes`]; 0 where there is none.
    #[cfg(feature = "alloc")]
    pub(crate) const fn fragment_header_offset(&self) -> usize {
        self.fragment as usize
    }

    /// The transport header, as far as it was captured; empty where there is none, as in a fragment
    /// other than the first.
    #[inline]
    pub fn transport(&self) -> &'a [u8] {
        clamped(self.bytes, self.transport as usize, self.payload as usize)
    }

    /// Where the network header begins within [`Headers::bytes`]: IP, ARP, or what the `EtherType`
    /// says.
    #[inline]
    pub const fn network_offset(&self) -> usize {
        self.network as usize
    }

    /// Where the transport header begins within [`Headers::bytes`]: what follows the IP header and
    /// its extension headers.
    #[inline]
    pub const fn transport_offset(&self) -> usize {
        self.transport as usize
    }

    /// Where the payload begins within [`Headers::bytes`].
    #[inline]
    pub const fn payload_offset(&self) -> usize {
        self.payload as usize
    }

    /// Source and destination port of TCP, UDP or SCTP, also where no more than they were captured.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a call costs more than the reads
    pub fn ports(&self) -> Option<(u16, u16)> {
        let has_ports =
            matches!(self.protocol()?, IpProtocol::TCP | IpProtocol::UDP | IpProtocol::SCTP);
        // of a later fragment no byte is a transport header
        if !has_ports || self.payload < self.transport + 4 {
            return None;
        }
        tcp::ports(self.bytes.get(self.transport as usize..)?)
    }

    /// The UDP header.
    #[inline]
    pub fn udp(&self) -> Option<UdpHeader<'a>> {
        self.of(IpProtocol::UDP)?.first_chunk().map(UdpHeader)
    }

    /// The TCP header.
    #[inline]
    pub fn tcp(&self) -> Option<TcpHeader<'a>> {
        let (fixed, options) = self.of(IpProtocol::TCP)?.split_first_chunk()?;
        Some(TcpHeader { fixed, options })
    }

    /// The ICMP message of an IPv4 packet.
    #[inline]
    pub fn icmp(&self) -> Option<IcmpHeader<'a>> {
        self.icmp_message(IpProtocol::ICMP)
    }

    /// The ICMPv6 message.
    #[inline]
    pub fn icmpv6(&self) -> Option<Icmpv6Header<'a>> {
        self.icmp_message(IpProtocol::ICMPV6).map(Icmpv6Header)
    }

    /// The SCTP common header.
    #[inline]
    pub fn sctp(&self) -> Option<SctpHeader<'a>> {
        self.of(IpProtocol::SCTP)?.first_chunk().map(SctpHeader)
    }

    /// The IGMP message.
    #[inline]
    pub fn igmp(&self) -> Option<IgmpHeader<'a>> {
        self.of(IpProtocol::IGMP)?.first_chunk().map(IgmpHeader)
    }

    /// What follows the last header that was decoded, as far as it was captured and the length
    /// fields say: never padding. For a fragment other than the first, its bytes.
    #[inline]
    pub fn payload(&self) -> &'a [u8] {
        clamped(self.bytes, self.payload as usize, self.end as usize)
    }

    /// Length of [`Headers::payload`] on the wire; more than was captured where the frame is cut.
    #[inline]
    pub const fn payload_wire_len(&self) -> u32 {
        self.payload_wire_len
    }

    /// How many bytes of the payload are missing.
    #[inline]
    pub fn missing(&self) -> u32 {
        self.payload_wire_len.saturating_sub(self.end.saturating_sub(self.payload))
    }

    /// The bytes of the IP packet, from its header to its end as captured; or of what else the link
    /// layer carries.
    #[inline]
    pub fn network_packet(&self) -> &'a [u8] {
        clamped(self.bytes, self.network as usize, self.end as usize)
    }

    /// Length of the IP packet on the wire: its header, extension headers, transport header and
    /// payload.
    #[inline]
    pub fn network_wire_len(&self) -> u32 {
        self.payload.saturating_sub(self.network) + self.payload_wire_len
    }

    /// Length of what the IP packet carries behind its extension headers, on the wire: transport
    /// header and payload.
    #[inline]
    pub fn transport_wire_len(&self) -> u32 {
        self.payload.saturating_sub(self.transport) + self.payload_wire_len
    }

    /// Bytes behind the end of the packet that its length fields do not count: padding, or a frame
    /// check sequence.
    #[inline]
    pub fn padding(&self) -> &'a [u8] {
        self.bytes.get(self.end as usize..).unwrap_or(&[])
    }

    /// Who limits the payload.
    #[inline]
    pub const fn limit(&self) -> Limit {
        self.limit
    }

    /// Both addresses behind one check, which a caller who asks for both pays once.
    #[inline]
    fn ipv4_addresses(&self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let both = self.octets::<8>(12)?;
        let (source, destination) = both.split_first_chunk::<4>()?;
        Some((Ipv4Addr::from(*source), Ipv4Addr::from(*destination.first_chunk::<4>()?)))
    }

    /// As [`Self::ipv4_addresses`].
    #[inline]
    fn ipv6_addresses(&self) -> Option<(Ipv6Addr, Ipv6Addr)> {
        let both = self.octets::<32>(8)?;
        let (source, destination) = both.split_first_chunk::<16>()?;
        Some((Ipv6Addr::from(*source), Ipv6Addr::from(*destination.first_chunk::<16>()?)))
    }

    #[inline]
    fn octets<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        array::<N>(self.bytes, self.network as usize + at).copied()
    }

    #[inline]
    fn of(&self, protocol: IpProtocol) -> Option<&'a [u8]> {
        (self.protocol()? == protocol).then(|| self.transport())
    }

    fn icmp_message(&self, protocol: IpProtocol) -> Option<IcmpHeader<'a>> {
        self.of(protocol).filter(|header| header.len() >= 4)?;
        let message = clamped(self.bytes, self.transport as usize, self.end as usize);
        let (fixed, body) = message.split_first_chunk()?;
        Some(IcmpHeader { fixed, body })
    }
}
