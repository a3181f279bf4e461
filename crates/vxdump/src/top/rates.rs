//! Rates: what was added to the sums of pairs since the last refresh.

use std::collections::HashMap;
use std::time::Duration;

use foldhash::fast::RandomState;

use crate::flows::ends::End;
use crate::flows::sums::{Openers, Rtt, Sum, Sums};

/// A pair without flows is remembered for this long after its last packet, so that many short
/// connections make one row with one total.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The counters of a pair. Of two numbers the first is what its first end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    packets: [u64; 2],
    bytes: [u64; 2],
    retransmits: u64,
    failed: u64,
}

impl Totals {
    fn of(sum: &Sum) -> Self {
        Self {
            packets: sum.packets,
            bytes: sum.bytes,
            retransmits: sum.retransmits.iter().sum(),
            failed: sum.failed.total(),
        }
    }

    /// Combines each number of `self` with the one of `other`.
    fn zip(self, other: Self, with: impl Fn(u64, u64) -> u64) -> Self {
        let both = |a: [u64; 2], b: [u64; 2]| [with(a[0], b[0]), with(a[1], b[1])];
        Self {
            packets: both(self.packets, other.packets),
            bytes: both(self.bytes, other.bytes),
            retransmits: with(self.retransmits, other.retransmits),
            failed: with(self.failed, other.failed),
        }
    }
}

/// A pair between two refreshes.
#[derive(Clone, Copy, Debug, Default)]
struct Pair {
    /// Its flows in the table.
    flows: u64,
    /// The sums of its flows that have ended.
    over: Totals,
    over_rtt: Rtt,
    over_openers: Openers,
    /// The sums of all its flows.
    total: Totals,
    rtt: Rtt,
    openers: Openers,
    /// The same when they were last counted.
    before: Totals,
    /// What was added since the last refresh.
    fresh: Totals,
    /// How long before the last refresh its latest packet came.
    quiet: Duration,
}

/// A pair as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// The names of the two ends. As in `vxdump flows`, the end that opened more of the flows comes
    /// first.
    pub(super) ends: [String; 2],
    /// Bytes a second that each end sent.
    pub(super) bytes: [u64; 2],
    /// Packets a second, both ways.
    pub(super) packets: u64,
    /// TCP segments sent again, since the start.
    pub(super) retransmits: u64,
    /// Flows without an answer, rejected, or ended by a reset, since the start.
    pub(super) failed: u64,
    /// Round-trip time, nanoseconds, mean of its flows.
    pub(super) rtt: Option<i64>,
    /// The longest of them.
    pub(super) longest_rtt: Option<i64>,
    /// Flows in the table.
    pub(super) flows: u64,
    /// Packets, both ways, since the start.
    pub(super) total_packets: u64,
    /// Bytes, both ways, since the start.
    pub(super) total_bytes: u64,
}

/// The sum of both directions.
pub(super) fn sum([there, back]: [u64; 2]) -> u64 {
    there.saturating_add(back)
}

/// All pairs of a kind.
#[derive(Debug)]
pub(super) struct Rates {
    pairs: HashMap<[End; 2], Pair, RandomState>,
    most: usize,
}

impl Rates {
    /// Starts without pairs. Beyond `most` pairs, those without flows are forgotten at once.
    pub(super) fn new(most: usize) -> Self {
        Self { pairs: HashMap::default(), most }
    }

    /// Counts what was added since the last call: `live` are the sums of all flows in the table,
    /// `ended` those of flows that left it since.
    pub(super) fn count(&mut self, live: &Sums, ended: &Sums) {
        for (ends, sum) in ended.rows() {
            let pair = self.pairs.entry(ends.clone()).or_default();
            pair.over = pair.over.zip(Totals::of(sum), u64::saturating_add);
            pair.over_rtt = pair.over_rtt.and(sum.rtt);
            pair.over_openers = pair.over_openers.and(sum.openers);
        }
        for pair in self.pairs.values_mut() {
            pair.before = pair.total;
        }
        self.sum_up(live);
        for pair in self.pairs.values_mut() {
            let came = pair.total.zip(pair.before, u64::saturating_sub);
            pair.fresh = pair.fresh.zip(came, u64::saturating_add);
        }
    }

    /// The names of the flows have changed to those of `live`; no packets came meanwhile.
    pub(super) fn rename(&mut self, live: &Sums) {
        self.sum_up(live);
    }

    fn sum_up(&mut self, live: &Sums) {
        for pair in self.pairs.values_mut() {
            (pair.flows, pair.total, pair.rtt) = (0, pair.over, pair.over_rtt);
            pair.openers = pair.over_openers;
        }
        for (ends, sum) in live.rows() {
            let pair = self.pairs.entry(ends.clone()).or_default();
            pair.flows = sum.flows;
            pair.openers = pair.over_openers.and(sum.openers);
            pair.total = pair.over.zip(Totals::of(sum), u64::saturating_add);
            pair.rtt = pair.over_rtt.and(sum.rtt);
        }
    }

    /// All pairs, in no particular order. Rates are over the time `since` the last call.
    pub(super) fn rows(&mut self, since: Duration) -> Vec<Row> {
        let crowded = self.pairs.len() > self.most;
        self.pairs.retain(|_, pair| {
            pair.quiet = match pair.fresh.packets {
                [0, 0] => pair.quiet + since,
                _ => Duration::ZERO,
            };
            pair.flows > 0 || (!crowded && pair.quiet <= REMEMBERED)
        });
        let nanos = since.as_nanos().max(1);
        let per_second =
            |n: u64| u64::try_from(u128::from(n) * 1_000_000_000 / nanos).unwrap_or(u64::MAX);
        let row = |(ends, pair): (&[End; 2], &mut Pair)| {
            let fresh = std::mem::take(&mut pair.fresh);
            let (mut ends, mut bytes) = (ends.each_ref(), fresh.bytes.map(per_second));
            if pair.openers.is_second_first() {
                ends.swap(0, 1);
                bytes.swap(0, 1);
            }
            Row {
                ends: ends.map(|end| end.label().into_owned()),
                bytes,
                packets: per_second(sum(fresh.packets)),
                retransmits: pair.total.retransmits,
                failed: pair.total.failed,
                rtt: pair.rtt.mean(),
                longest_rtt: pair.rtt.longest(),
                flows: pair.flows,
                total_packets: sum(pair.total.packets),
                total_bytes: sum(pair.total.bytes),
            }
        };
        self.pairs.iter_mut().map(row).collect()
    }
}
