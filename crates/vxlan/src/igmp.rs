//! IGMP (RFC 1112, 2236, 3376).

use core::net::Ipv4Addr;

/// The first 8 bytes of an IGMP message, which all versions share.
#[derive(Clone, Copy, Debug)]
pub struct IgmpHeader<'a>(pub(crate) &'a [u8; 8]);

impl IgmpHeader<'_> {
    /// Bytes of the shortest message.
    pub const LEN: usize = 8;

    /// Message type: 0x11 query, 0x12 v1 report, 0x16 v2 report, 0x17 leave, 0x22 v3 report.
    #[inline]
    pub const fn igmp_type(self) -> u8 {
        self.0[0]
    }

    /// Maximum response time or code.
    #[inline]
    pub const fn max_response(self) -> u8 {
        self.0[1]
    }

    /// Checksum field as it stands.
    #[inline]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Group address of queries, v1 and v2 reports and leaves.
    #[inline]
    pub const fn group(self) -> Ipv4Addr {
        Ipv4Addr::new(self.0[4], self.0[5], self.0[6], self.0[7])
    }
}
