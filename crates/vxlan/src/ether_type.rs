//! `EtherTypes`.

/// What follows an Ethernet header (IEEE 802 Numbers, IANA "Ethernet Numbers").
///
/// An open registry number: unknown values are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// Reverse ARP (RFC 903): ARP's form, other operations.
    pub const RARP: Self = Self(0x8035);
    /// Transparent Ethernet bridging (RFC 1701): an Ethernet frame follows, in Geneve and NSH.
    pub const ETHERNET: Self = Self(0x6558);
    /// Customer VLAN tag (IEEE 802.1Q).
    pub const VLAN: Self = Self(0x8100);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// MPLS, unicast (RFC 3032).
    pub const MPLS: Self = Self(0x8847);
    /// MPLS, upstream-assigned label (RFC 5332).
    pub const MPLS_UPSTREAM: Self = Self(0x8848);
    /// Network service header (RFC 8300).
    pub const NSH: Self = Self(0x894f);
    /// Service VLAN tag (IEEE 802.1ad).
    pub const SERVICE_VLAN: Self = Self(0x88a8);
    /// Service VLAN tag as switches wrote it before 802.1ad (Linux: `ETH_P_QINQ1`).
    pub const OLD_SERVICE_VLAN: Self = Self(0x9100);

    /// Is it a VLAN tag of any kind?
    #[inline]
    pub const fn is_vlan(self) -> bool {
        matches!(self, Self::VLAN | Self::SERVICE_VLAN | Self::OLD_SERVICE_VLAN)
    }
}
