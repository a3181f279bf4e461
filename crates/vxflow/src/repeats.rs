//! Copies of a packet at what looks like one capture point. Files that do not name their devices
//! (pcap files of `any`, or merged from several files) have only one.

use vxlan::TcpFlags;

use crate::digest::{Digest, Transport};
use crate::key::Side;

/// How long after a packet its copies come, in nanoseconds: longer than a host or a datacentre
/// forwards, and shorter than anybody waits before sending again without being asked (Linux's
/// `TCP_RTO_MIN` is 200 ms).
pub(crate) const SOON: i64 = 100_000_000;

/// Sets of packets among which one is looked for.
const SETS: usize = 4096;

/// Packets in a set: enough that a packet is still there after thousands of others.
const WAYS: usize = 8;

/// A packet that was seen.
#[derive(Clone, Copy, Debug)]
struct Known {
    print: u64,
    time: i64,
    ttl: u8,
}

/// The packets that were seen last, of all flows: a fixed number.
#[derive(Clone, Debug)]
pub(crate) struct Repeats {
    sets: Vec<[Option<Known>; WAYS]>,
}

impl Repeats {
    pub(crate) fn new() -> Self {
        Self { sets: vec![[None; WAYS]; SETS] }
    }

    /// Was this packet seen before, and just now? It is remembered.
    ///
    /// IPv4's identification tells, with what the transport header says. Where there is none, only
    /// those packets are judged which nobody sends twice within that time: requests and answers
    /// with a number, and SYNs; and others that a router in between shows to be the same. Fragments
    /// of a packet have one identification, and are not judged.
    #[inline(never)]
    pub(crate) fn saw<A>(&mut self, digest: &Digest<A>) -> bool {
        if digest.fragment != 0 {
            return false;
        }
        let (numbers, is_told, may_be_routed) = match digest.transport {
            Transport::Tcp(tcp) => {
                let numbers = u64::from(tcp.seq) << 32 | u64::from(tcp.ack);
                let rest = u64::from(tcp.len) << 32 | u64::from(tcp.flags) << 16;
                let bits = numbers ^ (rest | u64::from(tcp.window)).rotate_left(17);
                // sent twice or not, bytes are judged by their sequence numbers
                (bits, tcp.flags & TcpFlags::SYN != 0, tcp.len == 0)
            }
            Transport::Request(number) => (u64::from(number), true, true),
            Transport::Answer(number) => (1 << 16 | u64::from(number), true, true),
            Transport::Datagram | Transport::Other => (0, false, false),
        };
        let is_told = is_told || digest.ip_id != 0;
        if !is_told && !may_be_routed {
            return false;
        }
        let print = print(digest, numbers);
        let Some(set) = self.sets.get_mut(print as usize % SETS) else { return false };
        let known = set.iter().flatten().any(|known| {
            known.print == print
                && known.time.abs_diff(digest.time) < SOON.unsigned_abs()
                && (is_told || known.ttl != digest.ttl)
        });
        if !known {
            let oldest = set.iter_mut().min_by_key(|place| place.map_or(i64::MIN, |old| old.time));
            if let Some(place) = oldest {
                *place = Some(Known { print, time: digest.time, ttl: digest.ttl });
            }
        }
        known
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.sets.capacity() * size_of::<[Option<Known>; WAYS]>()
    }
}

/// What packets that are no copies of each other hardly share. The hash of the flow, which is
/// seeded, spreads it.
fn print<A>(digest: &Digest<A>, numbers: u64) -> u64 {
    /// The fractional part of the golden ratio (Knuth's multiplicative hashing).
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
    let of_packet = u64::from(digest.ip_id) << 1 | u64::from(digest.side == Side::High);
    let mixed = (digest.hash ^ numbers).wrapping_mul(SPREAD).rotate_left(32) ^ of_packet;
    let mixed = mixed.wrapping_mul(SPREAD);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::{Carriage, Tcp, What};
    use crate::key::{Key, Kind};

    fn digest(ip_id: u16, transport: Transport, time: i64) -> Digest<u32> {
        let (key, side) = Key::new((1, 2), (3, 4), 5, vxlan::IpProtocol::TCP, Kind::Ports);
        Digest {
            time,
            hash: 77,
            key,
            point: 0,
            bytes: 60,
            fragment: 0,
            transport,
            carriage: Carriage::None,
            ip_id,
            ttl: 64,
            side,
            what: What::Packet,
        }
    }

    fn tcp(flags: u16, len: u32) -> Transport {
        Transport::Tcp(Tcp { seq: 1, ack: 2, len, window: 3, flags })
    }

    /// Is the second one a copy of the first?
    fn is_copy(first: Digest<u32>, second: Digest<u32>) -> bool {
        let mut repeats = Repeats::new();
        assert!(!repeats.saw(&first));
        repeats.saw(&second)
    }

    #[test]
    fn identifications_tell_copies_for_a_while() {
        for transport in [tcp(TcpFlags::ACK, 0), Transport::Datagram, Transport::Request(8)] {
            let first = digest(7, transport, 50);
            assert!(is_copy(first, digest(7, transport, 0)));
            assert!(is_copy(first, digest(7, transport, SOON)));
            assert!(!is_copy(first, digest(7, transport, SOON + 50)));
            assert!(!is_copy(first, digest(8, transport, 51)));
            assert!(!is_copy(first, Digest { side: Side::High, ..digest(7, transport, 51) }));
            let part = Digest { fragment: 7, ..first };
            assert!(!is_copy(part, part));
        }
        assert!(!is_copy(digest(7, tcp(0, 0), 0), digest(7, tcp(0, 1), 1)));
    }

    #[test]
    fn without_identification_only_the_certain_ones() {
        let told = [Transport::Request(1), Transport::Answer(1), tcp(TcpFlags::SYN, 0)];
        for transport in told {
            assert!(is_copy(digest(0, transport, 0), digest(0, transport, 1)));
        }
        let ack = digest(0, tcp(TcpFlags::ACK, 0), 0);
        assert!(!is_copy(ack, ack));
        assert!(is_copy(ack, Digest { ttl: 63, ..ack }));
        for transport in [tcp(TcpFlags::ACK, 9), Transport::Datagram] {
            assert!(!is_copy(digest(0, transport, 0), digest(0, transport, 1)));
        }
        assert!(!is_copy(digest(0, told[0], 0), digest(0, told[1], 0)));
    }

    #[test]
    fn many_packets_between_push_out_none() {
        let mut repeats = Repeats::new();
        let numbered = |number: u16| Digest {
            hash: u64::from(number / 100) << 40,
            ..digest(number, Transport::Datagram, 0)
        };
        for number in 1..=5000 {
            assert!(!repeats.saw(&numbered(number)));
        }
        for number in 1..=5000 {
            assert!(repeats.saw(&numbered(number)), "{number}");
        }
    }
}
