//! Where and why decoding ended.

use core::fmt;

/// A protocol layer, as named in a [`Stop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Layer {
    /// The link layer as a whole, where its type is not one that this crate decodes.
    Link,
    /// Ethernet header.
    Ethernet,
    /// IEEE 802.2 LLC and SNAP.
    Llc,
    /// Linux cooked header, version 1 or 2.
    Sll,
    /// BSD or OpenBSD loopback header.
    Null,
    /// VLAN tag.
    Vlan,
    /// MPLS label stack.
    Mpls,
    /// Network service header.
    Nsh,
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// IPv6 extension header.
    Ipv6Extension,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP.
    Icmp,
    /// ICMPv6.
    Icmpv6,
    /// SCTP.
    Sctp,
    /// IGMP.
    Igmp,
    /// VXLAN, with or without group policy.
    Vxlan,
    /// VXLAN-GPE.
    VxlanGpe,
    /// Geneve.
    Geneve,
}

impl Layer {
    /// The name in lower case, as in JSON output: `tcp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Ethernet => "ethernet",
            Self::Llc => "llc",
            Self::Sll => "sll",
            Self::Null => "null",
            Self::Vlan => "vlan",
            Self::Mpls => "mpls",
            Self::Nsh => "nsh",
            Self::Arp => "arp",
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Ipv6Extension => "ipv6-extension",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Icmpv6 => "icmpv6",
            Self::Sctp => "sctp",
            Self::Igmp => "igmp",
            Self::Vxlan => "vxlan",
            Self::VxlanGpe => "vxlan-gpe",
            Self::Geneve => "geneve",
        }
    }
}

/// The name as it is written in prose: `TCP`.
impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "the link layer",
            Self::Ethernet => "Ethernet",
            Self::Llc => "LLC",
            Self::Sll => "the Linux cooked header",
            Self::Null => "the loopback header",
            Self::Vlan => "a VLAN tag",
            Self::Mpls => "MPLS",
            Self::Nsh => "NSH",
            Self::Arp => "ARP",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
            Self::Ipv6Extension => "an IPv6 extension header",
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Icmp => "ICMP",
            Self::Icmpv6 => "ICMPv6",
            Self::Sctp => "SCTP",
            Self::Igmp => "IGMP",
            Self::Vxlan => "VXLAN",
            Self::VxlanGpe => "VXLAN-GPE",
            Self::Geneve => "Geneve",
        })
    }
}

/// Who limits the bytes that a layer can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The capture kept less than there was on the wire.
    Snaplen,
    /// The frame itself ended.
    Frame,
    /// The length field of an IEEE 802.3 header.
    EthernetLength,
    /// The total length of an IPv4 header.
    Ipv4TotalLength,
    /// The payload length of an IPv6 header, or its jumbo payload option.
    Ipv6PayloadLength,
    /// The length of a UDP header.
    UdpLength,
    /// The packet is the first fragment of a larger one.
    Fragment,
    /// The packet is quoted in an ICMP error, which quotes only the beginning.
    Quote,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Snaplen => "captured",
            Self::Frame => "in the frame",
            Self::EthernetLength => "left by the 802.3 length",
            Self::Ipv4TotalLength => "left by the IPv4 total length",
            Self::Ipv6PayloadLength => "left by the IPv6 payload length",
            Self::UdpLength => "left by the UDP length",
            Self::Fragment => "in the first fragment",
            Self::Quote => "in the ICMP quote",
        })
    }
}

/// Why decoding ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Cause {
    /// The layer needs `needed` bytes and has `available`.
    Truncated,
    /// The version field holds `available` and must be `needed`.
    Version,
    /// The header length field says `available` bytes, and `needed` is the least.
    HeaderLength,
    /// The length field says `available` bytes, and `needed` is the least.
    Length,
    /// More than `needed` headers of this kind stand one behind the other.
    TooMany,
    /// More than `needed` tunnels are nested.
    TooDeep,
    /// The number `available` names something that this crate does not decode.
    Unsupported,
}

/// Where and why decoding ended before its natural end.
///
/// Its `Display` is a short reason, such as `truncated: TCP needs 20 bytes, 8 captured`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Stop {
    /// The layer that could not be decoded, or not wholly.
    pub layer: Layer,
    /// What was wrong.
    pub cause: Cause,
    /// Who limited `available`, where the cause is [`Cause::Truncated`].
    pub limit: Limit,
    /// Where the layer begins, in bytes from the start of the frame.
    pub offset: u32,
    /// What was needed; in bytes where the cause is about bytes.
    pub needed: u32,
    /// What was there.
    pub available: u32,
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { layer, limit, needed, available, .. } = self;
        match self.cause {
            Cause::Truncated => {
                write!(f, "truncated: {layer} needs {needed} bytes, {available} {limit}")
            }
            Cause::Version => write!(f, "invalid: {layer} version {available}, not {needed}"),
            Cause::HeaderLength => {
                write!(f, "invalid: {layer} header length {available} is below {needed}")
            }
            Cause::Length => write!(f, "invalid: {layer} length {available} is below {needed}"),
            Cause::TooMany => write!(f, "not decoded: {layer} more than {needed} times"),
            Cause::TooDeep => write!(f, "not decoded: more than {needed} tunnels in one another"),
            Cause::Unsupported => write!(f, "not decoded: {layer} has type {available}"),
        }
    }
}

impl core::error::Error for Stop {}
