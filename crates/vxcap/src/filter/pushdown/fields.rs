//! Where fields stand in frames, and the numbers in them.

/// `EtherTypes` (IEEE 802 Numbers at IANA).
pub(super) mod ether_type {
    pub(in super::super) const IPV4: u32 = 0x0800;
    pub(in super::super) const ARP: u32 = 0x0806;
    pub(in super::super) const IPV6: u32 = 0x86dd;
    /// 802.1Q, 802.1ad, and what switches used before 802.1ad.
    pub(in super::super) const VLAN: [u32; 3] = [0x8100, 0x88a8, 0x9100];
    /// RFC 3032 and RFC 5332.
    pub(in super::super) const MPLS: [u32; 2] = [0x8847, 0x8848];
    /// The longest length of an IEEE 802.3 frame (clause 3.2.6): up to here it is no type.
    pub(in super::super) const LONGEST_802_3: u32 = 1500;
}

/// IP protocol numbers (IANA, "Assigned Internet Protocol Numbers").
pub(super) mod protocol {
    pub(in super::super) const ICMP: u32 = 1;
    pub(in super::super) const UDP: u32 = 17;
    pub(in super::super) const FRAGMENT: u32 = 44;
    /// The authentication header (RFC 4302), which in IPv4 too stands before the transport header.
    pub(in super::super) const AUTHENTICATION: u32 = 51;
    pub(in super::super) const ICMPV6: u32 = 58;
    /// IPv6 extension headers, behind which a transport header can stand: hop-by-hop, routing,
    /// fragment, authentication, destination options, mobility, host identity, shim6.
    pub(in super::super) const EXTENSIONS: [u32; 8] = [0, 43, FRAGMENT, 51, 60, 135, 139, 140];
}

/// The offset of the `EtherType` in an Ethernet frame without tags.
pub(super) const ETHER_TYPE: u32 = 12;

/// Lengths of headers, in bytes.
pub(super) mod length {
    pub(in super::super) const ETHERNET: u32 = 14;
    pub(in super::super) const VLAN_TAG: u32 = 4;
    /// Without options.
    pub(in super::super) const IPV4: u32 = 20;
    pub(in super::super) const IPV6: u32 = 40;
    pub(in super::super) const UDP: u32 = 8;
    /// VXLAN, VXLAN-GPE, and Geneve without options.
    pub(in super::super) const TUNNEL: u32 = 8;
    /// The part of an ICMP or `ICMPv6` error before the packet that it quotes.
    pub(in super::super) const ICMP_ERROR: u32 = 8;
}

/// IPv4 (RFC 791 section 3.1): offsets from the start of the header.
pub(super) mod ipv4 {
    pub(in super::super) const TOTAL_LENGTH: u32 = 2;
    pub(in super::super) const FRAGMENT: u32 = 6;
    pub(in super::super) const PROTOCOL: u32 = 9;
    pub(in super::super) const SOURCE: u32 = 12;
    pub(in super::super) const DESTINATION: u32 = 16;
    /// Version 4 with a header of 5 words: no options.
    pub(in super::super) const PLAIN_HEADER: u32 = 0x45;
    /// The fragment offset.
    pub(in super::super) const OFFSET_MASK: u32 = 0x1fff;
    /// The fragment offset and the bit for more fragments.
    pub(in super::super) const FRAGMENT_MASK: u32 = 0x3fff;
}

/// IPv6 (RFC 8200 section 3): offsets from the start of the header.
pub(super) mod ipv6 {
    pub(in super::super) const PAYLOAD_LENGTH: u32 = 4;
    pub(in super::super) const NEXT_HEADER: u32 = 6;
    pub(in super::super) const SOURCE: u32 = 8;
    pub(in super::super) const DESTINATION: u32 = 24;
    /// In a fragment header (section 4.5), from its start: the word with the offset, and the
    /// offset's bits in it.
    pub(in super::super) const FRAGMENT: u32 = 2;
    pub(in super::super) const OFFSET_MASK: u32 = 0xfff8;
    /// The length of a fragment header.
    pub(in super::super) const FRAGMENT_LENGTH: u32 = 8;
}

/// UDP (RFC 768): offsets from the start of the header.
pub(super) mod udp {
    pub(in super::super) const SOURCE: u32 = 0;
    pub(in super::super) const DESTINATION: u32 = 2;
    pub(in super::super) const LENGTH: u32 = 4;
}

/// ARP for Ethernet and IPv4 (RFC 826): offsets from the start of the packet.
pub(super) mod arp {
    /// The lengths of the two kinds of addresses, one byte each.
    pub(in super::super) const LENGTHS: u32 = 4;
    /// 6 bytes of hardware address, 4 of protocol address.
    pub(in super::super) const ETHERNET_IPV4: u32 = 0x0604;
    pub(in super::super) const SENDER: u32 = 14;
    pub(in super::super) const TARGET: u32 = 24;
    pub(in super::super) const LENGTH: u32 = 28;
}

/// Types of ICMP errors, which quote a packet (RFC 792): unreachable, source quench, redirect, time
/// exceeded, parameter problem.
pub(super) const ICMP_ERRORS: [u32; 5] = [3, 4, 5, 11, 12];
/// Types of `ICMPv6` errors (RFC 4443 section 2.1): unreachable, packet too big, time exceeded,
/// parameter problem.
pub(super) const ICMPV6_ERRORS: [u32; 4] = [1, 2, 3, 4];
