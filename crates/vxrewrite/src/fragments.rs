//! Outer fragments: put together, and also kept as they came, in case other fragments are missing.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::net::IpAddr;

use vxlan::{IpProtocol, LinkType, Outcome, Packet, Reassembler};

use crate::packet_block::PacketBlock;
use crate::stored_block::StoredBlock;

/// How long fragments wait for others, in nanoseconds (Linux: `net.ipv4.ipfrag_time`, 30 seconds).
const WAIT: i64 = 30_000_000_000;
/// About how many bytes may wait before the oldest fragments are given up.
const MOST_BYTES: usize = 16 << 20;

/// Puts fragments together.
#[derive(Default)]
pub(crate) struct Fragments {
    reassembler: Reassembler,
    /// The waiting fragments, numbered in the order in which they came.
    waiting: BTreeMap<u64, Fragment>,
    /// The numbers of the waiting fragments of each packet.
    of_packet: HashMap<Key, VecDeque<u64>>,
    /// How many have waited so far.
    count: u64,
    bytes: usize,
    /// The frame that was put together last.
    pub(crate) whole: Vec<u8>,
}

/// A fragment as it came.
pub(crate) struct Fragment {
    key: Key,
    time: i64,
    pub(crate) file: usize,
    pub(crate) block: StoredBlock,
}

/// Which packet a fragment is of, and where it was captured.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    file: usize,
    interface: u32,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    id: u32,
}

/// What happens to a fragment.
pub(crate) enum Step {
    /// It waits for others.
    Kept,
    /// [`Fragments::whole`] holds the frame that it completed.
    Whole(LinkType),
    /// It cannot be put together. It stays as it is, and so do the others of its packet.
    Alone,
}

impl Fragments {
    /// Whether a packet may be a fragment of a tunnel packet: all tunnels are carried by UDP.
    #[inline]
    pub(crate) fn concerns(packet: &Packet<'_>) -> bool {
        packet.outer.protocol() == Some(IpProtocol::UDP) && packet.outer.fragment().is_some()
    }

    /// Takes a fragment in.
    pub(crate) fn push(
        &mut self,
        file: usize,
        packet: &PacketBlock<'_>,
        decoded: &Packet<'_>,
    ) -> Step {
        let time = packet.frame.time.nanos();
        match self.reassembler.push_in(point(file, packet), time, &decoded.outer) {
            Outcome::Held => {
                let block = StoredBlock::new(packet.block, Vec::new());
                self.bytes += block.len();
                let key = Key::of(file, packet, decoded);
                self.waiting.insert(self.count, Fragment { key, time, file, block });
                self.of_packet.entry(key).or_default().push_back(self.count);
                self.count += 1;
                Step::Kept
            }
            Outcome::Whole { frame, link_type, .. } => {
                self.whole.clear();
                self.whole.extend_from_slice(frame);
                Step::Whole(link_type)
            }
            _ => Step::Alone,
        }
    }

    /// Takes out the waiting fragments of a packet, in the order in which they came.
    pub(crate) fn take(&mut self, key: Key) -> Vec<Fragment> {
        let numbers = self.of_packet.remove(&key).unwrap_or_default();
        let taken: Vec<_> =
            numbers.into_iter().filter_map(|number| self.waiting.remove(&number)).collect();
        self.bytes -= taken.iter().map(|fragment| fragment.block.len()).sum::<usize>();
        taken
    }

    /// Takes out a fragment that has waited too long, or that new ones need the memory of.
    pub(crate) fn expired(&mut self, now: i64) -> Option<Fragment> {
        let oldest = self.waiting.first_entry()?;
        if now.saturating_sub(oldest.get().time) <= WAIT && self.bytes <= MOST_BYTES {
            return None;
        }
        let oldest = oldest.remove();
        self.bytes -= oldest.block.len();
        if let Entry::Occupied(mut numbers) = self.of_packet.entry(oldest.key) {
            numbers.get_mut().pop_front();
            if numbers.get().is_empty() {
                numbers.remove();
            }
        }
        Some(oldest)
    }

    /// Takes out everything.
    pub(crate) fn rest(&mut self) -> Vec<Fragment> {
        self.bytes = 0;
        self.of_packet.clear();
        std::mem::take(&mut self.waiting).into_values().collect()
    }
}

/// Where a packet was captured: its file and its interface.
pub(crate) fn point(file: usize, packet: &PacketBlock<'_>) -> u64 {
    (file as u64) << 32 | u64::from(packet.frame.interface)
}

impl Key {
    pub(crate) fn of(file: usize, packet: &PacketBlock<'_>, decoded: &Packet<'_>) -> Self {
        Self {
            file,
            interface: packet.frame.interface,
            source: decoded.outer.source(),
            destination: decoded.outer.destination(),
            id: decoded.outer.fragment().map_or(0, |fragment| fragment.id),
        }
    }
}
