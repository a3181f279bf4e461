//! Tunnel headers in a UDP payload: VXLAN, its group policy and generic protocol extensions,
//! Geneve, raw IP.

use core::fmt;
use core::str::FromStr;

use crate::bytes::{array, be16};
use crate::ether_type::EtherType;
use crate::geneve::GeneveOptions;
use crate::internet_checksum::adds_up;
use crate::stop::{Cause, Layer, Limit, Stop};
use crate::vni::Vni;

/// What kind of tunnel a UDP port carries.
///
/// ```
/// use vxlan::TunnelKind;
/// assert_eq!("gpe".parse(), Ok(TunnelKind::Gpe));
/// assert_eq!(TunnelKind::Geneve.to_string(), "geneve");
/// let unknown = "gre".parse::<TunnelKind>().unwrap_err();
/// assert_eq!(unknown.to_string(), "no kind of tunnel; there are vxlan, gpe, geneve, udp");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TunnelKind {
    /// VXLAN (RFC 7348), with or without group policy.
    Vxlan,
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
    Gpe,
    /// Geneve (RFC 8926).
    Geneve,
    /// Raw IP, as flannel's UDP back end sends it.
    Udp,
}

impl TunnelKind {
    /// All kinds that this crate decodes.
    pub const ALL: &[Self] = &[Self::Vxlan, Self::Gpe, Self::Geneve, Self::Udp];

    /// The name in lower case: `gpe`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::Gpe => "gpe",
            Self::Geneve => "geneve",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for TunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A text names no [`TunnelKind`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownTunnelKind;

impl fmt::Display for UnknownTunnelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no kind of tunnel; there are")?;
        TunnelKind::ALL.iter().enumerate().try_for_each(|(at, kind)| {
            let separator = if at == 0 { "" } else { "," };
            write!(f, "{separator} {kind}")
        })
    }
}

impl core::error::Error for UnknownTunnelKind {}

impl FromStr for TunnelKind {
    type Err = UnknownTunnelKind;

    fn from_str(name: &str) -> Result<Self, UnknownTunnelKind> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name).ok_or(UnknownTunnelKind)
    }
}

/// The tunnel protocol of a packet, as its header says.
///
/// Its `Display` is [`Protocol::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// VXLAN (RFC 7348).
    Vxlan,
    /// VXLAN with group policy: the G bit is set (draft-smith-vxlan-group-policy).
    VxlanGbp,
    /// VXLAN-GPE (draft-ietf-nvo3-vxlan-gpe).
    VxlanGpe,
    /// Geneve (RFC 8926).
    Geneve,
    /// Raw IP in UDP (flannel's UDP back end).
    Udp,
}

impl Protocol {
    /// The name in lower case, as in JSON output: `vxlan-gbp`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vxlan => "vxlan",
            Self::VxlanGbp => "vxlan-gbp",
            Self::VxlanGpe => "vxlan-gpe",
            Self::Geneve => "geneve",
            Self::Udp => "udp",
        }
    }

    /// The kind of the ports that carry it.
    pub const fn kind(self) -> TunnelKind {
        match self {
            Self::Vxlan | Self::VxlanGbp => TunnelKind::Vxlan,
            Self::VxlanGpe => TunnelKind::Gpe,
            Self::Geneve => TunnelKind::Geneve,
            Self::Udp => TunnelKind::Udp,
        }
    }

    /// The layer of its header, as a [`Stop`] names it; raw IP has no header but UDP's.
    pub const fn layer(self) -> Layer {
        match self {
            Self::Vxlan | Self::VxlanGbp => Layer::Vxlan,
            Self::VxlanGpe => Layer::VxlanGpe,
            Self::Geneve => Layer::Geneve,
            Self::Udp => Layer::Udp,
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The group policy fields of a VXLAN header (draft-smith-vxlan-group-policy section 2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupPolicy {
    /// Group policy identifier of the source.
    pub id: u16,
    /// D bit: the receiver must not learn the source's address.
    pub dont_learn: bool,
    /// A bit: the policy was applied already.
    pub applied: bool,
}

/// VXLAN's I bit: the VNI is valid (RFC 7348 section 5).
const FLAG_VNI: u8 = 0x08;
/// VXLAN-GBP's G bit: the group policy identifier is valid.
const FLAG_GROUP_POLICY: u8 = 0x80;
/// VXLAN-GPE's P bit: the next-protocol field is valid.
const FLAG_NEXT_PROTOCOL: u8 = 0x04;
/// VXLAN-GPE's version bits.
const GPE_VERSION: u8 = 0x30;
/// The least `EtherType`; what is below is a length (IEEE 802.3 clause 3.2.6).
const MIN_ETHER_TYPE: u16 = 0x0600;
/// How many network service headers may stand one behind the other.
const MOST_NSH: u32 = 4;

/// A tunnel header, and the bytes that it carries.
#[derive(Clone, Copy, Debug)]
pub struct Tunnel<'a> {
    /// from the tunnel header on, as far as the UDP length says and the capture holds
    bytes: &'a [u8],
    header_len: u16,
    inner_type: EtherType,
    protocol: Protocol,
    /// bytes before the tunnel header in its frame
    base: u32,
    /// bytes on the wire from the tunnel header on
    wire_len: u32,
    limit: Limit,
}

/// Where the bytes of a tunnel lie in the frame, and who limits them.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) base: u32,
    pub(crate) wire_len: u32,
    pub(crate) limit: Limit,
}

/// What stands in a UDP payload.
pub(crate) enum Found<'a> {
    /// No tunnel: the port is used for something else.
    Nothing,
    /// A tunnel whose header could not be decoded wholly.
    Broken(Stop),
    Tunnel(Tunnel<'a>),
}

impl<'a> Tunnel<'a> {
    /// Reads the tunnel header at the start of a whole UDP payload.
    ///
    /// `None` where the bytes are no such tunnel: the header is cut, VXLAN's I bit is not set,
    /// Geneve's version is not 0, or reserved bits are set and what follows makes no sense as an
    /// inner packet.
    ///
    /// ```
    /// use vxlan::{Tunnel, TunnelKind};
    /// let tunnel = Tunnel::parse(&vxlan::example::SYN[42..], TunnelKind::Vxlan).unwrap();
    /// assert_eq!(tunnel.vni().unwrap().number(), 1);
    /// assert_eq!(tunnel.payload().len(), 74);
    /// ```
    pub fn parse(payload: &'a [u8], kind: TunnelKind) -> Option<Self> {
        let place = Place { base: 0, wire_len: payload.len() as u32, limit: Limit::UdpLength };
        match Self::find(payload, kind, place) {
            Found::Tunnel(tunnel) => Some(tunnel),
            Found::Nothing | Found::Broken(_) => None,
        }
    }

    #[inline]
    pub(crate) fn find(bytes: &'a [u8], kind: TunnelKind, place: Place) -> Found<'a> {
        match kind {
            TunnelKind::Vxlan => Self::vxlan(bytes, place),
            TunnelKind::Gpe => Self::gpe(bytes, place),
            TunnelKind::Geneve => Self::geneve(bytes, place),
            TunnelKind::Udp => Self::raw_ip(bytes, place),
        }
    }

    fn new(
        bytes: &'a [u8],
        header_len: u16,
        inner_type: EtherType,
        protocol: Protocol,
        place: Place,
    ) -> Self {
        let Place { base, wire_len, limit } = place;
        Self { bytes, header_len, inner_type, protocol, base, wire_len, limit }
    }

    /// Bytes of a VXLAN header (RFC 7348 section 5).
    pub(crate) const VXLAN_LEN: usize = 8;

    /// VXLAN without reserved bits, at the start of a whole UDP payload at `base`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // each field is written once, in its place
    pub(crate) fn plain_vxlan(bytes: &'a [u8], base: u32) -> Self {
        Self {
            bytes,
            header_len: Self::VXLAN_LEN as u16,
            inner_type: EtherType::ETHERNET,
            protocol: Protocol::Vxlan,
            base,
            wire_len: bytes.len() as u32,
            limit: Limit::UdpLength,
        }
    }

    #[inline]
    fn vxlan(bytes: &'a [u8], place: Place) -> Found<'a> {
        let Some(header) = bytes.first_chunk::<8>() else {
            return cut(bytes, Layer::Vxlan, 8, place);
        };
        if header[0] & FLAG_VNI == 0 {
            return Found::Nothing;
        }
        let group_policy = header[0] & FLAG_GROUP_POLICY != 0;
        let protocol = if group_policy { Protocol::VxlanGbp } else { Protocol::Vxlan };
        let tunnel = Self::new(bytes, 8, EtherType::ETHERNET, protocol, place);
        // Reserved bits must be ignored (RFC 7348 section 5), but a datagram of something else that
        // happens to have the I bit set has others set too, and then what follows decides.
        if (tunnel.reserved_bits() != 0 || group_policy || tunnel.is_short())
            && !tunnel.looks_like_ethernet()
        {
            return Found::Nothing;
        }
        Found::Tunnel(tunnel)
    }

    fn gpe(bytes: &'a [u8], place: Place) -> Found<'a> {
        let Some(header) = bytes.first_chunk::<8>() else {
            return cut(bytes, Layer::VxlanGpe, 8, place);
        };
        if header[0] & FLAG_VNI == 0 || header[0] & GPE_VERSION != 0 {
            return Found::Nothing;
        }
        // without the P bit the header is that of RFC 7348: Ethernet
        let next = if header[0] & FLAG_NEXT_PROTOCOL == 0 { 3 } else { header[3] };
        let mut tunnel = Self::new(bytes, 8, next_protocol_type(next), Protocol::VxlanGpe, place);
        let odd = tunnel.reserved_bits() != 0;
        if let Err(stop) = tunnel.skip_nsh() {
            return if odd { Found::Nothing } else { Found::Broken(stop) };
        }
        if odd && !tunnel.looks_right() {
            return Found::Nothing;
        }
        Found::Tunnel(tunnel)
    }

    /// Takes network service headers (RFC 8300) into the tunnel header.
    fn skip_nsh(&mut self) -> Result<(), Stop> {
        let mut count = 0;
        while self.inner_type == EtherType::NSH {
            let at = u32::from(self.header_len);
            let stop = |cause, needed, available| Stop {
                layer: Layer::Nsh,
                cause,
                limit: self.limit,
                offset: self.base + at,
                needed,
                available,
            };
            let available = (self.bytes.len() as u32).saturating_sub(at);
            // section 2.2: 6 bits of length in units of 4 bytes, 8 bits of next protocol
            let Some(nsh) = array::<4>(self.bytes, usize::from(self.header_len)) else {
                return Err(stop(Cause::Truncated, 8, available));
            };
            let len = u16::from(nsh[1] & 0x3f) * 4;
            count += 1;
            if len < 8 {
                return Err(stop(Cause::HeaderLength, 8, u32::from(len)));
            }
            if count > MOST_NSH {
                return Err(stop(Cause::TooMany, MOST_NSH, count));
            }
            if available < u32::from(len) {
                return Err(stop(Cause::Truncated, u32::from(len), available));
            }
            self.header_len += len;
            self.inner_type = nsh_type(nsh[3]);
        }
        Ok(())
    }

    fn geneve(bytes: &'a [u8], place: Place) -> Found<'a> {
        let Some(header) = bytes.first_chunk::<8>() else {
            return cut(bytes, Layer::Geneve, 8, place);
        };
        if header[0] >> 6 != 0 {
            return Found::Nothing; // version (RFC 8926 section 3.4): unknown ones are dropped
        }
        let header_len = 8 + u16::from(header[0] & 0x3f) * 4;
        let inner_type = EtherType(u16::from_be_bytes([header[2], header[3]]));
        let tunnel = Self::new(bytes, header_len, inner_type, Protocol::Geneve, place);
        // below it is a length, not a type; nothing else of the first word need be set, so zeros
        // would pass for Geneve
        if inner_type.0 < MIN_ETHER_TYPE {
            return Found::Nothing;
        }
        if bytes.len() < usize::from(header_len) {
            return cut(bytes, Layer::Geneve, usize::from(header_len), place);
        }
        // the O bit (0x80) and the C bit (0x40) are no oddity; reserved bits are, and then what
        // follows decides
        let odd = tunnel.reserved_bits() != 0 || !tunnel.options_fit();
        if odd && !tunnel.looks_right() {
            return Found::Nothing;
        }
        Found::Tunnel(tunnel)
    }

    fn raw_ip(bytes: &'a [u8], place: Place) -> Found<'a> {
        let inner_type = match bytes.first().map(|b| b >> 4) {
            Some(4) => EtherType::IPV4,
            Some(6) => EtherType::IPV6,
            Some(_) => return Found::Nothing,
            None => return cut(bytes, Layer::Ipv4, 20, place),
        };
        let tunnel = Self::new(bytes, 0, inner_type, Protocol::Udp, place);
        if tunnel.is_whole_ip() { Found::Tunnel(tunnel) } else { Found::Nothing }
    }

    /// Is the payload exactly one IP packet? There is no tunnel header to tell, so every field of
    /// the IP header that can be checked must be right.
    fn is_whole_ip(self) -> bool {
        let (bytes, wire) = (self.bytes, self.wire_len);
        match self.inner_type {
            EtherType::IPV4 => {
                let len = usize::from(bytes.first().map_or(0, |b| b & 0x0f)) * 4;
                let right = bytes.get(..len).is_none_or(adds_up);
                right && wire >= 20 && looks_like_ip(bytes, wire, 4)
            }
            _ if wire < 40 => false,
            _ => be16(bytes, 4).is_none_or(|len| len == 0 || u32::from(len) + 40 == wire),
        }
    }

    /// Do the options of a Geneve header end where the header ends?
    fn options_fit(self) -> bool {
        let mut options = self.options();
        options.by_ref().for_each(drop);
        options.bytes.is_empty()
    }

    /// What kind of tunnel it is.
    #[inline]
    pub const fn protocol(self) -> Protocol {
        self.protocol
    }

    /// The network identifier; `None` for raw IP, which has none.
    #[inline]
    pub fn vni(self) -> Option<Vni> {
        if self.protocol == Protocol::Udp {
            return None;
        }
        array::<3>(self.bytes, 4).map(|b| Vni::from_be_bytes(*b))
    }

    /// The flags byte as it stands: VXLAN's first byte (0x08: the VNI is valid); for Geneve the
    /// second byte (0x80: a control packet, 0x40: critical options). `None` for raw IP.
    #[inline]
    pub fn flags(self) -> Option<u8> {
        match self.protocol {
            Protocol::Udp => None,
            Protocol::Geneve => self.bytes.get(1).copied(),
            _ => self.bytes.first().copied(),
        }
    }

    /// The reserved bits of the header that are set, as a mask of its first 8 bytes (the first byte
    /// is the highest). 0 for a header that follows its standard.
    #[inline]
    pub fn reserved_bits(self) -> u64 {
        let mask = match self.protocol {
            Protocol::Vxlan => 0xf7ff_ffff_0000_00ff,
            // G and I; D (0x40) and A (0x08) in the second byte; group policy ID
            Protocol::VxlanGbp => 0x77b7_0000_0000_00ff,
            // version, I, P, B, O; next protocol
            Protocol::VxlanGpe => 0xc0ff_ff00_0000_00ff,
            Protocol::Geneve => 0x003f_0000_0000_00ff,
            Protocol::Udp => 0,
        };
        array::<8>(self.bytes, 0).map_or(0, |b| u64::from_be_bytes(*b) & mask)
    }

    /// Group policy, where the G bit is set.
    pub fn group_policy(self) -> Option<GroupPolicy> {
        if self.protocol != Protocol::VxlanGbp {
            return None;
        }
        let flags = self.bytes.get(1)?;
        Some(GroupPolicy {
            id: be16(self.bytes, 2)?,
            dont_learn: flags & 0x40 != 0,
            applied: flags & 0x08 != 0,
        })
    }

    /// VXLAN-GPE's next-protocol field, where the P bit is set: 1 IPv4, 2 IPv6, 3 Ethernet, 4 NSH,
    /// 5 MPLS.
    pub fn next_protocol(self) -> Option<u8> {
        let first = self.bytes.first()?;
        (self.protocol == Protocol::VxlanGpe && first & FLAG_NEXT_PROTOCOL != 0)
            .then(|| self.bytes.get(3).copied())?
    }

    /// Geneve's options; none for other tunnels.
    pub fn options(self) -> GeneveOptions<'a> {
        let bytes = if self.protocol == Protocol::Geneve {
            self.header().get(8..).unwrap_or(&[])
        } else {
            &[]
        };
        GeneveOptions { bytes }
    }

    /// What the tunnel carries: [`EtherType::ETHERNET`], IPv4, IPv6, MPLS, or what Geneve's
    /// protocol type says.
    #[inline]
    pub const fn inner_type(self) -> EtherType {
        self.inner_type
    }

    /// The bytes of the tunnel header, with options, and with the network service headers behind
    /// it.
    #[inline]
    pub fn header(self) -> &'a [u8] {
        self.bytes.get(..usize::from(self.header_len)).unwrap_or(self.bytes)
    }

    /// What the tunnel carries, as far as it was captured: from the first byte of the inner packet
    /// on.
    #[inline]
    pub fn payload(self) -> &'a [u8] {
        self.bytes.get(usize::from(self.header_len)..).unwrap_or(&[])
    }

    /// Length of the inner packet on the wire, in bytes.
    #[inline]
    pub fn payload_wire_len(self) -> u32 {
        self.wire_len.saturating_sub(u32::from(self.header_len))
    }

    /// Where the tunnel header begins, in bytes from the start of the frame.
    #[inline]
    pub const fn offset(self) -> u32 {
        self.base
    }

    /// Where the inner packet begins, in bytes from the start of the frame.
    #[inline]
    pub const fn payload_offset(self) -> u32 {
        self.base + self.header_len as u32
    }

    #[inline]
    pub(crate) const fn limit(self) -> Limit {
        self.limit
    }

    /// Is the inner packet, as it was on the wire, too short for an Ethernet header?
    fn is_short(self) -> bool {
        self.payload_wire_len() < 14
    }

    /// Does the inner packet make sense, so that an odd tunnel header is believed?
    fn looks_right(self) -> bool {
        let (bytes, wire) = (self.payload(), self.payload_wire_len());
        match self.inner_type {
            EtherType::ETHERNET => self.looks_like_ethernet(),
            EtherType::IPV4 => looks_like_ip(bytes, wire, 4),
            EtherType::IPV6 => looks_like_ip(bytes, wire, 6),
            EtherType::ARP | EtherType::RARP => looks_like_arp(bytes, wire),
            EtherType::MPLS => looks_like_mpls(bytes, wire),
            _ => false,
        }
    }

    /// Is what follows an Ethernet frame with a type that pods send, and with a header behind it
    /// that fits?
    fn looks_like_ethernet(self) -> bool {
        let frame = self.payload();
        if self.is_short() {
            return false;
        }
        let mut at = 12;
        for _ in 0..4 {
            let Some(ether_type) = be16(frame, at).map(EtherType) else {
                // cut before the type: nothing speaks against it
                return self.payload_wire_len() as usize > frame.len();
            };
            at += 2;
            if ether_type.is_vlan() {
                at += 2;
                continue;
            }
            let rest = frame.get(at..).unwrap_or(&[]);
            let wire = self.payload_wire_len().saturating_sub(at as u32);
            return match ether_type {
                EtherType::IPV4 => looks_like_ip(rest, wire, 4),
                EtherType::IPV6 => looks_like_ip(rest, wire, 6),
                EtherType::ARP | EtherType::RARP => looks_like_arp(rest, wire),
                EtherType::MPLS | EtherType::MPLS_UPSTREAM => looks_like_mpls(rest, wire),
                // bridges' own frames, LLDP and 802.1X among them, go to 01:80:c2:00:00:00 to :0f
                // (IEEE 802.1Q table 8-1)
                _ => frame.starts_with(&[0x01, 0x80, 0xc2, 0, 0]),
            };
        }
        false
    }
}

/// Could an IP packet of `version` stand at the start of `bytes`, with `wire` bytes on the wire?
fn looks_like_ip(bytes: &[u8], wire: u32, version: u8) -> bool {
    let Some(&first) = bytes.first() else { return wire > 0 };
    if first >> 4 != version {
        return false;
    }
    if version == 4 {
        let total = be16(bytes, 2).map_or(0, u32::from);
        let header = u32::from(first & 0x0f) * 4;
        // 0: longer than the field can say, or not known yet
        header >= 20 && header <= wire && (total == 0 || (header..=wire).contains(&total))
    } else {
        be16(bytes, 4).map_or(0, u32::from) + 40 <= wire
    }
}

/// Could an ARP packet stand there: Ethernet or at least a hardware type below 256, an operation
/// below 256?
fn looks_like_arp(bytes: &[u8], wire: u32) -> bool {
    wire >= 8 && [0, 6].iter().all(|&at| bytes.get(at).is_none_or(|&high| high == 0))
}

/// Could a label stack stand there, with an IP packet below it?
fn looks_like_mpls(bytes: &[u8], wire: u32) -> bool {
    let (labels, _) = bytes.as_chunks::<4>();
    let Some(last) = labels.iter().position(|label| label[2] & 1 == 1) else {
        return (bytes.len() as u32) < wire;
    };
    let at = (last + 1) * 4;
    let (rest, wire) = (bytes.get(at..).unwrap_or(&[]), wire.saturating_sub(at as u32));
    [4, 6].iter().any(|&version| looks_like_ip(rest, wire, version))
}

/// VXLAN-GPE's next protocols (draft-ietf-nvo3-vxlan-gpe section 3.2).
const fn next_protocol_type(next: u8) -> EtherType {
    match next {
        1 => EtherType::IPV4,
        2 => EtherType::IPV6,
        3 => EtherType::ETHERNET,
        4 => EtherType::NSH,
        5 => EtherType::MPLS,
        _ => EtherType(0),
    }
}

/// NSH's next protocols (RFC 8300 section 2.2).
const fn nsh_type(next: u8) -> EtherType {
    next_protocol_type(next)
}

/// A tunnel header of `needed` bytes that is not all there: broken where the capture cut it, and
/// nothing at all where so short a datagram was sent.
fn cut(bytes: &[u8], layer: Layer, needed: usize, place: Place) -> Found<'_> {
    let Place { base, wire_len, limit } = place;
    let available = bytes.len() as u32;
    if (wire_len as usize) < needed {
        return Found::Nothing;
    }
    Found::Broken(Stop {
        layer,
        cause: Cause::Truncated,
        limit,
        offset: base,
        needed: needed as u32,
        available,
    })
}
