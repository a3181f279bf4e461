//! TCP (RFC 9293).

use crate::bytes::{be16, be32};

/// The flags of a TCP header (RFC 9293 section 3.1; AE: RFC 9768).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct TcpFlags(pub u16);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u16 = 0x001;
    /// Synchronise sequence numbers.
    pub const SYN: u16 = 0x002;
    /// Reset the connection.
    pub const RST: u16 = 0x004;
    /// Push.
    pub const PSH: u16 = 0x008;
    /// The acknowledgement number is valid.
    pub const ACK: u16 = 0x010;
    /// The urgent pointer is valid.
    pub const URG: u16 = 0x020;
    /// ECN echo (RFC 3168).
    pub const ECE: u16 = 0x040;
    /// Congestion window reduced (RFC 3168).
    pub const CWR: u16 = 0x080;
    /// Accurate ECN (RFC 9768; NS in the historic RFC 3540).
    pub const AE: u16 = 0x100;

    /// Are all of `flags` set?
    #[inline]
    pub const fn has(self, flags: u16) -> bool {
        self.0 & flags == flags
    }
}

/// A TCP header: 20 bytes and its options.
#[derive(Clone, Copy, Debug)]
pub struct TcpHeader<'a> {
    pub(crate) fixed: &'a [u8; 20],
    pub(crate) options: &'a [u8],
}

impl<'a> TcpHeader<'a> {
    /// Bytes of a header without options.
    pub const MIN_LEN: usize = 20;

    /// Source port.
    #[inline]
    pub const fn source_port(self) -> u16 {
        u16::from_be_bytes([self.fixed[0], self.fixed[1]])
    }

    /// Destination port.
    #[inline]
    pub const fn destination_port(self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// Sequence number.
    #[inline]
    pub const fn sequence(self) -> u32 {
        u32::from_be_bytes([self.fixed[4], self.fixed[5], self.fixed[6], self.fixed[7]])
    }

    /// Acknowledgement number.
    #[inline]
    pub const fn acknowledgement(self) -> u32 {
        u32::from_be_bytes([self.fixed[8], self.fixed[9], self.fixed[10], self.fixed[11]])
    }

    /// Length of the header with its options, in bytes, as the data offset field says (0 to 60).
    #[inline]
    pub const fn header_len(self) -> usize {
        (self.fixed[12] >> 4) as usize * 4
    }

    /// Flags.
    #[inline]
    pub const fn flags(self) -> TcpFlags {
        TcpFlags(u16::from_be_bytes([self.fixed[12] & 0x01, self.fixed[13]]))
    }

    /// Window field, not scaled.
    #[inline]
    pub const fn window(self) -> u16 {
        u16::from_be_bytes([self.fixed[14], self.fixed[15]])
    }

    /// Checksum field as it stands.
    #[inline]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.fixed[16], self.fixed[17]])
    }

    /// Urgent pointer.
    #[inline]
    pub const fn urgent_pointer(self) -> u16 {
        u16::from_be_bytes([self.fixed[18], self.fixed[19]])
    }

    /// The bytes of the options, as far as they were captured.
    #[inline]
    pub const fn options_bytes(self) -> &'a [u8] {
        self.options
    }

    /// The options, one after the other.
    #[inline]
    pub const fn options(self) -> TcpOptions<'a> {
        TcpOptions { rest: self.options }
    }
}

/// One TCP option (IANA "TCP Option Kind Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TcpOption<'a> {
    /// End of option list (kind 0).
    EndOfOptions,
    /// No operation (kind 1).
    NoOperation,
    /// Maximum segment size in bytes (kind 2).
    MaximumSegmentSize(u16),
    /// Window scale: the shift count (kind 3, RFC 7323).
    WindowScale(u8),
    /// Selective acknowledgement is permitted (kind 4, RFC 2018).
    SackPermitted,
    /// Selective acknowledgement: pairs of left and right edge, 8 bytes each (kind 5, RFC 2018).
    Sack(&'a [u8]),
    /// Timestamp value and echo reply (kind 8, RFC 7323).
    Timestamps(u32, u32),
    /// Any other option: its kind and its data without kind and length.
    Other(u8, &'a [u8]),
    /// An option whose length is below 2, or beyond the end: its kind, and all bytes from it on.
    /// The last item.
    Malformed(u8, &'a [u8]),
}

/// Iterates over the options of a TCP header.
#[derive(Clone, Debug)]
pub struct TcpOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&kind, after) = self.rest.split_first()?;
        if kind <= 1 {
            // what follows the end of the list is padding
            self.rest = if kind == 0 { &[] } else { after };
            return Some(if kind == 0 { TcpOption::EndOfOptions } else { TcpOption::NoOperation });
        }
        let all = self.rest;
        let Some((option, rest)) = after
            .first()
            .filter(|&&len| len >= 2)
            .and_then(|&len| all.split_at_checked(usize::from(len)))
        else {
            self.rest = &[];
            return Some(TcpOption::Malformed(kind, all));
        };
        self.rest = rest;
        let data = option.get(2..).unwrap_or(&[]);
        Some(match (kind, data) {
            (2, &[a, b]) => TcpOption::MaximumSegmentSize(u16::from_be_bytes([a, b])),
            (3, &[shift]) => TcpOption::WindowScale(shift),
            (4, []) => TcpOption::SackPermitted,
            (5, edges) if !edges.is_empty() && edges.len() % 8 == 0 => TcpOption::Sack(edges),
            (8, times) if times.len() == 8 => match (be32(times, 0), be32(times, 4)) {
                (Some(value), Some(echo)) => TcpOption::Timestamps(value, echo),
                _ => TcpOption::Other(kind, data),
            },
            _ => TcpOption::Other(kind, data),
        })
    }
}

/// The ports at the start of a TCP, UDP or SCTP header, also where no more than they were captured.
#[inline]
pub(crate) fn ports(transport: &[u8]) -> Option<(u16, u16)> {
    Some((be16(transport, 0)?, be16(transport, 2)?))
}
