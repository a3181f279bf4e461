//! Link-layer views: Ethernet (IEEE 802.3), VLAN tags (IEEE 802.1Q, 802.1ad), Linux cooked headers.

use core::fmt;

use crate::bytes::be16;
use crate::ether_type::EtherType;

/// A MAC address: 6 bytes, as they stand in the frame. Its `Display` is `02:42:ac:12:00:03`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// The broadcast address.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// Is it a group address: multicast or broadcast?
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 == 1
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, rest @ ..] = self.0;
        write!(f, "{first:02x}")?;
        rest.iter().try_for_each(|byte| write!(f, ":{byte:02x}"))
    }
}

/// An Ethernet header without its VLAN tags: 14 bytes.
#[derive(Clone, Copy, Debug)]
pub struct EthernetHeader<'a>(pub(crate) &'a [u8; 14]);

impl EthernetHeader<'_> {
    /// Bytes of the header.
    pub const LEN: usize = 14;

    /// Destination address.
    #[inline]
    pub const fn destination(self) -> MacAddr {
        MacAddr([self.0[0], self.0[1], self.0[2], self.0[3], self.0[4], self.0[5]])
    }

    /// Source address.
    #[inline]
    pub const fn source(self) -> MacAddr {
        MacAddr([self.0[6], self.0[7], self.0[8], self.0[9], self.0[10], self.0[11]])
    }

    /// The type field as it stands: the `EtherType` of what follows, which may be a VLAN tag. A
    /// value of at most 1500 is a length.
    #[inline]
    pub const fn type_field(self) -> u16 {
        u16::from_be_bytes([self.0[12], self.0[13]])
    }
}

/// One VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VlanTag {
    /// What kind of tag: 802.1Q, 802.1ad, or the older 0x9100.
    pub tag_type: EtherType,
    /// Priority, drop eligibility and identifier as they stand (802.1Q: TCI).
    pub control: u16,
}

impl VlanTag {
    /// VLAN identifier, 12 bits.
    #[inline]
    pub const fn id(self) -> u16 {
        self.control & 0x0fff
    }

    /// Priority code point, 0 to 7.
    #[inline]
    pub const fn priority(self) -> u8 {
        (self.control >> 13) as u8
    }

    /// Drop eligible indicator.
    #[inline]
    pub const fn drop_eligible(self) -> bool {
        self.control & 0x1000 != 0
    }
}

/// Iterates over the VLAN tags of a frame, the outermost first.
#[derive(Clone, Debug)]
pub struct VlanTags<'a> {
    /// from the first tag's type field on
    pub(crate) bytes: &'a [u8],
    pub(crate) left: u8,
}

impl Iterator for VlanTags<'_> {
    type Item = VlanTag;

    fn next(&mut self) -> Option<VlanTag> {
        self.left = self.left.checked_sub(1)?;
        let tag =
            VlanTag { tag_type: EtherType(be16(self.bytes, 0)?), control: be16(self.bytes, 2)? };
        self.bytes = self.bytes.get(4..)?;
        Some(tag)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (0, Some(usize::from(self.left)))
    }
}

/// A Linux cooked header of either version (`LINKTYPE_LINUX_SLL`: 16 bytes, `LINKTYPE_LINUX_SLL2`:
/// 20 bytes).
#[derive(Clone, Copy, Debug)]
pub struct SllHeader<'a> {
    /// 16 bytes of version 1, or the first 16 of version 2, and 4 more
    pub(crate) bytes: &'a [u8; 16],
    pub(crate) rest: &'a [u8],
    pub(crate) is_v2: bool,
}

impl SllHeader<'_> {
    /// Bytes of a version 1 header.
    pub const V1_LEN: usize = 16;
    /// Bytes of a version 2 header.
    pub const V2_LEN: usize = 20;

    /// The header's version, 1 or 2.
    pub const fn version(self) -> u8 {
        if self.is_v2 { 2 } else { 1 }
    }

    /// Packet type: 0 to us, 1 broadcast, 2 multicast, 3 to another host, 4 sent by us
    /// (`linux/if_packet.h`).
    pub const fn packet_type(self) -> u16 {
        if self.is_v2 {
            self.bytes[10] as u16
        } else {
            u16::from_be_bytes([self.bytes[0], self.bytes[1]])
        }
    }

    /// Hardware type (`linux/if_arp.h`): 1 Ethernet, 772 loopback.
    pub const fn hardware_type(self) -> u16 {
        if self.is_v2 {
            u16::from_be_bytes([self.bytes[8], self.bytes[9]])
        } else {
            u16::from_be_bytes([self.bytes[2], self.bytes[3]])
        }
    }

    /// Interface index on the capturing host; version 2 only.
    pub const fn interface_index(self) -> Option<u32> {
        if self.is_v2 {
            Some(u32::from_be_bytes([self.bytes[4], self.bytes[5], self.bytes[6], self.bytes[7]]))
        } else {
            None
        }
    }

    /// Protocol: an `EtherType` for most hardware types.
    pub const fn protocol(self) -> EtherType {
        EtherType(if self.is_v2 {
            u16::from_be_bytes([self.bytes[0], self.bytes[1]])
        } else {
            u16::from_be_bytes([self.bytes[14], self.bytes[15]])
        })
    }

    /// The sender's link-layer address, where it is one of 6 bytes.
    pub fn source(self) -> Option<MacAddr> {
        let b = self.bytes;
        if self.is_v2 {
            (b[11] == 6).then(|| {
                self.rest
                    .first_chunk::<2>()
                    .map(|r| MacAddr([b[12], b[13], b[14], b[15], r[0], r[1]]))
            })?
        } else {
            (u16::from_be_bytes([b[4], b[5]]) == 6)
                .then_some(MacAddr([b[6], b[7], b[8], b[9], b[10], b[11]]))
        }
    }
}
