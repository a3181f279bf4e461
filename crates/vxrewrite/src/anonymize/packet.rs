//! The addresses in a packet, and its checksums.

use vxlan::{Checksum, Decoder, EtherType, Headers, IpProtocol, LinkType, Packet};

use super::Anonymizer;
use crate::internet_checksum::{Change, as_udp};

/// Tunnels in one another that are gone through at most; the decoder's own limit is lower.
const MOST_LEVELS: usize = 8;
/// Where an IPv4 header has its checksum, its addresses (RFC 791 section 3.1).
const IPV4_CHECKSUM_AT: usize = 10;
const IPV4_ADDRESSES_AT: usize = 12;
/// Where an IPv6 header has its addresses (RFC 8200 section 3).
const IPV6_ADDRESSES_AT: usize = 8;

/// A packet before, and the packet after as far as it is done.
pub(super) struct Rewrite<'a> {
    pub(super) old: &'a [u8],
    pub(super) new: &'a mut [u8],
    pub(super) keys: &'a mut Anonymizer,
}

impl Anonymizer {
    /// Replaces the addresses in `new`, which holds the same bytes as `old`.
    pub(crate) fn packet(
        &mut self,
        old: &[u8],
        new: &mut [u8],
        link_type: LinkType,
        orig_len: u32,
        decoder: &Decoder,
    ) {
        let packet = decoder.decode_captured(old, link_type, orig_len);
        Rewrite { old, new, keys: self }.levels(&packet, decoder);
    }

    /// Replaces the addresses in a network packet without a link layer, which an option of neighbour discovery holds.
    pub(super) fn bare(&mut self, new: &mut [u8], decoder: &Decoder) {
        let old = new.to_vec();
        let len = old.len() as u32;
        self.packet(&old, new, LinkType::RAW, len, decoder);
    }
}

impl Rewrite<'_> {
    /// All levels, the innermost first, as the checksums of the outer ones count what stands in the inner ones.
    fn levels(&mut self, packet: &Packet<'_>, decoder: &Decoder) {
        if let Some(quoted) = decoder.decode_quote(&packet.inner) {
            self.levels(&quoted, decoder);
        }
        self.level(&packet.inner, None, packet.inner.checksum(), decoder);
        let mut levels = [None; MOST_LEVELS];
        for (place, level) in levels.iter_mut().zip(decoder.encapsulations(packet)) {
            *place = Some(level);
        }
        for level in levels.into_iter().rev().flatten() {
            self.level(&level.headers, Some(&level.inner), level.checksum(), decoder);
        }
    }

    /// One level: link layer, network layer, what control protocols carry, and the transport checksum.
    fn level(
        &mut self,
        headers: &Headers<'_>,
        inner: Option<&Headers<'_>>,
        state: Checksum,
        decoder: &Decoder,
    ) {
        let start = headers.offset() as usize;
        self.link(headers, start);
        let network = start + headers.network_offset();
        match headers.ether_type() {
            Some(EtherType::ARP | EtherType::RARP) => self.arp(headers, network),
            Some(EtherType::IPV4) if headers.ipv4().is_some() => self.ipv4(headers, network),
            Some(EtherType::IPV6) if headers.ipv6().is_some() => self.ipv6(headers, network),
            _ => return,
        }
        let transport = start + headers.transport_offset();
        if inner.is_none() {
            self.control(headers, transport, decoder);
        }
        self.checksum(headers, inner, state, network, transport);
    }

    fn link(&mut self, headers: &Headers<'_>, start: usize) {
        if headers.ethernet().is_some() {
            self.mac(start);
            self.mac(start + 6);
        } else if let Some(sll) = headers.sll()
            && sll.source().is_some()
        {
            // the address begins behind hardware type and length: at 6 in version 1, at 12 in version 2
            let at = if headers.link_type() == LinkType::LINUX_SLL2 { 12 } else { 6 };
            self.mac(start + at);
        }
    }

    fn ipv4(&mut self, headers: &Headers<'_>, at: usize) {
        let Some(ip) = headers.ipv4() else { return };
        self.v4(at + IPV4_ADDRESSES_AT);
        self.v4(at + IPV4_ADDRESSES_AT + 4);
        self.ipv4_options(ip.options(), at + 20);
        let change = self.change(at, at + ip.header_len());
        self.word(at + IPV4_CHECKSUM_AT, |field| change.mend(field));
    }

    /// Routes in IP options (RFC 791 section 3.1): record route, loose and strict source routes.
    fn ipv4_options(&mut self, options: &[u8], mut at: usize) {
        let mut rest = options;
        while let [kind, tail @ ..] = rest {
            let len = match (kind, tail) {
                (0, _) => return,
                (1, _) => 1,
                (_, [len, ..]) if *len >= 2 => usize::from(*len),
                _ => return,
            };
            if matches!(kind, 7 | 131 | 137) {
                for place in (3..len.saturating_sub(3)).step_by(4) {
                    self.v4(at + place);
                }
            }
            at += len;
            rest = rest.get(len..).unwrap_or_default();
        }
    }

    fn ipv6(&mut self, headers: &Headers<'_>, at: usize) {
        self.v6(at + IPV6_ADDRESSES_AT);
        self.v6(at + IPV6_ADDRESSES_AT + 16);
        // routing headers list addresses behind their 8 fixed bytes (RFC 8200 section 4.4, RFC 8754 section 2)
        let mut place = at + vxlan::Ipv6Header::LEN;
        for extension in headers.extension_headers() {
            if extension.protocol == IpProtocol::ROUTING {
                let count = extension.bytes.get(1).map_or(0, |&len| usize::from(len) / 2);
                for index in 0..count {
                    self.v6(place + 8 + index * 16);
                }
            }
            place += extension.bytes.len();
        }
    }

    /// Mends the transport checksum, so that its state stays what it was.
    fn checksum(
        &mut self,
        headers: &Headers<'_>,
        inner: Option<&Headers<'_>>,
        state: Checksum,
        network: usize,
        transport: usize,
    ) {
        let (at, has_pseudo_header) = match headers.protocol() {
            Some(IpProtocol::TCP) if headers.tcp().is_some() => (16, true),
            Some(IpProtocol::UDP) if headers.udp().is_some() => (6, true),
            Some(IpProtocol::ICMPV6) if headers.icmpv6().is_some() => (2, true),
            Some(IpProtocol::ICMP) if headers.icmp().is_some() => (2, false),
            Some(IpProtocol::IGMP) if headers.igmp().is_some() => (2, false),
            _ => return,
        };
        let is_udp = headers.protocol() == Some(IpProtocol::UDP);
        if is_udp && headers.udp().is_some_and(|udp| udp.checksum() == 0) {
            return;
        }
        let pseudo = match (has_pseudo_header, headers.ipv4()) {
            (false, _) => Change::NONE,
            (true, Some(_)) => {
                self.change(network + IPV4_ADDRESSES_AT, network + IPV4_ADDRESSES_AT + 8)
            }
            (true, None) => {
                self.change(network + IPV6_ADDRESSES_AT, network + IPV6_ADDRESSES_AT + 32)
            }
        };
        let end = (headers.offset() as usize + headers.payload_offset() + headers.payload().len())
            .min(self.old.len());
        match (state, inner) {
            (Checksum::Partial, _) => {
                return self.word(transport + at, |field| pseudo.add_to(field));
            }
            (Checksum::Lco, Some(inner)) => {
                // the inner packet counts as the complement of what stands in its checksum field
                let inner_start = inner.offset() as usize + inner.transport_offset();
                let before = self.change(transport, inner_start.min(end));
                let field = inner_start
                    + match inner.protocol() {
                        Some(IpProtocol::TCP) => 16,
                        Some(IpProtocol::UDP) => 6,
                        _ => 2,
                    };
                let (old, new) = (read(self.old, field), read(self.new, field));
                let change = pseudo.and(before).and(Change::of_word(!old, !new));
                return self.word(transport + at, |field| as_udp(change.mend(field)));
            }
            _ => {}
        }
        let change = pseudo.and(self.change(transport, end));
        self.word(transport + at, |field| {
            let mended = change.mend(field);
            if is_udp { as_udp(mended) } else { mended }
        });
    }

    /// How the sum of these bytes has changed.
    fn change(&self, from: usize, to: usize) -> Change {
        match (self.old.get(from..to), self.new.get(from..to)) {
            (Some(old), Some(new)) => Change::of_bytes(old, new),
            _ => Change::NONE,
        }
    }

    fn word(&mut self, at: usize, change: impl FnOnce(u16) -> u16) {
        if let Some(place) = self.new.get_mut(at..).and_then(<[u8]>::first_chunk_mut) {
            *place = change(u16::from_be_bytes(*place)).to_be_bytes();
        }
    }

    /// Replaces the MAC address at an offset, if it was captured wholly; what is left of one that was cut is wiped.
    pub(super) fn mac(&mut self, at: usize) {
        replace(self.old, self.new, at, |mac: [u8; 6]| self.keys.mac(mac));
    }

    /// Replaces the IPv4 address at an offset.
    pub(super) fn v4(&mut self, at: usize) {
        replace(self.old, self.new, at, |octets: [u8; 4]| self.keys.v4(octets.into()).octets());
    }

    /// Replaces the IPv6 address at an offset.
    pub(super) fn v6(&mut self, at: usize) {
        replace(self.old, self.new, at, |octets: [u8; 16]| self.keys.v6(octets.into()).octets());
    }
}

/// Replaces the bytes at an offset, made from what stood there before; what is left of an address that was cut is wiped.
fn replace<const N: usize>(
    old: &[u8],
    new: &mut [u8],
    at: usize,
    make: impl FnOnce([u8; N]) -> [u8; N],
) {
    match (old.get(at..).and_then(<[u8]>::first_chunk), new.get_mut(at..)) {
        (Some(old), Some(new)) => {
            if let Some(place) = new.first_chunk_mut() {
                *place = make(*old);
            }
        }
        (None, Some(rest)) => rest.fill(0),
        _ => {}
    }
}

fn read(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..).and_then(<[u8]>::first_chunk).map_or(0, |word| u16::from_be_bytes(*word))
}
