//! Checksum states: is a checksum that does not add up an error, or was it left to hardware?
//!
//! The kernel leaves checksums to hardware offload, which a virtual link does not have. A capture
//! there sees the sum of the pseudo header in the checksum field (Linux: `CHECKSUM_PARTIAL`), and
//! around it an outer checksum that is already right for the packet with the field filled in (local
//! checksum offload; Linux: Documentation/networking/checksum-offloads.rst).

use core::fmt;

use crate::headers::Headers;
use crate::internet_checksum::{fold, sum};
use crate::ip_protocol::IpProtocol;
use crate::ipv4::source_route_end;
use crate::ipv6::{home_address, routing_end};

/// State of a transport checksum.
///
/// Only [`Checksum::Bad`] is an error. [`Checksum::Partial`] and [`Checksum::Lco`] are what a
/// capture sees before a network card fills in the checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Checksum {
    /// It adds up.
    Ok,
    /// UDP without a checksum: the field is 0.
    Zero,
    /// The field holds the sum of the pseudo header, for hardware to complete. For SCTP the field
    /// is 0.
    Partial,
    /// Local checksum offload: the inner checksum is partial, and the outer one becomes right as
    /// soon as the inner one is filled in.
    Lco,
    /// It does not add up, and none of the other states explains why.
    Bad,
    /// Unknown: the packet is cut, is a fragment, or its protocol has no checksum.
    Unverified,
}

impl Checksum {
    /// The name in lower case, as in JSON output: `partial`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Zero => "zero",
            Self::Partial => "partial",
            Self::Lco => "lco",
            Self::Bad => "bad",
            Self::Unverified => "unverified",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Headers<'_> {
    /// State of the transport checksum, looked at alone. For headers that carry a tunnel ask the
    /// [`Encapsulation`](crate::Encapsulation): it knows the inner checksum too, without which
    /// [`Checksum::Lco`] cannot be told from [`Checksum::Bad`].
    pub fn checksum(&self) -> Checksum {
        Seen::of(self).map_or(Checksum::Unverified, |seen| seen.state())
    }
}

/// State of the UDP checksum of headers that carry a tunnel with `inner` in it, and in that maybe
/// other tunnels with `innermost` in the last one.
pub(crate) fn outer(
    headers: &Headers<'_>,
    inner: &Headers<'_>,
    innermost: &Headers<'_>,
) -> Checksum {
    let Some(seen) = Seen::of(headers) else {
        return Checksum::Unverified;
    };
    let state = seen.state();
    if state != Checksum::Bad {
        return state;
    }
    // only one checksum of a packet is left to the network card, whichever it is: the headers
    // around it count from there
    let is_local = [inner, innermost].into_iter().any(|inner| {
        // of the headers between, the field that follows from the innermost one is right already
        matches!(inner.checksum(), Checksum::Partial) && seen.adds_up_once_filled(headers, inner)
    });
    if is_local { Checksum::Lco } else { Checksum::Bad }
}

/// A transport packet of which every byte is there.
struct Seen<'a> {
    protocol: IpProtocol,
    /// from the transport header to the end
    bytes: &'a [u8],
    field: u16,
    /// sum of the pseudo header; 0 for protocols without
    pseudo: u64,
}

impl<'a> Seen<'a> {
    fn of(headers: &Headers<'a>) -> Option<Self> {
        if headers.fragment().is_some() || headers.missing() > 0 || headers.stop().is_some() {
            return None;
        }
        let protocol = headers.protocol()?;
        let (field, has_pseudo_header) = field(headers)?;
        let start = headers.transport_offset().checked_sub(headers.network_offset())?;
        let bytes = headers.network_packet().get(start..)?;
        // a packet that its length fields make longer than it is on the wire was cut on its way
        if bytes.len() != headers.transport_wire_len() as usize {
            return None;
        }
        let pseudo =
            if has_pseudo_header { pseudo(headers, protocol, bytes.len() as u64)? } else { 0 };
        Some(Self { protocol, bytes, field, pseudo })
    }

    /// Linux, `lco_csum()`: the outer checksum counts the inner packet from its checksum's start as
    /// the complement of what stands in the inner field, for that is what it will add up to.
    fn adds_up_once_filled(&self, headers: &Headers<'_>, inner: &Headers<'_>) -> bool {
        let start = headers.offset() as usize + headers.transport_offset();
        let inner_start = inner.offset() as usize + inner.transport_offset();
        let before = inner_start.checked_sub(start).and_then(|len| self.bytes.get(..len));
        let (Some(before), Some((inner_field, _))) = (before, field(inner)) else { return false };
        fold(self.pseudo + sum(before) + u64::from(!inner_field)) == 0xffff
    }

    fn state(&self) -> Checksum {
        if self.protocol == IpProtocol::SCTP {
            return sctp(self.bytes);
        }
        if self.protocol == IpProtocol::UDP && self.field == 0 {
            return Checksum::Zero;
        }
        if fold(self.pseudo + sum(self.bytes)) == 0xffff {
            return Checksum::Ok;
        }
        if self.pseudo != 0 && self.field == fold(self.pseudo) {
            return Checksum::Partial;
        }
        Checksum::Bad
    }
}

/// The checksum field, and whether a pseudo header counts; `None` where the protocol has no
/// checksum, or it is cut.
fn field(headers: &Headers<'_>) -> Option<(u16, bool)> {
    Some(match headers.protocol()? {
        IpProtocol::TCP => (headers.tcp()?.checksum(), true),
        IpProtocol::UDP => (headers.udp()?.checksum(), true),
        IpProtocol::ICMPV6 => (headers.icmpv6()?.checksum(), true),
        IpProtocol::ICMP => (headers.icmp()?.checksum(), false),
        IpProtocol::IGMP => (headers.igmp()?.checksum(), false),
        IpProtocol::SCTP => headers.sctp().map(|_| (0, false))?,
        _ => return None,
    })
}

/// The sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1): its addresses are
/// those of the two ends, which on the way may stand elsewhere than in the fixed header.
fn pseudo(headers: &Headers<'_>, protocol: IpProtocol, len: u64) -> Option<u64> {
    let addresses = match (headers.ipv4(), headers.ipv6()) {
        (Some(ip), _) => {
            let (source, destination) = (ip.fixed.get(12..16)?, ip.fixed.get(16..20)?);
            sum(source) + sum(source_route_end(ip.options()).unwrap_or(destination))
        }
        (_, Some(ip)) => {
            let (mut source, mut destination) = (ip.0.get(8..24)?, ip.0.get(24..40)?);
            for header in headers.extension_headers() {
                match header.protocol {
                    IpProtocol::ROUTING => {
                        destination = routing_end(header.bytes).unwrap_or(destination);
                    }
                    IpProtocol::DESTINATION_OPTIONS => {
                        source = home_address(header.bytes).unwrap_or(source);
                    }
                    _ => {}
                }
            }
            sum(source) + sum(destination)
        }
        _ => return None,
    };
    // lengths above 16 bits (BIG TCP) fold in like any other number
    Some(addresses + u64::from(protocol.0) + (len & 0xffff) + (len >> 16))
}

/// SCTP's CRC-32C (RFC 9260 section 6.8), with the field itself counted as 0.
fn sctp(bytes: &[u8]) -> Checksum {
    let Some((header, chunks)) = bytes.split_first_chunk::<12>() else {
        return Checksum::Unverified;
    };
    let field = u32::from_le_bytes([header[8], header[9], header[10], header[11]]);
    if field == 0 {
        return Checksum::Partial;
    }
    let (before, _) = header.split_at(8);
    let crc = [before, &[0; 4], chunks].iter().fold(u32::MAX, |crc, part| crc32c(crc, part));
    if !crc == field { Checksum::Ok } else { Checksum::Bad }
}

/// CRC-32C (Castagnoli, reflected) bit by bit: SCTP is rare, and a table would be the crate's
/// largest item.
fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    /// RFC 9260 appendix A, reflected.
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    bytes.iter().fold(crc, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg())
        })
    })
}
