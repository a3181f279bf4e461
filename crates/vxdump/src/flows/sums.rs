//! Sums of flows over pairs: of pods, nodes, VTEPs, clients and services, or by network.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use podmap::PodMap;
use vxflow::{ConnState, FlowRecord};

use super::ends::{By, End, Names, Pair, pair};
use super::outcome::{Failed, Trouble};
use super::traffic::Traffic;
use super::translated::{Connection, Translated};

/// The most pairs. Everything beyond is summed as one pair of [`End::Other`].
const MOST_PAIRS: usize = 1_000_000;

/// The sum of a pair's flows. Of two numbers the first is what the pair's first end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Flows.
    pub(crate) flows: u64,
    /// Packets each way.
    pub(crate) packets: [u64; 2],
    /// Bytes of inner frames each way.
    pub(crate) bytes: [u64; 2],
    /// TCP segments sent again, each way.
    pub(crate) retransmits: [u64; 2],
    /// Flows that failed.
    pub(crate) failed: Failed,
    /// Round-trip times of the flows that have one.
    pub(crate) rtt: Rtt,
    /// Who opened them.
    pub(crate) openers: Openers,
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub(crate) first: i64,
    /// Time of the latest packet, nanoseconds since the Unix epoch.
    pub(crate) last: i64,
}

/// How many flows of a pair each end opened, and when its first one began, in nanoseconds since the
/// Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Openers([(u64, i64); 2]);

impl Openers {
    /// Adds `count` flows that the pair's first or second end opened.
    fn add(&mut self, side: usize, count: u64, first: i64) {
        let Some((opened, begun)) = self.0.get_mut(side).filter(|_| count > 0) else { return };
        *begun = if *opened == 0 { first } else { first.min(*begun) };
        *opened += count;
    }

    /// Adds those of other flows.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        for (side, (count, first)) in others.0.into_iter().enumerate() {
            self.add(side, count, first);
        }
        self
    }

    /// Did the pair's second end open more of the flows, or as many and the first of all?
    pub(crate) fn is_second_first(&self) -> bool {
        let [(first, begun), (second, begun_by_second)] = self.0;
        second > first || second == first && begun_by_second < begun
    }
}

/// Round-trip times of several flows, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rtt {
    /// how many flows had one
    count: u64,
    total: i128,
    longest: i64,
}

impl Rtt {
    /// Adds one.
    pub(crate) fn add(&mut self, nanos: i64) {
        *self = self.and(Self { count: 1, total: nanos.into(), longest: nanos });
    }

    /// Adds those of other flows.
    #[must_use]
    pub(crate) fn and(self, others: Self) -> Self {
        let longest = match (self.count, others.count) {
            (0, _) => others.longest,
            (_, 0) => self.longest,
            _ => self.longest.max(others.longest),
        };
        Self { count: self.count + others.count, total: self.total + others.total, longest }
    }

    /// The longest of them; `None` where there is none.
    pub(crate) fn longest(&self) -> Option<i64> {
        (self.count > 0).then_some(self.longest)
    }

    /// Their mean; `None` where there is none.
    pub(crate) fn mean(&self) -> Option<i64> {
        let mean = self.total.checked_div(i128::from(self.count))?;
        i64::try_from(mean).ok()
    }
}

/// Sums over pairs.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    by: By,
    most: usize,
    pairs: HashMap<[End; 2], Sum, RandomState>,
    names: Names,
    /// pairs the halves of connections through kube-proxy, if it is to
    translated: Option<Translated>,
}

/// What was added but is not in the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Flows that were paired with others, and count with them.
    pub(crate) flows: u64,
    /// Packets that were copies of others.
    pub(crate) packets: u64,
    /// Connections in states that were not wanted.
    pub(crate) unwanted: u64,
}

impl Sums {
    /// No flows yet.
    pub(crate) fn new(by: By) -> Self {
        Self {
            by,
            most: MOST_PAIRS,
            pairs: HashMap::default(),
            names: Names::default(),
            translated: None,
        }
    }

    /// The same, but sums by service count the two halves of a connection before and behind
    /// kube-proxy as one flow, and with `once` also two flows with the same packets. Up to `most`
    /// flows wait for their other half, until [`Sums::settle`].
    pub(crate) fn of_connections(by: By, once: bool, most: usize) -> Self {
        let translated = (by == By::Service).then(|| Translated::new(once, most));
        Self { translated, ..Self::new(by) }
    }

    /// The same, with at most this many pairs.
    pub(crate) fn at_most(by: By, most: usize) -> Self {
        Self { most, ..Self::new(by) }
    }

    /// Adds a flow to its pair.
    pub(crate) fn add(&mut self, flow: &FlowRecord, map: &PodMap) {
        self.add_if(true, flow, map);
    }

    /// Adds a flow if its state is `wanted`. A flow that waits for its other half is taken whatever
    /// its state, because the connection's state decides later. Returns whether it was taken.
    pub(crate) fn add_if(&mut self, wanted: bool, flow: &FlowRecord, map: &PodMap) -> bool {
        if !wanted && self.translated.is_none() {
            return false;
        }
        let Pair { ends, swapped, side } = pair(self.by, flow, map, &mut self.names);
        if let (Some(translated), Some(side)) = (&mut self.translated, side)
            && translated.keeps(&ends, side, flow)
        {
            return true;
        }
        if wanted {
            self.sum(ends).add(flow, swapped);
        }
        wanted
    }

    /// Adds the flows that waited, once no more come. Returns what was left out.
    pub(crate) fn settle(&mut self, wants: impl Fn(ConnState) -> bool) -> LeftOut {
        let mut left_out = LeftOut::default();
        let Some(mut translated) = self.translated.take() else { return left_out };
        translated.settle(|&Connection { part, half, copy, state, trouble }| {
            left_out.flows += u64::from(half.is_some()) + u64::from(copy.is_some());
            left_out.packets += copy.map_or(0, |copy| copy.traffic().packets.iter().sum());
            if !wants(state) {
                left_out.unwanted += 1;
                return;
            }
            let sum = self.sum(part.pair());
            sum.add_traffic(part.traffic(), false);
            if let Some(half) = half {
                sum.add_traffic(half.traffic(), false);
            }
            let begun = half.map_or(i64::MAX, |half| half.traffic().first);
            sum.add_flow(begun.min(part.traffic().first), trouble, false);
        });
        left_out
    }

    fn sum(&mut self, mut pair: [End; 2]) -> &mut Sum {
        if self.pairs.len() >= self.most && !self.pairs.contains_key(&pair) {
            pair = [End::Other, End::Other];
        }
        self.pairs.entry(pair).or_default()
    }

    /// The pairs and their sums, in no particular order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[End; 2], &Sum)> {
        self.pairs.iter()
    }
}

impl Sum {
    fn add(&mut self, flow: &FlowRecord, swapped: bool) {
        self.add_traffic(&Traffic::of(flow), swapped);
        self.add_flow(flow.first, Trouble::of(flow), swapped);
    }

    /// Adds the packets of a flow.
    fn add_traffic(&mut self, traffic: &Traffic, swapped: bool) {
        let Traffic { first, last, packets, bytes, retransmits, rtt } = *traffic;
        let is_first = self.flows == 0 && self.packets == [0, 0];
        self.first = if is_first { first } else { self.first.min(first) };
        self.last = if is_first { last } else { self.last.max(last) };
        for end in 0..2 {
            let side = if swapped { 1 - end } else { end };
            self.packets[side] += packets[end];
            self.bytes[side] += bytes[end];
            self.retransmits[side] += u64::from(retransmits[end]);
        }
        if let Some(rtt) = rtt {
            self.rtt.add(rtt);
        }
    }

    /// Adds a flow that began at `first`.
    fn add_flow(&mut self, first: i64, trouble: Option<Trouble>, swapped: bool) {
        self.flows += 1;
        self.openers.add(usize::from(swapped), 1, first);
        self.failed.add(trouble);
    }

    /// The same with the pair's ends swapped.
    #[must_use]
    pub(crate) fn swapped(mut self) -> Self {
        for pair in [&mut self.packets, &mut self.bytes, &mut self.retransmits] {
            pair.swap(0, 1);
        }
        self.openers.0.swap(0, 1);
        self
    }

    /// From the first packet to the latest, in nanoseconds.
    pub(crate) const fn duration(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }
}
