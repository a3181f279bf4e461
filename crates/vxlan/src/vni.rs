//! The network identifier of VXLAN and Geneve.

use core::fmt;

/// A VXLAN network identifier or Geneve virtual network identifier: 24 bits (RFC 7348 section 5,
/// RFC 8926 section 3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vni(u32);

impl Vni {
    /// The largest identifier, 2^24 − 1.
    pub const MAX: Self = Self(0x00ff_ffff);

    /// Makes an identifier of a number; `None` where it does not fit in 24 bits.
    #[inline]
    pub const fn new(number: u32) -> Option<Self> {
        if number <= Self::MAX.0 { Some(Self(number)) } else { None }
    }

    /// Reads the three bytes as they stand in the header, network byte order.
    #[inline]
    pub const fn from_be_bytes(bytes: [u8; 3]) -> Self {
        Self(u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]))
    }

    /// The identifier as a number.
    #[inline]
    pub const fn number(self) -> u32 {
        self.0
    }
}

impl From<Vni> for u32 {
    #[inline]
    fn from(vni: Vni) -> Self {
        vni.0
    }
}

impl fmt::Display for Vni {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
