//! Flows in few bytes each, until they are printed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxflow::{ConnState, Ends, FlowKey};
use vxlan::{IpProtocol, TcpFlags, Vni};

use super::chosen::Kept;
use super::flow_row::{FlowRow, Rank, Sent};
use super::sort::Sort;

/// Bytes of a piece: as the pieces that a flow table gives back while its flows come here, so that these fit there.
const PIECE: usize = 32 * 1024;
/// More than the longest row has.
const LONGEST: usize = 192;

/// Rows of flows, some 50 bytes each where addresses are IPv4, as all of a file wait to be sorted.
///
/// Numbers are in 7 bits a byte, the lowest first, of each byte but the last one the highest bit is set; what has no
/// limit near 0 is as it is, in little-endian order.
#[derive(Debug, Default)]
pub(crate) struct PackedFlows {
    /// rows one behind the other, each whole in its piece
    pieces: Vec<Vec<u8>>,
    len: usize,
    /// the states that came up: a row has their number
    states: Vec<ConnState>,
    order: Vec<Place>,
}

/// A row in the order that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: Rank,
    /// number of its piece times [`PIECE`], and its first byte there
    at: u64,
}

impl Kept for PackedFlows {
    type Row = FlowRow;

    fn push(&mut self, row: FlowRow) {
        self.add(&row);
    }

    fn len(&self) -> usize {
        self.len
    }

    fn sort(&mut self, sort: Sort, top: usize) {
        let mut order = Vec::with_capacity(self.len);
        order.extend(self.all().map(|(at, row)| Place { rank: row.rank(sort), at }));
        order.sort_unstable();
        for equals in order.chunk_by_mut(|a, b| a.rank == b.rank).filter(|some| some.len() > 1) {
            // each row is unpacked once, not for each comparison
            equals.sort_by_cached_key(|place| {
                let row = self.row(place.at);
                (row.key, row.last)
            });
        }
        if order.len() > top {
            order.truncate(top);
            let all = std::mem::take(self);
            for place in &mut order {
                place.at = self.add(&all.row(place.at));
            }
        }
        self.order = order;
    }

    fn last(&self) -> Option<FlowRow> {
        self.order.last().map(|place| self.row(place.at))
    }
}

impl PackedFlows {
    /// The rows in the order that they were put in.
    pub(crate) fn rows(&self) -> impl Iterator<Item = FlowRow> + Clone + '_ {
        self.order.iter().map(|place| self.row(place.at))
    }

    /// All rows as they came, each with its place.
    fn all(&self) -> impl Iterator<Item = (u64, FlowRow)> + '_ {
        self.pieces.iter().enumerate().flat_map(move |(number, piece)| {
            let mut rest = Packed(piece);
            std::iter::from_fn(move || {
                if rest.0.is_empty() {
                    return None;
                }
                let at = number * PIECE + piece.len() - rest.0.len();
                Some((at as u64, rest.row(&self.states)))
            })
        })
    }

    fn row(&self, at: u64) -> FlowRow {
        let (number, start) = (at as usize / PIECE, at as usize % PIECE);
        let piece = self.pieces.get(number).and_then(|piece| piece.get(start..));
        Packed(piece.unwrap_or_default()).row(&self.states)
    }

    /// Adds a row, and gives its place.
    fn add(&mut self, row: &FlowRow) -> u64 {
        let state = self.states.iter().position(|state| *state == row.state);
        let state = state.unwrap_or_else(|| {
            self.states.push(row.state);
            self.states.len() - 1
        });
        self.len += 1;
        if self.pieces.last().is_none_or(|piece| PIECE - piece.len() < LONGEST) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        // there is one
        let Some(piece) = self.pieces.last_mut() else { return 0 };
        let start = piece.len();
        pack(row, state as u64, piece);
        debug_assert!(piece.len() - start <= LONGEST, "{row:?}");
        (before + start) as u64
    }
}

// What a row has, and of what kind it is: the first two bytes.
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

fn pack(row: &FlowRow, state: u64, out: &mut Vec<u8>) {
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

/// Numbers near 0 of either sign as small ones.
const fn zigzag(number: i64) -> u64 {
    (number << 1 ^ number >> 63).cast_unsigned()
}

const fn unzigzag(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Bytes that begin with a row.
struct Packed<'a>(&'a [u8]);

impl Packed<'_> {
    /// Takes a row off.
    fn row(&mut self, states: &[ConnState]) -> FlowRow {
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

    /// The next bytes; there are as many.
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

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use proptest::option;
    use proptest::prelude::*;

    use super::super::chosen::Chosen;
    use super::super::outcome::State;
    use super::super::row::Row as _;
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

    /// As few have more than one packet, and many begin at one time.
    fn alike(number: u32) -> FlowRow {
        // Knuth's multiplicative hash: any order that is not that of the numbers
        let mixed = number.wrapping_mul(2_654_435_761);
        let first = 1_795_219_200_000_000_000 + i64::from(mixed >> 29) * 1_000;
        let one = Sent {
            packets: u64::from(mixed >> 30),
            bytes: u64::from(mixed >> 27) * 1_000,
            tcp_flags: TcpFlags(TcpFlags::SYN | TcpFlags::ACK | TcpFlags::PSH),
            retransmits: mixed >> 31,
        };
        let ends = Ends::Ports { source: mixed as u16 >> 5, destination: 8080 };
        let address = |last: u8| IpAddr::V4(Ipv4Addr::new(10, 244, 1, last));
        FlowRow {
            key: FlowKey {
                vni: Vni::new(1),
                protocol: IpProtocol::TCP,
                source: address(mixed as u8 & 3),
                destination: address(9),
                ends,
            },
            first,
            last: first + i64::from(number % 5) * 1_000_000,
            vteps: Some((address(1), address(2))),
            sent: [one; 2],
            state: if mixed & 64 == 0 { ConnState::S0 } else { ConnState::SF },
            rtt: (mixed & 128 == 0).then_some(i64::from(mixed >> 28) * 1_000),
            has_failed: mixed & 64 == 0,
        }
    }

    proptest! {
        #[test]
        fn rows_are_as_they_were(rows in prop::collection::vec(row(), 1..400)) {
            let mut packed = PackedFlows::default();
            let places: Vec<_> = rows.iter().map(|row| packed.add(row)).collect();
            let all: Vec<_> = places.iter().copied().zip(rows.iter().cloned()).collect();
            prop_assert_eq!(packed.all().collect::<Vec<_>>(), all);
            for (&place, row) in places.iter().zip(&rows) {
                prop_assert_eq!(&packed.row(place), row);
            }
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

    /// The order is that of the rows themselves, however many are wanted, and equals are told apart.
    #[test]
    fn the_order_is_that_of_the_rows() {
        const ROWS: u32 = 20_000;
        for &sort in Sort::value_variants() {
            let mut expected: Vec<_> = (0..ROWS).map(alike).collect();
            expected.sort_by(|a, b| a.compare(b, sort));
            for top in [None, Some(1), Some(20), Some(7_000), Some(ROWS), Some(u32::MAX)] {
                let mut chosen = Chosen::<PackedFlows>::new(sort, top);
                (0..ROWS).for_each(|number| chosen.push(alike(number)));
                let (packed, given) = chosen.finish();
                let shown = top.unwrap_or(ROWS).min(ROWS) as usize;
                assert_eq!((given, packed.len()), (ROWS.into(), shown), "{sort:?}, {top:?}");
                assert!(packed.rows().eq(expected[..shown].iter().cloned()), "{sort:?}, {top:?}");
            }
        }
    }

    /// What waits is small, also where only some rows are wanted of many.
    #[test]
    fn rows_are_small() {
        const ROWS: u32 = 20_000;
        let bytes = |packed: &PackedFlows| packed.pieces.iter().map(Vec::capacity).sum::<usize>();
        let mut packed = PackedFlows::default();
        (0..ROWS).for_each(|number| packed.push(alike(number)));
        assert!(bytes(&packed) < 60 * ROWS as usize, "{}", bytes(&packed));
        packed.sort(Sort::Bytes, 500);
        assert!(bytes(&packed) <= PIECE, "{}", bytes(&packed));
    }
}
