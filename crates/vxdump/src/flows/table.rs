//! Rows as a table for people, fitted to the terminal.

use podmap::PodMap;
use vxcli::Failure;

use super::print::reuse;
use super::row::Row;
use crate::output::Output;
use crate::text::put;
use crate::time_utc::Utc;

/// Blanks between columns.
const GAP: usize = 2;
/// Names may be longer than a terminal is wide (RFC 1123 labels): there they are cut to this many characters.
const LONGEST: usize = 40;

/// The columns in the order in which they are given room on a terminal.
const IMPORTANCE: &[&str] = &[
    "vni",
    "src",
    "dst",
    "dport",
    "src_name",
    "dst_name",
    "service",
    "vtep_src",
    "vtep_dst",
    "src_node",
    "dst_node",
    "bytes",
    "rev_bytes",
    "protocol",
    "state",
    "flows",
    "sport",
    "rtt_ms",
    "retransmits",
    "packets",
    "rev_packets",
    "duration",
    "rev_retransmits",
    "first",
    "rtt_max_ms",
    "tcp_flags",
    "rev_tcp_flags",
    "last",
];
/// Of flows these come late: what they tell is in the addresses and names too.
const LATE: &[&str] = &["src_node", "dst_node", "vtep_src", "vtep_dst", "vni"];

/// Writes the head and the rows. Without a width all columns are shown, whole.
pub(crate) fn write<R: Row>(
    output: &mut Output<'_>,
    columns: &[&str],
    width: Option<usize>,
    rows: &[R],
    map: &PodMap,
) -> Result<(), Failure> {
    let layout = Layout::new(columns, width, rows, map);
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
    fn new<R: Row>(columns: &[&str], width: Option<usize>, rows: &[R], map: &PodMap) -> Self {
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
        if let Some(width) = width {
            fit(columns, &mut widths, width);
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
fn fit(columns: &[&str], widths: &mut [usize], width: usize) {
    let of_flows = columns.contains(&"src");
    let late = |name: &&&str| of_flows && LATE.contains(*name);
    let early = IMPORTANCE.iter().filter(|name| !late(name));
    let order = early.chain(IMPORTANCE.iter().filter(late));
    let mut room = width + GAP;
    let mut shown = vec![false; columns.len()];
    for at in order.filter_map(|name| columns.iter().position(|column| column == name)) {
        let needed = widths[at].min(LONGEST) + GAP;
        if needed <= room || !shown.contains(&true) {
            room = room.saturating_sub(needed);
            shown[at] = true;
            widths[at] = widths[at].min(LONGEST).min(width.max(1));
        }
    }
    for (width, shown) in widths.iter_mut().zip(shown) {
        if !shown {
            *width = 0;
        }
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

    #[test]
    fn every_column_has_its_importance() {
        for by in [By::Flow, By::Pod, By::Node, By::Vni, By::Vtep, By::Service] {
            for column in columns(by) {
                assert!(IMPORTANCE.contains(column), "{column}");
            }
        }
    }

    #[test]
    fn the_widest_that_fit() {
        for width in 1..400 {
            let columns = columns(By::Flow);
            let mut widths = vec![12; columns.len()];
            fit(columns, &mut widths, width);
            let shown: Vec<usize> = widths.iter().copied().filter(|&w| w > 0).collect();
            let taken = shown.iter().sum::<usize>() + GAP * (shown.len() - 1);
            assert!(taken <= width, "{width}: {widths:?}");
            assert_eq!(shown.len(), ((width + GAP) / (12 + GAP)).clamp(1, columns.len()));
        }
    }
}
