//! The table of pairs: names, and as many columns of numbers as there is room for.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::WIDE;
use super::line::{Text, shortened, width};
use super::theme::{HEAD, PLAIN, Theme};
use crate::out::numbers::{count, percent, time};
use crate::top::group::Group;
use crate::top::order::Order;
use crate::top::rates::{Row, sum};
use crate::top::state::State;

/// Columns of names at least this wide are worth more than another column of numbers.
const NAMES_LEAST: u16 = 24;
/// So many of [`COLUMNS`] are shown where the screen is not [`WIDE`].
const NARROW: usize = 5;

/// A column of numbers.
pub(super) struct Column {
    head: &'static str,
    width: u16,
    order: Option<Order>,
    text: fn(&Row) -> String,
}

const BYTES: Column = Column {
    head: "BYTES/s",
    width: 9,
    order: Some(Order::Bytes),
    text: |row| count(sum(row.bytes)),
};
const PACKETS: Column = Column {
    head: "PKTS/s",
    width: 8,
    order: Some(Order::Packets),
    text: |row| count(row.packets),
};
const FAILED: Column =
    Column { head: "FAILED", width: 7, order: Some(Order::Failed), text: |row| count(row.failed) };
const RETRANSMITS: Column = Column {
    head: "RETR",
    width: 6,
    order: Some(Order::Retransmits),
    text: |row| count(row.retransmits),
};
const RTT: Column = Column {
    head: "RTT",
    width: 7,
    order: Some(Order::Rtt),
    text: |row| row.rtt.map_or_else(|| "-".to_owned(), time),
};
/// All columns, what matters most first.
const COLUMNS: [Column; 12] = [
    BYTES,
    PACKETS,
    FAILED,
    RETRANSMITS,
    RTT,
    Column {
        head: "MAX RTT",
        width: 8,
        order: None,
        text: |row| row.longest_rtt.map_or_else(|| "-".to_owned(), time),
    },
    Column {
        head: "RETR%",
        width: 6,
        order: None,
        text: |row| percent(row.retransmits, row.total_packets),
    },
    Column { head: "B/s →", width: 7, order: None, text: |row| count(row.bytes[0]) },
    Column { head: "B/s ←", width: 7, order: None, text: |row| count(row.bytes[1]) },
    Column { head: "FLOWS", width: 6, order: None, text: |row| count(row.flows) },
    Column { head: "PACKETS", width: 8, order: None, text: |row| count(row.total_packets) },
    Column { head: "BYTES", width: 7, order: None, text: |row| count(row.total_bytes) },
];

/// The columns that there is room for beside names. `has_failed`: there is something in the one of failed flows, which then is
/// worth the room of others.
pub(super) fn columns(width: u16, has_failed: bool) -> Vec<&'static Column> {
    let fits = |columns: &[&Column]| width.saturating_sub(width_of(columns)) >= NAMES_LEAST;
    let is_wide = width >= WIDE;
    let mut columns: Vec<&Column> =
        COLUMNS.iter().take(if is_wide { COLUMNS.len() } else { NARROW }).collect();
    let is_shown = has_failed || is_wide && fits(&columns);
    if !is_shown {
        columns.retain(|column| column.order != FAILED.order);
    }
    while columns.len() > 1 && !fits(&columns) {
        columns.pop();
    }
    columns
}

fn width_of(columns: &[&Column]) -> u16 {
    columns.iter().map(|column| column.width + 1).sum()
}

/// Where the two names stand; the second is empty where a row has one.
fn name_areas(group: Group, columns: &[&Column], line: Rect) -> [Rect; 2] {
    let room = line.width.saturating_sub(width_of(columns));
    if group == Group::Vnis {
        return [Rect { width: room, ..line }, Rect { x: line.x + room, width: 0, ..line }];
    }
    let first = room / 2;
    let second = room - first;
    [
        Rect { width: first.saturating_sub(1), ..line },
        Rect { x: line.x + first, width: second, ..line },
    ]
}

/// Puts texts into columns, each at the right of its own.
fn draw_columns(
    columns: &[&Column],
    line: Rect,
    buffer: &mut Buffer,
    text_of: impl Fn(&Column) -> (String, Style),
) {
    let mut right = line.left() + line.width.saturating_sub(width_of(columns));
    for column in columns {
        right += column.width + 1;
        let (text, style) = text_of(column);
        let x = right.saturating_sub(width(&text)).max(line.left());
        let cell = Rect { x, width: right - x, ..line };
        Text::new(cell.intersection(line), buffer).put(&text, style);
    }
}

/// Draws what the columns are called, and which one the rows are sorted by.
pub(super) fn draw_head(state: &State, columns: &[&Column], line: Rect, buffer: &mut Buffer) {
    buffer.set_style(line, HEAD);
    let heads = match state.group {
        Group::Pods => ["POD", "POD"],
        Group::Nodes => ["NODE", "NODE"],
        Group::Vnis => ["VNI", ""],
        Group::Services => ["CLIENT", "SERVICE"],
    };
    // upwards: what is least stands first, and of names A
    let is_rising = state.reversed != (state.order == Order::Name);
    let sorted = if is_rising { "▲" } else { "▼" };
    for (area, head) in name_areas(state.group, columns, line).into_iter().zip(heads) {
        let mark = if state.order == Order::Name { sorted } else { "" };
        Text::new(area, buffer).put(head, HEAD).put(mark, HEAD);
    }
    draw_columns(columns, line, buffer, |column| {
        let mark = if column.order == Some(state.order) { sorted } else { "" };
        (format!("{}{mark}", column.head), HEAD)
    });
}

/// Draws a pair.
pub(super) fn draw_row(
    state: &State,
    theme: &Theme,
    row: &Row,
    columns: &[&Column],
    line: Rect,
    buffer: &mut Buffer,
) {
    for (area, name) in name_areas(state.group, columns, line).into_iter().zip(&row.ends) {
        // the ends of names tell them apart as often as their beginnings
        let name = shortened(name, area.width);
        Text::new(area, buffer).put(&name, theme.name);
    }
    let style = if sum(row.bytes) == 0 { Style::new().add_modifier(Modifier::DIM) } else { PLAIN };
    draw_columns(columns, line, buffer, |column| {
        let is_alarming = column.order == FAILED.order && row.failed > 0;
        ((column.text)(row), if is_alarming { theme.alarm } else { style })
    });
}
