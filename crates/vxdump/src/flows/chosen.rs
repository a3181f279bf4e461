//! Keeps only the rows that will be printed: the first ones in the order that was asked for.

use std::cmp::Ordering;

use super::sort::{Sort, Sorted};

/// Rows until they are printed.
pub(crate) trait Kept: Default {
    type Row: Sorted;

    /// Adds a row after the others.
    fn push(&mut self, row: Self::Row);

    fn len(&self) -> usize;

    /// Puts the rows in order, and keeps the first `top` of them.
    fn sort(&mut self, sort: Sort, top: usize);

    /// The last row of those that were sorted.
    fn last(&self) -> Option<Self::Row>;
}

impl<R: Sorted + Clone> Kept for Vec<R> {
    type Row = R;

    fn push(&mut self, row: R) {
        self.push(row);
    }

    fn len(&self) -> usize {
        self.len()
    }

    fn sort(&mut self, sort: Sort, top: usize) {
        self.sort_unstable_by(|a, b| a.compare(b, sort));
        self.truncate(top);
    }

    fn last(&self) -> Option<R> {
        self.as_slice().last().cloned()
    }
}

/// The first rows of all that are pushed. No more are kept than needed.
#[derive(Debug)]
pub(crate) struct Chosen<K: Kept> {
    kept: K,
    sort: Sort,
    /// at least 1
    top: usize,
    /// Rows that come after this one are not wanted.
    last: Option<K::Row>,
    given: u64,
}

/// Rows beyond the wanted ones that are kept before all are sorted and cut.
const SPARE: usize = 4096;

impl<K: Kept> Chosen<K> {
    pub(crate) fn new(sort: Sort, top: Option<u32>) -> Self {
        let top = top.map_or(usize::MAX, |top| top as usize);
        Self { kept: K::default(), sort, top, last: None, given: 0 }
    }

    pub(crate) fn push(&mut self, row: K::Row) {
        self.given += 1;
        let is_behind = |last: &K::Row| row.compare(last, self.sort) == Ordering::Greater;
        if self.last.as_ref().is_some_and(is_behind) {
            return;
        }
        self.kept.push(row);
        if self.kept.len() >= self.top.saturating_mul(2).saturating_add(SPARE) {
            self.kept.sort(self.sort, self.top);
            self.last = self.kept.last();
        }
    }

    /// The rows in order, and how many were pushed.
    pub(crate) fn finish(mut self) -> (K, u64) {
        self.kept.sort(self.sort, self.top);
        (self.kept, self.given)
    }
}
