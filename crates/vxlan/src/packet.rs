//! From a frame to outer headers, tunnel and inner headers.

use crate::checksum::{self, Checksum};
use crate::ether_type::EtherType;
use crate::headers::{Headers, IPV4, IPV6, Input, Ordinary};
use crate::ip_protocol::IpProtocol;
use crate::link_type::LinkType;
use crate::ports::Ports;
use crate::stop::{Cause, Limit, Stop};
use crate::tunnel::{Found, Place, Tunnel, TunnelKind};

/// Decodes frames. Cheap to make and to clone; one serves any number of frames and threads.
///
/// ```
/// use vxlan::{Decoder, LinkType, Ports, TunnelKind};
///
/// let only_9999 = Decoder::default().ports(Ports::none().with(9999, TunnelKind::Vxlan)?);
/// assert!(only_9999.decode(vxlan::example::SYN, LinkType::ETHERNET).tunnel.is_none());
/// # Ok::<(), vxlan::PortsFull>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoder {
    ports: Ports,
    max_depth: u8,
}

impl Default for Decoder {
    /// The default [`Ports`], and at most 4 nested tunnels.
    fn default() -> Self {
        Self { ports: Ports::default(), max_depth: 4 }
    }
}

/// A decoded frame.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The headers of the frame as captured.
    pub outer: Headers<'a>,
    /// The (outermost) tunnel; `None` for a packet in no tunnel.
    pub tunnel: Option<Tunnel<'a>>,
    /// The innermost headers that could be decoded; the same as `outer` for a packet in no tunnel.
    pub inner: Headers<'a>,
    depth: u8,
}

/// One level of encapsulation.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Encapsulation<'a> {
    /// The headers that carry the tunnel.
    pub headers: Headers<'a>,
    /// The tunnel.
    pub tunnel: Tunnel<'a>,
    /// The headers that the tunnel carries.
    pub inner: Headers<'a>,
    /// The innermost headers of the packet, which the innermost tunnel carries.
    pub innermost: Headers<'a>,
}

impl Encapsulation<'_> {
    /// State of the carrying UDP header's checksum.
    pub fn checksum(&self) -> Checksum {
        checksum::outer(&self.headers, &self.inner, &self.innermost)
    }
}

/// Iterates over the tunnels of a packet, outermost first.
#[derive(Clone, Debug)]
pub struct Encapsulations<'d, 'a> {
    decoder: &'d Decoder,
    next: Option<(Headers<'a>, Tunnel<'a>)>,
    innermost: Headers<'a>,
    left: u8,
}

impl<'a> Iterator for Encapsulations<'_, 'a> {
    type Item = Encapsulation<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let (headers, tunnel) = self.next.take()?;
        self.left = self.left.saturating_sub(1);
        // the innermost headers are there already; those between are decoded again
        let inner = if self.left == 0 { self.innermost } else { carried(tunnel) };
        if self.left > 0
            && let Some(Found::Tunnel(next)) = self.decoder.tunnel_in(&inner)
        {
            self.next = Some((inner, next));
        }
        Some(Encapsulation { headers, tunnel, inner, innermost: self.innermost })
    }
}

/// Decodes a frame of which every byte was captured, with the default [`Decoder`].
#[inline]
pub fn decode(frame: &[u8], link_type: LinkType) -> Packet<'_> {
    const DEFAULT: &Decoder = &Decoder { ports: Ports::DEFAULT, max_depth: 4 };
    DEFAULT.decode(frame, link_type)
}

impl Decoder {
    /// Replaces the ports.
    #[must_use]
    pub fn ports(mut self, ports: Ports) -> Self {
        self.ports = ports;
        self
    }

    /// Replaces how many nested tunnels are decoded; 0 decodes no tunnel.
    #[must_use]
    pub fn max_depth(mut self, depth: u8) -> Self {
        self.max_depth = depth;
        self
    }

    /// Decodes a frame of which every byte was captured.
    #[inline]
    pub fn decode<'a>(&self, frame: &'a [u8], link_type: LinkType) -> Packet<'a> {
        self.decode_captured(frame, link_type, frame.len() as u32)
    }

    /// Decodes a frame of which `frame` was captured, and which was `wire_len` bytes long on the
    /// wire.
    #[inline]
    pub fn decode_captured<'a>(
        &self,
        frame: &'a [u8],
        link_type: LinkType,
        wire_len: u32,
    ) -> Packet<'a> {
        let ordinary = if link_type == LinkType::ETHERNET { self.ordinary(frame) } else { None };
        match ordinary {
            Some((outer, inner)) => made::<IPV4, IPV4>(frame, outer, inner),
            None => self.other(frame, link_type, wire_len),
        }
    }

    /// Everything but the most ordinary frames.
    #[inline(never)]
    fn other<'a>(&self, frame: &'a [u8], link_type: LinkType, wire_len: u32) -> Packet<'a> {
        if link_type == LinkType::ETHERNET {
            if let Some((outer, inner)) = self.ordinary(frame) {
                return made::<IPV6, IPV6>(frame, outer, inner);
            }
            if let Some((outer, inner)) = self.ordinary(frame) {
                return made::<IPV4, IPV6>(frame, outer, inner);
            }
        }
        // frames are far below 4 GiB; more than offsets can say is cut
        let frame = frame.get(..u32::MAX as usize / 2).unwrap_or(frame);
        let captured = frame.len() as u32;
        let (wire_len, limit) =
            if wire_len > captured { (wire_len, Limit::Snaplen) } else { (captured, Limit::Frame) };
        let input = Input { bytes: frame, base: 0, wire_len, limit };
        self.follow(Headers::from_link(input, link_type))
    }

    /// Decodes the packet that an ICMP or ICMPv6 error quotes, with the tunnel in it if there is
    /// one. `None` where `headers` are no such error.
    ///
    /// An error quotes only the beginning of a packet, so its [`Packet::stop`] is often limited by
    /// [`Limit::Quote`].
    pub fn decode_quote<'a>(&self, headers: &Headers<'a>) -> Option<Packet<'a>> {
        let (bytes, ether_type) = match (headers.icmp(), headers.icmpv6()) {
            (Some(icmp), _) => (icmp.quoted()?, EtherType::IPV4),
            (_, Some(icmp)) => (icmp.quoted()?, EtherType::IPV6),
            _ => return None,
        };
        let base = headers.offset() + (headers.transport_offset() + 8) as u32;
        let limit = if headers.missing() > 0 { Limit::Snaplen } else { Limit::Quote };
        let input = Input { bytes, base, wire_len: bytes.len() as u32 + headers.missing(), limit };
        Some(self.follow(Headers::from_network(input, ether_type)))
    }

    /// The tunnels of a packet that this decoder decoded, outermost first.
    pub fn encapsulations<'d, 'a>(&'d self, packet: &Packet<'a>) -> Encapsulations<'d, 'a> {
        let next = packet.tunnel.map(|tunnel| (packet.outer, tunnel));
        Encapsulations { decoder: self, next, innermost: packet.inner, left: packet.depth }
    }

    /// The tunnel that carries the innermost headers of a packet that this decoder decoded.
    #[inline]
    pub fn innermost_tunnel<'a>(&self, packet: &Packet<'a>) -> Option<Tunnel<'a>> {
        if packet.depth <= 1 {
            return packet.tunnel;
        }
        self.encapsulations(packet).last().map(|encapsulation| encapsulation.tunnel)
    }

    /// Length on the wire, in bytes, of the innermost frame of a packet that this decoder decoded,
    /// as the length fields around it say. Of a first fragment only what this frame carries counts.
    ///
    /// `orig_len`: length of the whole frame on the wire.
    #[inline]
    pub fn inner_wire_len(&self, packet: &Packet<'_>, orig_len: u32) -> u32 {
        self.innermost_tunnel(packet).map_or(orig_len, |tunnel| {
            tunnel.payload_wire_len().min(orig_len.saturating_sub(tunnel.payload_offset()))
        })
    }

    /// Ordinary packets, in no tunnel or in a VXLAN tunnel without reserved bits: nearly all there
    /// are. `None` for everything else. The result is the same as that of [`Decoder::follow`].
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Ordinary::of`
    pub(crate) fn ordinary<const OUTER_SIX: bool, const INNER_SIX: bool>(
        &self,
        frame: &[u8],
    ) -> Option<(Ordinary<OUTER_SIX>, Option<Ordinary<INNER_SIX>>)> {
        let outer = Ordinary::<OUTER_SIX>::of(frame)?;
        let kind = if outer.is_udp { self.kind::<OUTER_SIX>(frame) } else { None };
        if kind.is_none() {
            return Some((outer, None));
        }
        let payload = frame.get(Ordinary::<OUTER_SIX>::LEN..outer.end as usize)?;
        let (header, carried) = payload.split_first_chunk::<{ Tunnel::VXLAN_LEN }>()?;
        if kind != Some(TunnelKind::Vxlan)
            || u64::from_be_bytes(*header) & !0xffff_ff00 != 0x0800_0000_0000_0000
            || self.max_depth == 0
        {
            return None;
        }
        let inner = Ordinary::<INNER_SIX>::of(carried)?;
        if inner.is_udp && self.kind::<INNER_SIX>(carried).is_some() {
            return None;
        }
        Some((outer, Some(inner)))
    }

    /// What the ports of an ordinary packet say.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Ordinary::of`
    fn kind<const SIX: bool>(&self, bytes: &[u8]) -> Option<TunnelKind> {
        let (source, destination) = Ordinary::<SIX>::ports(bytes)?;
        self.ports.kind(source, destination)
    }

    /// Follows tunnels from the outer headers to the innermost ones.
    #[inline(never)]
    fn follow<'a>(&self, outer: Headers<'a>) -> Packet<'a> {
        let mut packet = Packet { outer, tunnel: None, inner: outer, depth: 0 };
        while let Some(found) = self.tunnel_in(&packet.inner) {
            match found {
                Found::Nothing => break,
                Found::Broken(stop) => {
                    packet.inner = packet.inner.with_stop(stop);
                    break;
                }
                Found::Tunnel(tunnel) => {
                    if packet.depth == self.max_depth {
                        if self.max_depth > 0 {
                            packet.inner = packet.inner.with_stop(too_deep(tunnel, self.max_depth));
                        }
                        break;
                    }
                    packet.depth += 1;
                    packet.tunnel.get_or_insert(tunnel);
                    packet.inner = carried(tunnel);
                }
            }
        }
        if packet.depth == 0 {
            packet.outer = packet.inner;
        }
        packet
    }

    /// Looks for a tunnel behind UDP; `None` where the ports say that there is none.
    #[inline]
    fn tunnel_in<'a>(&self, headers: &Headers<'a>) -> Option<Found<'a>> {
        if headers.protocol()? != IpProtocol::UDP || headers.stop().is_some() {
            return None;
        }
        let udp = headers.udp()?;
        let kind = self.ports.kind(udp.source_port(), udp.destination_port())?;
        let place = Place {
            base: headers.offset() + headers.payload_offset() as u32,
            wire_len: headers.payload_wire_len(),
            limit: headers.limit(),
        };
        Some(Tunnel::find(headers.payload(), kind, place))
    }
}

/// The packet of what [`Decoder::ordinary`] found. Each field is written once, in its place: a
/// struct that is moved about costs more than decoding.
#[inline(always)]
#[allow(clippy::inline_always)] // as `Ordinary::of`
fn made<const OUTER_SIX: bool, const INNER_SIX: bool>(
    frame: &[u8],
    outer: Ordinary<OUTER_SIX>,
    inner: Option<Ordinary<INNER_SIX>>,
) -> Packet<'_> {
    let base = Ordinary::<OUTER_SIX>::LEN as u32;
    let (Some(inner), Some(payload)) = (inner, frame.get(base as usize..outer.end as usize)) else {
        let headers = outer.headers(frame, 0);
        return Packet { outer: headers, tunnel: None, inner: headers, depth: 0 };
    };
    Packet {
        outer: outer.headers(frame, 0),
        tunnel: Some(Tunnel::plain_vxlan(payload, base)),
        inner: inner.headers(
            payload.get(Tunnel::VXLAN_LEN..).unwrap_or(&[]),
            base + Tunnel::VXLAN_LEN as u32,
        ),
        depth: 1,
    }
}

#[inline]
fn carried(tunnel: Tunnel<'_>) -> Headers<'_> {
    let input = Input {
        bytes: tunnel.payload(),
        base: tunnel.payload_offset(),
        wire_len: tunnel.payload_wire_len(),
        limit: tunnel.limit(),
    };
    Headers::from_network(input, tunnel.inner_type())
}

#[cold]
fn too_deep(tunnel: Tunnel<'_>, max_depth: u8) -> Stop {
    let (needed, available) = (u32::from(max_depth), u32::from(max_depth) + 1);
    Stop {
        layer: tunnel.protocol().layer(),
        cause: Cause::TooDeep,
        limit: tunnel.limit(),
        offset: tunnel.offset(),
        needed,
        available,
    }
}

impl Packet<'_> {
    /// How many tunnels are nested: 0 for a packet in no tunnel.
    #[inline]
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Why decoding ended early, if it did.
    #[inline]
    pub const fn stop(&self) -> Option<Stop> {
        self.inner.stop()
    }

    /// State of the transport checksum of the outer headers. In a tunnel packet it may depend on
    /// the inner one: see [`Checksum::Lco`].
    pub fn outer_checksum(&self) -> Checksum {
        match self.tunnel {
            Some(tunnel) => checksum::outer(&self.outer, &carried(tunnel), &self.inner),
            None => self.inner_checksum(),
        }
    }

    /// State of the transport checksum of the innermost headers.
    pub fn inner_checksum(&self) -> Checksum {
        self.inner.checksum()
    }
}
