//! Addresses in ICMPv6: neighbour discovery, listener discovery, mobility.

use super::packet::{Area, Layer, Next, Rewrite};
use super::unseen::Content;

impl Rewrite<'_> {
    pub(super) fn icmpv6(&mut self, area: Area) -> Option<Next> {
        let at = area.at;
        let kind = self.byte(at)?;
        let options = match kind {
            1..=4 => {
                // in units of 8 bytes (RFC 4884 section 4)
                let len = usize::from(self.byte(at + 4)?) * 8;
                let len = if matches!(kind, 1 | 3) { len } else { 0 };
                return Some(self.quote(Content::Icmpv6(kind), len, area));
            }
            // echo; home agent discovery request (RFC 6275 section 6.5); multicast router discovery
            // (RFC 4286)
            128 | 129 | 144 | 151..=153 => return Some(Next::Done),
            // listener query, report, done (RFC 2710 section 3); the sources of a query (RFC 3810
            // section 5.1)
            130..=132 => {
                self.v6(at + 8);
                if kind == 130 {
                    self.list(at + 28, area.end, 16, Self::v6);
                }
                return Some(Next::Done);
            }
            // version 2 report (RFC 3810 section 5.2)
            143 => {
                self.records(at + 8, 16, Self::v6);
                return Some(Next::Done);
            }
            // router solicitation (RFC 4861 section 4.1), inverse discovery (RFC 3122), mobile
            // prefixes (RFC 6275 sections 6.7, 6.8)
            133 | 141 | 142 | 146 | 147 => at + 8,
            // router advertisement (RFC 4861 section 4.2)
            134 => at + 16,
            // neighbour solicitation and advertisement (sections 4.3, 4.4)
            135 | 136 => {
                self.v6(at + 8);
                at + 24
            }
            // redirect (section 4.5): target and destination
            137 => {
                self.v6(at + 8);
                self.v6(at + 24);
                at + 40
            }
            // home agents' addresses (RFC 6275 section 6.6)
            145 => {
                self.list(at + 8, area.end, 16, Self::v6);
                return Some(Next::Done);
            }
            other => return Some(self.opaque(Content::Icmpv6(other), area)),
        };
        Some(self.neighbor_options(options, area))
    }

    /// Options of neighbour discovery (RFC 4861 section 4.6): type, length in units of 8 bytes.
    fn neighbor_options(&mut self, mut at: usize, area: Area) -> Next {
        let mut redirected = None;
        while let Some([kind, units]) = self.bytes(at) {
            let len = usize::from(units) * 8;
            if len == 0 {
                break;
            }
            match kind {
                // link-layer addresses of source and target: those of Ethernet, or longer ones
                1 | 2 if len == 8 => self.mac(at + 2),
                1 | 2 => self.wipe(at + 2, len - 2),
                // prefix information
                3 => self.v6(at + 16),
                // redirected header: a packet
                4 if redirected.is_none() => {
                    redirected = Some((at + 8, at + len));
                }
                // at most one is valid
                4 => self.wipe(at + 8, len - 8),
                // lists of addresses (RFC 3122 section 3.1); name servers (RFC 8106 section 5.1)
                9 | 10 | 25 => self.list(at + 8, at + len, 16, Self::v6),
                // an address or prefix (RFC 5568 section 6.4.1); the border router (RFC 6775
                // section 4.3)
                17 | 35 => self.v6(at + 8),
                // a prefix of a route (RFC 4191 section 2.3) or context (RFC 6775 section 4.2),
                // which may be shortened
                24 | 34 => self.v6_prefix(at + 8, len - 8),
                // the EUI-64 of an interface (RFC 6775 section 4.1), which contains a MAC address
                33 => self.wipe(at + 8, 8),
                // NAT64's prefix, of 96 bits (RFC 8781 section 4)
                38 => self.v6_prefix(at + 4, 12),
                // MTU, timestamp, nonce, advertisement interval, home agent's preference, flags:
                // none
                5 | 7 | 8 | 13 | 14 | 26 => {}
                other => self.unseen(Content::NeighborOption(other)),
            }
            at += len;
        }
        match redirected {
            Some((at, end)) => {
                let end = end.min(area.end);
                Next::Layer(Layer::Ip, Area { at, end, wire_end: usize::MAX / 2 })
            }
            None => Next::Done,
        }
    }
}
