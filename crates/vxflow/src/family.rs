//! The flows of one address family: index, entries, and the order in which they were last seen.

use core::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::config::Config;
use crate::digest::{Digest, What};
use crate::entry::{CLOSED, Cold, Hot, NONE};
use crate::fragments::{First, Fragments};
use crate::index::Index;
use crate::key::{Address, Key, Kind};
use crate::record::{EndReason, FlowRecord};

/// A list of entries, the least recently seen first.
#[derive(Clone, Copy, Debug)]
struct List {
    head: u32,
    tail: u32,
}

/// The flows of IPv4, or those of IPv6.
#[derive(Clone, Debug)]
pub(crate) struct Family<A: Address> {
    index: Index,
    hot: Vec<Hot<A>>,
    cold: Vec<Cold>,
    /// unused entries, linked by their `next`
    free: u32,
    live: usize,
    /// flows that go on, and closed connections
    lists: [List; 2],
    fragments: Fragments<A>,
    hasher: RandomState,
    /// packets after which a flow that is seen again goes to the end of its list
    patience: u32,
}

/// What the table does for the families.
pub(crate) struct Clerk<'a> {
    pub(crate) config: &'a Config,
    /// packets counted so far, wrapping
    pub(crate) now: u32,
    pub(crate) ended: &'a mut Vec<FlowRecord>,
}

/// Where a digest that is not simply a packet belongs.
pub(crate) enum Place<A> {
    /// To this flow, maybe another than it said.
    Flow(Digest<A>),
    /// A later fragment of a tunnel packet.
    Carried,
    /// To no flow of this table.
    Nowhere,
}

impl<A: Address> Family<A> {
    pub(crate) fn new(config: &Config, hasher: &RandomState) -> Self {
        Self {
            index: Index::new(),
            hot: Vec::new(),
            cold: Vec::new(),
            free: NONE,
            live: 0,
            lists: [List { head: NONE, tail: NONE }; 2],
            fragments: Fragments::new(config.max_fragmented, hasher.clone()),
            hasher: hasher.clone(),
            patience: u32::try_from(config.max_flows / 8).unwrap_or(u32::MAX / 2),
        }
    }

    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The slot of a flow.
    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &Key<A>) -> Option<u32> {
        self.index.find(hash, |slot| self.hot.get(slot as usize).is_some_and(|hot| hot.key == *key))
    }

    /// Reads of the entry that the digest probably belongs to, so that it is in the cache when it is needed.
    #[inline]
    pub(crate) fn touch(&self, digest: &Digest<A>) -> u32 {
        let slot = self.index.guess(digest.hash);
        slot.and_then(|slot| self.hot.get(slot as usize)).map_or(0, Hot::touch)
    }

    /// Finds out what a fragment or a marker means. `owns` tells whether a flow with this hash is for this table.
    #[cold]
    pub(crate) fn place(&mut self, digest: &Digest<A>, owns: impl Fn(u64) -> bool) -> Place<A> {
        let mut digest = *digest;
        match digest.what {
            What::Packet => {}
            What::Quoted => {
                let slot = self.find(digest.hash, &digest.key);
                if let Some(cold) = slot.and_then(|slot| self.cold.get_mut(slot as usize)) {
                    cold.add_icmp_error();
                }
                return Place::Nowhere;
            }
            What::TunnelFragment => {
                self.fragments.first(&digest, digest.key);
                return Place::Nowhere;
            }
            What::FirstFragment => self.fragments.first(&digest, portless(&digest)),
            What::LaterFragment => match self.fragments.find(&digest) {
                Some(First::Flow(key, side)) => {
                    (digest.key, digest.side) = (key, side);
                    digest.hash = self.hasher.hash_one(key);
                }
                Some(First::Tunnel) => {
                    return if owns(digest.hash) { Place::Carried } else { Place::Nowhere };
                }
                None => {}
            },
        }
        if owns(digest.hash) { Place::Flow(digest) } else { Place::Nowhere }
    }

    /// Counts a packet of a flow that there is. Returns `false` where the flow is over and the packet begins a new one:
    /// then the old one has been handed out.
    #[inline]
    pub(crate) fn count(&mut self, slot: u32, digest: &Digest<A>, clerk: &mut Clerk<'_>) -> bool {
        let (Some(hot), Some(cold)) =
            (self.hot.get_mut(slot as usize), self.cold.get_mut(slot as usize))
        else {
            return false;
        };
        let config = clerk.config;
        let end = if is_over(hot, digest.time, config) {
            let closed = hot.bits & CLOSED != 0;
            Some(if closed { EndReason::Closed } else { EndReason::Idle })
        } else if hot.is_reused_by(digest, cold) {
            Some(EndReason::Reused)
        } else {
            None
        };
        if let Some(end) = end {
            self.end(slot, end, clerk.ended);
            return false;
        }
        let too_long = config
            .active_timeout
            .is_some_and(|timeout| digest.time.saturating_sub(hot.first) > timeout);
        if too_long || hot.is_full() {
            clerk.ended.push(hot.record(cold, EndReason::Active));
            hot.restart(cold, digest.time);
        }
        let closed = hot.count(cold, digest, config.count_copies);
        if closed && hot.bits & CLOSED == 0 {
            self.unlink(slot);
            self.link(slot, CLOSED, clerk.now);
        } else if clerk.now.wrapping_sub(hot.stamp) > self.patience {
            let list = hot.bits & CLOSED;
            self.unlink(slot);
            self.link(slot, list, clerk.now);
        }
        true
    }

    /// Begins a flow with its first packet. There must be room.
    pub(crate) fn begin(&mut self, digest: &Digest<A>, clerk: &mut Clerk<'_>) {
        let (mut hot, mut cold) = Hot::begin(digest);
        let closed = hot.count(&mut cold, digest, clerk.config.count_copies);
        let slot = self.free;
        let slot = if let Some(free) = self.hot.get_mut(slot as usize) {
            self.free = free.next;
            *free = hot;
            self.cold[slot as usize] = cold;
            slot
        } else {
            self.reserve(clerk.config.max_flows);
            self.hot.push(hot);
            self.cold.push(cold);
            self.hot.len() as u32 - 1
        };
        self.live += 1;
        self.index.insert(digest.hash, slot);
        self.link(slot, if closed { CLOSED } else { 0 }, clerk.now);
    }

    /// Makes room for one more entry, growing by a quarter rather than twofold.
    #[inline]
    fn reserve(&mut self, max_flows: usize) {
        if self.hot.len() == self.hot.capacity() {
            let room = max_flows.saturating_sub(self.hot.len()).max(1);
            let more = (self.hot.len() / 4).max(64).min(room);
            self.hot.reserve_exact(more);
            self.cold.reserve_exact(more);
        }
    }

    /// How many packets ago the least recently seen flow was linked, and its slot.
    pub(crate) fn oldest(&self, now: u32) -> Option<(u32, u32)> {
        self.lists
            .iter()
            .filter_map(|list| {
                let hot = self.hot.get(list.head as usize)?;
                Some((now.wrapping_sub(hot.stamp), list.head))
            })
            .max()
    }

    /// Takes a flow out and hands out its record.
    pub(crate) fn end(&mut self, slot: u32, reason: EndReason, ended: &mut Vec<FlowRecord>) {
        self.unlink(slot);
        let (Some(hot), Some(cold)) =
            (self.hot.get_mut(slot as usize), self.cold.get_mut(slot as usize))
        else {
            return;
        };
        ended.push(hot.record(cold, reason));
        cold.release();
        self.index.remove(self.hasher.hash_one(hot.key), slot);
        hot.next = self.free;
        self.free = slot;
        self.live -= 1;
    }

    /// Ends flows that are over at `time`: of each list at most `most`, the least recently seen first. On the way, at most
    /// `moves` flows that were seen since they were linked go to the end of their list.
    pub(crate) fn expire(&mut self, time: i64, most: usize, moves: usize, clerk: &mut Clerk<'_>) {
        for list in [0, CLOSED] {
            let mut moves = moves;
            for _ in 0..most {
                let slot = self.lists[usize::from(list)].head;
                let Some(hot) = self.hot.get(slot as usize) else { break };
                if is_over(hot, time, clerk.config) {
                    let reason = if list == 0 { EndReason::Idle } else { EndReason::Closed };
                    self.end(slot, reason, clerk.ended);
                } else if moves > 0 && hot.seen_since_linked() {
                    moves -= 1;
                    self.unlink(slot);
                    self.link(slot, list, clerk.now);
                } else {
                    break;
                }
            }
        }
    }

    /// The record of the flow in this slot, and the slot of the next one in its list.
    fn record(&self, slot: u32, end: EndReason) -> Option<(FlowRecord, u32)> {
        let (hot, cold) = (self.hot.get(slot as usize)?, self.cold.get(slot as usize)?);
        Some((hot.record(cold, end), hot.next))
    }

    /// Records of all flows as they are now.
    pub(crate) fn live_records(&self) -> impl Iterator<Item = FlowRecord> + '_ {
        self.lists.iter().flat_map(move |list| {
            let mut at = list.head;
            core::iter::from_fn(move || {
                let (record, next) = self.record(at, EndReason::Live)?;
                at = next;
                Some(record)
            })
        })
    }

    /// Records of all flows, made one at a time.
    pub(crate) fn into_records(self) -> impl Iterator<Item = FlowRecord> {
        let [open, closed] = self.lists;
        let mut at = open.head;
        let mut then = closed.head;
        core::iter::from_fn(move || {
            if at == NONE {
                at = core::mem::replace(&mut then, NONE);
            }
            let (record, next) = self.record(at, EndReason::Finished)?;
            at = next;
            Some(record)
        })
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes()
            + self.hot.capacity() * size_of::<Hot<A>>()
            + self.cold.capacity() * size_of::<Cold>()
            + self.cold.iter().map(Cold::heap_bytes).sum::<usize>()
            + self.fragments.heap_bytes()
    }

    fn link(&mut self, slot: u32, bit: u8, now: u32) {
        let list = &mut self.lists[usize::from(bit)];
        let before = core::mem::replace(&mut list.tail, slot);
        if let Some(tail) = self.hot.get_mut(before as usize) {
            tail.next = slot;
        } else {
            list.head = slot;
        }
        if let Some(hot) = self.hot.get_mut(slot as usize) {
            hot.link(before, bit, now);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(hot) = self.hot.get(slot as usize) else { return };
        let (previous, next, bit) = (hot.previous, hot.next, hot.bits & CLOSED);
        let list = &mut self.lists[usize::from(bit)];
        match self.hot.get_mut(previous as usize) {
            Some(hot) => hot.next = next,
            None => list.head = next,
        }
        match self.hot.get_mut(next as usize) {
            Some(hot) => hot.previous = previous,
            None => list.tail = previous,
        }
    }
}

/// Has the flow had no packets for too long at `time`?
#[inline]
fn is_over<A>(hot: &Hot<A>, time: i64, config: &Config) -> bool {
    let closed = config.closed_timeout.filter(|_| hot.bits & CLOSED != 0);
    let timeout = closed.or(config.idle_timeout);
    timeout.is_some_and(|timeout| time.saturating_sub(hot.last) > timeout)
}

/// The key that the later fragments of this packet have.
fn portless<A: Address>(digest: &Digest<A>) -> Key<A> {
    let key = digest.key;
    Key::new((key.low, 0), (key.high, 0), key.vni, key.protocol, Kind::Fragments).0
}
