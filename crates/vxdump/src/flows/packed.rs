//! Flows in few bytes each, until they are printed.

use vxflow::ConnState;

use super::chosen::Kept;
use super::flow_row::{FlowRow, LONGEST, Packed, Rank, pack};
use super::sort::Sort;

/// Bytes of a piece. A flow table frees pieces of the same size while its flows come here, so that
/// these reuse its memory.
const PIECE: usize = 32 * 1024;

/// Rows of flows, about 50 bytes each with IPv4 addresses: all flows of a file wait to be sorted.
#[derive(Debug, Default)]
pub(crate) struct PackedFlows {
    /// rows one after the other; no row crosses the end of a piece
    pieces: Vec<Vec<u8>>,
    len: usize,
    /// all states that occurred; a packed row has its state's index here
    states: Vec<ConnState>,
    order: Vec<Place>,
}

/// A row's place in the order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: Rank,
    /// number of its piece times [`PIECE`], plus its offset there
    at: u64,
}

impl Kept for PackedFlows {
    type Row = FlowRow;

    fn push(&mut self, row: FlowRow) {
        self.add(&row);
    }

    fn len(&self) -> usize {
        self.len
    }

    fn sort(&mut self, sort: Sort, top: usize) {
        let mut order = Vec::with_capacity(self.len);
        order.extend(self.all().map(|(at, row)| Place { rank: row.rank(sort), at }));
        order.sort_unstable();
        for equals in order.chunk_by_mut(|a, b| a.rank == b.rank).filter(|some| some.len() > 1) {
            // each row is unpacked once, not at each comparison
            equals.sort_by_cached_key(|place| self.row(place.at).rest());
        }
        if order.len() > top {
            order.truncate(top);
            let all = std::mem::take(self);
            for place in &mut order {
                place.at = self.add(&all.row(place.at));
            }
        }
        self.order = order;
    }

    fn last(&self) -> Option<FlowRow> {
        self.order.last().map(|place| self.row(place.at))
    }
}

impl PackedFlows {
    /// The rows as they were sorted.
    pub(crate) fn rows(&self) -> impl Iterator<Item = FlowRow> + Clone + '_ {
        self.order.iter().map(|place| self.row(place.at))
    }

    /// All rows as they were added, each with its place.
    fn all(&self) -> impl Iterator<Item = (u64, FlowRow)> + '_ {
        self.pieces.iter().enumerate().flat_map(move |(number, piece)| {
            let mut rest = Packed(piece);
            std::iter::from_fn(move || {
                if rest.0.is_empty() {
                    return None;
                }
                let at = number * PIECE + piece.len() - rest.0.len();
                Some((at as u64, rest.row(&self.states)))
            })
        })
    }

    fn row(&self, at: u64) -> FlowRow {
        let (number, start) = (at as usize / PIECE, at as usize % PIECE);
        let piece = self.pieces.get(number).and_then(|piece| piece.get(start..));
        Packed(piece.unwrap_or_default()).row(&self.states)
    }

    /// Adds a row, and gives its place.
    fn add(&mut self, row: &FlowRow) -> u64 {
        let state = self.states.iter().position(|state| *state == row.state);
        let state = state.unwrap_or_else(|| {
            self.states.push(row.state);
            self.states.len() - 1
        });
        self.len += 1;
        if self.pieces.last().is_none_or(|piece| PIECE - piece.len() < LONGEST) {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let before = (self.pieces.len() - 1) * PIECE;
        // there is one
        let Some(piece) = self.pieces.last_mut() else { return 0 };
        let start = piece.len();
        pack(row, state as u64, piece);
        debug_assert!(piece.len() - start <= LONGEST, "{row:?}");
        (before + start) as u64
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::LazyLock;

    use clap::ValueEnum as _;
    use vxflow::Ends;

    use super::super::chosen::Chosen;
    use super::super::flow_row::example;
    use super::super::sort::Sorted as _;
    use super::*;

    static EXAMPLE: LazyLock<FlowRow> = LazyLock::new(example);

    /// A row that shares its ranks and times with many others.
    fn alike(number: u32) -> FlowRow {
        // Knuth's multiplicative hash: any order that is not that of the numbers
        let mixed = number.wrapping_mul(2_654_435_761);
        let first = 1_795_219_200_000_000_000 + i64::from(mixed >> 29) * 1_000;
        let mut row = EXAMPLE.clone();
        row.key.source = Ipv4Addr::new(10, 244, 1, mixed as u8 & 3).into();
        row.key.ends = Ends::Ports { source: mixed as u16 >> 5, destination: 8080 };
        (row.first, row.last) = (first, first + i64::from(number % 5) * 1_000_000);
        for sent in &mut row.sent {
            sent.packets = u64::from(mixed >> 30);
            sent.bytes = u64::from(mixed >> 27) * 1_000;
            sent.retransmits = mixed >> 31;
        }
        row.state = if mixed & 64 == 0 { ConnState::S0 } else { ConnState::SF };
        row.rtt = (mixed & 128 == 0).then_some(i64::from(mixed >> 28) * 1_000);
        row.has_failed = mixed & 64 == 0;
        row
    }

    #[test]
    fn rows_are_found_where_they_were_put() {
        let rows: Vec<_> = (0..2_000).map(alike).collect();
        let mut packed = PackedFlows::default();
        let places: Vec<_> = rows.iter().map(|row| packed.add(row)).collect();
        let all: Vec<_> = places.iter().copied().zip(rows.iter().cloned()).collect();
        assert_eq!(packed.all().collect::<Vec<_>>(), all);
        for (&place, row) in places.iter().zip(&rows) {
            assert_eq!(&packed.row(place), row);
        }
    }

    /// The order is that of [`Sorted::compare`], however many rows are wanted.
    #[test]
    fn the_order_is_that_of_the_rows() {
        const ROWS: u32 = 20_000;
        for &sort in Sort::value_variants() {
            let mut expected: Vec<_> = (0..ROWS).map(alike).collect();
            expected.sort_by(|a, b| a.compare(b, sort));
            for top in [None, Some(1), Some(20), Some(7_000), Some(ROWS), Some(u32::MAX)] {
                let mut chosen = Chosen::<PackedFlows>::new(sort, top);
                (0..ROWS).for_each(|number| chosen.push(alike(number)));
                let (packed, given) = chosen.finish();
                let shown = top.unwrap_or(ROWS).min(ROWS) as usize;
                assert_eq!((given, packed.len()), (ROWS.into(), shown), "{sort:?}, {top:?}");
                assert!(packed.rows().eq(expected[..shown].iter().cloned()), "{sort:?}, {top:?}");
            }
        }
    }

    /// Waiting rows are small, and cut rows free their memory.
    #[test]
    fn rows_are_small() {
        const ROWS: u32 = 20_000;
        let bytes = |packed: &PackedFlows| packed.pieces.iter().map(Vec::capacity).sum::<usize>();
        let mut packed = PackedFlows::default();
        (0..ROWS).for_each(|number| packed.push(alike(number)));
        assert!(bytes(&packed) < 60 * ROWS as usize, "{}", bytes(&packed));
        packed.sort(Sort::Bytes, 500);
        assert!(bytes(&packed) <= PIECE, "{}", bytes(&packed));
    }
}
