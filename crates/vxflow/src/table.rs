//! The flow table.

use vxlan::Packet;

use crate::config::Config;
use crate::digest::{Digest, Either, Summary, What};
use crate::entry::NONE;
use crate::family::{Clerk, Family};
use crate::fragments::Place;
use crate::index::Index;
use crate::key::{Address, Wide};
use crate::record::{EndReason, FlowRecord, TableCounts};
use crate::summarizer::{Seen, Summarizer};

/// Every so many packets the flows that were not seen for longest are looked at.
const SWEEP_EVERY: u32 = 64;
/// How many flows one look ends at most: more than can have begun since the last one, so that none
/// stay for long.
const SWEEP_MOST: usize = 4 * SWEEP_EVERY as usize;
/// How many flows that go on one look passes over.
const SWEEP_MOVES: usize = 16;
/// How far ahead of time, in summaries, [`FlowTable::add_all`] loads entries; their places in the
/// index twice as far ahead.
const AHEAD: usize = 8;
/// Summaries of [`FlowTable::add_all`] for which it is looked once how full the table is.
const BATCH: usize = 32;

/// Inner flows, at most [`Config::max_flows`] of them.
#[derive(Clone, Debug)]
pub struct FlowTable {
    summarizer: Summarizer,
    families: Families,
}

/// All of a table but what makes summaries for it.
#[derive(Clone, Debug)]
struct Families {
    config: Config,
    v4: Family<u32>,
    v6: Family<Wide>,
    now: u32,
    counts: TableCounts,
    ended: Vec<FlowRecord>,
}

impl Default for FlowTable {
    fn default() -> Self {
        Self::new(Config::default())
    }
}

impl FlowTable {
    /// An empty table with a random seed.
    pub fn new(config: Config) -> Self {
        let summarizer = Summarizer::new(&config);
        Self::fed_by(config, summarizer)
    }

    /// An empty table for the summaries of `summarizer` and of those [made from
    /// it](Summarizer::fresh): they share one seed. [`FlowTable::push`] decodes with the
    /// summarizer's decoder, not with that of `config`.
    pub fn fed_by(config: Config, summarizer: Summarizer) -> Self {
        let max_flows = config.max_flows.clamp(1, NONE as usize - 1);
        let config = Config { max_flows, ..config };
        let families = Families {
            v4: Family::new(&config, summarizer.hasher()),
            v6: Family::new(&config, summarizer.hasher()),
            config,
            now: 0,
            counts: TableCounts::default(),
            ended: Vec::new(),
        };
        Self { summarizer, families }
    }

    /// Takes in a packet.
    #[inline]
    pub fn push(&mut self, packet: &Packet<'_>, seen: Seen) {
        let Self { summarizer, families } = self;
        summarizer.summarize(packet, seen, |summary| families.add(&summary, NONE));
    }

    /// Takes in a summary, made by a [summarizer with the same seed](Self::summarizer). The seed is
    /// not checked. A summary with another seed makes the table wrong: packets of one flow may
    /// become two records, and the index keeps flows that have ended. With debug assertions the
    /// table then panics.
    #[inline]
    pub fn add(&mut self, summary: &Summary) {
        self.families.add(summary, NONE);
    }

    /// Takes in many summaries, in order, with the result of [`FlowTable::add`] for each.
    ///
    /// This is faster where the table does not fit into the processor's cache: entries of several
    /// flows are loaded at once. The summaries need the table's seed, as for [`FlowTable::add`].
    pub fn add_all(&mut self, summaries: &[Summary]) {
        if !self.families.config.count_copies {
            // what a packet is a copy of, no short way tells
            return summaries.iter().for_each(|summary| self.families.add(summary, NONE));
        }
        for summary in summaries.iter().take(2 * AHEAD) {
            self.families.prefetch_place(summary);
        }
        let mut slots = [NONE; AHEAD];
        for (slot, summary) in slots.iter_mut().zip(summaries) {
            *slot = self.families.guess(summary);
        }
        let mut patience = 0;
        for (at, summary) in summaries.iter().enumerate() {
            if at.is_multiple_of(BATCH) {
                // what the whole batch may rely on; `add` finds out about the rest
                patience = self.families.patience(BATCH);
            }
            if let Some(later) = summaries.get(at + 2 * AHEAD) {
                self.families.prefetch_place(later);
            }
            let next = summaries.get(at + AHEAD).map_or(NONE, |next| self.families.guess(next));
            let slot = core::mem::replace(&mut slots[at % AHEAD], next);
            if !self.families.add_usual(summary, slot, patience) {
                self.families.add(summary, slot);
            }
        }
    }

    /// Ends all flows that are over at `time`, in nanoseconds since the Unix epoch. For a live
    /// capture in which no packets come: a packet of that time would end them too, but a few at a
    /// time.
    pub fn expire(&mut self, time: i64) {
        self.families.sweep(time, usize::MAX, usize::MAX);
    }

    /// Takes the records of flows that have ended since the last call. Take them often: they are
    /// kept until then.
    pub fn ended(&mut self) -> impl Iterator<Item = FlowRecord> + '_ {
        self.families.ended.drain(..)
    }

    /// Records of the flows in the table as they are now, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = FlowRecord> + '_ {
        self.families.v4.live_records().chain(self.families.v6.live_records())
    }

    /// Counts the later fragments that still wait for their first one, when no further packets
    /// come. [`FlowTable::finish`] does this too, but takes the table, so that
    /// [`FlowTable::counts`] can no longer be asked.
    pub fn settle(&mut self) {
        self.families.v4.fragments.give_up_all();
        self.families.v6.fragments.give_up_all();
        self.families.count_given_up();
    }

    /// Ends all flows. Gives the records that [`FlowTable::ended`] has not given yet, then those of
    /// the table, in no particular order. Each record is made when it is asked for, and the table
    /// gives back memory on the way: about half of it before the last record.
    pub fn finish(mut self) -> impl Iterator<Item = FlowRecord> {
        self.settle();
        let Families { ended, v4, v6, .. } = self.families;
        ended.into_iter().chain(v4.into_records()).chain(v6.into_records())
    }

    /// How many flows the table holds.
    pub fn len(&self) -> usize {
        self.families.v4.live() + self.families.v6.live()
    }

    /// Does the table hold no flow?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What was counted so far, without the fragments that wait for their first one (see
    /// [`FlowTable::settle`]).
    pub const fn counts(&self) -> TableCounts {
        let (not_ip, cut) = (self.summarizer.not_ip(), self.summarizer.cut());
        TableCounts { not_ip, cut, ..self.families.counts }
    }

    /// Bytes on the heap: flows and their index, fragments, and records that were not taken yet.
    pub fn heap_bytes(&self) -> usize {
        let records = self.families.ended.capacity() * size_of::<FlowRecord>();
        self.families.v4.heap_bytes() + self.families.v6.heap_bytes() + records
    }

    /// A summarizer with this table's seed.
    pub fn summarizer(&self) -> Summarizer {
        self.summarizer.fresh()
    }
}

impl Families {
    /// Loads where the search for the summary's flow begins.
    #[inline]
    fn prefetch_place(&self, summary: &Summary) {
        let (index, hash) = self.index_for(summary);
        index.prefetch(hash);
    }

    /// The slot where the summary's flow probably is, whose entry is loaded.
    #[inline]
    fn guess(&self, summary: &Summary) -> u32 {
        let (index, hash) = self.index_for(summary);
        let slot = index.guess(hash);
        match &summary.0 {
            Either::V4(_) => self.v4.prefetch(slot),
            Either::V6(_) => self.v6.prefetch(slot),
        }
        slot
    }

    /// Of two indices one is chosen, without a branch.
    #[inline]
    fn index_for(&self, summary: &Summary) -> (&Index, u64) {
        match &summary.0 {
            Either::V4(digest) => (self.v4.index(), digest.hash),
            Either::V6(digest) => (self.v6.index(), digest.hash),
        }
    }

    /// Packets after which a flow that is seen again goes to the end of its list.
    ///
    /// While the table is that empty, the order of the lists does not matter: so many flows must
    /// begin before one is pushed out that all that were seen before are no longer recent.
    ///
    /// `more`: flows that may begin meanwhile.
    #[inline]
    fn patience(&self, more: usize) -> u32 {
        let eighth = self.config.max_flows / 8;
        if self.v4.live() + self.v6.live() + more < eighth { u32::MAX } else { eighth as u32 }
    }

    /// Takes in a summary of a packet like nearly all are, whose flow is in slot `guess`. Returns
    /// `false` where it is not: then nothing has changed.
    #[inline]
    fn add_usual(&mut self, summary: &Summary, guess: u32, patience: u32) -> bool {
        let when = (self.now, patience);
        let (counted, time) = match &summary.0 {
            Either::V4(digest) => {
                (self.v4.count_usual(guess, digest, &self.config, when), digest.time)
            }
            Either::V6(digest) => {
                (self.v6.count_usual(guess, digest, &self.config, when), digest.time)
            }
        };
        if counted {
            self.counts.packets += 1;
            self.tick(time);
        }
        counted
    }

    /// Counts the packets, and looks for flows that are over now and then.
    #[inline]
    fn tick(&mut self, time: i64) {
        self.now = self.now.wrapping_add(1);
        let any_ends = self.config.idle_timeout.is_some() || self.config.closed_timeout.is_some();
        if self.now.is_multiple_of(SWEEP_EVERY) && any_ends {
            self.sweep(time, SWEEP_MOST, SWEEP_MOVES);
        }
    }

    /// Takes in a summary, whose flow is perhaps in slot `guess`.
    fn add(&mut self, summary: &Summary, guess: u32) {
        let patience = self.patience(0);
        let Self { config, v4, v6, now, counts, ended } = self;
        let mut clerk = Clerk { config, now: *now, patience, ended, left_out: 0, late: 0 };
        let time = match &summary.0 {
            Either::V4(digest) => {
                Self::settle(v4, v6, (digest, guess), counts, &mut clerk);
                digest.time
            }
            Either::V6(digest) => {
                Self::settle(v6, v4, (digest, guess), counts, &mut clerk);
                digest.time
            }
        };
        counts.packets -= clerk.left_out;
        counts.late += clerk.late;
        *now = clerk.now;
        self.tick(time);
    }

    #[inline]
    fn settle<A: Address, B: Address>(
        family: &mut Family<A>,
        other: &mut Family<B>,
        (digest, guess): (&Digest<A>, u32),
        counts: &mut TableCounts,
        clerk: &mut Clerk<'_>,
    ) {
        if digest.what == What::Packet {
            Self::count(family, other, (digest, guess), counts, clerk);
            return;
        }
        family.place(digest);
        Self::count_settled(family, other, counts, clerk);
    }

    /// Counts the fragments of which it is known what they belong to.
    #[cold]
    fn count_settled<A: Address, B: Address>(
        family: &mut Family<A>,
        other: &mut Family<B>,
        counts: &mut TableCounts,
        clerk: &mut Clerk<'_>,
    ) {
        while let Some(place) = family.fragments.settled() {
            match place {
                Place::Flow(digest) => {
                    Self::count(family, other, (&digest, NONE), counts, clerk);
                    // so many may come at once that their flows' ages are to be told apart
                    clerk.now = clerk.now.wrapping_add(1);
                }
                Place::Carried => counts.tunnel_fragments += 1,
            }
        }
    }

    /// Counts the fragments that have waited for their first one, as far as they no longer do.
    fn count_given_up(&mut self) {
        let patience = self.patience(0);
        let Self { config, v4, v6, now, counts, ended } = self;
        let mut clerk = Clerk { config, now: *now, patience, ended, left_out: 0, late: 0 };
        Self::count_settled(v4, v6, counts, &mut clerk);
        Self::count_settled(v6, v4, counts, &mut clerk);
        counts.packets -= clerk.left_out;
        counts.late += clerk.late;
        *now = clerk.now;
    }

    #[inline]
    fn count<A: Address, B: Address>(
        family: &mut Family<A>,
        other: &mut Family<B>,
        (digest, guess): (&Digest<A>, u32),
        counts: &mut TableCounts,
        clerk: &mut Clerk<'_>,
    ) {
        counts.packets += 1;
        let slot = family.find(guess, digest.hash, &digest.key);
        if let Some(slot) = slot.or_else(|| family.join(digest))
            && family.count(slot, digest, clerk)
        {
            return;
        }
        counts.flows += 1;
        if family.live() + other.live() >= clerk.config.max_flows {
            counts.evicted += 1;
            match (family.oldest(clerk.now), other.oldest(clerk.now)) {
                (Some((age, slot)), theirs) if theirs.is_none_or(|(theirs, _)| age >= theirs) => {
                    family.end(slot, EndReason::Evicted, clerk.ended);
                }
                (_, Some((_, slot))) => other.end(slot, EndReason::Evicted, clerk.ended),
                (_, None) => {}
            }
        }
        family.begin(digest, clerk);
    }

    fn sweep(&mut self, time: i64, most: usize, moves: usize) {
        if self.v4.fragments.any_wait() || self.v6.fragments.any_wait() {
            self.v4.fragments.give_up(time);
            self.v6.fragments.give_up(time);
            self.count_given_up();
        }
        let patience = self.patience(0);
        let Self { config, now, ended, .. } = self;
        let mut clerk = Clerk { config, now: *now, patience, ended, left_out: 0, late: 0 };
        self.v4.expire(time, most, moves, &mut clerk);
        self.v6.expire(time, most, moves, &mut clerk);
    }
}
