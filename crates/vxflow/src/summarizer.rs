//! From a decoded packet to its digest.

use vxlan::ordinary_vxlan::{IPV4, IPV6, OrdinaryVxlan};
use vxlan::{
    Cause, Decoder, Headers, IcmpHeader, Icmpv6Header, IpProtocol, Ipv4Header, Ipv6Header, Layer,
    Limit, LinkType, Packet, Stop, TcpHeader, Tunnel, Vni,
};

use crate::config::Config;
use crate::digest::{Carriage, Digest, Either, Summary, Tcp, Transport, What};
use crate::key::{Address, Key, KeyHasher, Kind, NO_VNI, Wide, wide};

/// DNS, multicast DNS and LLMNR (IANA Service Name and Transport Protocol Port Number Registry).
const DNS_PORTS: [u16; 3] = [53, 5353, 5355];

/// What tells the point where packets are in a tunnel from that of the same interface where they
/// are in none.
const IN_TUNNEL: u32 = 1 << 31;

/// When and where a packet was captured.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    /// Number of the capture interface. Frames of one packet at two interfaces are copies. The
    /// interface index of a Linux cooked header counts too, and whether the packet is in a tunnel:
    /// so copies are found in files that do not name their interfaces.
    pub interface: u32,
    /// Length of the frame on the wire, in bytes.
    pub wire_len: u32,
}

/// Makes summaries of packets.
///
/// For several threads make one each with [`Summarizer::fresh`]: they share a random seed, so that
/// their summaries fit the same tables.
#[derive(Clone, Debug)]
pub struct Summarizer {
    decoder: Decoder,
    hasher: KeyHasher,
    not_ip: u64,
    cut: u64,
}

/// What all of one packet's digests share.
#[derive(Clone, Copy)]
struct Context {
    seen: Seen,
    point: u32,
    vni: u32,
    bytes: u32,
    carriage: Carriage,
}

/// What counts of the IP header besides the addresses.
#[derive(Clone, Copy)]
struct Network {
    /// identification of IPv4, 0 for IPv6
    id: u16,
    ttl: u8,
    /// identification of a fragment, or 0
    fragment: u32,
}

/// What tells flows apart besides addresses and protocol, and what the transport header says.
type Talk = (Kind, (u16, u16), Transport);

impl Summarizer {
    /// A summarizer with a random seed.
    pub fn new(config: &Config) -> Self {
        let hasher = KeyHasher::new(!config.count_copies);
        Self { decoder: config.decoder.clone(), hasher, not_ip: 0, cut: 0 }
    }

    /// Frames so far without an IP packet that could be decoded, not counting those that were
    /// [cut](Self::cut).
    pub const fn not_ip(&self) -> u64 {
        self.not_ip
    }

    /// Frames so far whose headers the capture cut: see
    /// [`TableCounts::cut`](crate::TableCounts::cut).
    pub const fn cut(&self) -> u64 {
        self.cut
    }

    /// A summarizer with the same seed, whose counts are 0.
    #[must_use]
    pub fn fresh(&self) -> Self {
        Self { not_ip: 0, cut: 0, ..self.clone() }
    }

    pub(crate) const fn hasher(&self) -> &KeyHasher {
        &self.hasher
    }

    /// Decodes a frame and gives its summary to `out`, with the result of
    /// [`Decoder::decode_captured`] and [`Summarizer::summarize`]. For ordinary packets this is
    /// several times as fast: only what a summary needs is decoded.
    #[inline]
    pub fn summarize_frame(
        &mut self,
        frame: &[u8],
        link_type: LinkType,
        seen: Seen,
        out: impl FnMut(Summary),
    ) {
        match self.decoder.ordinary_vxlan::<IPV4, IPV4>(frame, link_type) {
            Some(packet) => self.summarize_ordinary(&packet, seen, out),
            None => self.summarize_other(frame, link_type, seen, out),
        }
    }

    /// All but IPv4 in IPv4.
    #[inline(never)]
    fn summarize_other(
        &mut self,
        frame: &[u8],
        link_type: LinkType,
        seen: Seen,
        out: impl FnMut(Summary),
    ) {
        if let Some(packet) = self.decoder.ordinary_vxlan::<IPV6, IPV6>(frame, link_type) {
            self.summarize_ordinary(&packet, seen, out);
        } else if let Some(packet) = self.decoder.ordinary_vxlan::<IPV4, IPV6>(frame, link_type) {
            self.summarize_ordinary(&packet, seen, out);
        } else {
            self.decode_and_summarize(frame, link_type, seen, out);
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // what is borrowed from the frame stays in registers
    fn summarize_ordinary<const OUTER_SIX: bool, const INNER_SIX: bool>(
        &self,
        packet: &OrdinaryVxlan<'_, OUTER_SIX, INNER_SIX>,
        seen: Seen,
        mut out: impl FnMut(Summary),
    ) {
        let context = Context {
            seen,
            point: seen.interface ^ IN_TUNNEL,
            vni: packet.vni().number(),
            bytes: packet.inner_wire_len(),
            carriage: carriage(packet.outer_ipv4(), packet.outer_ipv6()),
        };
        if let Some(ip) = packet.inner_ipv4() {
            let (ends, ip) = of_ipv4(ip);
            self.ordinary(packet, ends, ip, context, &mut out);
        } else if let Some(ip) = packet.inner_ipv6() {
            let (ends, ip) = of_ipv6(ip);
            self.ordinary(packet, ends, ip, context, &mut out);
        }
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `summarize_ordinary`
    fn ordinary<A: Address, const OUTER_SIX: bool, const INNER_SIX: bool>(
        &self,
        packet: &OrdinaryVxlan<'_, OUTER_SIX, INNER_SIX>,
        ends: (A, A),
        ip: Network,
        context: Context,
        out: &mut impl FnMut(Summary),
    ) {
        let ports = packet.ports();
        // A digest of its own each: what becomes of one of two transports is put together in
        // memory, and waited for.
        if let Some(tcp) = packet.tcp() {
            let talk = (Kind::Ports, ports, Transport::tcp(tcp, packet.payload_len()));
            let digest = self.digest(ends, IpProtocol::TCP, talk, ip, context, What::Packet);
            out(Summary(A::either(digest)));
        } else {
            let talk = (Kind::Ports, ports, datagram(ports, packet.payload()));
            let digest = self.digest(ends, IpProtocol::UDP, talk, ip, context, What::Packet);
            out(Summary(A::either(digest)));
        }
    }

    #[inline(never)]
    fn decode_and_summarize(
        &mut self,
        frame: &[u8],
        link_type: LinkType,
        seen: Seen,
        out: impl FnMut(Summary),
    ) {
        let packet = self.decoder.decode_captured(frame, link_type, seen.wire_len);
        self.summarize(&packet, seen, out);
    }

    /// Gives the packet's summary to `out`. There may be a second one: for the flow that an ICMP
    /// error quotes, or for an outer first fragment, so that its later fragments are recognised.
    #[inline]
    pub fn summarize(&mut self, packet: &Packet<'_>, seen: Seen, mut out: impl FnMut(Summary)) {
        if packet.stop().is_some_and(is_cut) {
            self.cut += 1;
            if packet.inner.protocol().is_none() {
                return;
            }
        }
        let Some(protocol) = packet.inner.protocol() else {
            self.not_ip += 1;
            return;
        };
        let mut context = Context {
            seen,
            point: point(packet, seen.interface),
            vni: NO_VNI,
            bytes: seen.wire_len,
            carriage: Carriage::None,
        };
        if let Some(tunnel) = packet.tunnel {
            context.point ^= IN_TUNNEL;
            self.carried(packet, tunnel, &mut context);
            if is_first_fragment(&packet.outer) {
                // the lengths in the inner headers are those of the whole packet
                let whole = packet.inner.network_offset() as u32 + packet.inner.network_wire_len();
                context.bytes = context.bytes.max(whole);
                self.marker(packet.outer, What::TunnelFragment, NO_VNI, context, &mut out);
            }
        }
        self.of_headers(&packet.inner, protocol, context, What::Packet, &mut out);
        if matches!(protocol, IpProtocol::ICMP | IpProtocol::ICMPV6) {
            self.quoted(packet.inner, context, &mut out);
        }
    }

    /// The tunnel next to the inner packet, and who carries it.
    #[inline]
    fn carried(&self, packet: &Packet<'_>, tunnel: Tunnel<'_>, context: &mut Context) {
        let (outer, innermost) = if packet.depth() == 1 {
            (packet.outer, tunnel)
        } else {
            let last = self.decoder.encapsulations(packet).last();
            last.map_or((packet.outer, tunnel), |level| (level.headers, level.tunnel))
        };
        context.vni = innermost.vni().map_or(NO_VNI, Vni::number);
        context.bytes = innermost.payload_wire_len();
        context.carriage = carriage(outer.ipv4(), outer.ipv6());
    }

    #[cold]
    fn quoted(&self, headers: Headers<'_>, context: Context, out: &mut impl FnMut(Summary)) {
        let Some(quote) = self.decoder.decode_quote(&headers) else { return };
        // an error about a tunnel packet quotes its inner packet, of another network than the
        // error's own
        let vni = match quote.tunnel {
            Some(_) => self
                .decoder
                .innermost_tunnel(&quote)
                .and_then(Tunnel::vni)
                .map_or(NO_VNI, Vni::number),
            None => context.vni,
        };
        self.marker(quote.inner, What::Quoted, vni, context, out);
    }

    /// A digest that is no packet of the flow it names.
    #[cold]
    fn marker(
        &self,
        headers: Headers<'_>,
        what: What,
        vni: u32,
        context: Context,
        out: &mut impl FnMut(Summary),
    ) {
        if let Some(protocol) = headers.protocol() {
            self.of_headers(&headers, protocol, Context { vni, ..context }, what, out);
        }
    }

    #[inline]
    fn of_headers(
        &self,
        headers: &Headers<'_>,
        protocol: IpProtocol,
        context: Context,
        what: What,
        out: &mut impl FnMut(Summary),
    ) {
        if let Some(ip) = headers.ipv4() {
            let (ends, network) = of_ipv4(ip);
            let digest = self.of(headers, protocol, ends, network, context, what);
            out(Summary(Either::V4(digest)));
        } else if let Some(ip) = headers.ipv6() {
            let (ends, network) = of_ipv6(ip);
            let digest = self.of(headers, protocol, ends, network, context, what);
            out(Summary(Either::V6(digest)));
        }
    }

    #[inline]
    fn of<A: Address>(
        &self,
        headers: &Headers<'_>,
        protocol: IpProtocol,
        ends: (A, A),
        mut network: Network,
        context: Context,
        mut what: What,
    ) -> Digest<A> {
        if let Some(fragment) = headers.fragment() {
            network.fragment = fragment.id;
            what = match what {
                What::Packet if fragment.is_first() => What::FirstFragment,
                What::Packet => What::LaterFragment,
                marker => marker,
            };
        }
        let talk = match what {
            What::LaterFragment | What::TunnelFragment => {
                (Kind::Fragments, (0, 0), Transport::Other)
            }
            _ => talk(headers, protocol),
        };
        self.digest(ends, protocol, talk, network, context, what)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // as `summarize_ordinary`
    fn digest<A: Address>(
        &self,
        (source, destination): (A, A),
        protocol: IpProtocol,
        (kind, ports, transport): Talk,
        network: Network,
        context: Context,
        what: What,
    ) -> Digest<A> {
        let (source, destination) = ((source, ports.0), (destination, ports.1));
        let (key, side) = Key::new(source, destination, context.vni, protocol, kind);
        Digest {
            time: context.seen.time,
            hash: self.hasher.hash(&key),
            key,
            point: context.point,
            bytes: context.bytes,
            fragment: network.fragment,
            transport,
            carriage: context.carriage,
            ip_id: network.id,
            ttl: network.ttl,
            side,
            what,
        }
    }
}

/// Bytes of payload on the wire.
#[inline]
fn segment_len(headers: &Headers<'_>, tcp: TcpHeader<'_>) -> u32 {
    match headers.stop() {
        None => headers.payload_wire_len(),
        // options that were not captured are no payload
        Some(_) => headers.transport_wire_len().saturating_sub(tcp.header_len() as u32),
    }
}

/// Did the capture keep too little of a frame? (Not where what is missing has no ports.)
fn is_cut(stop: Stop) -> bool {
    stop.cause == Cause::Truncated && stop.limit == Limit::Snaplen && stop.layer != Layer::Arp
}

/// Do fragments follow? (The fields that tell are looked at one by one only where one is set.)
#[inline]
fn is_first_fragment(outer: &Headers<'_>) -> bool {
    match outer.ipv4() {
        Some(ip) => ip.more_fragments() && ip.fragment_offset() == 0,
        None => outer.fragment().is_some_and(|fragment| fragment.is_first() && fragment.more),
    }
}

/// Capture interface, and the interface within it that a cooked header names.
#[inline]
fn point(packet: &Packet<'_>, interface: u32) -> u32 {
    match packet.outer.sll().and_then(vxlan::SllHeader::interface_index) {
        Some(index) => interface.rotate_left(20) ^ index,
        None => interface,
    }
}

/// Addresses, and the rest that counts.
#[inline(always)]
#[allow(clippy::inline_always)] // as `summarize_ordinary`
fn of_ipv4(ip: Ipv4Header<'_>) -> ((u32, u32), Network) {
    let ends = (ip.source().to_bits(), ip.destination().to_bits());
    (ends, Network { id: ip.identification(), ttl: ip.ttl(), fragment: 0 })
}

/// As [`of_ipv4`].
#[inline(always)]
#[allow(clippy::inline_always)] // as `summarize_ordinary`
fn of_ipv6(ip: Ipv6Header<'_>) -> ((Wide, Wide), Network) {
    let ends = (wide(ip.source_octets()), wide(ip.destination_octets()));
    (ends, Network { id: 0, ttl: ip.hop_limit(), fragment: 0 })
}

#[inline(always)]
#[allow(clippy::inline_always)] // as `summarize_ordinary`
fn carriage(ipv4: Option<Ipv4Header<'_>>, ipv6: Option<Ipv6Header<'_>>) -> Carriage {
    if let Some(ip) = ipv4 {
        return Carriage::V4([ip.source().to_bits(), ip.destination().to_bits()]);
    }
    ipv6.map_or(Carriage::None, |ip| {
        Carriage::V6([ip.source_octets(), ip.destination_octets()].map(|octets| {
            let (words, _) = octets.as_chunks::<4>();
            core::array::from_fn(|at| words.get(at).map_or(0, |word| u32::from_be_bytes(*word)))
        }))
    })
}

/// Of one packet, whatever its protocol.
#[inline]
fn talk(headers: &Headers<'_>, protocol: IpProtocol) -> Talk {
    match protocol {
        IpProtocol::TCP => match headers.tcp() {
            Some(tcp) => {
                let ports = (tcp.source_port(), tcp.destination_port());
                (Kind::Ports, ports, Transport::tcp(tcp, segment_len(headers, tcp)))
            }
            None => ports_only(headers),
        },
        IpProtocol::UDP => match headers.udp() {
            Some(udp) => {
                let ports = (udp.source_port(), udp.destination_port());
                (Kind::Ports, ports, datagram(ports, headers.payload()))
            }
            None => ports_only(headers),
        },
        IpProtocol::ICMP => match headers.icmp() {
            Some(icmp) => {
                let is_request =
                    matches!(icmp.icmp_type(), IcmpHeader::ECHO_REQUEST | IcmpHeader::TIMESTAMP);
                message(icmp.icmp_type(), icmp.code(), icmp.echo(), is_request)
            }
            None => (Kind::None, (0, 0), Transport::Other),
        },
        IpProtocol::ICMPV6 => match headers.icmpv6() {
            Some(icmp) => {
                let is_request = icmp.icmp_type() == Icmpv6Header::ECHO_REQUEST;
                message(icmp.icmp_type(), icmp.code(), icmp.echo(), is_request)
            }
            None => (Kind::None, (0, 0), Transport::Other),
        },
        _ => ports_only(headers),
    }
}

impl Transport {
    /// Of a segment with so many bytes of payload on the wire.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `summarize_ordinary`
    fn tcp(tcp: TcpHeader<'_>, len: u32) -> Self {
        let (seq, ack) = (tcp.sequence(), tcp.acknowledgement());
        Self::Tcp(Tcp { seq, ack, len, window: tcp.window(), flags: tcp.flags().0 })
    }
}

/// What a UDP datagram says.
#[inline(always)]
#[allow(clippy::inline_always)] // as `summarize_ordinary`
fn datagram(ports: (u16, u16), payload: &[u8]) -> Transport {
    let is_dns = DNS_PORTS.contains(&ports.0) || DNS_PORTS.contains(&ports.1);
    if is_dns { dns(payload) } else { Transport::Datagram }
}

/// Also where no more than the ports were captured.
#[cold]
fn ports_only(headers: &Headers<'_>) -> Talk {
    match headers.ports() {
        Some(ports) => (Kind::Ports, ports, Transport::Other),
        None => (Kind::None, (0, 0), Transport::Other),
    }
}

/// Both ends of an ICMP flow have the same number, so that the addresses alone decide which is the
/// lower.
fn message(kind: u8, code: u8, echo: Option<(u16, u16)>, is_request: bool) -> Talk {
    match echo {
        Some((id, number)) if is_request => {
            (Kind::Identifier, (id, id), Transport::Request(number))
        }
        Some((id, number)) => (Kind::Identifier, (id, id), Transport::Answer(number)),
        None => {
            let number = u16::from_be_bytes([kind, code]);
            (Kind::Message, (number, number), Transport::Other)
        }
    }
}

/// Identifier, and the bit that tells answers (RFC 1035 section 4.1.1).
fn dns(payload: &[u8]) -> Transport {
    match *payload {
        [a, b, flags, ..] if flags & 0x80 == 0 => Transport::Request(u16::from_be_bytes([a, b])),
        [a, b, ..] => Transport::Answer(u16::from_be_bytes([a, b])),
        _ => Transport::Datagram,
    }
}
