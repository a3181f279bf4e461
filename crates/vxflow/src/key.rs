//! What makes packets one flow: network identifier, addresses, protocol, ends.

use core::hash::{BuildHasher, Hash, Hasher};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use foldhash::fast::RandomState;
use vxlan::{IpProtocol, Vni};

use crate::digest::{Digest, Either};

/// What tells apart the flows of one protocol between two hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ends {
    /// Ports of TCP, UDP or SCTP.
    Ports {
        /// Port of the end that opened the flow.
        source: u16,
        /// Port of the other end.
        destination: u16,
    },
    /// The identifier of an ICMP or ICMPv6 echo or timestamp exchange.
    Identifier(u16),
    /// Any other ICMP or ICMPv6 message.
    Message {
        /// Message type.
        kind: u8,
        /// Message code.
        code: u8,
    },
    /// Fragments without ports: their first fragment was not seen before them.
    Fragments,
    /// The protocol has nothing that tells flows apart, or it was not captured.
    None,
}

/// A flow's identity, as its opener sees it: source is the end that opened it.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FlowKey {
    /// Network identifier of the innermost tunnel; `None` outside of tunnels, and in tunnels
    /// without an identifier. The same addresses in two networks are two flows.
    pub vni: Option<Vni>,
    /// Protocol behind the IP header.
    pub protocol: IpProtocol,
    /// Address of the end that opened the flow.
    pub source: IpAddr,
    /// Address of the other end.
    pub destination: IpAddr,
    /// Ports, or what stands for them.
    pub ends: Ends,
}

impl FlowKey {
    /// Port of the end that opened the flow, or the identifier of an ICMP exchange; otherwise
    /// `None`.
    pub const fn source_port(&self) -> Option<u16> {
        match self.ends {
            Ends::Ports { source, .. } => Some(source),
            Ends::Identifier(id) => Some(id),
            _ => None,
        }
    }

    /// Port of the other end; `None` where the protocol has none.
    pub const fn destination_port(&self) -> Option<u16> {
        match self.ends {
            Ends::Ports { destination, .. } => Some(destination),
            _ => None,
        }
    }
}

/// An address as the table holds it: 4 bytes or 16.
pub(crate) trait Address: Copy + Ord + Hash + core::fmt::Debug + Send + 'static {
    /// Aligns the entries of flows between such addresses.
    type Align: Copy + core::fmt::Debug + Send + 'static;

    fn write<H: Hasher>(low: Self, high: Self, state: &mut H);
    fn to_ip(self) -> IpAddr;
    /// The digest of a packet between such addresses, among those of both families.
    fn either(digest: Digest<Self>) -> Either;
}

/// Two cache lines, which processors load together.
#[derive(Clone, Copy, Debug)]
#[repr(align(128))]
pub(crate) struct LinePair;

/// A cache line.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(crate) struct Line;

impl Address for u32 {
    type Align = LinePair;

    #[inline]
    fn write<H: Hasher>(low: Self, high: Self, state: &mut H) {
        state.write_u64(u64::from(low) << 32 | u64::from(high));
    }

    fn to_ip(self) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from_bits(self))
    }

    #[inline]
    fn either(digest: Digest<Self>) -> Either {
        Either::V4(digest)
    }
}

/// An IPv6 address as two numbers: 8-byte alignment, where `u128` would pad entries to 16.
pub(crate) type Wide = [u64; 2];

impl Address for Wide {
    type Align = Line;

    #[inline]
    fn write<H: Hasher>(low: Self, high: Self, state: &mut H) {
        for word in [low[0], low[1], high[0], high[1]] {
            state.write_u64(word);
        }
    }

    fn to_ip(self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(u128::from(self[0]) << 64 | u128::from(self[1])))
    }

    #[inline]
    fn either(digest: Digest<Self>) -> Either {
        Either::V6(digest)
    }
}

/// IPv6 address from its 16 bytes.
#[inline]
pub(crate) fn wide(octets: [u8; 16]) -> Wide {
    let bits = u128::from_be_bytes(octets);
    [(bits >> 64) as u64, bits as u64]
}

/// Which of the two ends of a normalised key sent a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Side {
    Low = 0,
    High = 1,
}

impl Side {
    #[inline]
    pub(crate) const fn other(self) -> Self {
        match self {
            Self::Low => Self::High,
            Self::High => Self::Low,
        }
    }
}

/// What the two numbers of a [`Key`] mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Ports,
    Identifier,
    Message,
    Fragments,
    None,
    /// The key of no packet: what was here is over.
    Unused,
}

/// [`Key::vni`] of packets in no tunnel, and in tunnels without identifier: more than 24 bits hold.
pub(crate) const NO_VNI: u32 = u32::MAX;

/// A key that is the same for both directions: the lower end first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key<A> {
    pub(crate) low: A,
    pub(crate) high: A,
    pub(crate) vni: u32,
    pub(crate) low_port: u16,
    pub(crate) high_port: u16,
    pub(crate) protocol: IpProtocol,
    pub(crate) kind: Kind,
}

impl<A: Address> Key<A> {
    #[inline]
    pub(crate) fn new(
        (source, source_port): (A, u16),
        (destination, destination_port): (A, u16),
        vni: u32,
        protocol: IpProtocol,
        kind: Kind,
    ) -> (Self, Side) {
        if (source, source_port) <= (destination, destination_port) {
            let (low, high) = (source, destination);
            let (low_port, high_port) = (source_port, destination_port);
            (Self { low, high, vni, low_port, high_port, protocol, kind }, Side::Low)
        } else {
            let (low, high) = (destination, source);
            let (low_port, high_port) = (destination_port, source_port);
            (Self { low, high, vni, low_port, high_port, protocol, kind }, Side::High)
        }
    }

    /// The same in no network: the key of the same packet before it enters a tunnel, and after it
    /// left it.
    #[inline]
    pub(crate) const fn in_no_network(self) -> Self {
        Self { vni: NO_VNI, ..self }
    }

    /// The key as the end on side `opener` sees it.
    pub(crate) fn oriented(&self, opener: Side) -> FlowKey {
        let ends = [(self.low, self.low_port), (self.high, self.high_port)];
        let (source, source_port) = ends[opener as usize];
        let (destination, destination_port) = ends[opener.other() as usize];
        let ends = match self.kind {
            Kind::Ports => Ends::Ports { source: source_port, destination: destination_port },
            Kind::Identifier => Ends::Identifier(source_port),
            Kind::Message => {
                let [kind, code] = source_port.to_be_bytes();
                Ends::Message { kind, code }
            }
            Kind::Fragments => Ends::Fragments,
            Kind::None | Kind::Unused => Ends::None,
        };
        FlowKey {
            vni: Vni::new(self.vni),
            protocol: self.protocol,
            source: source.to_ip(),
            destination: destination.to_ip(),
            ends,
        }
    }
}

/// Makes the hashes of keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyHasher {
    state: RandomState,
    /// Whether packets in a tunnel and in none are counted as one: then their hashes have the same
    /// upper half, which says which of several tables they belong to.
    pub(crate) joins_networks: bool,
}

impl KeyHasher {
    pub(crate) fn new(joins_networks: bool) -> Self {
        Self { state: RandomState::default(), joins_networks }
    }

    #[inline]
    pub(crate) fn hash<A: Address>(&self, key: &Key<A>) -> u64 {
        let hash = self.state.hash_one(key);
        if self.joins_networks { self.joined(key, hash) } else { hash }
    }

    #[cold]
    fn joined<A: Address>(&self, key: &Key<A>, hash: u64) -> u64 {
        const LOWER: u64 = 0xffff_ffff;
        self.state.hash_one(key.in_no_network()) & !LOWER | hash & LOWER
    }

    pub(crate) const fn state(&self) -> &RandomState {
        &self.state
    }
}

impl<A: Address> Hash for Key<A> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        A::write(self.low, self.high, state);
        state.write_u64(
            u64::from(self.vni) << 32 | u64::from(self.low_port) << 16 | u64::from(self.high_port),
        );
        state.write_u64(u64::from(self.protocol.0) << 8 | self.kind as u64);
    }
}
