//! Addresses that control protocols carry: ARP, ICMP, neighbour discovery, group membership.

use vxlan::{Decoder, Headers, IcmpHeader, Icmpv6Header, IpProtocol};

use super::packet::Rewrite;

/// ICMPv6 types whose message holds one address behind the 8 bytes of its header: neighbour solicitation and advertisement
/// (RFC 4861 sections 4.3, 4.4), multicast listener query, report, done (RFC 2710 section 3).
const ONE_ADDRESS: [u8; 5] = [135, 136, 130, 131, 132];
/// Redirect (RFC 4861 section 4.5): target and destination.
const REDIRECT: u8 = 137;
/// Version 2 multicast listener report (RFC 3810 section 5.2).
const MLD2_REPORT: u8 = 143;
/// Version 3 membership report (RFC 3376 section 4.2).
const IGMP3_REPORT: u8 = 0x22;

impl Rewrite<'_> {
    /// ARP (RFC 826), for IPv4 and MAC addresses.
    pub(super) fn arp(&mut self, headers: &Headers<'_>, at: usize) {
        let Some(arp) = headers.arp() else { return };
        let (hardware, protocol) =
            (usize::from(arp.hardware_len()), usize::from(arp.protocol_len()));
        for end in 0..2 {
            let at = at + vxlan::ArpPacket::FIXED_LEN + end * (hardware + protocol);
            if hardware == 6 {
                self.mac(at);
            }
            if protocol == 4 {
                self.v4(at + hardware);
            }
        }
    }

    /// What the message behind the IP header carries; `at`: where it begins.
    pub(super) fn control(&mut self, headers: &Headers<'_>, at: usize, decoder: &Decoder) {
        let end = at + headers.transport_wire_len() as usize;
        let end = end.min(self.old.len());
        match headers.protocol() {
            Some(IpProtocol::ICMP)
                if headers.icmp().map(IcmpHeader::icmp_type) == Some(IcmpHeader::REDIRECT) =>
            {
                // the gateway (RFC 792)
                self.v4(at + 4);
            }
            Some(IpProtocol::IGMP) => self.igmp(at, end),
            Some(IpProtocol::ICMPV6) => {
                let Some(kind) = headers.icmpv6().map(Icmpv6Header::icmp_type) else { return };
                self.icmpv6(kind, at, end, decoder);
            }
            _ => {}
        }
    }

    fn igmp(&mut self, at: usize, end: usize) {
        if self.old.get(at) == Some(&IGMP3_REPORT) {
            return self.records(at + 8, end, 4, Self::v4);
        }
        self.v4(at + 4);
        // the sources of a version 3 query (RFC 3376 section 4.1)
        for place in (at + 12..end).step_by(4) {
            self.v4(place);
        }
    }

    fn icmpv6(&mut self, kind: u8, at: usize, end: usize, decoder: &Decoder) {
        let options = match kind {
            _ if ONE_ADDRESS.contains(&kind) => {
                self.v6(at + 8);
                if kind == 130 {
                    // the sources of a version 2 query (RFC 3810 section 5.1)
                    for place in (at + 28..end).step_by(16) {
                        self.v6(place);
                    }
                }
                at + 24
            }
            REDIRECT => {
                self.v6(at + 8);
                self.v6(at + 24);
                at + 40
            }
            MLD2_REPORT => return self.records(at + 8, end, 16, Self::v6),
            // router solicitation and advertisement (RFC 4861 sections 4.1, 4.2)
            133 => at + 8,
            134 => at + 16,
            _ => return,
        };
        if (133..=137).contains(&kind) {
            self.neighbor_options(options, end, decoder);
        }
    }

    /// Options of neighbour discovery (RFC 4861 section 4.6): type, length in units of 8 bytes.
    fn neighbor_options(&mut self, mut at: usize, end: usize, decoder: &Decoder) {
        while let Some(&[kind, units]) = self.old.get(at..end).and_then(<[u8]>::first_chunk) {
            let len = usize::from(units) * 8;
            if len == 0 {
                return;
            }
            match kind {
                // link-layer addresses of source and target
                1 | 2 => self.mac(at + 2),
                // prefix information
                3 => self.v6(at + 16),
                // redirected header: a packet
                4 => {
                    let (from, to) = (at + 8, (at + len).min(end));
                    if let Some(packet) = self.new.get_mut(from..to) {
                        self.keys.bare(packet, decoder);
                    }
                }
                // servers of names (RFC 8106 section 5.1)
                25 => {
                    for place in (at + 8..(at + len).min(end)).step_by(16) {
                        self.v6(place);
                    }
                }
                _ => {}
            }
            at += len;
        }
    }

    /// Records of membership reports: type, length of auxiliary data in units of 4 bytes, count of sources, group, sources.
    fn records(&mut self, mut at: usize, end: usize, len: usize, map: fn(&mut Self, usize)) {
        while let Some(&[_, auxiliary, high, low]) =
            self.old.get(at..end).and_then(<[u8]>::first_chunk)
        {
            let sources = usize::from(u16::from_be_bytes([high, low]));
            at += 4;
            for _ in 0..=sources {
                if at >= end {
                    return;
                }
                map(self, at);
                at += len;
            }
            at += usize::from(auxiliary) * 4;
        }
    }
}
