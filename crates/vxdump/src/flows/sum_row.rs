//! A sum as a row.

use std::cmp::{Ordering, Reverse};

use super::ends::End;
use super::sort::{Sort, Sorted};
use super::sums::Sum;

/// A pair of [`super::sums::Sums`] and its sum.
#[derive(Clone, Debug)]
pub(crate) struct SumRow {
    pub(crate) pair: [End; 2],
    pub(crate) sum: Sum,
}

impl SumRow {
    /// The row of a pair, beginning with the end that opened more of the flows.
    pub(crate) fn new(pair: &[End; 2], sum: &Sum) -> Self {
        let (mut pair, mut sum) = (pair.clone(), *sum);
        if sum.openers.is_second_first() {
            pair.swap(0, 1);
            sum = sum.swapped();
        }
        Self { pair, sum }
    }
}

impl Sorted for SumRow {
    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let both = |numbers: [u64; 2]| i128::from(numbers[0]) + i128::from(numbers[1]);
        let measure = |row: &Self| match sort {
            Sort::Bytes => both(row.sum.bytes),
            Sort::Packets => both(row.sum.packets),
            Sort::Duration => row.sum.duration().into(),
            Sort::Rtt => row.sum.rtt.mean().unwrap_or(i64::MIN).into(),
            Sort::Retransmits => both(row.sum.retransmits),
            Sort::First => -i128::from(row.sum.first),
            Sort::Flows => row.sum.flows.into(),
            Sort::Failed => row.sum.failed.total().into(),
        };
        Reverse(measure(self))
            .cmp(&Reverse(measure(other)))
            .then_with(|| self.pair.cmp(&other.pair))
    }
}
