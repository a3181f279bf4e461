//! What the table holds of a flow: a hot part that every packet touches, and a cold part that few
//! do.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use prefetch_index::prefetch_index;
use vxlan::{IpProtocol, TcpFlags};

use crate::conn_state::{ConnState, Endpoints, PackedEndpoints};
use crate::digest::{Carriage, Digest, Transport};
use crate::exchange::Exchanges;
use crate::key::{Address, Key, Kind, Side};
use crate::record::{Counts, EndReason, FlowRecord, Handshake};
use crate::repeats::Repeats;
use crate::sequence::{Direction, Segment, Verdict};

/// No slot: the end of a list.
pub(crate) const NONE: u32 = u32::MAX;

/// In the list of closed connections.
pub(crate) const CLOSED: u8 = 1;
/// Seen since it was put at its list's end.
const TOUCHED: u8 = 1 << 1;
/// A SYN without ACK of the opener was seen.
const SYN_SEEN: u8 = 1 << 2;
/// Packets of the lower side were seen; of the higher: one bit up.
const SEEN: u8 = 1 << 3;
/// Two bits: how far the handshake is.
const STAGE: u8 = 0b11 << 5;
/// A SYN was seen.
const STAGE_SYN: u8 = 0b01 << 5;
/// A SYN-ACK was seen after it.
const STAGE_SYN_ACK: u8 = 0b10 << 5;
/// The opener's ACK was seen after that.
const STAGE_DONE: u8 = 0b11 << 5;
/// [`Cold::vteps`] were seen from the higher side.
const VTEPS_OF_HIGH: u8 = 1 << 7;

/// How long after newer segments an older one may come late, in microseconds, where no round-trip
/// time is known (Wireshark's packet-tcp.c: 3 ms).
const REORDER: u32 = 3_000;

/// The part of an entry that every packet reads and writes, in as few cache lines as it can be.
#[derive(Clone, Debug)]
pub(crate) struct Hot<A: Address> {
    _align: [A::Align; 0],
    pub(crate) key: Key<A>,
    /// neighbours in the list of the least recently seen; `next` also links free entries
    pub(crate) previous: u32,
    pub(crate) next: u32,
    /// the table's packet count when it was put at the list's end
    pub(crate) stamp: u32,
    pub(crate) first: i64,
    pub(crate) last: i64,
    bytes: [u64; 2],
    packets: [u32; 2],
    /// capture point where each side was first seen
    point: [u32; 2],
    /// TCP
    direction: [Direction; 2],
    /// outer addresses of each side, folded; 0: none
    carriage: [u16; 2],
    endpoints: PackedEndpoints,
    opener: Side,
    pub(crate) bits: u8,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Counted {
    /// It ended the connection.
    pub(crate) ended: bool,
    /// It counts: it is no copy, or copies count too.
    pub(crate) counts: bool,
}

/// The rest of an entry.
#[derive(Clone, Debug)]
pub(crate) struct Cold {
    vteps: Vteps,
    icmp_errors: u32,
    vtep_changes: u32,
    /// of each side, where any is above 0
    rare: Option<Box<[Rare; 2]>>,
    detail: Detail,
}

#[derive(Clone, Debug)]
enum Vteps {
    None,
    V4([u32; 2]),
    /// rare enough for an allocation a flow
    V6(Box<[[u32; 4]; 2]>),
}

/// Counts that most flows leave at 0.
#[derive(Clone, Copy, Debug, Default)]
struct Rare {
    retransmits: u32,
    out_of_order: u32,
    zero_windows: u32,
    copies: u32,
    keep_alives: u16,
    zero_window_probes: u16,
    resets: u16,
}

#[derive(Clone, Debug)]
enum Detail {
    Tcp {
        /// initial sequence numbers of the sides, where a SYN was seen
        initial: [Option<u32>; 2],
        /// of the last step of the handshake
        time: i64,
        syn_to_syn_ack: i64,
        syn_ack_to_ack: i64,
    },
    Exchange(Exchanges),
    None,
}

impl<A: Address> Hot<A> {
    /// An entry for the flow that a packet begins. The packet itself is not counted yet.
    pub(crate) fn begin(digest: &Digest<A>) -> (Self, Cold) {
        let opener = match digest.transport {
            // whom a SYN-ACK goes to has opened the connection
            Transport::Tcp(tcp) if is_syn_ack(tcp.flags) => digest.side.other(),
            // an answer alone: its receiver has asked
            Transport::Answer(_) => digest.side.other(),
            _ => digest.side,
        };
        let detail = match (digest.key.protocol, digest.key.kind) {
            (IpProtocol::TCP, _) => {
                let (initial, time) = ([None; 2], 0);
                Detail::Tcp { initial, time, syn_to_syn_ack: 0, syn_ack_to_ack: 0 }
            }
            (IpProtocol::UDP, _) | (_, Kind::Identifier) => Detail::Exchange(Exchanges::default()),
            _ => Detail::None,
        };
        let hot = Self {
            _align: [],
            key: digest.key,
            previous: NONE,
            next: NONE,
            stamp: 0,
            first: digest.time,
            last: digest.time,
            bytes: [0; 2],
            packets: [0; 2],
            point: [0; 2],
            direction: [Direction::default(); 2],
            carriage: [0; 2],
            endpoints: Endpoints::new().into(),
            opener,
            bits: 0,
        };
        let cold = Cold { vteps: Vteps::None, icmp_errors: 0, vtep_changes: 0, rare: None, detail };
        (hot, cold)
    }

    /// Is this packet the first of a new connection with the same ports?
    #[inline]
    pub(crate) fn is_reused_by(&self, digest: &Digest<A>, cold: &Cold) -> bool {
        match digest.transport {
            Transport::Tcp(tcp) if tcp.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN => {
                self.is_new_connection(digest.side, tcp.seq, cold)
            }
            _ => false,
        }
    }

    #[cold]
    fn is_new_connection(&self, side: Side, seq: u32, cold: &Cold) -> bool {
        /// How far a SYN may lag behind data of its connection in a capture that is not in the
        /// order of time.
        const LATE: u32 = 1 << 20;

        let Detail::Tcp { initial, .. } = &cold.detail else { return false };
        if let Some(initial) = initial[side as usize] {
            return initial != seq;
        }
        let (mine, other) = (self.direction[side as usize], self.direction[side.other() as usize]);
        let behind = |number: u32| number.wrapping_sub(seq.wrapping_add(1)) <= LATE;
        !(mine.is_known() && behind(mine.next) || other.ack_known() && behind(other.ack))
    }

    /// It was put at the end of the list with this bit, behind `previous`.
    pub(crate) fn link(&mut self, previous: u32, list: u8, now: u32) {
        (self.previous, self.next, self.stamp) = (previous, NONE, now);
        self.bits = self.bits & !(CLOSED | TOUCHED) | list;
    }

    /// Loads its cache lines.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch_index(self.packets.as_slice(), 0);
        prefetch_index(self.direction.as_slice(), 1);
        prefetch_index(self.point.as_slice(), 0);
    }

    /// Has it been seen since it was put at its list's end?
    pub(crate) const fn seen_since_linked(&self) -> bool {
        self.bits & TOUCHED != 0
    }

    /// Is the packet count about to overflow?
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.packets[0] == u32::MAX || self.packets[1] == u32::MAX
    }

    /// Begins a new record of the same flow: counts start again, the connection's history goes on.
    pub(crate) fn restart(&mut self, cold: &mut Cold, time: i64) {
        (self.first, self.last) = (time, time);
        (self.bytes, self.packets) = ([0; 2], [0; 2]);
        for direction in &mut self.direction {
            direction.flags = TcpFlags(0);
        }
        (cold.icmp_errors, cold.vtep_changes) = (0, 0);
        cold.rare = None;
        if let Detail::Exchange(exchanges) = &mut cold.detail {
            exchanges.restart();
        }
    }

    /// Counts a packet if it changes nothing but numbers: not the first of its end, at the end's
    /// capture point, over the same VTEPs; UDP, or TCP of an established connection with new bytes
    /// or a bare acknowledgement. What comes is what [`Self::count`] does; `false` for all else,
    /// and then nothing has changed.
    #[inline]
    pub(crate) fn count_usual(&mut self, digest: &Digest<A>) -> bool {
        let side = digest.side as usize;
        if self.bits & (CLOSED | SEEN << side) != SEEN << side
            || self.point[side] != digest.point
            || self.carriage[side] != fold(&digest.carriage)
            || self.is_full()
        {
            return false;
        }
        match digest.transport {
            Transport::Tcp(tcp) => {
                let from_opener = digest.side == self.opener;
                if tcp.flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) != 0
                    || self.bits & STAGE != STAGE_DONE
                    || !self.endpoints.is_settled(from_opener, tcp.len)
                    || !self.direction[side].take_usual(&Segment::of(digest, tcp))
                {
                    return false;
                }
                self.direction[side].flags.0 |= tcp.flags;
            }
            Transport::Datagram | Transport::Other => {}
            Transport::Request(_) | Transport::Answer(_) => return false,
        }
        self.bits |= TOUCHED;
        self.first = self.first.min(digest.time);
        self.last = self.last.max(digest.time);
        self.packets[side] += 1;
        self.bytes[side] += u64::from(digest.bytes);
        true
    }

    /// Takes in a packet; copies are counted where there are no `repeats` to tell them.
    #[inline]
    pub(crate) fn count(
        &mut self,
        cold: &mut Cold,
        digest: &Digest<A>,
        repeats: Option<&mut Repeats>,
    ) -> Counted {
        let copies = repeats.is_none();
        let side = digest.side as usize;
        let is_first = self.bits & SEEN << side == 0;
        if is_first {
            self.bits |= SEEN << side;
            self.point[side] = digest.point;
        }
        self.bits |= TOUCHED;
        self.first = self.first.min(digest.time);
        self.last = self.last.max(digest.time);
        self.carried(cold, digest);

        // only what is seen at home can be at home once more, and the first packet of a flow is no
        // copy
        let at_home = self.point[side] == digest.point
            && repeats.is_none_or(|repeats| !repeats.saw(digest) || is_first);
        let mut is_copy = !at_home;
        let mut ended = false;
        match digest.transport {
            Transport::Tcp(tcp) => {
                let segment = Segment::of(digest, tcp);
                (is_copy, ended) = self.tcp(cold, digest, &segment, at_home);
            }
            _ if !at_home => {}
            Transport::Datagram if !is_first => {}
            Transport::Datagram => {
                if let Detail::Exchange(exchanges) = &mut cold.detail {
                    exchanges.datagram(digest.side == self.opener, digest.time);
                }
            }
            Transport::Request(number) => {
                if let Detail::Exchange(exchanges) = &mut cold.detail {
                    exchanges.request(number, digest.time);
                }
            }
            Transport::Answer(number) => {
                if let Detail::Exchange(exchanges) = &mut cold.detail {
                    exchanges.answer(number, digest.time);
                }
            }
            Transport::Other => {}
        }
        if is_copy {
            let count = &mut cold.rare(digest.side).copies;
            *count = count.saturating_add(1);
        }
        let counts = copies || !is_copy;
        if counts {
            self.packets[side] += 1;
            self.bytes[side] += u64::from(digest.bytes);
        }
        Counted { ended, counts }
    }

    /// Keeps the outer addresses.
    #[inline]
    fn carried(&mut self, cold: &mut Cold, digest: &Digest<A>) {
        let side = digest.side as usize;
        let folded = fold(&digest.carriage);
        // a copy that is in no tunnel yet, or no more, says nothing of who carries it
        if self.carriage[side] != folded && folded != 0 {
            self.carried_otherwise(cold, digest, folded);
        }
    }

    #[cold]
    fn carried_otherwise(&mut self, cold: &mut Cold, digest: &Digest<A>, folded: u16) {
        let side = digest.side as usize;
        if self.carriage[side] != 0 {
            cold.vtep_changes = cold.vtep_changes.saturating_add(1);
        }
        self.carriage[side] = folded;
        if matches!(cold.vteps, Vteps::None) {
            if digest.side == Side::High {
                self.bits |= VTEPS_OF_HIGH;
            }
            cold.vteps = match digest.carriage {
                Carriage::None => Vteps::None,
                Carriage::V4(pair) => Vteps::V4(pair),
                Carriage::V6(pair) => Vteps::V6(Box::new(pair)),
            };
        }
    }

    /// Returns whether it is a copy, and whether it ended the connection.
    #[inline]
    fn tcp(
        &mut self,
        cold: &mut Cold,
        digest: &Digest<A>,
        segment: &Segment,
        at_home: bool,
    ) -> (bool, bool) {
        let (me, other) = (digest.side as usize, digest.side.other() as usize);
        let flags = segment.flags;
        self.direction[me].flags.0 |= flags.0;
        let is_control = flags.0 & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) != 0;
        if flags.0 & TcpFlags::SYN != 0 {
            self.syn(cold, digest.side, segment);
        }
        let from_opener = digest.side == self.opener;
        let ended = (is_control || !self.endpoints.is_settled(from_opener, segment.len))
            && self.step(from_opener, segment);
        if !at_home {
            return (true, ended);
        }
        if self.bits & STAGE != STAGE_DONE {
            self.handshake(cold, from_opener, flags, digest.time);
        }
        let peer = self.direction[other];
        let verdict = self.direction[me].take(segment, &peer, || cold.reorder());
        if verdict != Verdict::Fresh || segment.is_zero_window() || flags.0 & TcpFlags::RST != 0 {
            cold.rare(digest.side).add(verdict, segment);
        }
        (verdict == Verdict::Copy, ended)
    }

    /// Takes a step of the connection. Returns whether it is over.
    fn step(&mut self, from_opener: bool, segment: &Segment) -> bool {
        let mut endpoints = Endpoints::from(self.endpoints);
        endpoints.step(from_opener, segment.flags, segment.len);
        self.endpoints = endpoints.into();
        endpoints.is_over()
    }

    #[cold]
    fn syn(&mut self, cold: &mut Cold, side: Side, segment: &Segment) {
        let Detail::Tcp { initial, .. } = &mut cold.detail else { return };
        initial[side as usize].get_or_insert(segment.seq);
        if !segment.flags.has(TcpFlags::ACK) && self.bits & SYN_SEEN == 0 {
            self.bits |= SYN_SEEN;
            if self.opener != side {
                self.opener = side;
                let mut endpoints = Endpoints::from(self.endpoints);
                endpoints.flip();
                self.endpoints = endpoints.into();
            }
        }
    }

    /// Follows the steps of the handshake at the capture point.
    fn handshake(&mut self, cold: &mut Cold, from_opener: bool, flags: TcpFlags, now: i64) {
        let Detail::Tcp { time, syn_to_syn_ack, syn_ack_to_ack, .. } = &mut cold.detail else {
            return;
        };
        let (syn, ack) = (flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK));
        let stage = match self.bits & STAGE {
            0 | STAGE_SYN if from_opener && syn && !ack => {
                *time = now;
                STAGE_SYN
            }
            STAGE_SYN if !from_opener && syn && ack => {
                *syn_to_syn_ack = now.saturating_sub(*time);
                *time = now;
                STAGE_SYN_ACK
            }
            STAGE_SYN_ACK if from_opener && ack && !syn => {
                *syn_ack_to_ack = now.saturating_sub(*time);
                STAGE_DONE
            }
            // in midstream there is none to follow
            0 => STAGE_DONE,
            stage => stage,
        };
        self.bits = self.bits & !STAGE | stage;
    }

    pub(crate) fn record(&self, cold: &Cold, end: EndReason) -> FlowRecord {
        let (opener, other) = (self.opener as usize, self.opener.other() as usize);
        let vteps = match &cold.vteps {
            Vteps::None => None,
            Vteps::V4(pair) => Some(pair.map(|bits| IpAddr::V4(Ipv4Addr::from_bits(bits)))),
            Vteps::V6(pair) => Some(pair.map(|words| {
                IpAddr::V6(Ipv6Addr::from_bits(
                    words.iter().fold(0, |bits, &word| bits << 32 | u128::from(word)),
                ))
            })),
        };
        let of_high = self.bits & VTEPS_OF_HIGH != 0;
        let of_opener = of_high == (self.opener == Side::High);
        FlowRecord {
            key: self.key.oriented(self.opener),
            first: self.first,
            last: self.last,
            vteps: vteps.map(|[a, b]| if of_opener { (a, b) } else { (b, a) }),
            vtep_changes: cold.vtep_changes,
            forward: self.counts(cold, opener),
            reverse: self.counts(cold, other),
            state: self.conn_state(),
            handshake: self.handshake_times(cold),
            exchange: match &cold.detail {
                Detail::Exchange(exchanges) => Some(exchanges.record()),
                _ => None,
            },
            icmp_errors: cold.icmp_errors,
            end,
        }
    }

    fn conn_state(&self) -> ConnState {
        match self.key.protocol {
            IpProtocol::TCP => Endpoints::from(self.endpoints).conn_state(),
            IpProtocol::UDP => match [Side::Low, Side::High].map(|s| self.bits & SEEN << s as u8) {
                [0, _] | [_, 0] if self.bits & SEEN << self.opener as u8 != 0 => ConnState::S0,
                [0, _] | [_, 0] => ConnState::Shr,
                _ => ConnState::SF,
            },
            _ => ConnState::Oth,
        }
    }

    fn handshake_times(&self, cold: &Cold) -> Option<Handshake> {
        let Detail::Tcp { syn_to_syn_ack, syn_ack_to_ack, .. } = cold.detail else { return None };
        match self.bits & STAGE {
            STAGE_SYN_ACK => Some(Handshake { syn_to_syn_ack, syn_ack_to_ack: None }),
            // in midstream no SYN was seen
            STAGE_DONE if self.bits & SYN_SEEN != 0 => {
                Some(Handshake { syn_to_syn_ack, syn_ack_to_ack: Some(syn_ack_to_ack) })
            }
            _ => None,
        }
    }

    fn counts(&self, cold: &Cold, side: usize) -> Counts {
        let rare = cold.rare.as_ref().map_or_else(Rare::default, |rare| rare[side]);
        Counts {
            packets: u64::from(self.packets[side]),
            bytes: self.bytes[side],
            tcp_flags: self.direction[side].flags,
            retransmits: rare.retransmits,
            out_of_order: rare.out_of_order,
            zero_windows: rare.zero_windows,
            keep_alives: rare.keep_alives,
            zero_window_probes: rare.zero_window_probes,
            resets: rare.resets,
            copies: rare.copies,
        }
    }
}

impl Cold {
    #[cold]
    fn rare(&mut self, side: Side) -> &mut Rare {
        &mut self.rare.get_or_insert_default()[side as usize]
    }

    pub(crate) fn add_icmp_error(&mut self) {
        self.icmp_errors = self.icmp_errors.saturating_add(1);
    }

    /// How long an older segment counts as late, in microseconds: the round-trip time, as Wireshark
    /// has it.
    fn reorder(&self) -> u32 {
        match self.detail {
            Detail::Tcp { syn_to_syn_ack, syn_ack_to_ack, .. } if syn_ack_to_ack > 0 => {
                u32::try_from(syn_to_syn_ack.saturating_add(syn_ack_to_ack) / 1_000)
                    .unwrap_or(REORDER)
            }
            _ => REORDER,
        }
    }

    /// Gives back what is on the heap: the entry is unused from here on.
    pub(crate) fn release(&mut self) {
        (self.vteps, self.rare, self.detail) = (Vteps::None, None, Detail::None);
    }

    /// Bytes on the heap besides the entry itself.
    pub(crate) fn heap_bytes(&self) -> usize {
        let vteps = match self.vteps {
            Vteps::V6(_) => size_of::<[[u32; 4]; 2]>(),
            _ => 0,
        };
        let detail = match &self.detail {
            Detail::Exchange(exchanges) => exchanges.heap_bytes(),
            _ => 0,
        };
        let rare = self.rare.as_ref().map_or(0, |rare| size_of_val(&**rare));
        vteps + rare + detail
    }
}

impl Rare {
    #[cold]
    fn add(&mut self, verdict: Verdict, segment: &Segment) {
        match verdict {
            Verdict::Retransmission => self.retransmits = self.retransmits.saturating_add(1),
            Verdict::OutOfOrder => self.out_of_order = self.out_of_order.saturating_add(1),
            Verdict::KeepAlive => self.keep_alives = self.keep_alives.saturating_add(1),
            Verdict::ZeroWindowProbe => {
                self.zero_window_probes = self.zero_window_probes.saturating_add(1);
            }
            Verdict::Fresh | Verdict::Copy => {}
        }
        if segment.is_zero_window() && verdict != Verdict::Copy {
            self.zero_windows = self.zero_windows.saturating_add(1);
        }
        if segment.flags.has(TcpFlags::RST) {
            self.resets = self.resets.saturating_add(1);
        }
    }
}

const fn is_syn_ack(flags: u16) -> bool {
    let both = TcpFlags::SYN | TcpFlags::ACK;
    flags & both == both
}

/// Outer addresses in 16 bits, to see that they change; 0: none.
#[inline]
fn fold(carriage: &Carriage) -> u16 {
    /// The fractional part of the golden ratio (Knuth's multiplicative hashing): spreads every bit
    /// upwards.
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let bits = match carriage {
        Carriage::None => return 0,
        Carriage::V4([a, b]) => (u64::from(*a) << 32 | u64::from(*b)).wrapping_mul(SPREAD),
        Carriage::V6(pair) => pair.iter().flatten().fold(0, |bits: u64, &word| {
            (bits.rotate_left(29) ^ u64::from(word)).wrapping_mul(SPREAD)
        }),
    };
    (bits >> 48) as u16 | 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Wide;

    /// Memory a flow follows from these: issue 5 allows 300 bytes with the index.
    #[test]
    fn entries_are_small() {
        assert_eq!(size_of::<Hot<u32>>(), 128);
        assert!(size_of::<Hot<Wide>>() <= 192);
        assert!(size_of::<Cold>() <= 104, "{}", size_of::<Cold>());
    }
}
