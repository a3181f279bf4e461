//! Where a flow's entry is: an open-addressing table of 8-byte places.

use prefetch_index::prefetch_index;

/// Finds the slot of an entry by the lower half of its key's hash.
///
/// Linear probing from the first place of a group of four, at most 5/8 full, so that nearly all are
/// found in the group of their hash, and without a branch that the processor would foresee wrongly.
/// No tombstones: removal moves what follows back. All that it needs of an entry is in its place,
/// so that growing and removing touch no entry.
#[derive(Clone, Debug)]
pub(crate) struct Index {
    /// 0: free; otherwise the hash's lower half above, slot + 1 below
    places: Vec<u64>,
    mask: usize,
    len: usize,
}

const SMALLEST: usize = 64;
/// Places that are compared side by side: half a cache line.
const GROUP: usize = 4;

impl Index {
    pub(crate) fn new() -> Self {
        Self { places: vec![0; SMALLEST], mask: SMALLEST - 1, len: 0 }
    }

    /// The slot among those with this hash that `is_it` accepts.
    #[inline]
    pub(crate) fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let tag = hash as u32;
        let mut at = first_place(tag, self.mask);
        loop {
            let place = self.places.get(at).copied().unwrap_or(0);
            if place == 0 {
                return None;
            }
            let slot = (place as u32).wrapping_sub(1);
            if (place >> 32) as u32 == tag && is_it(slot) {
                return Some(slot);
            }
            at = (at + 1) & self.mask;
        }
    }

    /// The slot of the first one with this hash, or nearly always so; `u32::MAX` where there is
    /// none.
    #[inline]
    pub(crate) fn guess(&self, hash: u64) -> u32 {
        let tag = hash as u32;
        let group = first_place(tag, self.mask);
        let group = self.places.get(group..group + GROUP).unwrap_or_default();
        // two with one hash give neither
        let place = group.iter().fold(0, |found, &place| {
            found | if (place >> 32) as u32 == tag { place as u32 } else { 0 }
        });
        if place == 0 { self.guess_on(hash) } else { place - 1 }
    }

    #[inline(never)]
    fn guess_on(&self, hash: u64) -> u32 {
        self.find(hash, |_| true).unwrap_or(u32::MAX)
    }

    /// Loads the place where the search begins.
    #[inline]
    pub(crate) fn prefetch(&self, hash: u64) {
        prefetch_index(&self.places, first_place(hash as u32, self.mask));
    }

    /// Adds a slot that is not there. Slots are below `u32::MAX`.
    pub(crate) fn insert(&mut self, hash: u64, slot: u32) {
        if (self.len + 1) * 8 > self.places.len() * 5 {
            self.grow();
        }
        self.len += 1;
        let place = place_of(hash, slot);
        put(&mut self.places, self.mask, place);
    }

    #[cold]
    fn grow(&mut self) {
        let len = self.places.len() * 2;
        let mut places = vec![0; len];
        for &place in self.places.iter().filter(|&&place| place != 0) {
            put(&mut places, len - 1, place);
        }
        self.places = places;
        self.mask = len - 1;
    }

    /// Removes a slot that is there.
    pub(crate) fn remove(&mut self, hash: u64, slot: u32) {
        let (places, mask) = (self.places.as_mut_slice(), self.mask);
        let wanted = place_of(hash, slot);
        let mut hole = first_place(hash as u32, mask);
        while places[hole] != wanted {
            if places[hole] == 0 {
                debug_assert!(false, "only what is there is removed");
                return;
            }
            hole = (hole + 1) & mask;
        }
        self.len -= 1;
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = places[at];
            if place == 0 {
                break;
            }
            // it may move back to the hole if the hole is not before its first choice
            let first_choice = first_place((place >> 32) as u32, mask);
            if at.wrapping_sub(first_choice) & mask >= at.wrapping_sub(hole) & mask {
                places[hole] = place;
                hole = at;
            }
        }
        places[hole] = 0;
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.places.capacity() * size_of::<u64>()
    }
}

/// Where the search begins.
#[inline]
const fn first_place(tag: u32, mask: usize) -> usize {
    tag as usize & mask & !(GROUP - 1)
}

#[inline]
const fn place_of(hash: u64, slot: u32) -> u64 {
    ((hash & 0xffff_ffff) << 32) | (slot as u64 + 1)
}

#[inline]
fn put(places: &mut [u64], mask: usize, place: u64) {
    let mut at = first_place((place >> 32) as u32, mask);
    while places[at] != 0 {
        at = (at + 1) & mask;
    }
    places[at] = place;
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Few hashes, so that long runs of collisions wrap around and are removed from their
        /// middle.
        #[test]
        fn as_a_hash_map(steps in prop::collection::vec((0u64..24, 0u32..6, any::<bool>()), 0..600)) {
            let mut index = Index::new();
            let mut oracle: HashMap<u32, u64> = HashMap::new();
            for (hash, slot, insert) in steps {
                // hashes near the end of the table
                let hash = hash + 52;
                let slot = slot + hash as u32 * 8;
                if insert && !oracle.contains_key(&slot) {
                    index.insert(hash, slot);
                    oracle.insert(slot, hash);
                } else if !insert && oracle.remove(&slot).is_some() {
                    index.remove(hash, slot);
                }
                prop_assert_eq!(index.len, oracle.len());
            }
            for hash in 52..76 {
                for slot in 0..6 {
                    let slot = slot + hash as u32 * 8;
                    let found = index.find(hash, |candidate| candidate == slot);
                    prop_assert_eq!(found.is_some(), oracle.contains_key(&slot));
                }
                let slots: Vec<u32> =
                    oracle.iter().filter(|&(_, &of)| of == hash).map(|(&slot, _)| slot).collect();
                match slots[..] {
                    [] => prop_assert_eq!(index.guess(hash), u32::MAX),
                    [slot] => prop_assert_eq!(index.guess(hash), slot),
                    _ => {}
                }
            }
        }
    }
}
