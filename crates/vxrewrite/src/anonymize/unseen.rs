//! Contents that anonymisation could not inspect.

use std::collections::BTreeMap;
use std::fmt;

use vxlan::IpProtocol;

/// How many kinds of contents are named in the message.
const MOST_NAMED: usize = 8;

/// Contents of a kind that is not inspected. They may hold addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Content {
    /// A link layer, by its number in capture files.
    LinkType(u16),
    EtherType(u16),
    /// IEEE 802.2 LLC, other than with an `EtherType`: bridge protocols.
    Llc,
    IpProtocol(u8),
    Icmp(u8),
    Icmpv6(u8),
    /// An option of neighbour discovery, by its type.
    NeighborOption(u8),
    Igmp(u8),
    /// The payload of an MPLS label stack that is neither IP nor Ethernet.
    Mpls,
    Ppp(u16),
    /// A routing header of IPv6, by its type.
    Routing(u8),
    /// Something other than a tunnel at a tunnel's UDP port.
    TunnelPort(u16),
    Gre,
    /// An option of IPv4, by its type.
    Ipv4Option(u8),
    /// An option of IPv6's hop-by-hop and destination headers, by its type.
    Ipv6Option(u8),
    /// An option of Geneve, by its class.
    GeneveOption(u16),
    NshMetadata,
    /// An extension header of GTP-U, by its type.
    GtpExtension(u8),
    /// Bytes other than zeros after the end that a length field gives: trailers, frame check
    /// sequences.
    Trailer,
    /// A first fragment that ends within its headers.
    Fragment,
    /// A header that contradicts itself.
    Broken,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::LinkType(number) => write!(f, "link type {number}"),
            Self::EtherType(number) => write!(f, "EtherType 0x{number:04x}"),
            Self::Llc => f.write_str("LLC"),
            Self::IpProtocol(number) => match IpProtocol(number).name() {
                Some(name) => write!(f, "IP protocol {number} ({name})"),
                None => write!(f, "IP protocol {number}"),
            },
            Self::Icmp(kind) => write!(f, "ICMP type {kind}"),
            Self::Icmpv6(kind) => write!(f, "ICMPv6 type {kind}"),
            Self::NeighborOption(kind) => write!(f, "neighbour discovery option {kind}"),
            Self::Igmp(kind) => write!(f, "IGMP type 0x{kind:02x}"),
            Self::Mpls => f.write_str("MPLS"),
            Self::Ppp(number) => write!(f, "PPP protocol 0x{number:04x}"),
            Self::Routing(kind) => write!(f, "routing header type {kind}"),
            Self::TunnelPort(port) => write!(f, "no tunnel at UDP port {port}"),
            Self::Gre => f.write_str("GRE of an unknown version"),
            Self::Ipv4Option(kind) => write!(f, "IPv4 option {kind}"),
            Self::Ipv6Option(kind) => write!(f, "IPv6 option 0x{kind:02x}"),
            Self::GeneveOption(class) => write!(f, "Geneve option of class 0x{class:04x}"),
            Self::NshMetadata => f.write_str("NSH metadata"),
            Self::GtpExtension(kind) => write!(f, "GTP-U extension header 0x{kind:02x}"),
            Self::Trailer => f.write_str("trailers"),
            Self::Fragment => f.write_str("fragments that end within headers"),
            Self::Broken => f.write_str("broken headers"),
        }
    }
}

/// Packets with contents that anonymisation could not inspect, because it does not know their
/// protocol. They may hold addresses.
///
/// Its `Display` is a line for people. Payloads of TCP and UDP are never inspected, and not
/// counted.
#[derive(Clone, Debug, Default)]
pub struct Unseen {
    packets: u64,
    contents: BTreeMap<Content, u64>,
}

impl Unseen {
    /// How many packets there are.
    pub const fn packets(&self) -> u64 {
        self.packets
    }

    /// Counts a packet, whose contents were counted before.
    pub(super) fn packet(&mut self) {
        self.packets += 1;
    }

    /// Counts these contents.
    pub(super) fn content(&mut self, content: Content) {
        *self.contents.entry(content).or_default() += 1;
    }
}

impl fmt::Display for Unseen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} packets have contents that could not be inspected (", self.packets)?;
        let mut contents: Vec<_> = self.contents.iter().collect();
        contents.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (place, (content, count)) in contents.iter().take(MOST_NAMED).enumerate() {
            let separator = if place == 0 { "" } else { ", " };
            write!(f, "{separator}{content}: {count}")?;
        }
        if let Some(more) = contents.len().checked_sub(MOST_NAMED).filter(|more| *more > 0) {
            write!(f, ", {more} more kinds")?;
        }
        f.write_str("): they may hold addresses")
    }
}
