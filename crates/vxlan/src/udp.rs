//! UDP (RFC 768).

/// A UDP header: 8 bytes.
#[derive(Clone, Copy, Debug)]
pub struct UdpHeader<'a>(pub(crate) &'a [u8; 8]);

impl UdpHeader<'_> {
    /// Bytes of the header.
    pub const LEN: usize = 8;

    /// Source port.
    #[inline]
    pub const fn source_port(self) -> u16 {
        u16::from_be_bytes([self.0[0], self.0[1]])
    }

    /// Destination port.
    #[inline]
    pub const fn destination_port(self) -> u16 {
        u16::from_be_bytes([self.0[2], self.0[3]])
    }

    /// Length field: header and payload, in bytes; 0 in a jumbogram (RFC 2675 section 4).
    #[inline]
    pub const fn length(self) -> u16 {
        u16::from_be_bytes([self.0[4], self.0[5]])
    }

    /// Checksum field as it stands; 0 means that the sender computed none.
    #[inline]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.0[6], self.0[7]])
    }
}
