//! Outer fragments: put together, and kept as they came for the case that others are missing.

use std::collections::VecDeque;
use std::net::IpAddr;

use vxlan::{IpProtocol, LinkType, Outcome, Packet, Reassembler};

use crate::packet_block::PacketBlock;
use crate::stored_block::StoredBlock;

/// Fragments wait so long for others, in nanoseconds (Linux: `net.ipv4.ipfrag_time`, 30 seconds).
const WAIT: i64 = 30_000_000_000;
/// All that wait are below about so many bytes; then the oldest are given up.
const MOST_BYTES: usize = 16 << 20;

/// The fragments of a packet are looked for among so many that came last: the longest packet has 8,192 fragments of 8 bytes.
const LOOK_BACK: usize = 8192;

/// Puts fragments together.
#[derive(Default)]
pub(crate) struct Fragments {
    reassembler: Reassembler,
    waiting: VecDeque<Fragment>,
    bytes: usize,
    /// The frame that became whole last.
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
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    file: usize,
    interface: u32,
    source: Option<IpAddr>,
    destination: Option<IpAddr>,
    id: u32,
}

/// What becomes of a fragment.
pub(crate) enum Step {
    /// It is kept until others come.
    Kept,
    /// [`Fragments::whole`] holds the frame that it completed.
    Whole(LinkType),
    /// It stays as it is, and so do the others of its packet.
    Alone,
}

impl Fragments {
    /// Whether a packet may be a fragment of one in a tunnel: all tunnels are carried by UDP.
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
        let scope = (file as u64) << 32 | u64::from(packet.frame.interface);
        match self.reassembler.push_in(scope, time, &decoded.outer) {
            Outcome::Held => {
                let block = StoredBlock::new(packet.block, Vec::new());
                self.bytes += block.len();
                let key = Key::of(file, packet, decoded);
                self.waiting.push_back(Fragment { key, time, file, block });
                Step::Kept
            }
            Outcome::Whole { frame, link_type, .. } => {
                self.whole.clear();
                self.whole.extend_from_slice(frame);
                Step::Whole(link_type)
            }
            Outcome::NotAFragment | Outcome::Refused(_) => Step::Alone,
        }
    }

    /// Takes out the fragments of a packet that wait, in the order in which they came. Looks at the last ones only: a packet's fragments
    /// come together, and others are given up with those that wait too long.
    pub(crate) fn take(&mut self, key: Key) -> Vec<Fragment> {
        let mut taken = Vec::new();
        let mut at = self.waiting.len();
        let end = at.saturating_sub(LOOK_BACK);
        while at > end {
            at -= 1;
            if self.waiting.get(at).is_some_and(|fragment| fragment.key == key)
                && let Some(fragment) = self.waiting.remove(at)
            {
                self.bytes -= fragment.block.len();
                taken.push(fragment);
            }
        }
        taken.reverse();
        taken
    }

    /// Takes out a fragment that has waited too long, or stands in the way of new ones.
    pub(crate) fn expired(&mut self, now: i64) -> Option<Fragment> {
        let oldest = self.waiting.front()?;
        if now.saturating_sub(oldest.time) <= WAIT && self.bytes <= MOST_BYTES {
            return None;
        }
        let oldest = self.waiting.pop_front()?;
        self.bytes -= oldest.block.len();
        Some(oldest)
    }

    /// Takes out everything.
    pub(crate) fn rest(&mut self) -> VecDeque<Fragment> {
        self.bytes = 0;
        std::mem::take(&mut self.waiting)
    }
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
