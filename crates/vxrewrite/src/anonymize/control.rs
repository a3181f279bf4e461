//! Addresses that control protocols carry: ARP, ICMP, group membership.

use super::packet::{Area, Layer, Next, Rewrite};
use super::unseen::Content;

/// IPv4 as the protocol type of ARP.
const IPV4: u16 = 0x0800;
/// Where the quoted packet of an ICMP error begins, and the address list of a router advertisement.
const QUOTE_AT: usize = 8;

impl Rewrite<'_> {
    /// ARP (RFC 826), reverse ARP (RFC 903) and inverse ARP (RFC 2390). IP and MAC addresses are
    /// replaced, others are zeroed.
    pub(super) fn arp(&mut self, area: Area) -> Option<Next> {
        let protocol = self.number(area.at + 2)?;
        let [hardware_len, protocol_len] = self.bytes(area.at + 4)?.map(usize::from);
        let mut at = area.at + vxlan::ArpPacket::FIXED_LEN;
        for _ in 0..2 {
            match hardware_len {
                6 => self.mac(at),
                len => self.wipe(at, len),
            }
            at += hardware_len;
            match (protocol, protocol_len) {
                (IPV4, 4) => self.v4(at),
                (_, 16) => self.v6(at),
                (_, len) => self.wipe(at, len),
            }
            at += protocol_len;
        }
        Some(Next::Done)
    }

    pub(super) fn icmp(&mut self, area: Area) -> Option<Next> {
        let at = area.at;
        let kind = self.byte(at)?;
        Some(match kind {
            // echo, router solicitation, timestamp, information, address mask: no address
            0 | 8 | 10 | 13..=18 | 42 | 43 => Next::Done,
            3 | 4 | 11 | 12 => {
                // in units of 4 bytes (RFC 4884 section 4)
                let len = usize::from(self.byte(at + 5)?) * 4;
                self.quote(Content::Icmp(kind), len, area)
            }
            5 => {
                // the gateway (RFC 792)
                self.v4(at + 4);
                self.quote(Content::Icmp(kind), 0, area)
            }
            // router advertisement (RFC 1256): number of addresses, and of words for each
            9 => {
                let [count, words] = self.bytes(at + 4)?.map(usize::from);
                let len = words.max(1) * 4;
                let from = at + QUOTE_AT;
                self.list(from, from + count * len, len, Self::v4);
                Next::Done
            }
            other => self.opaque(Content::Icmp(other), area),
        })
    }

    /// The packet that an ICMP error quotes. `len`: its length in bytes, or 0 where nothing follows
    /// it.
    pub(super) fn quote(&mut self, kind: Content, len: usize, area: Area) -> Next {
        // A quote is cut, so its own length fields may say more than there is.
        let mut quote = area.behind(QUOTE_AT);
        quote.wire_end = usize::MAX / 2;
        self.in_fragment = false;
        if len > 0 {
            let end = quote.at + len;
            quote.end = quote.end.min(end);
            // Objects follow the quote (RFC 4884 section 7). Label stacks (RFC 4950, class 1) have
            // no addresses.
            if self.byte(end + 6).is_some_and(|class| class != 1) {
                self.unseen(kind);
            }
        }
        Next::Layer(Layer::Ip, quote)
    }

    /// Group membership (RFC 1112, RFC 2236, RFC 3376).
    pub(super) fn igmp(&mut self, area: Area) -> Option<Next> {
        let at = area.at;
        match self.byte(at)? {
            0x11 => {
                self.v4(at + 4);
                self.list(at + 12, area.end, 4, Self::v4);
            }
            0x12 | 0x16 | 0x17 => self.v4(at + 4),
            0x22 => self.records(at + 8, 4, Self::v4),
            // multicast router discovery (RFC 4286)
            0x30..=0x32 => {}
            other => return Some(self.opaque(Content::Igmp(other), area)),
        }
        Some(Next::Done)
    }

    /// Records of membership reports: type, length of auxiliary data in units of 4 bytes, count of
    /// sources, group, sources.
    pub(super) fn records(&mut self, mut at: usize, len: usize, map: fn(&mut Self, usize)) {
        while let Some([_, auxiliary, high, low]) = self.bytes(at) {
            let sources = usize::from(u16::from_be_bytes([high, low]));
            at += 4;
            let end = at + (sources + 1) * len;
            self.list(at, end, len, map);
            at = end + usize::from(auxiliary) * 4;
        }
    }
}
