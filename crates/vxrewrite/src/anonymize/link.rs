//! Link layers with their tags and labels, and what an `EtherType` names.

use vxlan::{EthernetHeader, LinkShape, LinkType, SllHeader};

use super::packet::{Area, Layer, Next, Rewrite};
use super::unseen::Content;

/// Link types (draft-ietf-opsawg-pcaplinktype) that the decoder does not know: PPP with and without
/// an HDLC header, `PPPoE`, Cisco's HDLC.
const PPP: LinkType = LinkType(9);
const PPP_HDLC: LinkType = LinkType(50);
const PPPOE: LinkType = LinkType(51);
const CISCO_HDLC: LinkType = LinkType(104);

/// Hardware types of Linux (`linux/if_arp.h`) whose link-layer address is an IP address: IP in IP,
/// 6in4 and GRE over IPv4, and tunnels over IPv6.
const IPV4_TUNNELS: [u16; 3] = [768, 776, 778];
const IPV6_TUNNELS: [u16; 2] = [769, 823];

/// Type fields below this are lengths (IEEE 802.3 clause 3.2.6).
const LEAST_ETHER_TYPE: u16 = 0x0600;
/// IEEE 802.2 LLC in cooked headers, where it stands in place of an `EtherType`
/// (`linux/if_ether.h`).
const ETH_P_802_2: u16 = 0x0004;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

impl Rewrite<'_> {
    /// The outermost layer.
    pub(super) fn link(&mut self, link_type: LinkType, area: Area) -> Option<Next> {
        Some(match link_type.shape() {
            LinkShape::Ethernet => Next::Layer(Layer::Ethernet, area),
            LinkShape::Sll => self.cooked(area)?,
            LinkShape::Sll2 => self.cooked_2(area)?,
            LinkShape::Ip | LinkShape::Ipv4 | LinkShape::Ipv6 => Next::Layer(Layer::Ip, area),
            LinkShape::Loopback => {
                let family = u32::from_be_bytes(self.bytes(area.at)?);
                // in the byte order of the capturing host
                match if family > 0xffff { family.swap_bytes() } else { family } {
                    2 | 10 | 24 | 28 | 30 => Next::Layer(Layer::Ip, area.behind(4)),
                    _ => self.opaque(Content::LinkType(link_type.0), area),
                }
            }
            _ => return self.undecoded_link(link_type, area),
        })
    }

    /// A link type that the decoder does not know.
    fn undecoded_link(&mut self, link_type: LinkType, area: Area) -> Option<Next> {
        Some(match link_type {
            PPP | PPP_HDLC | CISCO_HDLC => match self.byte(area.at)? {
                // Cisco's: to one station, to all of them
                0x0f | 0x8f => Next::Layer(Layer::Typed(self.number(area.at + 2)?), area.behind(4)),
                _ => Next::Layer(Layer::Ppp, area),
            },
            PPPOE => self.pppoe(area)?,
            LinkType(other) => self.opaque(Content::LinkType(other), area),
        })
    }

    fn cooked(&mut self, area: Area) -> Option<Next> {
        let hardware = self.number(area.at + 2)?;
        let len = self.number(area.at + 4)?;
        self.cooked_address(area.at + 6, hardware, len);
        let protocol = self.number(area.at + 14)?;
        Some(cooked_contents(protocol, area.behind(SllHeader::V1_LEN)))
    }

    fn cooked_2(&mut self, area: Area) -> Option<Next> {
        let protocol = self.number(area.at)?;
        let hardware = self.number(area.at + 8)?;
        let len = self.byte(area.at + 11)?;
        self.cooked_address(area.at + 12, hardware, len.into());
        Some(cooked_contents(protocol, area.behind(SllHeader::V2_LEN)))
    }

    /// The sender's address: 8 bytes of it at most.
    fn cooked_address(&mut self, at: usize, hardware: u16, len: u16) {
        match len {
            0 => {}
            6 => self.mac(at),
            4 if IPV4_TUNNELS.contains(&hardware) => self.v4(at),
            16 if IPV6_TUNNELS.contains(&hardware) => self.v6_prefix(at, 8),
            _ => self.wipe(at, 8),
        }
    }

    pub(super) fn ethernet(&mut self, area: Area) -> Option<Next> {
        self.mac(area.at);
        self.mac(area.at + 6);
        let field = self.number(area.at + 12)?;
        Some(self.typed_or_llc(field, area.behind(EthernetHeader::LEN)))
    }

    /// SNAP with an `EtherType` (RFC 1042).
    pub(super) fn llc(&mut self, area: Area) -> Option<Next> {
        match self.bytes(area.at) {
            Some([0xaa, 0xaa, 0x03, 0, 0, 0]) => {
                Some(Next::Layer(Layer::Typed(self.number(area.at + 6)?), area.behind(8)))
            }
            _ => Some(self.opaque(Content::Llc, area)),
        }
    }

    /// What an `EtherType` names.
    pub(super) fn typed(&mut self, ether_type: u16, area: Area) -> Option<Next> {
        let at = area.at;
        Some(match ether_type {
            IPV4 => self.ipv4(area)?,
            IPV6 => self.ipv6(area)?,
            // ARP, reverse ARP (RFC 903), dynamic reverse ARP (RFC 1931)
            0x0806 | 0x8035 => self.arp(area)?,
            // VLAN tags: IEEE 802.1Q, 802.1ad, and older numbers that switches still send
            0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => {
                self.typed_or_llc(self.number(at + 2)?, area.behind(4))
            }
            // VN-Tag; E-Tag (IEEE 802.1BR)
            0x8926 => self.typed_or_llc(self.number(at + 4)?, area.behind(6)),
            0x893f => self.typed_or_llc(self.number(at + 6)?, area.behind(8)),
            // backbone service instance tag (IEEE 802.1ah): the customer's Ethernet header follows
            0x88e7 => Next::Layer(Layer::Ethernet, area.behind(4)),
            0x6558 => Next::Layer(Layer::Ethernet, area),
            0x8847 | 0x8848 => self.labels(area)?,
            0x8864 => self.pppoe(area)?,
            // GRE's name for PPP (RFC 2637)
            0x880b => Next::Layer(Layer::Ppp, area),
            0x894f => self.nsh(area)?,
            0x88e5 => self.macsec(area)?,
            // TRILL (RFC 6325 section 3): options in units of 4 bytes
            0x22f3 => {
                let options = usize::from(self.number(at)? >> 6 & 0x1f) * 4;
                Next::Layer(Layer::Ethernet, area.behind(6 + options))
            }
            other => self.opaque(Content::EtherType(other), area),
        })
    }

    /// `MACsec` (IEEE 802.1AE clause 9): its secure channel may hold the sender's MAC address, and
    /// its payload need not be encrypted.
    fn macsec(&mut self, area: Area) -> Option<Next> {
        const HAS_CHANNEL: u8 = 0x20;
        const IS_ENCRYPTED: u8 = 0x0c;
        let control = self.byte(area.at)?;
        let mut inner = area.behind(6);
        if control & HAS_CHANNEL != 0 {
            self.mac(area.at + 6);
            inner = inner.behind(8);
        }
        if control & IS_ENCRYPTED != 0 {
            return Some(self.opaque(Content::EtherType(0x88e5), inner));
        }
        Some(self.typed_or_llc(self.number(inner.at)?, inner.behind(2)))
    }

    /// A label stack (RFC 3032 section 2.1).
    pub(super) fn labels(&mut self, area: Area) -> Option<Next> {
        let mut below = area;
        loop {
            let [_, _, last, _] = self.bytes(below.at)?;
            below = below.behind(4);
            if last & 1 == 1 {
                return Some(Next::Layer(Layer::Mpls, below));
            }
        }
    }

    /// IP by its version (RFC 4928), or Ethernet (RFC 4448), behind a control word or not.
    pub(super) fn below_labels(&mut self, area: Area) -> Option<Next> {
        let first = self.byte(area.at)?;
        let behind = area.behind(4);
        // mostly zeros, and no MAC address begins so
        let is_control_word = self.bytes(area.at) == Some([0; 4]);
        Some(if self.looks_like_ip(area) {
            Next::Layer(Layer::Ip, area)
        } else if !is_control_word && self.looks_like_ethernet(area) {
            Next::Layer(Layer::Ethernet, area)
        } else if first >> 4 == 0 && self.looks_like_ethernet(behind) {
            Next::Layer(Layer::Ethernet, behind)
        } else if matches!(first >> 4, 4 | 6) {
            Next::Layer(Layer::Ip, area)
        } else {
            self.opaque(Content::Mpls, area)
        })
    }

    /// `PPPoE`'s session stage (RFC 2516 section 4).
    fn pppoe(&mut self, area: Area) -> Option<Next> {
        let [_, code, _, _, high, low] = self.bytes(area.at)?;
        let session = self.narrowed(area.behind(6), u16::from_be_bytes([high, low]).into());
        if code != 0 {
            return Some(self.opaque(Content::EtherType(0x8863), session));
        }
        Some(Next::Layer(Layer::Ppp, session))
    }

    /// PPP, maybe with HDLC's address and control bytes, its protocol number maybe in one byte (RFC
    /// 1661 section 6.5).
    pub(super) fn ppp(&mut self, area: Area) -> Option<Next> {
        let area = if self.bytes(area.at) == Some([0xff, 0x03]) { area.behind(2) } else { area };
        let first = self.byte(area.at)?;
        let (protocol, area) = if first & 1 == 1 {
            (u16::from(first), area.behind(1))
        } else {
            (self.number(area.at)?, area.behind(2))
        };
        Some(match protocol {
            0x0021 => Next::Layer(Layer::Typed(IPV4), area),
            0x0057 => Next::Layer(Layer::Typed(IPV6), area),
            0x0281 | 0x0283 => self.labels(area)?,
            0x8021 => {
                self.ipcp(area);
                Next::Done
            }
            other => self.opaque(Content::Ppp(other), area),
        })
    }

    /// IPCP's options: one's own address (RFC 1332 section 3.3), and name servers' (RFC 1877).
    fn ipcp(&mut self, area: Area) {
        let mut at = area.at + 4;
        while let Some([kind, len]) = self.bytes(at) {
            if matches!(kind, 1 | 3 | 129..=132) {
                self.list(at + 2, at + usize::from(len), 4, Self::v4);
            }
            at += usize::from(len.max(2));
        }
    }

    /// A network service header (RFC 8300 section 2.2).
    pub(super) fn nsh(&mut self, area: Area) -> Option<Next> {
        let [_, len, _, next] = self.bytes(area.at)?;
        let behind = area.behind(usize::from(len & 0x3f).max(2) * 4);
        // metadata: only the maker of the service chain knows what it means
        if !self.is_zero(area.at + 8, behind.at) {
            self.unseen(Content::NshMetadata);
        }
        Some(self.next_protocol(next, behind))
    }

    /// The next protocol of network service headers, and of VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe
    /// section 3.2).
    pub(super) fn next_protocol(&mut self, next: u8, area: Area) -> Next {
        let ether_type = match next {
            1 => IPV4,
            2 => IPV6,
            3 => return Next::Layer(Layer::Ethernet, area),
            4 => 0x894f,
            5 => 0x8847,
            _ => return self.opaque(Content::EtherType(next.into()), area),
        };
        Next::Layer(Layer::Typed(ether_type), area)
    }

    fn typed_or_llc(&mut self, field: u16, area: Area) -> Next {
        if field < LEAST_ETHER_TYPE {
            Next::Layer(Layer::Llc, self.narrowed(area, field.into()))
        } else {
            Next::Layer(Layer::Typed(field), area)
        }
    }

    /// Could an IP packet stand there?
    pub(super) fn looks_like_ip(&self, area: Area) -> bool {
        let wire_len = area.wire_end.saturating_sub(area.at);
        let Some(first) = self.byte(area.at) else { return false };
        match first >> 4 {
            4 => {
                let header = usize::from(first & 0x0f) * 4;
                let total = self.number(area.at + 2).map_or(0, usize::from);
                header >= 20
                    && header <= wire_len
                    && (total == 0 || (header..=wire_len).contains(&total))
            }
            6 => wire_len >= 40 + self.number(area.at + 4).map_or(0, usize::from),
            _ => false,
        }
    }

    /// Could an Ethernet frame stand there: one with a type that is known, and with IP of the right
    /// version behind it?
    pub(super) fn looks_like_ethernet(&self, area: Area) -> bool {
        let mut at = area.at + 12;
        loop {
            let Some(ether_type) = self.number(at) else {
                // cut before the type: it may be one
                return area.wire_end > at && area.at < self.end;
            };
            at += 2;
            match ether_type {
                0x8100 | 0x88a8 | 0x9100 | 0x9200 | 0x9300 => at += 2,
                IPV4 => return self.byte(at).is_none_or(|first| first >> 4 == 4),
                IPV6 => return self.byte(at).is_none_or(|first| first >> 4 == 6),
                0x0806 | 0x8035 => return self.number(at + 2).is_none_or(|kind| kind == IPV4),
                0x22f3 | 0x6558 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x888e | 0x88cc | 0x88e5
                | 0x88e7 | 0x8926 | 0x893f | 0x894f => return true,
                // control frames of bridges (IEEE 802.1Q table 8-1)
                _ => return self.bytes(area.at) == Some([0x01, 0x80, 0xc2, 0, 0]),
            }
        }
    }
}

fn cooked_contents(protocol: u16, area: Area) -> Next {
    let layer = if protocol == ETH_P_802_2 { Layer::Llc } else { Layer::Typed(protocol) };
    Next::Layer(layer, area)
}
