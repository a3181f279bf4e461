//! IP headers with their options and extension headers.

use super::packet::{Area, Layer, Next, Rewrite};
use super::unseen::Content;
use crate::internet_checksum::{Change, sum};

/// Where an IPv4 header has its checksum and its addresses (RFC 791 section 3.1).
const IPV4_CHECKSUM_AT: usize = 10;
const IPV4_ADDRESSES_AT: usize = 12;
/// Where an IPv6 header has its addresses, and its length (RFC 8200 section 3).
const IPV6_ADDRESSES_AT: usize = 8;
const IPV6_LEN: usize = 40;

/// What the pseudo header of a transport checksum takes from the IP header.
#[derive(Clone, Copy, Debug)]
pub(super) struct PseudoHeader {
    pub(super) is_v6: bool,
    /// Where the covered addresses stand: those of the first sender and of the last receiver.
    source: usize,
    destination: usize,
    /// Whether the packet is a first fragment. Later ones are not looked into.
    pub(super) is_fragment: bool,
}

impl PseudoHeader {
    const fn address_len(self) -> usize {
        if self.is_v6 { 16 } else { 4 }
    }
}

impl Rewrite<'_> {
    pub(super) fn ip(&mut self, area: Area) -> Option<Next> {
        match self.byte(area.at)? >> 4 {
            4 => self.ipv4(area),
            6 => self.ipv6(area),
            _ => Some(self.opaque(Content::Broken, area)),
        }
    }

    pub(super) fn ipv4(&mut self, area: Area) -> Option<Next> {
        let at = area.at;
        let first = self.byte(at)?;
        if first >> 4 != 4 {
            return Some(self.opaque(Content::Broken, area));
        }
        // a header with an impossible length has addresses all the same
        let header_len = usize::from(first & 0x0f).max(5) * 4;
        let total = self.number(at + 2).map_or(0, usize::from);
        // 0: longer than the field can hold (BIG TCP), or not filled in yet
        let packet = if total < header_len { area } else { self.narrowed(area, total) };
        self.v4(at + IPV4_ADDRESSES_AT);
        self.v4(at + IPV4_ADDRESSES_AT + 4);
        let mut pseudo = PseudoHeader {
            is_v6: false,
            source: at + IPV4_ADDRESSES_AT,
            destination: at + IPV4_ADDRESSES_AT + 4,
            is_fragment: false,
        };
        self.ipv4_options(at + 20, at + header_len, &mut pseudo);
        self.ipv4_checksum(at, header_len);
        if first & 0x0f < 5 {
            return Some(self.opaque(Content::Broken, area.behind(header_len)));
        }
        let fragment = self.number(at + 6)?;
        let protocol = self.byte(at + 9)?;
        if fragment & 0x1fff != 0 {
            return Some(Next::Done);
        }
        pseudo.is_fragment = fragment & 0x2000 != 0;
        self.in_fragment |= pseudo.is_fragment;
        self.end = self.end.min(packet.end);
        self.extensions(pseudo, protocol, packet.behind(header_len))
    }

    /// Mends the header's checksum. A wrong checksum of 0 is left to hardware, and stays.
    fn ipv4_checksum(&mut self, at: usize, header_len: usize) {
        let end = (at + header_len).min(self.end);
        let field_at = at + IPV4_CHECKSUM_AT;
        let (Some(field), Some((old, new))) = (self.number(field_at), self.both(at, end)) else {
            return;
        };
        if field == 0 && sum(old) != u16::MAX {
            return;
        }
        let mended = Change::of_bytes(old, new).mend(field);
        self.write(field_at, &mended.to_be_bytes());
    }

    /// Options that hold addresses: record route, loose and strict source route, timestamps with
    /// addresses (RFC 791 section 3.1), traceroute (RFC 1393).
    fn ipv4_options(&mut self, mut at: usize, end: usize, pseudo: &mut PseudoHeader) {
        while at < end {
            let Some((kind, len)) = self.option(at) else { return };
            let option_end = (at + len).min(end);
            match kind {
                7 | 131 | 137 => {
                    let entries = (len.saturating_sub(3)) / 4;
                    self.list(at + 3, at + 3 + entries * 4, 4, Self::v4);
                    let pointer = self.byte(at + 2).map_or(usize::MAX, usize::from);
                    if kind != 7 && pointer <= len && entries > 0 {
                        pseudo.destination = at + 3 + (entries - 1) * 4;
                    }
                }
                68 if self.byte(at + 3).is_some_and(|flags| matches!(flags & 0x0f, 1 | 3)) => {
                    self.list(at + 4, option_end.saturating_sub(3), 8, Self::v4);
                }
                82 => self.v4(at + 8),
                // without addresses: plain timestamps, path MTU probes (RFC 1063), quick start (RFC
                // 4782), security labels (RFC 1108, CIPSO), stream identifiers, router alert (RFC
                // 2113)
                1 | 68 | 11 | 12 | 25 | 130 | 133 | 134 | 136 | 148 => {}
                other => self.unseen(Content::Ipv4Option(other)),
            }
            at += len;
        }
    }

    pub(super) fn ipv6(&mut self, area: Area) -> Option<Next> {
        let at = area.at;
        if self.byte(at)? >> 4 != 6 {
            return Some(self.opaque(Content::Broken, area));
        }
        self.v6(at + IPV6_ADDRESSES_AT);
        self.v6(at + IPV6_ADDRESSES_AT + 16);
        let length = usize::from(self.number(at + 4)?);
        let next = self.byte(at + 6)?;
        // 0: a jumbogram
        let packet = if length == 0 { area } else { self.narrowed(area, IPV6_LEN + length) };
        let pseudo = PseudoHeader {
            is_v6: true,
            source: at + IPV6_ADDRESSES_AT,
            destination: at + IPV6_ADDRESSES_AT + 16,
            is_fragment: false,
        };
        self.end = self.end.min(packet.end);
        self.extensions(pseudo, next, packet.behind(IPV6_LEN))
    }

    /// Extension headers of IPv6 (RFC 8200 section 4), each with the number of the next one and its
    /// length in units of 8 bytes; and authentication headers of both IP versions. Any number of
    /// them may follow each other, so this is a loop and no recursion.
    fn extensions(
        &mut self,
        mut pseudo: PseudoHeader,
        mut next: u8,
        mut area: Area,
    ) -> Option<Next> {
        loop {
            let at = area.at;
            let mut len = 8;
            match next {
                0 | 43 | 60 if pseudo.is_v6 => {
                    len = (usize::from(self.byte(at + 1)?) + 1) * 8;
                    if next == 43 {
                        self.routing(at, len, &mut pseudo);
                    } else {
                        self.ipv6_options(at + 2, at + len, &mut pseudo);
                    }
                }
                44 if pseudo.is_v6 => {
                    let field = self.number(at + 2)?;
                    if field & 0xfff8 != 0 {
                        return Some(Next::Done);
                    }
                    pseudo.is_fragment = field & 1 != 0;
                    self.in_fragment |= pseudo.is_fragment;
                }
                // an authentication header, in units of 4 bytes (RFC 4302 section 2.2)
                51 => len = (usize::from(self.byte(at + 1)?) + 2) * 4,
                other => return self.behind_ip(pseudo, other, area),
            }
            next = self.byte(at)?;
            area = area.behind(len);
        }
    }

    /// Routing headers that list addresses behind their 8 fixed bytes: type 0 (RFC 2460 section
    /// 4.4), type 2 (RFC 6275 section 6.4), segment routing (RFC 8754 section 2), whose last
    /// segment stands first.
    fn routing(&mut self, at: usize, len: usize, pseudo: &mut PseudoHeader) {
        let (Some(kind), Some(left), Some(last)) =
            (self.byte(at + 2), self.byte(at + 3), self.byte(at + 4))
        else {
            return;
        };
        let room = (len - 8) / 16;
        let (count, receiver) = match kind {
            0 | 2 => (room, room.saturating_sub(1)),
            4 => (room.min(usize::from(last) + 1), 0),
            other => return self.unseen(Content::Routing(other)),
        };
        self.list(at + 8, at + 8 + count * 16, 16, Self::v6);
        let receiver = at + 8 + receiver * 16;
        if left > 0 && count > 0 && receiver + 16 <= self.end {
            pseudo.destination = receiver;
        }
    }

    /// The home address (RFC 6275 section 6.3), which the checksum covers in place of the sender's.
    /// Other options are counted and reported, except those known to hold no addresses.
    fn ipv6_options(&mut self, mut at: usize, end: usize, pseudo: &mut PseudoHeader) {
        const HOME_ADDRESS: u8 = 0xc9;
        while at < end {
            let Some(kind) = self.byte(at) else { return };
            if kind == 0 {
                at += 1;
                continue;
            }
            let Some(len) = self.byte(at + 1) else { return };
            if kind == HOME_ADDRESS && len == 16 {
                self.v6(at + 2);
                if at + 18 <= self.end {
                    pseudo.source = at + 2;
                }
            }
            match kind {
                // the home address; padding; tunnel encapsulation limit, router alert, jumbograms;
                // CALIPSO, performance metrics (RFC 8250), alternate marking (RFC 9343), RPL (RFC
                // 9008), quick start, least path MTU (RFC 9268)
                HOME_ADDRESS if len == 16 => {}
                1 | 0x04 | 0x05 | 0xc2 | 0x07 | 0x0f | 0x12 | 0x23 | 0x26 | 0x30 | 0x63 => {}
                other => self.unseen(Content::Ipv6Option(other)),
            }
            at += 2 + usize::from(len);
        }
    }

    /// The payload of an IP header.
    fn behind_ip(&mut self, pseudo: PseudoHeader, protocol: u8, area: Area) -> Option<Next> {
        self.end = self.end.min(area.end);
        if area.at >= self.end {
            // nothing was captured, or there is nothing
            return if area.wire_end > area.at { None } else { Some(Next::Done) };
        }
        Some(match protocol {
            // IP in IP (RFC 2003, 2473, 4213); 94 is an older number for it
            4 | 41 | 94 => Next::Layer(Layer::Ip, area),
            47 => self.gre(area)?,
            // Ethernet in IP (RFC 3378), MPLS in IP (RFC 4023), Ethernet behind segment routing
            // (RFC 8986)
            97 => Next::Layer(Layer::Ethernet, area.behind(2)),
            137 => self.labels(area)?,
            143 => Next::Layer(Layer::Ethernet, area),
            // no next header
            59 => Next::Done,
            other => self.transport(pseudo, other, area)?,
        })
    }

    /// The sum of the pseudo header's addresses as they were, and how it changes.
    pub(super) fn pseudo_addresses(&self, pseudo: PseudoHeader) -> (Change, Change) {
        let len = pseudo.address_len();
        [pseudo.source, pseudo.destination]
            .into_iter()
            .filter_map(|at| self.both(at, at + len))
            .map(|(old, new)| (Change::of_sum(sum(old)), Change::of_bytes(old, new)))
            .fold((Change::NONE, Change::NONE), |(sum, change), (more, another)| {
                (sum.and(more), change.and(another))
            })
    }
}
