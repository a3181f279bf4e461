//! Where the hot parts of entries are: in pieces that never move.

use crate::entry::Hot;
use crate::key::Address;

/// Entries in a piece. A power of two.
const PIECE: usize = 256;

/// Entries by their slot.
///
/// Not one vector: its growth would copy all entries, which for a moment are there twice, and it
/// would keep room for more than there are.
#[derive(Clone, Debug)]
pub(crate) struct Store<A: Address> {
    /// all full but the last
    pieces: Vec<Vec<Hot<A>>>,
    len: usize,
}

impl<A: Address> Store<A> {
    pub(crate) const fn new() -> Self {
        Self { pieces: Vec::new(), len: 0 }
    }

    #[inline]
    pub(crate) fn get(&self, slot: u32) -> Option<&Hot<A>> {
        self.pieces.get(slot as usize / PIECE)?.get(slot as usize % PIECE)
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: u32) -> Option<&mut Hot<A>> {
        self.pieces.get_mut(slot as usize / PIECE)?.get_mut(slot as usize % PIECE)
    }

    /// Adds an entry, and gives its slot.
    pub(crate) fn push(&mut self, hot: Hot<A>) -> u32 {
        if self.len.is_multiple_of(PIECE) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        if let Some(piece) = self.pieces.last_mut() {
            piece.push(hot);
        }
        self.len += 1;
        self.len as u32 - 1
    }

    /// All entries in the order of their slots. Each piece is given back when its last one was
    /// taken.
    pub(crate) fn into_entries(self) -> impl Iterator<Item = Hot<A>> {
        self.pieces.into_iter().flatten()
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.pieces.capacity() * size_of::<Vec<Hot<A>>>()
            + self.pieces.len() * PIECE * size_of::<Hot<A>>()
    }
}
