//! Rows as a table for people, fitted to the terminal.

use podmap::PodMap;
use vxcli::Failure;

use super::command::Sort;
use super::print::reuse;
use super::row::Row;
use crate::output::Output;
use crate::text::put;
use crate::time_utc::Utc;

/// Blanks between columns.
const GAP: usize = 2;
/// Names may be longer than a terminal is wide (RFC 1123 labels): this many characters are kept before a column is left
/// out, and so many are shown before another one has room.
const LONGEST: [usize; 2] = [40, 63];
/// Of the ends this many characters are shown before what rows are sorted by has room.
const LEAST: usize = 12;

/// The columns in the order in which they are given room on a terminal; those of one line only together.
const IMPORTANCE: &[&[&str]] = &[
    &["vni"],
    &["src", "dst"],
    &["dport"],
    &["src_name", "dst_name", "service"],
    &["vtep_src", "vtep_dst"],
    &["src_node", "dst_node"],
    &["bytes"],
    &["rev_bytes"],
    &["protocol"],
    &["state"],
    &["flows"],
    &["sport"],
    &["rtt_ms"],
    &["retransmits"],
    &["packets"],
    &["rev_packets"],
    &["duration"],
    &["rev_retransmits"],
    &["first"],
    &["rtt_max_ms"],
    &["tcp_flags"],
    &["rev_tcp_flags"],
    &["last"],
];
/// Of flows these come late: what they tell is in the addresses and names too.
const LATE: &[&str] = &["src_node", "dst_node", "vtep_src", "vtep_dst", "vni"];

/// The columns that rows are sorted by: they come right behind the ends.
const fn sorted_by(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Bytes => &["bytes"],
        Sort::Packets => &["packets"],
        Sort::Duration => &["duration"],
        Sort::Rtt => &["rtt_ms"],
        Sort::Retransmits => &["retransmits", "rev_retransmits"],
        Sort::First => &["first"],
    }
}

/// The terminal that a table is fitted to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Columns of characters.
    pub(crate) width: usize,
    /// What the rows are sorted by.
    pub(crate) sort: Sort,
}

/// Writes the head and the rows. Without a frame all columns are shown, whole.
pub(crate) fn write<R: Row>(
    output: &mut Output<'_>,
    columns: &[&str],
    frame: Option<Frame>,
    rows: &[R],
    map: &PodMap,
) -> Result<(), Failure> {
    let layout = Layout::new(columns, frame, rows, map);
    let (mut utc, mut cell, mut values) = (Utc::default(), Vec::new(), Vec::new());
    for (at, name) in layout.shown(columns.iter().copied()) {
        layout.put(output.buffer(), at, name.as_bytes());
    }
    end_line(output.buffer());
    for row in rows {
        row.values(map, &mut values);
        for (at, value) in layout.shown(values.iter()) {
            cell.clear();
            value.write(&mut cell, &mut utc);
            layout.put(output.buffer(), at, if cell.is_empty() { b"-" } else { &cell });
        }
        values = reuse(values);
        end_line(output.buffer());
        output.end_of_line()?;
    }
    Ok(())
}

/// The last column needs no blanks behind it.
fn end_line(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// How wide the columns are.
struct Layout {
    /// 0 for one that is not shown
    widths: Vec<usize>,
    /// numbers stand at the right
    right: Vec<bool>,
}

impl Layout {
    fn new<R: Row>(columns: &[&str], frame: Option<Frame>, rows: &[R], map: &PodMap) -> Self {
        let mut widths: Vec<usize> = columns.iter().map(|name| name.len()).collect();
        let mut right = vec![false; columns.len()];
        let (mut utc, mut cell, mut values) = (Utc::default(), Vec::new(), Vec::new());
        for row in rows {
            row.values(map, &mut values);
            for (at, value) in values.iter().enumerate() {
                cell.clear();
                value.write(&mut cell, &mut utc);
                widths[at] = widths[at].max(characters(&cell));
                right[at] |= value.is_number();
            }
            values = reuse(values);
        }
        if let Some(frame) = frame {
            fit(columns, &mut widths, frame);
        }
        Self { widths, right }
    }

    /// The columns that are shown, with what is in them.
    fn shown<T>(&self, cells: impl Iterator<Item = T>) -> impl Iterator<Item = (usize, T)> {
        cells.enumerate().filter(|(at, _)| self.widths[*at] > 0)
    }

    fn put(&self, out: &mut Vec<u8>, at: usize, cell: &[u8]) {
        let (width, len) = (self.widths[at], characters(cell));
        let blanks = width.saturating_sub(len);
        let pad = |out: &mut Vec<u8>, count: usize| out.resize(out.len() + count, b' ');
        if self.right[at] {
            pad(out, blanks);
        }
        if len > width {
            let text = String::from_utf8_lossy(cell);
            out.extend(text.chars().take(width - 1).collect::<String>().bytes());
            put::text(out, "…");
        } else {
            out.extend_from_slice(cell);
        }
        pad(out, if self.right[at] { GAP } else { blanks + GAP });
    }
}

/// Takes columns in the order of their importance while there is room; at least one.
fn fit(columns: &[&str], widths: &mut [usize], frame: Frame) {
    let mut order = by_importance(columns);
    let wanted = widths.to_vec();
    let mut room = frame.width + GAP;
    let needed = |group: &[usize], most| -> usize {
        group.iter().map(|&at| wanted[at].min(most) + GAP).sum()
    };
    // first what rows are sorted by, where the ends still have room then
    let key = places(sorted_by(frame.sort), columns);
    let least = order.first().map_or(0, |ends| needed(ends, LEAST));
    let ends = usize::from(needed(&key, usize::MAX) + least <= room);
    order.insert(1 - ends, key);

    widths.fill(0);
    for (at, group) in order.iter().enumerate() {
        let new: Vec<usize> = group.iter().copied().filter(|&at| widths[at] == 0).collect();
        match LONGEST.into_iter().rfind(|&most| needed(&new, most) <= room) {
            Some(most) => new.iter().for_each(|&at| widths[at] = wanted[at].min(most)),
            None if at == ends => share(new, widths, &wanted, room),
            None => {}
        }
        let taken = widths.iter().filter(|&&width| width > 0).map(|width| width + GAP);
        room = (frame.width + GAP).saturating_sub(taken.sum());
    }
    // what is left is for names that were cut
    for at in order.into_iter().flatten() {
        if widths[at] > 0 {
            let more = (wanted[at] - widths[at]).min(room);
            widths[at] += more;
            room -= more;
        }
    }
}

/// Where the columns stand, by importance.
fn by_importance(columns: &[&str]) -> Vec<Vec<usize>> {
    let of_flows = columns.contains(&"src");
    let (late, early): (Vec<_>, Vec<_>) =
        IMPORTANCE.iter().partition(|group| of_flows && LATE.contains(&group[0]));
    let order = early.into_iter().chain(late).map(|group| places(group, columns));
    order.filter(|group| !group.is_empty()).collect()
}

fn places(names: &[&str], columns: &[&str]) -> Vec<usize> {
    names.iter().filter_map(|name| columns.iter().position(|column| column == name)).collect()
}

/// The same width for all that are given, but for those that need less; the last are left out where there is no room at
/// all.
fn share(mut group: Vec<usize>, widths: &mut [usize], wanted: &[usize], mut room: usize) {
    group.truncate((room / (1 + GAP)).max(1));
    group.sort_by_key(|&at| wanted[at]);
    for (done, &at) in group.iter().enumerate() {
        let each = (room / (group.len() - done)).saturating_sub(GAP).max(1);
        widths[at] = wanted[at].min(each);
        room = room.saturating_sub(widths[at] + GAP);
    }
}

/// Characters of a UTF-8 text.
fn characters(text: &[u8]) -> usize {
    // all bytes but those that go on with a character (RFC 3629 section 3)
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::super::row::columns;
    use super::super::sums::By;
    use super::*;

    const ALL: [By; 6] = [By::Flow, By::Pod, By::Node, By::Vni, By::Vtep, By::Service];
    const SORTS: [Sort; 6] =
        [Sort::Bytes, Sort::Packets, Sort::Duration, Sort::Rtt, Sort::Retransmits, Sort::First];

    #[test]
    fn every_column_has_its_importance() {
        for column in ALL.iter().flat_map(|&by| columns(by)) {
            let groups = IMPORTANCE.iter().filter(|group| group.contains(column));
            assert_eq!(groups.count(), 1, "{column}");
        }
    }

    /// Whatever the width: nothing sticks out, pairs stay together, what is sorted by is shown, no room is wasted.
    #[test]
    fn the_widest_that_fit() {
        let tables = ALL.iter().flat_map(|&by| SORTS.map(|sort| (by, sort)));
        let tables = tables.flat_map(|(by, sort)| [4, 12, 90].map(|name| (by, sort, name)));
        for ((by, sort, name), width) in tables.flat_map(|table| (1..250).map(move |w| (table, w)))
        {
            let columns = columns(by);
            let of = |column: &&str| if column.ends_with("_name") { name } else { 12 };
            let wanted: Vec<usize> = columns.iter().map(of).collect();
            let mut widths = wanted.clone();
            fit(columns, &mut widths, Frame { width, sort });
            let context = || format!("{by:?} by {sort:?} in {width}: {widths:?}");
            let shown: Vec<usize> = widths.iter().copied().filter(|&w| w > 0).collect();
            let taken = shown.iter().sum::<usize>() + GAP * shown.len() - GAP;
            assert!(!shown.is_empty() && taken <= width, "{}", context());
            let of = |name: &str| columns.iter().position(|c| *c == name).map(|at| widths[at]);
            for [a, b] in [["src", "dst"], ["src_name", "dst_name"], ["vtep_src", "vtep_dst"]] {
                let [a, b] = [a, b].map(|name| of(name).map(|width| width > 0));
                assert!(width <= 3 || by == By::Service || a == b, "{}", context());
            }
            assert!(width < 56 || of(sorted_by(sort)[0]) == Some(12), "{}", context());
            // a name that is cut, or a column more, would have had room
            let room = width - taken;
            let cut = widths.iter().zip(&wanted).any(|(&shown, &w)| 0 < shown && shown < w);
            assert!(!cut || room == 0 || width < 120, "{}", context());
            let absent = of("packets") == Some(0);
            assert!(!absent || room < 12 + GAP || width < 12, "{}", context());
        }
    }
}
