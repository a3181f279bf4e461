//! ICMP (RFC 792) and ICMPv6 (RFC 4443).

use crate::bytes::{be16, be32};

/// An ICMP message: at least type, code and checksum.
#[derive(Clone, Copy, Debug)]
pub struct IcmpHeader<'a> {
    pub(crate) fixed: &'a [u8; 4],
    pub(crate) body: &'a [u8],
}

/// An ICMPv6 message: at least type, code and checksum.
#[derive(Clone, Copy, Debug)]
pub struct Icmpv6Header<'a>(pub(crate) IcmpHeader<'a>);

impl<'a> IcmpHeader<'a> {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable: quotes the packet.
    pub const UNREACHABLE: u8 = 3;
    /// Source quench: quotes the packet.
    pub const SOURCE_QUENCH: u8 = 4;
    /// Redirect: quotes the packet.
    pub const REDIRECT: u8 = 5;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 8;
    /// Time exceeded: quotes the packet.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem: quotes the packet.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp request.
    pub const TIMESTAMP: u8 = 13;
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;

    /// Message type.
    #[inline]
    pub const fn icmp_type(self) -> u8 {
        self.fixed[0]
    }

    /// Message code.
    #[inline]
    pub const fn code(self) -> u8 {
        self.fixed[1]
    }

    /// Checksum field as it stands.
    #[inline]
    pub const fn checksum(self) -> u16 {
        u16::from_be_bytes([self.fixed[2], self.fixed[3]])
    }

    /// What follows the checksum, as far as it was captured: the 4 bytes of the rest of the
    /// header, then data.
    #[inline]
    pub const fn body(self) -> &'a [u8] {
        self.body
    }

    /// Identifier and sequence number of an echo or timestamp message.
    #[inline]
    pub fn echo(self) -> Option<(u16, u16)> {
        match self.icmp_type() {
            Self::ECHO_REPLY | Self::ECHO_REQUEST | Self::TIMESTAMP | Self::TIMESTAMP_REPLY => {
                Some((be16(self.body, 0)?, be16(self.body, 2)?))
            }
            _ => None,
        }
    }

    /// Next-hop MTU in bytes of "fragmentation needed" (RFC 1191 section 4).
    pub fn next_hop_mtu(self) -> Option<u16> {
        if (self.icmp_type(), self.code()) == (Self::UNREACHABLE, 4) {
            be16(self.body, 2)
        } else {
            None
        }
    }

    /// The bytes of the packet that an error message quotes, from its IP header on.
    #[inline]
    pub fn quoted(self) -> Option<&'a [u8]> {
        match self.icmp_type() {
            Self::UNREACHABLE
            | Self::SOURCE_QUENCH
            | Self::REDIRECT
            | Self::TIME_EXCEEDED
            | Self::PARAMETER_PROBLEM => self.body.get(4..),
            _ => None,
        }
    }
}

impl<'a> Icmpv6Header<'a> {
    /// Destination unreachable: quotes the packet.
    pub const UNREACHABLE: u8 = 1;
    /// Packet too big: quotes the packet.
    pub const PACKET_TOO_BIG: u8 = 2;
    /// Time exceeded: quotes the packet.
    pub const TIME_EXCEEDED: u8 = 3;
    /// Parameter problem: quotes the packet.
    pub const PARAMETER_PROBLEM: u8 = 4;
    /// Echo request.
    pub const ECHO_REQUEST: u8 = 128;
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 129;
    /// Router solicitation (RFC 4861).
    pub const ROUTER_SOLICITATION: u8 = 133;
    /// Router advertisement (RFC 4861).
    pub const ROUTER_ADVERTISEMENT: u8 = 134;
    /// Neighbour solicitation (RFC 4861).
    pub const NEIGHBOR_SOLICITATION: u8 = 135;
    /// Neighbour advertisement (RFC 4861).
    pub const NEIGHBOR_ADVERTISEMENT: u8 = 136;

    /// Message type.
    #[inline]
    pub const fn icmp_type(self) -> u8 {
        self.0.icmp_type()
    }

    /// Message code.
    #[inline]
    pub const fn code(self) -> u8 {
        self.0.code()
    }

    /// Checksum field as it stands.
    #[inline]
    pub const fn checksum(self) -> u16 {
        self.0.checksum()
    }

    /// What follows the checksum, as far as it was captured.
    #[inline]
    pub const fn body(self) -> &'a [u8] {
        self.0.body
    }

    /// Identifier and sequence number of an echo message.
    #[inline]
    pub fn echo(self) -> Option<(u16, u16)> {
        match self.icmp_type() {
            Self::ECHO_REQUEST | Self::ECHO_REPLY => {
                Some((be16(self.0.body, 0)?, be16(self.0.body, 2)?))
            }
            _ => None,
        }
    }

    /// MTU in bytes of "packet too big".
    pub fn mtu(self) -> Option<u32> {
        if self.icmp_type() == Self::PACKET_TOO_BIG { be32(self.0.body, 0) } else { None }
    }

    /// The bytes of the packet that an error message quotes, from its IPv6 header on.
    #[inline]
    pub fn quoted(self) -> Option<&'a [u8]> {
        match self.icmp_type() {
            // all errors have the high bit clear (RFC 4443 section 2.1); the reserved ones are left
            // alone
            Self::UNREACHABLE
            | Self::PACKET_TOO_BIG
            | Self::TIME_EXCEEDED
            | Self::PARAMETER_PROBLEM => self.0.body.get(4..),
            _ => None,
        }
    }
}
