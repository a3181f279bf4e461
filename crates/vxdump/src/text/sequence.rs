//! First sequence numbers of TCP connections, from which relative ones are counted.

use std::collections::HashMap;
use std::mem;

use foldhash::fast::RandomState;

/// How many connections are remembered at most, the oldest forgotten first. tcpdump remembers all,
/// for ever.
const MOST: usize = 1 << 20;

/// A connection, in the order that both its directions share.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Connection<Address> {
    addresses: [Address; 2],
    /// both ports
    ports: u32,
    /// which tunnel: the same addresses may be in use in several of them
    vni: Option<u32>,
}

/// What the first packet with an acknowledgement said.
#[derive(Clone, Copy)]
struct First {
    /// of the end that comes first in [`Connection`]
    sequence: u32,
    /// of the other end
    other: u32,
}

/// Connections by age: in two halves, so that forgetting the oldest costs nothing a packet.
struct Halves<Address> {
    young: HashMap<Connection<Address>, First, RandomState>,
    old: HashMap<Connection<Address>, First, RandomState>,
}

impl<Address: Copy + Eq + std::hash::Hash> Halves<Address> {
    fn new() -> Self {
        Self { young: HashMap::default(), old: HashMap::default() }
    }

    fn find(&mut self, connection: &Connection<Address>) -> Option<First> {
        if let Some(first) = self.young.get(connection) {
            return Some(*first);
        }
        // one that is in use stays young
        let first = self.old.remove(connection)?;
        self.remember(*connection, first);
        Some(first)
    }

    fn remember(&mut self, connection: Connection<Address>, first: First) {
        if self.young.len() >= MOST / 2 {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(connection, first);
    }
}

/// The first sequence numbers of all connections that are remembered.
pub(super) struct Sequences {
    v4: Halves<[u8; 4]>,
    v6: Halves<[u8; 16]>,
}

/// The two ends of a packet.
#[derive(Clone, Copy)]
pub(super) enum Ends {
    /// IPv4: source, destination
    V4([u8; 4], [u8; 4]),
    /// IPv6: source, destination
    V6([u8; 16], [u8; 16]),
}

/// The numbers as they are printed.
#[derive(Clone, Copy, Default)]
pub(super) struct Relative {
    /// of the packet's first byte
    pub(super) sequence: u32,
    /// of the byte that is expected next
    pub(super) acknowledgement: u32,
    /// what selective acknowledgements are counted from
    pub(super) base: u32,
}

impl Sequences {
    pub(super) fn new() -> Self {
        Self { v4: Halves::new(), v6: Halves::new() }
    }

    /// Makes the numbers of a packet that acknowledges something relative to the connection's first
    /// ones; those of the first packet stay as they are.
    pub(super) fn relative(
        &mut self,
        ends: Ends,
        ports: (u16, u16),
        vni: Option<u32>,
        syn: bool,
        (sequence, acknowledgement): (u32, u32),
    ) -> Relative {
        match ends {
            Ends::V4(source, destination) => {
                self.v4.relative([source, destination], ports, vni, syn, sequence, acknowledgement)
            }
            Ends::V6(source, destination) => {
                self.v6.relative([source, destination], ports, vni, syn, sequence, acknowledgement)
            }
        }
    }
}

impl<Address: Copy + Ord + std::hash::Hash> Halves<Address> {
    fn relative(
        &mut self,
        [source, destination]: [Address; 2],
        (source_port, destination_port): (u16, u16),
        vni: Option<u32>,
        syn: bool,
        sequence: u32,
        acknowledgement: u32,
    ) -> Relative {
        let reverse = (source_port, source) > (destination_port, destination);
        let connection = if reverse {
            Connection {
                addresses: [destination, source],
                ports: u32::from(destination_port) << 16 | u32::from(source_port),
                vni,
            }
        } else {
            Connection {
                addresses: [source, destination],
                ports: u32::from(source_port) << 16 | u32::from(destination_port),
                vni,
            }
        };
        let before = acknowledgement.wrapping_sub(1);
        match self.find(&connection) {
            Some(first) if !syn => {
                let (mine, others) = if reverse {
                    (first.other, first.sequence)
                } else {
                    (first.sequence, first.other)
                };
                Relative {
                    sequence: sequence.wrapping_sub(mine),
                    acknowledgement: acknowledgement.wrapping_sub(others),
                    base: others,
                }
            }
            _ => {
                let first = if reverse {
                    First { sequence: before, other: sequence }
                } else {
                    First { sequence, other: before }
                };
                self.remember(connection, first);
                Relative { sequence, acknowledgement, base: before }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [u8; 4] = [10, 0, 0, 1];
    const B: [u8; 4] = [10, 0, 0, 2];

    #[test]
    fn both_directions_count_from_the_first_packet() {
        let mut all = Sequences::new();
        let first = all.relative(Ends::V4(A, B), (1000, 80), None, false, (500, 900));
        assert_eq!((first.sequence, first.acknowledgement), (500, 900));
        let back = all.relative(Ends::V4(B, A), (80, 1000), None, false, (900, 510));
        assert_eq!((back.sequence, back.acknowledgement), (1, 10));
        let other_tunnel = all.relative(Ends::V4(B, A), (80, 1000), Some(5), false, (900, 510));
        assert_eq!((other_tunnel.sequence, other_tunnel.acknowledgement), (900, 510));
        let anew = all.relative(Ends::V4(B, A), (80, 1000), None, true, (7, 8));
        assert_eq!((anew.sequence, anew.acknowledgement), (7, 8));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut all = Sequences::new();
        for host in 0..(MOST as u32 + 10) {
            all.relative(Ends::V4(host.to_be_bytes(), B), (1000, 80), None, false, (500, 900));
            assert!(all.v4.young.len() + all.v4.old.len() <= MOST);
        }
        let oldest = all.relative(Ends::V4([0; 4], B), (1000, 80), None, false, (501, 901));
        assert_eq!(oldest.sequence, 501);
        let last = (MOST as u32).to_be_bytes();
        let last = all.relative(Ends::V4(last, B), (1000, 80), None, false, (501, 901));
        assert_eq!(last.sequence, 1);
    }
}
