//! What is kept of a flow until it is printed, and how it is packed into few bytes meanwhile.

use std::cmp::{Ordering, Reverse};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxflow::{ConnState, Counts, Ends, FlowKey, FlowRecord};
use vxlan::{IpProtocol, TcpFlags, Vni};

use super::outcome::Trouble;
use super::sort::{Sort, Sorted};

/// What columns show of a flow and rows are sorted by. It is less than a flow's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowRow {
    pub(crate) key: FlowKey,
    /// Nanoseconds since the Unix epoch.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) vteps: Option<(IpAddr, IpAddr)>,
    /// What the opener sent, and what the other end sent.
    pub(crate) sent: [Sent; 2],
    pub(crate) state: ConnState,
    /// Nanoseconds.
    pub(crate) rtt: Option<i64>,
    /// It failed, see [`Trouble`].
    pub(crate) has_failed: bool,
}

/// What one end sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) tcp_flags: TcpFlags,
    pub(crate) retransmits: u32,
}

/// A row's rank: the one with the larger measure comes first, or else the earlier one.
pub(crate) type Rank = (Reverse<u64>, i64);

impl From<&FlowRecord> for FlowRow {
    fn from(flow: &FlowRecord) -> Self {
        let sent = |counts: &Counts| {
            let Counts { packets, bytes, tcp_flags, retransmits, .. } = *counts;
            Sent { packets, bytes, tcp_flags, retransmits }
        };
        Self {
            key: flow.key,
            first: flow.first,
            last: flow.last,
            vteps: flow.vteps,
            sent: [sent(&flow.forward), sent(&flow.reverse)],
            state: flow.state,
            rtt: flow.rtt(),
            has_failed: Trouble::of(flow).is_some(),
        }
    }
}

impl FlowRow {
    /// From the first packet to the latest, in nanoseconds.
    pub(crate) const fn duration(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }

    /// What tells apart rows of equal rank.
    pub(crate) const fn rest(&self) -> (FlowKey, i64) {
        (self.key, self.last)
    }

    /// Where it is in the order; of equals it depends on [`FlowRow::rest`].
    pub(crate) fn rank(&self, sort: Sort) -> Rank {
        let [f, r] = &self.sent;
        let measure = match sort {
            Sort::Bytes => f.bytes.saturating_add(r.bytes),
            Sort::Packets => f.packets.saturating_add(r.packets),
            Sort::Duration => ordered(self.duration()),
            Sort::Rtt => self.rtt.map_or(0, ordered),
            Sort::Retransmits => u64::from(f.retransmits) + u64::from(r.retransmits),
            Sort::Failed => self.has_failed.into(),
            Sort::First | Sort::Flows => 0,
        };
        (Reverse(measure), self.first)
    }
}

/// An unsigned number that sorts like the signed one.
const fn ordered(number: i64) -> u64 {
    number.cast_unsigned() ^ 1 << 63
}

impl Sorted for FlowRow {
    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        self.rank(sort).cmp(&other.rank(sort)).then_with(|| self.rest().cmp(&other.rest()))
    }
}

/// More bytes than the longest packed row has.
pub(super) const LONGEST: usize = 192;

// The first two bytes say which values a row has, and of which kind.
const FAILED: u16 = 1;
const VNI: u16 = 1 << 1;
const RTT: u16 = 1 << 2;
const SOURCE_V6: u16 = 1 << 3;
const DESTINATION_V6: u16 = 1 << 4;
const VTEPS: u16 = 1 << 5;
const VTEP_SOURCE_V6: u16 = 1 << 6;
const VTEP_DESTINATION_V6: u16 = 1 << 7;
const ENDS: u16 = 0b111 << 8;
const NO_ENDS: u16 = 0;
const PORTS: u16 = 1 << 8;
const IDENTIFIER: u16 = 2 << 8;
const MESSAGE: u16 = 3 << 8;
const FRAGMENTS: u16 = 4 << 8;

/// Appends a row, with a number for its state.
///
/// Numbers have 7 bits in each byte, the lowest first, and all bytes but the last have the highest
/// bit set (LEB128). Values that are seldom small are stored whole, in little-endian order.
pub(super) fn pack(row: &FlowRow, state: u64, out: &mut Vec<u8>) {
    let FlowRow { key, first, last, vteps, sent, state: _, rtt, has_failed } = row;
    let FlowKey { vni, protocol, source, destination, ends } = key;
    let (ends, words) = match *ends {
        Ends::None => (NO_ENDS, [None; 2]),
        Ends::Fragments => (FRAGMENTS, [None; 2]),
        Ends::Ports { source, destination } => (PORTS, [Some(source), Some(destination)]),
        Ends::Identifier(number) => (IDENTIFIER, [Some(number), None]),
        Ends::Message { kind, code } => (MESSAGE, [Some(kind.into()), Some(code.into())]),
    };
    let has = |bit: u16, it: bool| if it { bit } else { 0 };
    let has = ends
        | has(FAILED, *has_failed)
        | has(VNI, vni.is_some())
        | has(RTT, rtt.is_some())
        | has(SOURCE_V6, source.is_ipv6())
        | has(DESTINATION_V6, destination.is_ipv6())
        | has(VTEPS, vteps.is_some())
        | has(VTEP_SOURCE_V6, vteps.is_some_and(|(vtep, _)| vtep.is_ipv6()))
        | has(VTEP_DESTINATION_V6, vteps.is_some_and(|(_, vtep)| vtep.is_ipv6()));
    out.extend_from_slice(&has.to_le_bytes());
    out.push(protocol.0);
    put_number(out, state);
    out.extend_from_slice(&first.to_le_bytes());
    put_number(out, zigzag(last.wrapping_sub(*first)));
    put_address(out, source);
    put_address(out, destination);
    for word in words.into_iter().flatten() {
        out.extend_from_slice(&word.to_le_bytes());
    }
    if let Some(vni) = vni {
        put_number(out, vni.number().into());
    }
    if let Some((source, destination)) = vteps {
        put_address(out, source);
        put_address(out, destination);
    }
    if let Some(rtt) = rtt {
        put_number(out, zigzag(*rtt));
    }
    for Sent { packets, bytes, tcp_flags, retransmits } in sent {
        for number in [*packets, *bytes, tcp_flags.0.into(), (*retransmits).into()] {
            put_number(out, number);
        }
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number > 0x7f {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn put_address(out: &mut Vec<u8>, address: &IpAddr) {
    match address {
        IpAddr::V4(address) => out.extend_from_slice(&address.octets()),
        IpAddr::V6(address) => out.extend_from_slice(&address.octets()),
    }
}

/// Maps numbers near 0, of either sign, to small numbers.
const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Bytes that begin with a packed row.
pub(super) struct Packed<'a>(pub(super) &'a [u8]);

impl Packed<'_> {
    /// Takes a row off; its state is the one of these with its number.
    pub(super) fn row(&mut self, states: &[ConnState]) -> FlowRow {
        let has = self.word();
        let [protocol] = self.bytes();
        let state = states.get(self.number() as usize).copied();
        let first = i64::from_le_bytes(self.bytes());
        let last = first.wrapping_add(unzigzag(self.number()));
        let source = self.address(has & SOURCE_V6 != 0);
        let destination = self.address(has & DESTINATION_V6 != 0);
        let ends = match has & ENDS {
            PORTS => Ends::Ports { source: self.word(), destination: self.word() },
            IDENTIFIER => Ends::Identifier(self.word()),
            MESSAGE => Ends::Message { kind: self.word() as u8, code: self.word() as u8 },
            FRAGMENTS => Ends::Fragments,
            _ => Ends::None,
        };
        let vni = if has & VNI == 0 { None } else { Vni::new(self.number() as u32) };
        let vteps = (has & VTEPS != 0).then(|| {
            let source = self.address(has & VTEP_SOURCE_V6 != 0);
            (source, self.address(has & VTEP_DESTINATION_V6 != 0))
        });
        let rtt = (has & RTT != 0).then(|| unzigzag(self.number()));
        let sent = [(); 2].map(|()| Sent {
            packets: self.number(),
            bytes: self.number(),
            tcp_flags: TcpFlags(self.number() as u16),
            retransmits: self.number() as u32,
        });
        FlowRow {
            key: FlowKey { vni, protocol: IpProtocol(protocol), source, destination, ends },
            first,
            last,
            vteps,
            sent,
            state: state.unwrap_or(ConnState::Oth),
            rtt,
            has_failed: has & FAILED != 0,
        }
    }

    /// The next bytes. There must be that many.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let Some((bytes, rest)) = self.0.split_first_chunk() else {
            self.0 = &[];
            return [0; N];
        };
        self.0 = rest;
        *bytes
    }

    fn word(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    #[inline]
    fn number(&mut self) -> u64 {
        match self.0.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.0 = rest;
                byte.into()
            }
            _ => self.large_number(),
        }
    }

    fn large_number(&mut self) -> u64 {
        let mut number = 0;
        for shift in (0..u64::BITS).step_by(7) {
            let [byte] = self.bytes();
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        number
    }

    fn address(&mut self, is_v6: bool) -> IpAddr {
        if is_v6 {
            Ipv6Addr::from(self.bytes::<16>()).into()
        } else {
            Ipv4Addr::from(self.bytes::<4>()).into()
        }
    }
}

/// A TCP flow of one packet, with everything that a row can have.
#[cfg(test)]
pub(super) fn example() -> FlowRow {
    let frame = vxlan::example::SYN;
    let mut table = vxflow::FlowTable::default();
    let seen = vxflow::Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
    table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
    let flow = table.finish().next().expect("a flow");
    FlowRow { rtt: Some(1_500_000), ..FlowRow::from(&flow) }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::outcome::State;
    use super::*;

    /// Numbers of few bytes and of many.
    fn number() -> impl Strategy<Value = u64> {
        (any::<u64>(), 0..u64::BITS).prop_map(|(number, shift)| number >> shift)
    }

    fn time() -> impl Strategy<Value = i64> {
        prop_oneof![number().prop_map(u64::cast_signed), Just(i64::MIN), Just(i64::MAX), Just(-1)]
    }

    fn ends() -> impl Strategy<Value = Ends> {
        prop_oneof![
            any::<[u16; 2]>().prop_map(|[source, destination]| Ends::Ports { source, destination }),
            any::<u16>().prop_map(Ends::Identifier),
            any::<[u8; 2]>().prop_map(|[kind, code]| Ends::Message { kind, code }),
            Just(Ends::Fragments),
            Just(Ends::None),
        ]
    }

    fn sent() -> impl Strategy<Value = Sent> {
        let numbers = (number(), number(), any::<u16>(), any::<u32>(), 0..u32::BITS);
        numbers.prop_map(|(packets, bytes, flags, retransmits, shift)| {
            let (tcp_flags, retransmits) = (TcpFlags(flags), retransmits >> shift);
            Sent { packets, bytes, tcp_flags, retransmits }
        })
    }

    fn row() -> impl Strategy<Value = FlowRow> {
        let vni = option::of((0..1_u32 << 24).prop_map(|number| Vni::new(number).unwrap()));
        let key = (vni, any::<u8>(), any::<IpAddr>(), any::<IpAddr>(), ends()).prop_map(
            |(vni, protocol, source, destination, ends)| {
                let protocol = IpProtocol(protocol);
                FlowKey { vni, protocol, source, destination, ends }
            },
        );
        let vteps = option::of(any::<(IpAddr, IpAddr)>());
        let state = prop::sample::select(State::value_variants()).prop_map(|state| state.0);
        let times = (time(), time(), option::of(time()));
        (key, times, vteps, [sent(), sent()], state, any::<bool>()).prop_map(
            |(key, (first, last, rtt), vteps, sent, state, has_failed)| FlowRow {
                key,
                first,
                last,
                vteps,
                sent,
                state,
                rtt,
                has_failed,
            },
        )
    }

    proptest! {
        #[test]
        fn rows_are_as_they_were(rows in prop::collection::vec(row(), 1..20)) {
            let mut states = Vec::new();
            let mut packed = Vec::new();
            for row in &rows {
                pack(row, states.len() as u64, &mut packed);
                states.push(row.state);
            }
            let mut packed = Packed(&packed);
            for row in &rows {
                prop_assert_eq!(&packed.row(&states), row);
            }
            prop_assert!(packed.0.is_empty());
        }
    }

    #[test]
    fn no_row_is_longer_than_it_may_be() {
        let most = Sent {
            packets: u64::MAX,
            bytes: u64::MAX,
            tcp_flags: TcpFlags(u16::MAX),
            retransmits: u32::MAX,
        };
        let address = IpAddr::from([0xff; 16]);
        let row = FlowRow {
            key: FlowKey {
                vni: Vni::new(0xff_ffff),
                protocol: IpProtocol(255),
                source: address,
                destination: address,
                ends: Ends::Ports { source: u16::MAX, destination: u16::MAX },
            },
            first: i64::MIN,
            last: 0,
            vteps: Some((address, address)),
            sent: [most; 2],
            state: ConnState::Oth,
            rtt: Some(i64::MIN),
            has_failed: true,
        };
        let mut out = Vec::new();
        // a number of a state with as many bytes as there can be
        pack(&row, u64::MAX, &mut out);
        assert!(out.len() <= LONGEST, "{}", out.len());
    }
}
