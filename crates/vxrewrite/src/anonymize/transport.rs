//! Transport headers, their checksums, and the tunnels behind them.

use vxlan::{Ports, TunnelKind};

use super::ip::PseudoHeader;
use super::ledger::Site;
use super::packet::{Area, Layer, Next, Rewrite};
use super::unseen::Content;
use crate::internet_checksum::Change;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// The lowest protocol type of Geneve (RFC 8926 section 3.4).
const LEAST_ETHER_TYPE: u16 = 0x0600;
/// Ports whose tunnels are always followed: GTP-U (3GPP TS 29.281), MPLS (RFC 7510), LISP (RFC
/// 9300), Teredo (RFC 4380).
const GTP_PORT: u16 = 2152;
const MPLS_PORT: u16 = 6635;
const LISP_PORT: u16 = 4341;
const TEREDO_PORT: u16 = 3544;

impl Rewrite<'_> {
    /// A transport header, its checksum, and what follows it.
    pub(super) fn transport(
        &mut self,
        pseudo: PseudoHeader,
        protocol: u8,
        area: Area,
    ) -> Option<Next> {
        let area = if protocol == UDP {
            let length = self.number(area.at + 4).map_or(0, usize::from);
            // 0 where the field cannot hold it; less than 8 is invalid
            if length < 8 { area } else { self.narrowed(area, length) }
        } else {
            area
        };
        self.end = self.end.min(area.end);
        self.transport_checksum(pseudo, protocol, area);
        Some(match (protocol, pseudo.is_v6) {
            (1, false) => self.icmp(area)?,
            (58, true) => self.icmpv6(area)?,
            (2, false) => self.igmp(area)?,
            (TCP, _) => {
                self.tcp_options(area);
                Next::Done
            }
            (UDP, _) => self.udp(area)?,
            (112, _) => self.vrrp(area, pseudo.is_v6)?,
            // DCCP, UDP-Lite: without addresses in their headers
            (33 | 136, _) => Next::Done,
            (132, _) => self.sctp(area)?,
            (other, _) => self.opaque(Content::IpProtocol(other), area),
        })
    }

    /// Notes the checksum in a transport header, if it covers addresses or the payload.
    fn transport_checksum(&mut self, pseudo: PseudoHeader, protocol: u8, area: Area) {
        let (at, has_pseudo_header) = match (protocol, pseudo.is_v6) {
            (TCP, _) => (16, true),
            // DCCP (RFC 4340 section 9.1), UDP-Lite (RFC 3828)
            (UDP | 33 | 136, _) => (6, true),
            (1 | 2, false) => (2, false),
            // ICMPv6; PIM and OSPF of IPv6 (RFC 7761 section 4.9, RFC 5340 section A.3.1)
            (58 | 103, true) => (2, true),
            (89, true) => (12, true),
            // the mobility header (RFC 6275 section 6.1), and HIP (RFC 7401 section 5.1)
            (135, true) | (139, _) => (4, true),
            // VRRP (RFC 5798 section 5.2.8): since version 3
            (112, is_v6) => {
                let version = self.byte(area.at).map_or(0, |first| first >> 4);
                (6, is_v6 || version == 3)
            }
            _ => return,
        };
        let is_whole = area.is_whole() && !pseudo.is_fragment;
        let mut site = Site::new(area.at + at, area.at, area.end, is_whole);
        site.is_udp = protocol == UDP;
        if has_pseudo_header {
            let (sum, change) = self.pseudo_addresses(pseudo);
            site.pseudo = change;
            if !pseudo.is_fragment && matches!(protocol, TCP | UDP | 33 | 136) {
                let len = area.wire_end.saturating_sub(area.at);
                // lengths above 16 bits (BIG TCP) fold in like any other number
                site.pseudo_sum = Some(
                    sum.and(Change::of_sum(protocol.into()))
                        .and(Change::of_sum(len as u16))
                        .and(Change::of_sum((len >> 16) as u16))
                        .sum(),
                );
            }
        }
        self.ledger.site(site);
    }

    /// Addresses in `ADD_ADDR` options of Multipath TCP (RFC 8684 section 3.4.1): option 30,
    /// subtype 3.
    fn tcp_options(&mut self, area: Area) {
        let header = self.byte(area.at + 12).map_or(0, |byte| usize::from(byte >> 4) * 4);
        let mut at = area.at + 20;
        while at < area.at + header {
            let Some((kind, len)) = self.option(at) else { return };
            if kind == 30 && self.byte(at + 2).is_some_and(|byte| byte >> 4 == 3) {
                match len {
                    8 | 10 | 16 | 18 => self.v4(at + 4),
                    20 | 22 | 28 | 30 => self.v6(at + 4),
                    _ => {}
                }
            }
            at += len;
        }
    }

    /// The virtual router's addresses (RFC 3768 section 5.1, RFC 5798 section 5.1).
    fn vrrp(&mut self, area: Area, is_v6: bool) -> Option<Next> {
        let count = usize::from(self.byte(area.at + 3)?);
        let from = area.at + 8;
        if is_v6 {
            self.list(from, from + count * 16, 16, Self::v6);
        } else {
            self.list(from, from + count * 4, 4, Self::v4);
        }
        Some(Next::Done)
    }

    /// Chunks of SCTP (RFC 9260 section 3.2). Those that may hold addresses (setup, cookies,
    /// heartbeats, errors) are counted and reported, but not changed: the checksum (`CRC32c`)
    /// cannot be mended.
    fn sctp(&mut self, area: Area) -> Option<Next> {
        let mut chunk = area.behind(12);
        while chunk.at < area.wire_end {
            let [kind, _, high, low] = self.bytes(chunk.at)?;
            let len = usize::from(u16::from_be_bytes([high, low]));
            // data, acknowledgement, shutdown, ECN echo, CWR; interleaved data (RFC 8260), forward
            // TSN (RFC 3758)
            let is_known = matches!(kind, 0 | 3 | 7 | 8 | 11..=14 | 64 | 192 | 194);
            if !is_known || len < 4 {
                return Some(self.opaque(Content::IpProtocol(132), chunk));
            }
            chunk = chunk.behind(len.next_multiple_of(4));
        }
        Some(Next::Done)
    }

    /// Tunnels by the destination port; for ports that were named with either direction, by the
    /// source port too.
    fn udp(&mut self, area: Area) -> Option<Next> {
        let (source, port) = (self.number(area.at)?, self.number(area.at + 2)?);
        let payload = area.behind(8);
        // the default ports are always followed, even if other ports were named
        let kind = self.ports.kind(source, port).or_else(|| Ports::DEFAULT.kind(source, port));
        let at = payload.at;
        let next = match (kind, port) {
            (Some(kind), _) => self.tunnel(kind, payload)?,
            (None, GTP_PORT) => self.gtp(payload),
            (None, MPLS_PORT) if self.looks_like_labels(payload) => Some(self.labels(payload)?),
            (None, LISP_PORT) if self.looks_like_ip(payload.behind(8)) => {
                Some(Next::Layer(Layer::Ip, payload.behind(8)))
            }
            (None, TEREDO_PORT) => self.teredo(payload)?,
            // from a Teredo server or relay; or from anyone, as a client may have this port by
            // chance
            (None, _) if source == TEREDO_PORT => self.teredo(payload)?.or(Some(Next::Done)),
            (None, _) => return Some(Next::Done),
        };
        Some(match next {
            Some(next) => next,
            // an answer to a client with this port by chance, or an unknown kind of tunnel
            None if at < self.end => self.opaque(Content::TunnelPort(port), payload),
            None => Next::Done,
        })
    }

    /// A tunnel header. `None` where it is cut, `Some(None)` where it is none.
    #[allow(clippy::option_option)] // the outer one: cut
    fn tunnel(&mut self, kind: TunnelKind, area: Area) -> Option<Option<Next>> {
        const FLAG_VNI: u8 = 0x08;
        const FLAG_NEXT_PROTOCOL: u8 = 0x04;
        let inner = area.behind(8);
        if kind == TunnelKind::Udp {
            return Some(self.looks_like_ip(area).then_some(Next::Layer(Layer::Ip, area)));
        }
        let header: [u8; 8] = self.bytes(area.at)?;
        Some(match kind {
            TunnelKind::Vxlan => {
                let is_plain = u64::from_be_bytes(header) & !0xffff_ff00 == 0x0800_0000_0000_0000;
                (is_plain || self.looks_like_ethernet(inner))
                    .then_some(Next::Layer(Layer::Ethernet, inner))
            }
            TunnelKind::Gpe => {
                let [flags, _, _, next, ..] = header;
                if flags & FLAG_VNI == 0 {
                    None
                } else if flags & FLAG_NEXT_PROTOCOL == 0 {
                    self.looks_like_ethernet(inner).then_some(Next::Layer(Layer::Ethernet, inner))
                } else {
                    Some(self.next_protocol(next, inner))
                }
            }
            TunnelKind::Geneve => {
                let [first, _, high, low, ..] = header;
                let ether_type = u16::from_be_bytes([high, low]);
                let options_end = inner.at + usize::from(first & 0x3f) * 4;
                if options_end > inner.at {
                    self.geneve_options(inner.at, options_end);
                }
                let inner = Area { at: options_end, ..inner };
                (first >> 6 == 0 && ether_type >= LEAST_ETHER_TYPE)
                    .then_some(Next::Layer(Layer::Typed(ether_type), inner))
            }
            // raw IP has no header; other kinds are not known here, and count as payload
            _ => None,
        })
    }

    /// Options of Geneve (RFC 8926 section 3.5). What they mean depends on their class.
    #[cold]
    fn geneve_options(&mut self, mut at: usize, end: usize) {
        while at < end
            && let Some([high, low, _, len]) = self.bytes(at)
        {
            let behind = at + 4 + usize::from(len & 0x1f) * 4;
            if !self.is_zero(at + 4, behind.min(end)) {
                self.unseen(Content::GeneveOption(u16::from_be_bytes([high, low])));
            }
            at = behind;
        }
    }

    /// A packet in GTP-U (3GPP TS 29.281 section 5.1): version 1, G-PDU, perhaps with extension
    /// headers.
    fn gtp(&mut self, area: Area) -> Option<Next> {
        let [flags, kind] = self.bytes(area.at)?;
        // version 1, protocol type GTP; a G-PDU
        if flags & 0xf0 != 0x30 || kind != 0xff {
            return None;
        }
        let mut inner = area.behind(8);
        if flags & 7 != 0 {
            let mut next = self.byte(area.at + 11)?;
            inner = inner.behind(4);
            while flags & 4 != 0 && next != 0 {
                // without addresses: service class, UDP port, PDCP's numbers, PDU session (3GPP TS
                // 29.281 section 5.2.2)
                if !matches!(next, 0x20 | 0x40 | 0x82 | 0x85 | 0xc0) {
                    self.unseen(Content::GtpExtension(next));
                }
                let len = usize::from(self.byte(inner.at)?).max(1) * 4;
                next = self.byte(inner.at + len - 1)?;
                inner = inner.behind(len);
            }
        }
        self.looks_like_ip(inner).then_some(Next::Layer(Layer::Ip, inner))
    }

    /// IPv6 in Teredo (RFC 4380 section 5.1.1), perhaps after authentication and the sender's
    /// obfuscated address.
    #[allow(clippy::option_option)] // as above
    fn teredo(&mut self, area: Area) -> Option<Option<Next>> {
        let mut inner = area;
        if self.number(inner.at)? == 1 {
            let [client, authentication] = self.bytes(inner.at + 2)?.map(usize::from);
            inner = inner.behind(13 + client + authentication);
        }
        let origin = inner.at + 4;
        let has_origin = self.number(inner.at)? == 0;
        if has_origin {
            inner = inner.behind(8);
        }
        if !self.looks_like_ip(inner) {
            return Some(None);
        }
        if has_origin {
            // each bit is inverted, so that translators on the way do not change it
            let clear = self.bytes::<4>(origin)?.map(|byte| !byte);
            let new = self.keys.v4(clear.into()).octets().map(|byte| !byte);
            self.write(origin, &new);
        }
        Some(Some(Next::Layer(Layer::Ip, inner)))
    }

    fn looks_like_labels(&self, mut area: Area) -> bool {
        while let Some([_, _, last, _]) = self.bytes(area.at) {
            area = area.behind(4);
            if last & 1 == 1 {
                return self.looks_like_ip(area) || self.looks_like_ethernet(area);
            }
        }
        area.at < area.wire_end
    }

    /// GRE (RFC 2784, RFC 2890; with a source route, RFC 1701; version 1, RFC 2637), and the ERSPAN
    /// headers that may follow.
    pub(super) fn gre(&mut self, area: Area) -> Option<Next> {
        const CHECKSUM: u16 = 0x8000;
        const ROUTING: u16 = 0x4000;
        const KEY: u16 = 0x2000;
        const SEQUENCE: u16 = 0x1000;
        const ACKNOWLEDGMENT: u16 = 0x0080;

        let (flags, protocol) = (self.number(area.at)?, self.number(area.at + 2)?);
        let field = |bit: u16| if flags & bit == 0 { 0 } else { 4 };
        match flags & 7 {
            0 => {}
            1 => {
                let len = 8 + field(SEQUENCE) + field(ACKNOWLEDGMENT);
                return Some(Next::Layer(Layer::Ppp, area.behind(len)));
            }
            _ => return Some(self.opaque(Content::Gre, area)),
        }
        if flags & CHECKSUM != 0 {
            self.site(area.at + 4, area);
        }
        let mut len = 4 + field(CHECKSUM | ROUTING) + field(KEY) + field(SEQUENCE);
        if flags & ROUTING != 0 {
            len = self.source_routes(area.at, len)?;
        }
        let inner = area.behind(len);
        Some(match protocol {
            // ERSPAN: without a header, with one (version 1), with a longer one (version 2) and a
            // subheader (draft-foschiano-erspan section 4)
            0x88be if flags & SEQUENCE == 0 => Next::Layer(Layer::Ethernet, inner),
            0x88be => Next::Layer(Layer::Ethernet, inner.behind(8)),
            0x22eb => {
                let subheader = usize::from(self.byte(inner.at + 11)? & 1) * 8;
                Next::Layer(Layer::Ethernet, inner.behind(12 + subheader))
            }
            // WCCP: version 2 has 4 bytes before the IP packet, and no number of its own
            0x883e if self.byte(inner.at)? >> 4 == 4 => Next::Layer(Layer::Ip, inner),
            0x883e => Next::Layer(Layer::Ip, inner.behind(4)),
            other => Next::Layer(Layer::Typed(other), inner),
        })
    }

    /// Source route entries (RFC 1701): address family, offset, length, addresses. The last one is
    /// empty. Returns where they end.
    fn source_routes(&mut self, start: usize, mut len: usize) -> Option<usize> {
        loop {
            let [high, low, _, entry] = self.bytes(start + len)?;
            let (family, entry) = (u16::from_be_bytes([high, low]), usize::from(entry));
            let from = start + len + 4;
            match family {
                0x0800 => self.list(from, from + entry, 4, Self::v4),
                0x86dd => self.list(from, from + entry, 16, Self::v6),
                _ => {}
            }
            len += 4 + entry;
            if entry == 0 {
                return Some(len);
            }
        }
    }
}
