//! Link-layer header types of capture files and devices.

/// The link-layer header type of a frame, as in the `network` field of a pcap file header and the
/// `LinkType` field of a pcapng interface description block.
///
/// An open registry number (draft-ietf-opsawg-pcaplinktype): values that this crate does not decode
/// are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

impl LinkType {
    /// BSD loopback: a 4-byte address family in the byte order of the capturing host.
    pub const NULL: Self = Self(0);
    /// Ethernet, without preamble and frame check sequence.
    pub const ETHERNET: Self = Self(1);
    /// Raw IP as some BSDs wrote it (`DLT_RAW` 12); the version nibble tells IPv4 from IPv6.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP as OpenBSD writes it (`DLT_RAW` 14 there).
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IP; the version nibble tells IPv4 from IPv6.
    pub const RAW: Self = Self(101);
    /// OpenBSD loopback: a 4-byte address family in network byte order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture, version 1 (a 16-byte header; `-i any` of older tcpdump).
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, version 2 (a 20-byte header; `-i any`).
    pub const LINUX_SLL2: Self = Self(276);

    /// What frames of this link type begin with.
    pub const fn shape(self) -> LinkShape {
        match self {
            Self::ETHERNET => LinkShape::Ethernet,
            Self::LINUX_SLL => LinkShape::Sll,
            Self::LINUX_SLL2 => LinkShape::Sll2,
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD => LinkShape::Ip,
            Self::IPV4 => LinkShape::Ipv4,
            Self::IPV6 => LinkShape::Ipv6,
            Self::NULL | Self::LOOP => LinkShape::Loopback,
            _ => LinkShape::Unknown,
        }
    }

    /// The name as `tcpdump` prints and takes it (`EN10MB`), and what it stands for; `None` for a
    /// type that this crate does not decode.
    pub const fn name(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::NULL => ("NULL", "BSD loopback"),
            Self::ETHERNET => ("EN10MB", "Ethernet"),
            Self::RAW | Self::RAW_BSD | Self::RAW_OPENBSD => ("RAW", "Raw IP"),
            Self::LOOP => ("LOOP", "OpenBSD loopback"),
            Self::LINUX_SLL => ("LINUX_SLL", "Linux cooked v1"),
            Self::IPV4 => ("IPV4", "Raw IPv4"),
            Self::IPV6 => ("IPV6", "Raw IPv6"),
            Self::LINUX_SLL2 => ("LINUX_SLL2", "Linux cooked v2"),
            _ => return None,
        })
    }
}

/// What a frame begins with. Several link types have the same shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LinkShape {
    /// An Ethernet header: 14 bytes.
    Ethernet,
    /// A Linux cooked header of version 1: 16 bytes.
    Sll,
    /// A Linux cooked header of version 2: 20 bytes.
    Sll2,
    /// An IPv4 or IPv6 packet, which the version nibble tells.
    Ip,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
    /// A 4-byte address family in either byte order, and an IP packet behind it.
    Loopback,
    /// Something that this crate does not decode.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_name_has_a_shape() {
        for link_type in (0..=u16::MAX).map(LinkType) {
            let is_known = link_type.shape() != LinkShape::Unknown;
            assert_eq!(link_type.name().is_some(), is_known, "{link_type:?}");
        }
    }
}
