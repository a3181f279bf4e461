//! IPv4 (RFC 791).

use core::net::Ipv4Addr;

use crate::ip_protocol::IpProtocol;

/// An IPv4 header: 20 bytes and its options.
#[derive(Clone, Copy, Debug)]
pub struct Ipv4Header<'a> {
    pub(crate) fixed: &'a [u8; 20],
    pub(crate) options: &'a [u8],
}

impl<'a> Ipv4Header<'a> {
    /// Bytes of a header without options.
    pub const MIN_LEN: usize = 20;

    /// Length of the header with its options, in bytes (20 to 60).
    #[inline]
    pub const fn header_len(self) -> usize {
        (self.fixed[0] & 0x0f) as usize * 4
    }

    /// Type of service: DSCP and ECN.
    #[inline]
    pub const fn tos(self) -> u8 {
        self.fixed[1]
    }

    /// Total length in bytes as it stands; 0 in frames longer than 65,535 bytes (BIG TCP) and in
    /// frames that a network card has yet to cut up.
    #[inline]
    pub const fn total_length(self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Identification.
    #[inline]
    pub const fn identification(self) -> u16 {
        u16::from_be_bytes([self.fixed[4], self.fixed[5]])
    }

    /// The reserved flag bit (RFC 3514 in jest).
    #[inline]
    pub const fn reserved_flag(self) -> bool {
        self.fixed[6] & 0x80 != 0
    }

    /// Don't fragment.
    #[inline]
    pub const fn dont_fragment(self) -> bool {
        self.fixed[6] & 0x40 != 0
    }

    /// More fragments follow.
    #[inline]
    pub const fn more_fragments(self) -> bool {
        self.fixed[6] & 0x20 != 0
    }

    /// Fragment offset in bytes (a multiple of 8).
    #[inline]
    pub const fn fragment_offset(self) -> u16 {
        (u16::from_be_bytes([self.fixed[6], self.fixed[7]]) & 0x1fff) * 8
    }

    /// Time to live.
    #[inline]
    pub const fn ttl(self) -> u8 {
        self.fixed[8]
    }

    /// What follows.
    #[inline]
    pub const fn protocol(self) -> IpProtocol {
        IpProtocol(self.fixed[9])
    }

    /// Header checksum as it stands.
    #[inline]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.fixed[10], self.fixed[11]])
    }

    /// Source address.
    #[inline]
    pub const fn source(self) -> Ipv4Addr {
        Ipv4Addr::new(self.fixed[12], self.fixed[13], self.fixed[14], self.fixed[15])
    }

    /// Destination address.
    #[inline]
    pub const fn destination(self) -> Ipv4Addr {
        Ipv4Addr::new(self.fixed[16], self.fixed[17], self.fixed[18], self.fixed[19])
    }

    /// The bytes of the options.
    #[inline]
    pub const fn options(self) -> &'a [u8] {
        self.options
    }

    /// The fixed part, byte for byte.
    #[inline]
    pub const fn fixed(self) -> &'a [u8; 20] {
        self.fixed
    }
}

/// The destination that a source route (RFC 791 section 3.1) keeps for last, while it has not been
/// reached.
pub(crate) fn source_route_end(options: &[u8]) -> Option<&[u8]> {
    const NO_OPERATION: u8 = 1;
    const LOOSE: u8 = 131;
    const STRICT: u8 = 137;

    let mut options = options;
    loop {
        let len = match *options {
            [NO_OPERATION, ..] => 1,
            [kind, len, ..] if kind != 0 && len >= 2 => usize::from(len),
            _ => return None,
        };
        let (option, rest) = options.split_at_checked(len)?;
        if let [LOOSE | STRICT, len, pointer, addresses @ ..] = option {
            // the pointer counts from 1 and is past the option once the route is used up
            return (pointer <= len).then(|| addresses.last_chunk::<4>().map(|a| &a[..])).flatten();
        }
        options = rest;
    }
}
