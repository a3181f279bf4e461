//! From bytes to [`Headers`].

use super::{Headers, IPV4, Network, Ordinary};
use crate::bytes::{be16, be32};
use crate::ether_type::EtherType;
use crate::ip_protocol::IpProtocol;
use crate::ipv6::{extension_len, is_extension, jumbo_length};
use crate::link_type::{LinkShape, LinkType};
use crate::stop::{Cause, Layer, Limit, Stop};

/// Ethernet type fields up to this are lengths (IEEE 802.3 clause 3.2.6).
const MAX_802_3_LENGTH: u16 = 1500;
/// The most VLAN tags, MPLS labels or IPv6 extension headers that are followed: bounds the work on
/// hostile frames.
const MOST_IN_A_ROW: u32 = 16;

/// The bytes of one level, and what is known of them.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) bytes: &'a [u8],
    /// bytes of the frame before `bytes`
    pub(crate) base: u32,
    /// length on the wire, not below `bytes.len()`
    pub(crate) wire_len: u32,
    /// who limits `bytes`
    pub(crate) limit: Limit,
}

/// Decoding ended early; the headers' `stop` says why. Empty: a `Stop` handed up through all layers
/// costs more than they do.
struct Halted;

impl<'a> Headers<'a> {
    /// Decodes what begins with a link-layer header.
    #[inline]
    pub(crate) fn from_link(input: Input<'a>, link_type: LinkType) -> Self {
        match Ordinary::<IPV4>::of(input.bytes) {
            Some(ordinary) if link_type == LinkType::ETHERNET => {
                ordinary.headers(input.bytes, input.base)
            }
            _ => Self::step_by_step(input, link_type),
        }
    }

    /// Decodes layer by layer whatever stands there.
    fn step_by_step(input: Input<'a>, link_type: LinkType) -> Self {
        let mut headers = Self::empty(input, link_type);
        let _ = headers.link(input.wire_len);
        headers
    }

    /// Decodes what begins with the header that `ether_type` names.
    #[inline]
    pub(crate) fn from_network(input: Input<'a>, ether_type: EtherType) -> Self {
        if ether_type == EtherType::ETHERNET {
            return Self::from_link(input, LinkType::ETHERNET);
        }
        let mut headers = Self::empty(input, LinkType::RAW);
        let _ = headers.typed(0, ether_type, input.wire_len);
        headers
    }

    #[inline]
    fn empty(input: Input<'a>, link_type: LinkType) -> Self {
        Self {
            bytes: input.bytes,
            base: input.base,
            tags: 0,
            network: 0,
            fragment: 0,
            transport: 0,
            payload: 0,
            end: input.bytes.len() as u32,
            payload_wire_len: input.wire_len,
            ether_type: EtherType(0),
            link_type,
            tag_count: 0,
            layer: Network::None,
            protocol: IpProtocol::NO_NEXT_HEADER,
            limit: input.limit,
            stop: None,
        }
    }

    /// `wire_end`: where this level ends on the wire, counted from its start.
    #[inline]
    fn link(&mut self, wire_end: u32) -> Result<(), Halted> {
        match self.link_type.shape() {
            LinkShape::Ethernet => {
                let Some(header) = self.bytes.first_chunk::<14>() else {
                    return Err(self.cut(Layer::Ethernet, 0, 14));
                };
                let field = u16::from_be_bytes([header[12], header[13]]);
                self.tags = 12;
                if field <= MAX_802_3_LENGTH {
                    return self.ieee_802_3(14, field);
                }
                self.typed(14, EtherType(field), wire_end)
            }
            LinkShape::Sll => self.cooked(16, 14, wire_end),
            LinkShape::Sll2 => self.cooked(20, 0, wire_end),
            LinkShape::Ip => self.bare_ip(wire_end),
            LinkShape::Ipv4 => self.typed(0, EtherType::IPV4, wire_end),
            LinkShape::Ipv6 => self.typed(0, EtherType::IPV6, wire_end),
            LinkShape::Loopback => self.loopback(wire_end),
            LinkShape::Unknown => {
                let link_type = self.link_type.0.into();
                Err(self.invalid(Layer::Link, Cause::Unsupported, 0, 0, link_type))
            }
        }
    }

    /// Linux cooked header of `len` bytes with its protocol at `protocol_at`.
    fn cooked(&mut self, len: u32, protocol_at: usize, wire_end: u32) -> Result<(), Halted> {
        /// Not an `EtherType`: an IEEE 802.3 frame without, and with, 802.2 LLC
        /// (`linux/if_ether.h`).
        const ETH_P_802_3: u16 = 0x0001;
        const ETH_P_802_2: u16 = 0x0004;

        if self.bytes.len() < len as usize {
            return Err(self.cut(Layer::Sll, 0, len));
        }
        let field = be16(self.bytes, protocol_at).unwrap_or(0);
        // where the type of a tag stands: the field itself in version 1, which the tag's control
        // field follows; in version 2 tags start behind the header, so there the iterator would
        // read on from the wrong place
        self.tags = if protocol_at == 14 { 14 } else { len };
        match field {
            ETH_P_802_2 => self.llc(len, wire_end),
            ETH_P_802_3 => {
                self.rest_at(len, wire_end);
                Ok(())
            }
            _ => self.typed(len, EtherType(field), wire_end),
        }
    }

    fn bare_ip(&mut self, wire_end: u32) -> Result<(), Halted> {
        match self.bytes.first().map(|b| b >> 4) {
            Some(4) => self.typed(0, EtherType::IPV4, wire_end),
            Some(6) => self.typed(0, EtherType::IPV6, wire_end),
            Some(version) => {
                Err(self.invalid(Layer::Link, Cause::Version, 0, 4, u32::from(version)))
            }
            None => Err(self.cut(Layer::Ipv4, 0, 20)),
        }
    }

    /// BSD loopback. The family is in the byte order of the capturing host, which the file may not
    /// tell: all families are below 65,536, so that the order shows in the number.
    fn loopback(&mut self, wire_end: u32) -> Result<(), Halted> {
        let Some(family) = be32(self.bytes, 0) else {
            return Err(self.cut(Layer::Null, 0, 4));
        };
        let family = if family > 0xffff { family.swap_bytes() } else { family };
        match family {
            2 => self.typed(4, EtherType::IPV4, wire_end),
            // AF_INET6 of Linux, NetBSD and OpenBSD, FreeBSD, macOS
            10 | 24 | 28 | 30 => self.typed(4, EtherType::IPV6, wire_end),
            _ => {
                self.rest_at(4, wire_end);
                Err(self.invalid(Layer::Null, Cause::Unsupported, 0, 0, family))
            }
        }
    }

    /// A frame whose type field is a length: LLC, maybe SNAP, and padding behind.
    fn ieee_802_3(&mut self, at: u32, length: u16) -> Result<(), Halted> {
        let wire_end = self.narrow(at, u32::from(length), Limit::EthernetLength);
        self.llc(at, wire_end)
    }

    fn llc(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        self.rest_at(at, wire_end);
        // SNAP with the organisation code of encapsulated Ethernet (RFC 1042); other LLC frames
        // stay as they are
        match *self.within(at) {
            [0xaa, 0xaa, 0x03, 0, 0, 0, high, low, ..] => {
                self.typed(at + 8, EtherType(u16::from_be_bytes([high, low])), wire_end)
            }
            [] | [_] | [_, _] if wire_end > self.end => Err(self.cut(Layer::Llc, at, 3)),
            [0xaa, 0xaa, 0x03, ref rest @ ..] if wire_end > self.end && rest.len() < 5 => {
                Err(self.cut(Layer::Llc, at, 8))
            }
            _ => Ok(()),
        }
    }

    /// Tags and labels, then the network layer.
    #[inline]
    fn typed(&mut self, at: u32, ether_type: EtherType, wire_end: u32) -> Result<(), Halted> {
        match ether_type {
            EtherType::IPV4 => self.ipv4_at(at, wire_end),
            EtherType::IPV6 => self.ipv6_at(at, wire_end),
            _ => self.tagged(at, ether_type, wire_end),
        }
    }

    fn tagged(
        &mut self,
        mut at: u32,
        mut ether_type: EtherType,
        wire_end: u32,
    ) -> Result<(), Halted> {
        while ether_type.is_vlan() {
            if u32::from(self.tag_count) == MOST_IN_A_ROW {
                return Err(self.invalid(
                    Layer::Vlan,
                    Cause::TooMany,
                    at,
                    MOST_IN_A_ROW,
                    MOST_IN_A_ROW + 1,
                ));
            }
            let Some(tag) = self.within(at).first_chunk::<4>() else {
                self.rest_at(at, wire_end);
                return Err(self.cut(Layer::Vlan, at, 4));
            };
            self.tag_count += 1;
            ether_type = EtherType(u16::from_be_bytes([tag[2], tag[3]]));
            at += 4;
            if ether_type.0 <= MAX_802_3_LENGTH {
                return self.ieee_802_3(at, ether_type.0);
            }
        }
        match ether_type {
            EtherType::IPV4 => self.ipv4_at(at, wire_end),
            EtherType::IPV6 => self.ipv6_at(at, wire_end),
            EtherType::ARP | EtherType::RARP => self.arp_at(at, ether_type, wire_end),
            EtherType::MPLS | EtherType::MPLS_UPSTREAM => self.mpls(at, wire_end),
            _ => {
                self.ether_type = ether_type;
                self.rest_at(at, wire_end);
                Ok(())
            }
        }
    }

    /// Skips the label stack (RFC 3032 section 2.1). What follows is not said; the IP version
    /// nibble tells (RFC 4928).
    fn mpls(&mut self, mut at: u32, wire_end: u32) -> Result<(), Halted> {
        let start = at;
        self.ether_type = EtherType::MPLS;
        self.rest_at(at, wire_end);
        loop {
            let Some(entry) = be32(self.within(at), 0) else {
                return Err(self.cut(Layer::Mpls, start, at - start + 4));
            };
            at += 4;
            if entry & 0x100 != 0 {
                break;
            }
            if at - start >= MOST_IN_A_ROW * 4 {
                return Err(self.invalid(
                    Layer::Mpls,
                    Cause::TooMany,
                    start,
                    MOST_IN_A_ROW,
                    MOST_IN_A_ROW + 1,
                ));
            }
        }
        match self.within(at).first().map(|b| b >> 4) {
            Some(4) => self.ipv4_at(at, wire_end),
            Some(6) => self.ipv6_at(at, wire_end),
            first => {
                self.rest_at(at, wire_end);
                if first.is_none() && wire_end > self.end {
                    // the nibble that would tell was not captured
                    return Err(self.cut(Layer::Mpls, start, at - start + 1));
                }
                Ok(())
            }
        }
    }

    fn arp_at(&mut self, at: u32, ether_type: EtherType, wire_end: u32) -> Result<(), Halted> {
        self.ether_type = ether_type;
        self.rest_at(at, wire_end);
        let Some(fixed) = self.within(at).first_chunk::<8>() else {
            return Err(self.cut(Layer::Arp, at, 8));
        };
        self.layer = Network::Arp;
        let len = 8 + 2 * (u32::from(fixed[4]) + u32::from(fixed[5]));
        let available = self.end - at;
        self.payload = (at + len).min(self.end);
        // what follows an ARP packet is padding
        self.payload_wire_len = (at + len) - self.payload;
        if available < len {
            return Err(self.cut(Layer::Arp, at, len));
        }
        self.end = self.payload;
        Ok(())
    }

    #[inline]
    fn ipv4_at(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        self.ether_type = EtherType::IPV4;
        self.rest_at(at, wire_end);
        let Some(fixed) = self.within(at).first_chunk::<20>() else {
            return Err(self.cut(Layer::Ipv4, at, 20));
        };
        if fixed[0] >> 4 != 4 {
            return Err(self.invalid(Layer::Ipv4, Cause::Version, at, 4, u32::from(fixed[0] >> 4)));
        }
        let header_len = u32::from(fixed[0] & 0x0f) * 4;
        if header_len < 20 {
            return Err(self.invalid(Layer::Ipv4, Cause::HeaderLength, at, 20, header_len));
        }
        let total = u32::from(u16::from_be_bytes([fixed[2], fixed[3]]));
        if total != 0 && total < header_len {
            return Err(self.invalid(Layer::Ipv4, Cause::Length, at, header_len, total));
        }
        self.layer = Network::Ipv4;
        self.protocol = IpProtocol(fixed[9]);
        // total length 0: longer than the field can say (BIG TCP), or left to the network card; the
        // frame's length holds
        let wire_end =
            if total == 0 { wire_end } else { self.narrow(at, total, Limit::Ipv4TotalLength) };
        let transport = at + header_len;
        if self.end < transport {
            self.rest_at(self.end, wire_end);
            return Err(self.cut(Layer::Ipv4, at, header_len));
        }
        self.rest_at(transport, wire_end);
        let fragment = u16::from_be_bytes([fixed[6], fixed[7]]);
        if fragment & 0x3fff != 0 {
            if fragment & 0x1fff != 0 {
                return Ok(());
            }
            self.first_fragment();
        }
        self.transport_at(transport, wire_end)
    }

    #[inline]
    fn ipv6_at(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        self.ether_type = EtherType::IPV6;
        self.rest_at(at, wire_end);
        let Some(fixed) = self.within(at).first_chunk::<40>() else {
            return Err(self.cut(Layer::Ipv6, at, 40));
        };
        if fixed[0] >> 4 != 6 {
            return Err(self.invalid(Layer::Ipv6, Cause::Version, at, 6, u32::from(fixed[0] >> 4)));
        }
        self.layer = Network::Ipv6;
        self.protocol = IpProtocol(fixed[6]);
        let length = u32::from(u16::from_be_bytes([fixed[4], fixed[5]]));
        let at = at + 40;
        let wire_end = if length != 0 {
            self.narrow(at, length, Limit::Ipv6PayloadLength)
        } else {
            // a jumbogram says its length in a hop-by-hop option; Linux's BIG TCP of late says none
            // at all
            let jumbo = (self.protocol == IpProtocol::HOP_BY_HOP)
                .then(|| {
                    let rest = self.within(at);
                    jumbo_length(rest.get(..extension_len(IpProtocol::HOP_BY_HOP, rest)?)?)
                })
                .flatten();
            match jumbo {
                Some(jumbo) => self.narrow(at, jumbo, Limit::Ipv6PayloadLength),
                None => wire_end,
            }
        };
        self.rest_at(at, wire_end);
        if is_extension(self.protocol) {
            return self.extensions(at, wire_end);
        }
        self.transport_at(at, wire_end)
    }

    /// Walks over extension headers to the transport header.
    fn extensions(&mut self, mut at: u32, wire_end: u32) -> Result<(), Halted> {
        for count in 0..=MOST_IN_A_ROW {
            let rest = self.within(at);
            let Some(len) = extension_len(self.protocol, rest) else {
                // `None` for an extension header means that its length field is not there
                return if is_extension(self.protocol) {
                    Err(self.cut(Layer::Ipv6Extension, at, 8))
                } else {
                    self.transport_at(at, wire_end)
                };
            };
            if count == MOST_IN_A_ROW {
                break;
            }
            let Some(header) = rest.get(..len) else {
                return Err(self.cut(Layer::Ipv6Extension, at, len as u32));
            };
            let this = self.protocol;
            let next = IpProtocol(header.first().copied().unwrap_or(IpProtocol::NO_NEXT_HEADER.0));
            self.protocol = next;
            let start = at;
            at += len as u32;
            self.rest_at(at, wire_end);
            if this == IpProtocol::FRAGMENT {
                let field = be16(header, 2).unwrap_or(0);
                // the first one that makes it a fragment counts: what follows is in the whole packet
                if self.fragment().is_none() {
                    self.fragment = start;
                }
                if field & 0xfff8 != 0 {
                    return Ok(());
                }
                if field & 1 != 0 {
                    self.first_fragment();
                }
            }
        }
        let (most, layer) = (MOST_IN_A_ROW, Layer::Ipv6Extension);
        Err(self.invalid(layer, Cause::TooMany, at, most, most + 1))
    }

    /// What is missing of a first fragment is not missing in the capture: it comes in the fragments
    /// that follow.
    fn first_fragment(&mut self) {
        if self.limit != Limit::Snaplen {
            self.limit = Limit::Fragment;
        }
    }

    #[inline]
    fn transport_at(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        match self.protocol {
            IpProtocol::UDP => self.udp_at(at, wire_end),
            IpProtocol::TCP => self.tcp_at(at, wire_end),
            IpProtocol::ICMP => self.fixed_at(Layer::Icmp, at, 8, wire_end),
            IpProtocol::ICMPV6 => self.fixed_at(Layer::Icmpv6, at, 8, wire_end),
            IpProtocol::SCTP => self.fixed_at(Layer::Sctp, at, 12, wire_end),
            IpProtocol::IGMP => self.fixed_at(Layer::Igmp, at, 8, wire_end),
            // also in IPv4 (RFC 4302): the authentication header stands between
            IpProtocol::AH if self.layer == Network::Ipv4 => self.extensions(at, wire_end),
            _ => Ok(()),
        }
    }

    /// A transport header of `len` bytes; where less is there, that is kept.
    #[inline]
    fn fixed_at(&mut self, layer: Layer, at: u32, len: u32, wire_end: u32) -> Result<(), Halted> {
        if at + len > self.end {
            self.payload_at(self.end, wire_end);
            return Err(self.cut(layer, at, len));
        }
        self.payload_at(at + len, wire_end);
        Ok(())
    }

    #[inline]
    fn udp_at(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        self.fixed_at(Layer::Udp, at, 8, wire_end)?;
        let length = be16(self.bytes, at as usize + 4).map_or(0, u32::from);
        let on_wire = wire_end.saturating_sub(at);
        // 0 is right only where the field cannot hold the length (RFC 2675 section 4, BIG TCP);
        // before segmentation Linux has the length's lower 16 bits there (udp_set_len,
        // iptunnel_xmit)
        let wrapped = on_wire > 0xffff && on_wire & 0xffff == length;
        if length >= 8 && !wrapped {
            let wire_end = self.narrow(at, length, Limit::UdpLength);
            self.payload_at(at + 8, wire_end);
        } else if !wrapped && (length != 0 || on_wire <= 0xffff) {
            return Err(self.invalid(Layer::Udp, Cause::Length, at, 8, length));
        }
        Ok(())
    }

    #[inline]
    fn tcp_at(&mut self, at: u32, wire_end: u32) -> Result<(), Halted> {
        self.fixed_at(Layer::Tcp, at, 20, wire_end)?;
        let header_len = self.bytes.get(at as usize + 12).map_or(0, |b| u32::from(b >> 4) * 4);
        if header_len < 20 {
            return Err(self.invalid(Layer::Tcp, Cause::HeaderLength, at, 20, header_len));
        }
        self.fixed_at(Layer::Tcp, at, header_len, wire_end)
    }

    /// Takes a length field into account: the layer at `at` is `length` bytes long. Returns where
    /// it ends on the wire.
    ///
    /// A field that says more than there is on the wire is kept as what was meant: the frame was
    /// cut on its way, or the packet is a fragment or a quote.
    #[inline]
    fn narrow(&mut self, at: u32, length: u32, limit: Limit) -> u32 {
        let end = at.saturating_add(length);
        if end <= self.end {
            self.end = end;
            self.limit = limit;
        }
        end
    }

    /// Nothing further is decoded from `at` on: the network layer begins and the payload is there.
    #[inline]
    fn rest_at(&mut self, at: u32, wire_end: u32) {
        if self.layer == Network::None {
            self.network = at;
        }
        self.transport = at;
        self.payload_at(at, wire_end);
    }

    #[inline]
    fn payload_at(&mut self, at: u32, wire_end: u32) {
        self.payload = at;
        self.payload_wire_len = wire_end.saturating_sub(at);
    }

    /// The bytes from `at` on, up to the end of this level.
    #[inline]
    fn within(&self, at: u32) -> &'a [u8] {
        self.bytes.get(at as usize..self.end as usize).unwrap_or(&[])
    }

    /// What is missing ends decoding, and is noted.
    #[cold]
    #[inline(never)]
    fn cut(&mut self, layer: Layer, at: u32, needed: u32) -> Halted {
        let available = self.end.saturating_sub(at);
        self.halt(layer, Cause::Truncated, at, needed, available)
    }

    /// What makes no sense ends decoding, and is noted.
    #[cold]
    #[inline(never)]
    fn invalid(
        &mut self,
        layer: Layer,
        cause: Cause,
        at: u32,
        needed: u32,
        available: u32,
    ) -> Halted {
        self.halt(layer, cause, at, needed, available)
    }

    fn halt(&mut self, layer: Layer, cause: Cause, at: u32, needed: u32, available: u32) -> Halted {
        let (limit, offset) = (self.limit, self.base + at);
        self.stop = Some(Stop { layer, cause, limit, offset, needed, available });
        Halted
    }
}
