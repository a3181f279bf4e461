//! The flows of one address family: index, entries, and the order in which they were last seen.

use crate::config::Config;
use crate::digest::{Digest, What};
use crate::entry::{CLOSED, Cold, Counted, Hot, NONE};
use crate::fragments::{Fragments, PATIENCE};
use crate::index::Index;
use crate::key::{Address, Key, KeyHasher, Kind, NO_VNI};
use crate::record::{EndReason, FlowRecord};
use crate::repeats::Repeats;
use crate::store::Store;

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
    hot: Store<A>,
    cold: Vec<Cold>,
    /// unused entries, linked by their `next`
    free: u32,
    live: usize,
    /// flows that go on, and closed connections
    lists: [List; 2],
    pub(crate) fragments: Fragments<A>,
    hasher: KeyHasher,
    /// where each packet counts once
    repeats: Option<Repeats>,
}

/// What the table does for the families.
pub(crate) struct Clerk<'a> {
    pub(crate) config: &'a Config,
    /// packets counted so far, wrapping
    pub(crate) now: u32,
    /// packets after which a flow that is seen again goes to the end of its list
    pub(crate) patience: u32,
    pub(crate) ended: &'a mut Vec<FlowRecord>,
    /// copies that were not counted
    pub(crate) left_out: u64,
    /// see [`TableCounts::late`](crate::TableCounts::late)
    pub(crate) late: u64,
}

impl<A: Address> Family<A> {
    pub(crate) fn new(config: &Config, hasher: &KeyHasher) -> Self {
        Self {
            index: Index::new(),
            hot: Store::new(),
            cold: Vec::new(),
            free: NONE,
            live: 0,
            lists: [List { head: NONE, tail: NONE }; 2],
            fragments: Fragments::new(config.max_fragmented, hasher),
            hasher: hasher.clone(),
            repeats: (!config.count_copies).then(Repeats::new),
        }
    }

    pub(crate) const fn live(&self) -> usize {
        self.live
    }

    /// The slot of a flow, which is perhaps `guess`.
    #[inline]
    pub(crate) fn find(&self, guess: u32, hash: u64, key: &Key<A>) -> Option<u32> {
        let is_it = |slot: u32| self.hot.get(slot).is_some_and(|hot| hot.key == *key);
        if is_it(guess) {
            return Some(guess);
        }
        self.index.find(hash, is_it)
    }

    /// The slot of the flow that a packet joins where its own network has no flow for it. Where
    /// each packet counts once, a packet in a tunnel joins the flow of those outside of tunnels,
    /// and the other way round.
    #[inline]
    pub(crate) fn find_joined(&self, key: &Key<A>) -> Option<u32> {
        if self.hasher.joins_networks { self.find_in_no_network(key) } else { None }
    }

    #[cold]
    fn find_in_no_network(&self, key: &Key<A>) -> Option<u32> {
        let plain = key.in_no_network();
        self.index.find(self.hasher.hash(&plain), |slot| {
            self.hot.get(slot).is_some_and(|hot| {
                hot.key.in_no_network() == plain && (key.vni == NO_VNI || hot.key.vni == NO_VNI)
            })
        })
    }

    /// As [`Self::find_joined`]. A flow that was in no network is one of the packet's network from
    /// then on.
    #[inline]
    pub(crate) fn join(&mut self, digest: &Digest<A>) -> Option<u32> {
        let slot = self.find_joined(&digest.key)?;
        if digest.key.vni != NO_VNI
            && let Some(hot) = self.hot.get_mut(slot)
        {
            hot.key.vni = digest.key.vni;
            // it is found by both keys
            self.index.insert(digest.hash, slot);
        }
        Some(slot)
    }

    /// Where the flows are by their hash.
    #[inline]
    pub(crate) const fn index(&self) -> &Index {
        &self.index
    }

    /// Loads the entry in this slot.
    #[inline]
    pub(crate) fn prefetch(&self, slot: u32) {
        if let Some(hot) = self.hot.get(slot) {
            hot.prefetch();
        }
    }

    /// Takes in a fragment or a marker.
    #[cold]
    pub(crate) fn place(&mut self, digest: &Digest<A>) {
        if digest.what != What::Quoted {
            return self.fragments.place(digest, &self.hasher);
        }
        let slot = self.find(NONE, digest.hash, &digest.key);
        let slot = slot.or_else(|| self.find_joined(&digest.key));
        if let Some(cold) = slot.and_then(|slot| self.cold.get_mut(slot as usize)) {
            cold.add_icmp_error();
        }
    }

    /// Counts a packet like nearly all are, of the flow in this slot. Returns `false` where it is
    /// another flow's or not so usual: then nothing has changed.
    #[inline]
    pub(crate) fn count_usual(
        &mut self,
        slot: u32,
        digest: &Digest<A>,
        config: &Config,
        (now, patience): (u32, u32),
    ) -> bool {
        let Some(hot) = self.hot.get_mut(slot) else { return false };
        hot.key == digest.key
            && digest.what == What::Packet
            && now.wrapping_sub(hot.stamp) <= patience
            && !is_over(hot, digest.time, config)
            && !is_too_long(hot, digest.time, config)
            && !is_late(hot, digest.time)
            && hot.count_usual(digest)
    }

    /// Counts a packet of the flow in this slot. Returns `false` where the flow is over and the
    /// packet begins a new one: then the old one has been handed out.
    #[inline]
    pub(crate) fn count(&mut self, slot: u32, digest: &Digest<A>, clerk: &mut Clerk<'_>) -> bool {
        let (Some(hot), Some(cold)) = (self.hot.get_mut(slot), self.cold.get_mut(slot as usize))
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
        if is_too_long(hot, digest.time, config) || hot.is_full() {
            clerk.ended.push(hot.record(cold, EndReason::Active));
            hot.restart(cold, digest.time);
        }
        // fragments may have waited for their first one
        clerk.late += u64::from(digest.what == What::Packet && is_late(hot, digest.time));
        let Counted { ended: closed, counts } = hot.count(cold, digest, self.repeats.as_mut());
        clerk.left_out += u64::from(!counts);
        if closed && hot.bits & CLOSED == 0 {
            self.unlink(slot);
            self.link(slot, CLOSED, clerk.now);
        } else if clerk.now.wrapping_sub(hot.stamp) > clerk.patience {
            let list = hot.bits & CLOSED;
            self.unlink(slot);
            self.link(slot, list, clerk.now);
        }
        true
    }

    /// Begins a flow with its first packet. There must be room.
    pub(crate) fn begin(&mut self, digest: &Digest<A>, clerk: &mut Clerk<'_>) {
        let (mut hot, mut cold) = Hot::begin(digest);
        // the first packet of a flow is no copy
        let closed = hot.count(&mut cold, digest, self.repeats.as_mut()).ended;
        let slot = self.free;
        let slot = if let Some(free) = self.hot.get_mut(slot) {
            self.free = free.next;
            *free = hot;
            self.cold[slot as usize] = cold;
            slot
        } else {
            self.reserve(clerk.config.max_flows);
            self.cold.push(cold);
            self.hot.push(hot)
        };
        self.live += 1;
        self.index.insert(digest.hash, slot);
        let plain = digest.key.in_no_network();
        // packets outside of tunnels join the flow of the first of several networks
        if plain != digest.key
            && self.hasher.joins_networks
            && self.find_in_no_network(&plain).is_none()
        {
            self.index.insert(self.hasher.hash(&plain), slot);
        }
        self.link(slot, if closed { CLOSED } else { 0 }, clerk.now);
    }

    /// Makes room for one more entry, growing by a quarter rather than twofold.
    #[inline]
    fn reserve(&mut self, max_flows: usize) {
        if self.cold.len() == self.cold.capacity() {
            let room = max_flows.saturating_sub(self.cold.len()).max(1);
            let more = (self.cold.len() / 4).max(64).min(room);
            self.cold.reserve_exact(more);
        }
    }

    /// How many packets ago the least recently seen flow was linked, and its slot.
    pub(crate) fn oldest(&self, now: u32) -> Option<(u32, u32)> {
        self.lists
            .iter()
            .filter_map(|list| {
                let hot = self.hot.get(list.head)?;
                Some((now.wrapping_sub(hot.stamp), list.head))
            })
            .max()
    }

    /// Takes a flow out and hands out its record.
    pub(crate) fn end(&mut self, slot: u32, reason: EndReason, ended: &mut Vec<FlowRecord>) {
        self.unlink(slot);
        let (Some(hot), Some(cold)) = (self.hot.get_mut(slot), self.cold.get_mut(slot as usize))
        else {
            return;
        };
        ended.push(hot.record(cold, reason));
        cold.release();
        let (key, plain) = (hot.key, hot.key.in_no_network());
        self.index.remove(self.hasher.hash(&key), slot);
        if plain != key && self.hasher.joins_networks {
            let hash = self.hasher.hash(&plain);
            if self.index.find(hash, |found| found == slot).is_some() {
                self.index.remove(hash, slot);
            }
        }
        // no packet's key: what was guessed before may not find it here
        hot.key.kind = Kind::Unused;
        hot.next = self.free;
        self.free = slot;
        self.live -= 1;
    }

    /// Ends flows that are over at `time`: of each list at most `most`, the least recently seen
    /// first. On the way, at most `moves` flows that were seen since they were linked go to the end
    /// of their list.
    pub(crate) fn expire(&mut self, time: i64, most: usize, moves: usize, clerk: &mut Clerk<'_>) {
        for list in [0, CLOSED] {
            let mut moves = moves;
            for _ in 0..most {
                let slot = self.lists[usize::from(list)].head;
                let Some(hot) = self.hot.get(slot) else { break };
                // fragments without a first one are counted when they have waited for it
                let late = if hot.key.kind == Kind::Fragments { PATIENCE } else { 0 };
                let time = time.saturating_sub(late);
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

    /// Records of all flows as they are now.
    pub(crate) fn live_records(&self) -> impl Iterator<Item = FlowRecord> + '_ {
        self.lists.iter().flat_map(move |list| {
            let mut at = list.head;
            core::iter::from_fn(move || {
                let (hot, cold) = (self.hot.get(at)?, self.cold.get(at as usize)?);
                at = hot.next;
                Some(hot.record(cold, EndReason::Live))
            })
        })
    }

    /// Records of all flows, made one at a time. The entries are given back meanwhile, so that the
    /// records have room.
    pub(crate) fn into_records(self) -> impl Iterator<Item = FlowRecord> {
        let Self { hot, cold, .. } = self;
        let entries = hot.into_entries().zip(cold);
        let used = entries.filter(|(hot, _)| hot.key.kind != Kind::Unused);
        used.map(|(hot, cold)| hot.record(&cold, EndReason::Finished))
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.index.heap_bytes()
            + self.hot.heap_bytes()
            + self.cold.capacity() * size_of::<Cold>()
            + self.cold.iter().map(Cold::heap_bytes).sum::<usize>()
            + self.fragments.heap_bytes()
            + self.repeats.as_ref().map_or(0, Repeats::heap_bytes)
    }

    fn link(&mut self, slot: u32, bit: u8, now: u32) {
        let list = &mut self.lists[usize::from(bit)];
        let before = core::mem::replace(&mut list.tail, slot);
        if let Some(tail) = self.hot.get_mut(before) {
            tail.next = slot;
        } else {
            list.head = slot;
        }
        if let Some(hot) = self.hot.get_mut(slot) {
            hot.link(before, bit, now);
        }
    }

    fn unlink(&mut self, slot: u32) {
        let Some(hot) = self.hot.get(slot) else { return };
        let (previous, next, bit) = (hot.previous, hot.next, hot.bits & CLOSED);
        let list = &mut self.lists[usize::from(bit)];
        match self.hot.get_mut(previous) {
            Some(hot) => hot.next = next,
            None => list.head = next,
        }
        match self.hot.get_mut(next) {
            Some(hot) => hot.previous = previous,
            None => list.tail = previous,
        }
    }
}

/// Has the flow had no packets for too long at `time`?
#[inline]
fn is_over<A: Address>(hot: &Hot<A>, time: i64, config: &Config) -> bool {
    let closed = config.closed_timeout.filter(|_| hot.bits & CLOSED != 0);
    let timeout = closed.or(config.idle_timeout);
    timeout.is_some_and(|timeout| time.saturating_sub(hot.last) > timeout)
}

/// Is `time` well before the flow's latest packet?
#[inline]
fn is_late<A: Address>(hot: &Hot<A>, time: i64) -> bool {
    /// In nanoseconds. Several processors' receive queues may swap packets by less.
    const LATE: i64 = 1_000_000;

    hot.last.saturating_sub(time) > LATE
}

/// Did the flow begin so long before `time` that it is handed out and goes on as a new record?
#[inline]
fn is_too_long<A: Address>(hot: &Hot<A>, time: i64, config: &Config) -> bool {
    config.active_timeout.is_some_and(|timeout| time.saturating_sub(hot.first) > timeout)
}
