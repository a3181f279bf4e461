//! Longest-prefix match as a flat table: the address space cut into disjoint ranges, each with the
//! innermost range that covers it, found by binary search.
//!
//! A trie would follow pointers; this touches one array, and nested ranges cost nothing at lookup
//! because they are cut apart when the table is made.

/// No range covers the address.
pub(crate) const NONE: u32 = u32::MAX;

/// The flat table over addresses as numbers: `u32` for IPv4, `u128` for IPv6.
#[derive(Debug)]
pub(crate) struct Ranges<T> {
    /// Where each piece starts; ascending, and it ends where the next one starts.
    starts: Vec<T>,
    /// What covers each piece: an index given by the maker, or [`NONE`].
    owners: Vec<u32>,
}

/// An address as a number, so that one sweep serves both families.
pub(crate) trait Number: Copy + Ord {
    /// The next higher number; `None` after the last address.
    fn next(self) -> Option<Self>;
}

impl Number for u32 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Number for u128 {
    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl<T: Number> Ranges<T> {
    /// Makes the table of `(first, last, owner)`, which must be sorted by `first`, wider ranges
    /// first, and either nest or be apart, as CIDR ranges do; no range twice.
    pub(crate) fn new(sorted: &[(T, T, u32)]) -> Self {
        let mut table = Self { starts: Vec::new(), owners: Vec::new() };
        let mut open: Vec<(T, u32)> = Vec::new();
        for &(first, last, owner) in sorted {
            while let Some(&(end, _)) = open.last()
                && end < first
            {
                open.pop();
                table.close(end, &open);
            }
            table.cut(first, owner);
            open.push((last, owner));
        }
        while let Some((end, _)) = open.pop() {
            table.close(end, &open);
        }
        table
    }

    /// After `end`, the range around the one that ended there covers again.
    fn close(&mut self, end: T, open: &[(T, u32)]) {
        if let Some(next) = end.next() {
            self.cut(next, open.last().map_or(NONE, |&(_, owner)| owner));
        }
    }

    /// A piece starts at `start`. Where one was just cut there, it was empty: the new one stands
    /// in its place.
    fn cut(&mut self, start: T, owner: u32) {
        if self.starts.last() == Some(&start) {
            if let Some(last) = self.owners.last_mut() {
                *last = owner;
            }
        } else {
            self.starts.push(start);
            self.owners.push(owner);
        }
    }

    /// The innermost range that covers `address`, or [`NONE`].
    #[inline]
    pub(crate) fn find(&self, address: T) -> u32 {
        let after = self.starts.partition_point(|start| *start <= address);
        after.checked_sub(1).and_then(|piece| self.owners.get(piece)).copied().unwrap_or(NONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_end_together_and_at_the_last_address() {
        let top = u32::MAX;
        let table = Ranges::new(&[
            (4, 7, 0),
            (6, 7, 1),
            (7, 7, 2),
            (8, 8, 3),
            (top - 1, top, 4),
            (top, top, 5),
        ]);
        let found = [3, 4, 5, 6, 7, 8, 9, top - 2, top - 1, top].map(|address| table.find(address));
        assert_eq!(found, [NONE, 0, 0, 1, 2, 3, NONE, NONE, 4, 5]);
        assert_eq!(Ranges::<u32>::new(&[]).find(0), NONE);
    }
}
