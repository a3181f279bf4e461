//! SCTP (RFC 9260).

/// The common header of an SCTP packet: 12 bytes.
#[derive(Clone, Copy, Debug)]
pub struct SctpHeader<'a>(pub(crate) &'a [u8; 12]);

impl SctpHeader<'_> {
    /// Bytes of the common header.
    pub const LEN: usize = 12;

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

    /// Verification tag.
    #[inline]
    pub const fn verification_tag(self) -> u32 {
        u32::from_be_bytes([self.0[4], self.0[5], self.0[6], self.0[7]])
    }

    /// Checksum field as it stands in the packet: a CRC-32C, least significant byte first (RFC 9260
    /// appendix A).
    #[inline]
    pub const fn checksum(self) -> u32 {
        u32::from_le_bytes([self.0[8], self.0[9], self.0[10], self.0[11]])
    }
}
