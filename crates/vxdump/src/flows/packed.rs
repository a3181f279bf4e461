//! Flows in few bytes each, until they are printed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use vxflow::{ConnState, Ends, FlowKey};
use vxlan::{IpProtocol, TcpFlags, Vni};

use super::chosen::Kept;
use super::command::Sort;
use super::flow_row::{FlowRow, Rank, Sent};

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

    fn number(&mut self) -> u64 {
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
