//! What the screen shows: which kind of pairs, in which order, which of them, and the first row.

use vxcap::live::Statistics;

use super::group::Group;
use super::input::Action;
use super::order::Order;
use super::rates::Row;

/// The longest filter that can be typed.
const FILTER_MAX: usize = 256;

/// All counters at one time.
#[derive(Clone, Debug, Default)]
pub(super) struct Snapshot {
    /// The pairs of each kind, as in [`Group::ALL`], in no particular order.
    pub(super) rows: [Vec<Row>; 4],
    /// Bytes a second of all traffic, at each refresh, the oldest first.
    pub(super) history: Vec<u64>,
    /// Packets a second of all traffic.
    pub(super) packets: u64,
    /// Packets that belong to flows, since the start.
    pub(super) total_packets: u64,
    /// Flows in the table.
    pub(super) flows: u64,
    /// Flows that were evicted from the full table.
    pub(super) evicted: u64,
    /// Frames that were received and lost.
    pub(super) statistics: Statistics,
    /// Messages about devices that are gone.
    pub(super) gone: Vec<String>,
}

/// What is shown, and how.
#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // switches, each for itself
pub(super) struct State {
    /// The devices' names.
    pub(super) devices: String,
    /// Seconds from one refresh to the next.
    pub(super) interval: f64,
    /// No colours.
    pub(super) plain: bool,
    pub(super) group: Group,
    pub(super) order: Order,
    /// In reverse order.
    pub(super) reversed: bool,
    /// Only rows with this text in a name, in upper or lower case.
    pub(super) filter: String,
    /// The filter is being typed.
    pub(super) editing: bool,
    pub(super) paused: bool,
    /// The first row on the screen.
    pub(super) offset: usize,
    /// Rows that the screen has room for.
    pub(super) height: usize,
    /// What is on the screen.
    pub(super) shown: Snapshot,
    /// The latest snapshot that came during a pause.
    pub(super) waiting: Option<Snapshot>,
}

/// What to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Draw the screen again.
    Draw,
    /// Stop the process, as a shell's job.
    Suspend,
    /// End the program.
    End,
}

impl State {
    /// Shows a new snapshot, or keeps it during a pause.
    pub(super) fn take(&mut self, snapshot: Snapshot) {
        if self.paused {
            self.waiting = Some(snapshot);
        } else {
            self.shown = snapshot;
        }
    }

    /// Does what a key asks for.
    pub(super) fn apply(&mut self, action: Action) -> Next {
        match action {
            Action::Quit => return Next::End,
            Action::Suspend => return Next::Suspend,
            Action::Group(group) => {
                self.group = group;
                self.offset = 0;
            }
            Action::Sort(order) => {
                self.reversed = order == self.order && !self.reversed;
                self.order = order;
                self.offset = 0;
            }
            Action::Pause => {
                self.paused = !self.paused;
                if let Some(snapshot) = self.waiting.take() {
                    self.shown = snapshot;
                }
            }
            Action::Scroll(rows) => self.scroll(i64::from(rows)),
            Action::Page(pages) => {
                let height = i64::try_from(self.height.max(1)).unwrap_or(i64::MAX);
                self.scroll(i64::from(pages).saturating_mul(height));
            }
            Action::Top => self.offset = 0,
            // `fit` limits it to the rows that there are
            Action::Bottom => self.offset = usize::MAX,
            Action::EditFilter => self.editing = true,
            Action::Type(character) => {
                if self.filter.len() < FILTER_MAX {
                    self.filter.push(character);
                }
                self.offset = 0;
            }
            Action::Backspace => {
                self.filter.pop();
            }
            Action::ClearLine => self.filter.clear(),
            Action::Keep => self.editing = false,
            Action::NoFilter => {
                self.filter.clear();
                self.editing = false;
            }
        }
        Next::Draw
    }

    fn scroll(&mut self, rows: i64) {
        let offset = i64::try_from(self.offset).unwrap_or(i64::MAX).saturating_add(rows);
        self.offset = usize::try_from(offset).unwrap_or(0);
    }

    /// All rows of the kind that is shown.
    pub(super) fn rows(&self) -> &[Row] {
        let at = Group::ALL.iter().position(|&group| group == self.group).unwrap_or(0);
        self.shown.rows.get(at).map_or(&[], Vec::as_slice)
    }

    /// The rows that pass the filter, in order.
    pub(super) fn matching(&self) -> Vec<&Row> {
        let wanted = self.filter.to_lowercase();
        let matches = |row: &&Row| {
            wanted.is_empty() || row.ends.iter().any(|end| end.to_lowercase().contains(&wanted))
        };
        let mut rows: Vec<&Row> = self.rows().iter().filter(matches).collect();
        rows.sort_unstable_by(|a, b| {
            let order = self.order.compare(a, b);
            if self.reversed { order.reverse() } else { order }
        });
        rows
    }

    /// Adapts to a screen with room for `height` of the `rows`: scrolls back to where rows are.
    pub(super) fn fit(&mut self, height: usize, rows: usize) {
        self.height = height;
        self.offset = self.offset.min(rows.saturating_sub(height));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(a: &str, b: &str, bytes: u64, rtt: Option<i64>) -> Row {
        Row { ends: [a.into(), b.into()], bytes: [bytes, 1], rtt, ..Row::default() }
    }

    fn state() -> State {
        let mut state = State::default();
        let rows = vec![
            row("shop/api@n1", "shop/db@n2", 10, Some(5)),
            row("shop/web@n1", "shop/api@n1", 30, None),
            row("kube-dns@n2", "shop/web@n1", 20, Some(9)),
        ];
        let node = vec![row("n1", "n2", 60, None)];
        state.take(Snapshot { rows: [rows, node, Vec::new(), Vec::new()], ..Snapshot::default() });
        state
    }

    fn firsts(state: &State) -> Vec<&str> {
        state.matching().iter().map(|row| row.ends[0].as_str()).collect()
    }

    #[test]
    fn most_comes_first_and_the_same_key_turns_it_round() {
        let mut state = state();
        assert_eq!(firsts(&state), ["shop/web@n1", "kube-dns@n2", "shop/api@n1"]);
        state.apply(Action::Sort(Order::Bytes));
        assert_eq!(firsts(&state), ["shop/api@n1", "kube-dns@n2", "shop/web@n1"]);
        state.apply(Action::Sort(Order::Rtt));
        assert_eq!(firsts(&state), ["kube-dns@n2", "shop/api@n1", "shop/web@n1"]);
        state.apply(Action::Sort(Order::Name));
        assert_eq!(firsts(&state), ["kube-dns@n2", "shop/api@n1", "shop/web@n1"]);
    }

    #[test]
    fn a_filter_looks_at_both_ends_in_any_case() {
        let mut state = state();
        state.apply(Action::EditFilter);
        for character in "DNS".chars() {
            state.apply(Action::Type(character));
        }
        assert!(state.editing);
        assert_eq!(firsts(&state), ["kube-dns@n2"]);
        state.apply(Action::Keep);
        assert!(!state.editing);
        state.apply(Action::ClearLine);
        for character in "api".chars() {
            state.apply(Action::Type(character));
        }
        assert_eq!(firsts(&state), ["shop/web@n1", "shop/api@n1"]);
        state.apply(Action::NoFilter);
        assert_eq!(state.matching().len(), 3);
    }

    #[test]
    fn other_kinds_of_pairs() {
        let mut state = state();
        state.apply(Action::Group(Group::Nodes));
        assert_eq!(firsts(&state), ["n1"]);
        state.apply(Action::Group(Group::Vnis));
        assert!(state.matching().is_empty());
    }

    #[test]
    fn nothing_moves_while_it_stands_still() {
        let mut state = state();
        state.apply(Action::Pause);
        state.take(Snapshot { total_packets: 7, ..Snapshot::default() });
        state.take(Snapshot { total_packets: 8, ..Snapshot::default() });
        assert_eq!(state.matching().len(), 3);
        state.apply(Action::Pause);
        assert_eq!(state.shown.total_packets, 8);
    }

    #[test]
    fn scrolling_ends_where_the_rows_do() {
        let mut state = state();
        state.fit(2, 3);
        state.apply(Action::Scroll(-1));
        assert_eq!(state.offset, 0);
        state.apply(Action::Page(5));
        state.fit(2, 3);
        assert_eq!(state.offset, 1);
        state.apply(Action::Top);
        state.apply(Action::Bottom);
        state.apply(Action::Scroll(1));
        state.fit(2, 3);
        assert_eq!(state.offset, 1);
        state.fit(10, 3);
        assert_eq!(state.offset, 0);
    }

    #[test]
    fn a_filter_does_not_grow_for_ever() {
        let mut state = state();
        for _ in 0..10_000 {
            state.apply(Action::Type('ü'));
        }
        assert!(state.filter.len() <= FILTER_MAX + 4);
    }

    #[test]
    fn it_ends_when_asked() {
        assert_eq!(state().apply(Action::Quit), Next::End);
    }
}
