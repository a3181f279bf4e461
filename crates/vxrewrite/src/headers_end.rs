//! Where the headers of a packet end and its payload begins. Tunnels, ICMP errors, GRE, IP in IP,
//! `PPPoE` and pseudowires are followed inwards.

use vxlan::{Cause, Decoder, EtherType, EthernetHeader, IpProtocol, LinkType};

use crate::report::Loss;

/// Link types (draft-ietf-opsawg-pcaplinktype) that the decoder does not know: PPP with and without
/// an HDLC header, `PPPoE`, Cisco's HDLC.
const PPP: LinkType = LinkType(9);
const PPP_HDLC: LinkType = LinkType(50);
const PPPOE: LinkType = LinkType(51);
const CISCO_HDLC: LinkType = LinkType(104);

const PPPOE_SESSION: u16 = 0x8864;

/// Where the headers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeadersEnd {
    /// In bytes from the start of the frame. It may lie beyond the captured bytes.
    pub(crate) at: usize,
    /// Set if what follows is of an unknown kind and may be a header.
    pub(crate) unknown: Option<Loss>,
}

/// What follows a header. Offsets count from the start of the current bytes.
enum Next {
    /// Payload.
    Payload(usize),
    /// Nothing but headers, to the end.
    Headers,
    /// Something of an unknown kind.
    Unknown(usize),
    /// A link layer of an unknown kind.
    UnknownLink,
    /// Another layer.
    Layer(usize, Layer),
}

enum Layer {
    /// A frame of a link type that the decoder knows.
    Frame(LinkType),
    /// What an `EtherType` names.
    Typed(u16),
    /// The payload of an MPLS label stack.
    BelowLabels,
    /// Point-to-point protocol (RFC 1661 section 2).
    Ppp,
}

const ETHERNET: Layer = Layer::Frame(LinkType::ETHERNET);
const IPV4: Layer = Layer::Frame(LinkType::IPV4);
const IPV6: Layer = Layer::Frame(LinkType::IPV6);
const ANY_IP: Layer = Layer::Frame(LinkType::RAW);
const MPLS: Layer = Layer::Typed(EtherType::MPLS.0);

impl HeadersEnd {
    /// Where the headers of a frame end. `data`: what was captured of it; `wire_len`: its length.
    pub(crate) fn of(data: &[u8], link_type: LinkType, wire_len: u32, decoder: &Decoder) -> Self {
        // only what follows the last tunnel is payload, however many tunnels there are
        let deep = decoder.clone().max_depth(u8::MAX);
        let (mut base, mut rest) = (0, data);
        let mut next = match (link_type, data) {
            // Cisco's: to one station, to all of them
            (PPP | PPP_HDLC | CISCO_HDLC, [0x0f | 0x8f, _, high, low, ..]) => {
                Next::Layer(4, Layer::Typed(u16::from_be_bytes([*high, *low])))
            }
            (PPP | PPP_HDLC | CISCO_HDLC, _) => Next::Layer(0, Layer::Ppp),
            (PPPOE, _) => Next::Layer(0, Layer::Typed(PPPOE_SESSION)),
            _ => Next::Layer(0, Layer::Frame(link_type)),
        };
        loop {
            // each turn after the first goes further in by at least a header, so the loop ends
            let (at, layer) = match next {
                Next::Payload(at) => return Self { at: base + at, unknown: None },
                Next::Headers => return Self { at: base + rest.len(), unknown: None },
                Next::Unknown(at) => {
                    let unknown = (rest.len() > at).then_some(Loss::UnknownHeaders);
                    return Self { at: base + at, unknown };
                }
                // a link type may begin with a pseudo header of its own, so nothing is cut
                Next::UnknownLink => {
                    return Self { at: data.len(), unknown: Some(Loss::UnknownLink) };
                }
                Next::Layer(at, layer) => (at, layer),
            };
            base += at;
            rest = rest.get(at..).unwrap_or_default();
            next = match layer {
                Layer::Frame(link_type) => {
                    let wire_len = wire_len.saturating_sub(base as u32);
                    behind_frame(&mut rest, link_type, wire_len, &deep)
                }
                Layer::Typed(ether_type) => typed(rest, ether_type),
                Layer::BelowLabels => below_labels(rest),
                Layer::Ppp => ppp(rest),
            };
        }
    }
}

/// What follows the innermost headers that the decoder finds. `frame` is cut to the length that the
/// headers give.
fn behind_frame(frame: &mut &[u8], link_type: LinkType, wire_len: u32, decoder: &Decoder) -> Next {
    let packet = decoder.decode_captured(frame, link_type, wire_len);
    let inner = &packet.inner;
    let start = inner.offset() as usize;
    let payload = start + inner.payload_offset();
    let end = payload + inner.payload().len();
    match inner.stop() {
        Some(stop) if stop.cause == Cause::Truncated => return Next::Payload(end),
        // an unknown link type, or an unknown family in a loopback header
        Some(stop) if matches!(stop.layer, vxlan::Layer::Link | vxlan::Layer::Null) => {
            return Next::UnknownLink;
        }
        // more labels than the decoder follows
        Some(stop) if stop.layer == vxlan::Layer::Mpls => return Next::Layer(payload, MPLS),
        Some(stop) if inner.protocol().is_none() => return Next::Unknown(stop.offset as usize),
        _ => {}
    }
    let Some(protocol) = inner.protocol() else {
        return match inner.ether_type() {
            Some(EtherType::MPLS | EtherType::MPLS_UPSTREAM) => {
                Next::Layer(payload, Layer::BelowLabels)
            }
            Some(other) => Next::Layer(start + inner.network_offset(), Layer::Typed(other.0)),
            None => llc(frame, start + inner.network_offset()),
        };
    };
    *frame = frame.get(..end).unwrap_or(frame);
    if inner.fragment().is_some_and(|fragment| !fragment.is_first()) {
        return Next::Payload(payload);
    }
    let transport = start + inner.transport_offset();
    behind_ip(frame.get(transport..).unwrap_or_default(), protocol, transport, payload)
}

/// IEEE 802.2 LLC without an `EtherType`.
fn llc(frame: &[u8], at: usize) -> Next {
    match frame.get(at..).unwrap_or_default() {
        // spanning tree; IS-IS; Cisco's switch protocols
        [0x42, 0x42, ..] | [0xfe, 0xfe, 0x03, 0x83, ..] | [0xaa, 0xaa, 0x03, 0, 0, 0x0c, ..] => {
            Next::Headers
        }
        [0xaa, 0xaa, 0x03, ..] => Next::Unknown(at + 8),
        _ => Next::Unknown(at + 3),
    }
}

/// What an `EtherType` names that the decoder does not follow.
fn typed(bytes: &[u8], ether_type: u16) -> Next {
    match ether_type {
        0x0800 => Next::Layer(0, IPV4),
        0x86dd => Next::Layer(0, IPV6),
        0x6558 => Next::Layer(0, ETHERNET),
        // ARP, RARP, wake on LAN, flow control, slow protocols (link aggregation), PPPoE discovery,
        // EAPOL, LLDP, MRP, fault management (802.1ag), PTP, loop detection: all of it is header
        0x0806 | 0x8035 | 0x0842 | 0x8808 | 0x8809 | 0x8863 | 0x888e | 0x88cc | 0x88e3 | 0x88f5
        | 0x88f6 | 0x88f7 | 0x8902 => Next::Headers,
        0x8847 | 0x8848 => labels(bytes),
        // RFC 2516 section 4: 6 bytes
        PPPOE_SESSION => Next::Layer(6, Layer::Ppp),
        // GRE's name for PPP (RFC 2637)
        0x880b => Next::Layer(0, Layer::Ppp),
        // tags: a type follows (IEEE 802.1Q, 802.1ad, and older numbers; VN-Tag; E-Tag)
        0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => tag(bytes, 2),
        0x8926 => tag(bytes, 4),
        0x893f => tag(bytes, 6),
        // backbone service instance tag (IEEE 802.1ah)
        0x88e7 => Next::Layer(4, ETHERNET),
        // a network service header (RFC 8300 section 2.2)
        0x894f => match *bytes {
            [_, len, _, next, ..] => {
                let at = usize::from(len & 0x3f).max(2) * 4;
                match next {
                    1 => Next::Layer(at, IPV4),
                    2 => Next::Layer(at, IPV6),
                    3 => Next::Layer(at, ETHERNET),
                    4 => Next::Layer(at, Layer::Typed(0x894f)),
                    5 => Next::Layer(at, MPLS),
                    _ => Next::Unknown(at),
                }
            }
            _ => Next::Headers,
        },
        // MACsec (IEEE 802.1AE clause 9): encrypted data is payload
        0x88e5 => match bytes.first() {
            Some(control) => {
                let at = if control & 0x20 == 0 { 6 } else { 14 };
                if control & 0x0c == 0 { tag(bytes, at) } else { Next::Payload(at) }
            }
            None => Next::Headers,
        },
        // ERSPAN type III in GRE (draft-foschiano-erspan), with a platform subheader if its last
        // bit is set. Types I and II are handled in `gre`.
        0x22eb => match bytes.get(11) {
            Some(last) => Next::Layer(if last & 1 == 0 { 12 } else { 20 }, ETHERNET),
            None => Next::Headers,
        },
        _ => Next::Unknown(0),
    }
}

/// A tag whose last two bytes, at `at`, are the type of what follows.
fn tag(bytes: &[u8], at: usize) -> Next {
    match number(bytes, at) {
        // IEEE 802.3: a length (clause 3.2.6)
        Some(length) if length <= 1500 => llc(bytes, at + 2),
        Some(ether_type) => Next::Layer(at + 2, Layer::Typed(ether_type)),
        None => Next::Headers,
    }
}

/// A label stack (RFC 3032 section 2.1).
fn labels(bytes: &[u8]) -> Next {
    let stack = bytes.chunks_exact(4);
    let whole = bytes.len() / 4;
    match stack.into_iter().position(|entry| matches!(entry, [_, _, last, _] if last & 1 == 1)) {
        Some(last) => Next::Layer((last + 1) * 4, Layer::BelowLabels),
        None => Next::Payload(whole * 4),
    }
}

/// IP by its version (RFC 4928), or Ethernet behind a control word or not (RFC 4448).
fn below_labels(bytes: &[u8]) -> Next {
    let first = bytes.first().map(|first| first >> 4);
    let behind = bytes.get(4..).unwrap_or_default();
    match first {
        None => Next::Headers,
        Some(0) if !starts_with_ethernet(bytes) && starts_with_ethernet(behind) => {
            Next::Layer(4, ETHERNET)
        }
        Some(_) if starts_with_ethernet(bytes) => Next::Layer(0, ETHERNET),
        Some(4) => Next::Layer(0, IPV4),
        Some(6) => Next::Layer(0, IPV6),
        Some(_) => Next::Unknown(0),
    }
}

/// Whether an Ethernet header may stand there: one with a known type and a possible first address.
fn starts_with_ethernet(bytes: &[u8]) -> bool {
    let behind = bytes.get(EthernetHeader::LEN..).and_then(<[u8]>::first).map(|first| first >> 4);
    match number(bytes, 12) {
        Some(0x0800) => behind.is_none_or(|version| version == 4),
        Some(0x86dd) => behind.is_none_or(|version| version == 6),
        Some(0x0806 | 0x8035 | 0x8100 | 0x88a8 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88cc) => {
            // a control word is mostly zeros, and no MAC address begins so
            bytes.get(..4) != Some(&[0; 4])
        }
        _ => false,
    }
}

/// PPP, perhaps with the address and control bytes of HDLC, and with the protocol number in one or
/// two bytes (RFC 1661 section 6.5).
fn ppp(bytes: &[u8]) -> Next {
    let at = if bytes.starts_with(&[0xff, 0x03]) { 2 } else { 0 };
    let (protocol, at) = match bytes.get(at..).unwrap_or_default() {
        [short, ..] if short & 1 == 1 => (u16::from(*short), at + 1),
        [high, low, ..] => (u16::from_be_bytes([*high, *low]), at + 2),
        _ => return Next::Headers,
    };
    match protocol {
        0x0021 => Next::Layer(at, IPV4),
        0x0057 => Next::Layer(at, IPV6),
        0x0281 | 0x0283 => Next::Layer(at, MPLS),
        // network and link control protocols (RFC 1661 section 2)
        0x8000.. => Next::Headers,
        _ => Next::Unknown(at),
    }
}

/// What follows an IP header, at `at`. `payload`: where the decoder found the payload.
fn behind_ip(bytes: &[u8], protocol: IpProtocol, at: usize, payload: usize) -> Next {
    match protocol {
        IpProtocol::IPV4 => Next::Layer(at, IPV4),
        IpProtocol::IPV6 => Next::Layer(at, IPV6),
        // an older number for IP in IP, of either version
        IpProtocol(94) => Next::Layer(at, ANY_IP),
        // Ethernet in IP (RFC 3378), MPLS in IP (RFC 4023), Ethernet behind segment routing (RFC
        // 8986)
        IpProtocol(97) => Next::Layer(at + 2, ETHERNET),
        IpProtocol(137) => Next::Layer(at, MPLS),
        IpProtocol(143) => Next::Layer(at, ETHERNET),
        IpProtocol::GRE => gre(bytes, at),
        IpProtocol::ICMP => icmp(bytes, at),
        IpProtocol::ICMPV6 => icmpv6(bytes, at),
        IpProtocol::SCTP => Next::Payload(at + sctp(bytes)),
        // SPI and sequence number (RFC 4303 section 2); UDP-Lite (RFC 3828)
        IpProtocol::ESP | IpProtocol(136) => Next::Payload(at + 8),
        // the data offset, in units of 4 bytes (RFC 4340 section 5.1)
        IpProtocol(33) => Next::Payload(at + bytes.get(4).map_or(0, |&len| usize::from(len) * 4)),
        // a packet to a rendezvous point (RFC 7761 section 4.9.3)
        IpProtocol(103) if bytes.first() == Some(&0x21) => Next::Layer(at + 8, ANY_IP),
        // IGMP, RSVP, EIGRP, OSPF, PIM, VRRP: all of it is header
        IpProtocol::IGMP | IpProtocol(46 | 88 | 89 | 103 | 112) => Next::Payload(at + bytes.len()),
        IpProtocol::TCP | IpProtocol::UDP | IpProtocol::NO_NEXT_HEADER => Next::Payload(payload),
        _ => Next::Unknown(payload),
    }
}

/// RFC 2784, RFC 2890, with the source routes of RFC 1701; version 1 with PPP (RFC 2637).
fn gre(bytes: &[u8], at: usize) -> Next {
    let (Some(flags), Some(ether_type)) = (number(bytes, 0), number(bytes, 2)) else {
        return Next::Headers;
    };
    let has = |bit: u16| usize::from(flags & bit != 0);
    let (checksum, routing, key, sequence) = (has(0x8000), has(0x4000), has(0x2000), has(0x1000));
    if flags & 7 == 1 {
        return Next::Layer(at + 8 + 4 * sequence + 4 * has(0x0080), Layer::Ppp);
    }
    let mut len = 4 + 4 * (checksum | routing) + 4 * key + 4 * sequence;
    if routing == 1 {
        // entries with their own lengths; an empty one is the last
        while let Some(&[family, kind, _, entry]) = bytes.get(len..).and_then(<[u8]>::first_chunk) {
            len += 4 + usize::from(entry);
            if (family, kind, entry) == (0, 0, 0) {
                break;
            }
        }
    }
    match ether_type {
        // ERSPAN (draft-foschiano-erspan): type I has no header of its own, and no sequence number
        0x88be => Next::Layer(at + len + 8 * sequence, ETHERNET),
        // NHRP (RFC 2332), keepalives
        0x2001 | 0 => Next::Headers,
        other => Next::Layer(at + len, Layer::Typed(other)),
    }
}

/// RFC 792, and later additions.
fn icmp(bytes: &[u8], at: usize) -> Next {
    match bytes.first() {
        Some(3 | 4 | 5 | 11 | 12) => Next::Layer(at + 8, IPV4),
        // router discovery, timestamps, information, address masks
        Some(9 | 10 | 13..=18) => Next::Payload(at + bytes.len()),
        _ => Next::Payload(at + bytes.len().min(8)),
    }
}

/// RFC 4443, and later additions.
fn icmpv6(bytes: &[u8], at: usize) -> Next {
    match bytes.first() {
        Some(1..=4) => Next::Layer(at + 8, IPV6),
        // multicast listeners, neighbour discovery, renumbering, node information, mobility, RPL
        Some(130..=136 | 138..=159) => Next::Payload(at + bytes.len()),
        Some(137) => redirect(bytes, at),
        _ => Next::Payload(at + bytes.len().min(8)),
    }
}

/// A redirect (RFC 4861 section 4.5), which may quote a packet in its options (section 4.6.3).
fn redirect(bytes: &[u8], at: usize) -> Next {
    let mut option = 40;
    while let Some(&[kind, units]) = bytes.get(option..).and_then(<[u8]>::first_chunk) {
        if kind == 4 {
            return Next::Layer(at + option + 8, IPV6);
        }
        option += usize::from(units.max(1)) * 8;
    }
    Next::Payload(at + bytes.len())
}

/// The length of the common header and of the chunks (RFC 9260 section 3) up to the header of the
/// first chunk with user data.
fn sctp(bytes: &[u8]) -> usize {
    let mut at = 12;
    while let Some(&[kind, _, high, low]) = bytes.get(at..).and_then(<[u8]>::first_chunk) {
        let len = usize::from(u16::from_be_bytes([high, low])).max(4);
        match kind {
            // user data; interleaved user data (RFC 8260 section 2.1)
            0 => return at + 16,
            64 => return at + 20,
            // control chunks (IANA "SCTP Parameters"), padded to 4 bytes
            1..=15 | 0x80..=0x82 | 0xc0..=0xc2 => at += len.next_multiple_of(4),
            _ => return at + 4,
        }
    }
    at.min(bytes.len())
}

/// The 16-bit number at an offset.
fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// Bytes that are valid at many places, so that walks go far.
    fn byte() -> impl Strategy<Value = u8> {
        const KNOWN: &[u8] =
            &[0, 1, 4, 6, 8, 41, 47, 0x21, 0x45, 0x58, 0x60, 0x65, 0x81, 0x86, 0x88, 0xdd];
        prop_oneof![prop::sample::select(KNOWN), any::<u8>()]
    }

    proptest! {
        #[test]
        fn every_walk_ends(
            data in vec(byte(), 0..200),
            link_type in prop::sample::select(vec![0_u16, 1, 9, 51, 101, 104, 113, 228, 229, 276, 999]),
            more in 0_u32..100,
        ) {
            let wire_len = data.len() as u32 + more;
            HeadersEnd::of(&data, LinkType(link_type), wire_len, &Decoder::default());
        }
    }
}
