//! IPv6 (RFC 8200).

use core::net::Ipv6Addr;

use crate::bytes::array;
use crate::ip_protocol::IpProtocol;

/// An IPv6 header: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub struct Ipv6Header<'a>(pub(crate) &'a [u8; 40]);

impl Ipv6Header<'_> {
    /// Bytes of the header, without extension headers.
    pub const LEN: usize = 40;

    /// Traffic class: DSCP and ECN.
    #[inline]
    pub const fn traffic_class(self) -> u8 {
        self.0[0] << 4 | self.0[1] >> 4
    }

    /// Flow label, 20 bits.
    #[inline]
    pub const fn flow_label(self) -> u32 {
        u32::from_be_bytes([0, self.0[1] & 0x0f, self.0[2], self.0[3]])
    }

    /// Payload length in bytes as it stands; 0 in jumbograms (RFC 2675).
    #[inline]
    pub const fn payload_length(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// The first next header, maybe an extension header.
    #[inline]
    pub const fn next_header(self) -> IpProtocol {
        IpProtocol(self.0[6])
    }

    /// Hop limit.
    #[inline]
    pub const fn hop_limit(self) -> u8 {
        self.0[7]
    }

    /// The 16 bytes of the source address.
    #[inline]
    pub fn source_octets(self) -> [u8; 16] {
        array::<16>(self.0, 8).copied().unwrap_or_default()
    }

    /// The 16 bytes of the destination address.
    #[inline]
    pub fn destination_octets(self) -> [u8; 16] {
        array::<16>(self.0, 24).copied().unwrap_or_default()
    }

    /// Source address.
    #[inline]
    pub fn source(self) -> Ipv6Addr {
        Ipv6Addr::from(self.source_octets())
    }

    /// Destination address.
    #[inline]
    pub fn destination(self) -> Ipv6Addr {
        Ipv6Addr::from(self.destination_octets())
    }
}

/// One extension header of an IPv6 packet (RFC 8200 section 4), or the authentication header of
/// either IP (RFC 4302).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ipv6ExtensionHeader<'a> {
    /// Which one it is.
    pub protocol: IpProtocol,
    /// The whole header, from its next-header field on.
    pub bytes: &'a [u8],
}

/// Iterates over the extension headers between an IP header and its transport header.
#[derive(Clone, Debug)]
pub struct Ipv6ExtensionHeaders<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) next: IpProtocol,
}

impl<'a> Iterator for Ipv6ExtensionHeaders<'a> {
    type Item = Ipv6ExtensionHeader<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let protocol = self.next;
        let len = extension_len(protocol, self.bytes)?;
        let (bytes, rest) = self.bytes.split_at_checked(len)?;
        self.next = IpProtocol(*bytes.first()?);
        self.bytes = rest;
        Some(Ipv6ExtensionHeader { protocol, bytes })
    }
}

/// Is `protocol` an extension header that another header follows?
#[inline]
pub(crate) const fn is_extension(protocol: IpProtocol) -> bool {
    matches!(
        protocol,
        IpProtocol::HOP_BY_HOP
            | IpProtocol::ROUTING
            | IpProtocol::FRAGMENT
            | IpProtocol::AH
            | IpProtocol::DESTINATION_OPTIONS
            | IpProtocol::MOBILITY
            | IpProtocol::HIP
            | IpProtocol::SHIM6
    )
}

/// Length in bytes of the extension header `protocol` at the start of `bytes`; `None` where it is
/// none, or its length field is not there.
#[inline]
pub(crate) fn extension_len(protocol: IpProtocol, bytes: &[u8]) -> Option<usize> {
    if !is_extension(protocol) {
        return None;
    }
    let field = usize::from(*bytes.get(1)?);
    Some(match protocol {
        IpProtocol::FRAGMENT => 8,
        // RFC 4302 section 2.2: in units of 4 bytes, minus 2
        IpProtocol::AH => (field + 2) * 4,
        _ => (field + 1) * 8,
    })
}

/// The destination that a routing header keeps for last, while it has not been reached: types 0
/// (RFC 5095) and 2 (RFC 6275 section 6.4), and segment routing (RFC 8754 section 2: its first
/// segment is the last one).
pub(crate) fn routing_end(header: &[u8]) -> Option<&[u8]> {
    let [_, _, kind, segments_left, ..] = *header else { return None };
    match kind {
        _ if segments_left == 0 => None,
        0 | 2 => {
            header.get(8..).filter(|list| !list.is_empty())?.last_chunk::<16>().map(|a| &a[..])
        }
        4 => header.get(8..24),
        _ => None,
    }
}

/// The source's home address in a destination options header (RFC 6275 section 6.3: option type
/// 0xc9, 16 bytes).
pub(crate) fn home_address(destination_options: &[u8]) -> Option<&[u8]> {
    option(destination_options, 0xc9, 16)
}

/// The data of the first option of this type and length in a header of options (RFC 8200 section
/// 4.2).
fn option(header: &[u8], kind: u8, len: u8) -> Option<&[u8]> {
    let mut options = header.get(2..)?;
    loop {
        match *options {
            [0, ref rest @ ..] => options = rest, // Pad1
            [k, l, ref rest @ ..] if k == kind && l == len => return rest.get(..usize::from(len)),
            [_, len, ref rest @ ..] => options = rest.get(usize::from(len)..)?,
            _ => return None,
        }
    }
}

/// The jumbo payload length in a hop-by-hop options header (RFC 2675 section 2: option type 0xc2, 4
/// bytes).
pub(crate) fn jumbo_length(hop_by_hop: &[u8]) -> Option<u32> {
    crate::bytes::be32(option(hop_by_hop, 0xc2, 4)?, 0)
}
