//! The table of pairs: names, and as many columns of numbers as there is room for.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use super::WIDE;
use super::line::{Text, shortened, width};
use super::theme::{HEAD, PLAIN, Theme};
use crate::flows::columns::named;
use crate::flows::form::Form;
use crate::flows::value::Value;
use crate::out::numbers::percent;
use crate::out::time_utc::Utc;
use crate::top::group::Group;
use crate::top::order::Order;
use crate::top::rates::{Row, sum};
use crate::top::state::State;

/// The least width of both names together, before another column of numbers is shown.
const NAMES_LEAST: u16 = 24;
/// How many of [`COLUMNS`] are shown on a screen that is not [`WIDE`].
const NARROW: usize = 5;

/// A column of numbers.
pub(super) struct Column {
    head: Head,
    width: u16,
    order: Option<Order>,
    form: Form,
    value: fn(&Row) -> Value<'static>,
}

/// What a column is called.
enum Head {
    /// The title that `vxdump flows` has for it, in capitals.
    Title(&'static str),
    Own(&'static str),
}

impl Column {
    /// A column that sums have too.
    const fn of_sums(name: &str, width: u16, value: fn(&Row) -> Value<'static>) -> Self {
        let column = named(name);
        Self { head: Head::Title(column.title), width, order: None, form: column.form, value }
    }

    /// A column of counts.
    const fn of_counts(head: &'static str, width: u16, value: fn(&Row) -> Value<'static>) -> Self {
        Self { head: Head::Own(head), width, order: None, form: Form::Count, value }
    }

    const fn sorted_by(mut self, order: Order) -> Self {
        self.order = Some(order);
        self
    }

    /// Is it the column of failed flows?
    fn is_of_failed(&self) -> bool {
        self.order == Some(Order::Failed)
    }

    fn head(&self) -> Cow<'static, str> {
        match self.head {
            Head::Title(title) => Cow::Owned(title.to_uppercase()),
            Head::Own(head) => Cow::Borrowed(head),
        }
    }

    fn text(&self, row: &Row) -> String {
        let mut text = Vec::new();
        self.form.write(&mut text, &(self.value)(row), &Value::Absent, &mut Utc::default());
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// All columns, the most important first.
static COLUMNS: [Column; 12] = [
    Column::of_counts("BYTES/s", 9, |row| Value::Number(sum(row.bytes))).sorted_by(Order::Bytes),
    Column::of_counts("PKTS/s", 8, |row| Value::Number(row.packets)).sorted_by(Order::Packets),
    Column::of_counts("FAILED", 7, |row| Value::Number(row.failed)).sorted_by(Order::Failed),
    Column::of_sums("retransmits", 6, |row| Value::Number(row.retransmits))
        .sorted_by(Order::Retransmits),
    Column::of_sums("rtt_ms", 7, |row| Value::millis(row.rtt)).sorted_by(Order::Rtt),
    Column::of_sums("rtt_max_ms", 8, |row| Value::millis(row.longest_rtt)),
    Column {
        head: Head::Own("RETR%"),
        width: 6,
        order: None,
        form: Form::Whole,
        value: |row| Value::Text(percent(row.retransmits, row.total_packets).into()),
    },
    Column::of_counts("B/s →", 7, |row| Value::Number(row.bytes[0])),
    Column::of_counts("B/s ←", 7, |row| Value::Number(row.bytes[1])),
    Column::of_sums("flows", 6, |row| Value::Number(row.flows)),
    Column::of_counts("PACKETS", 8, |row| Value::Number(row.total_packets)),
    Column::of_counts("BYTES", 7, |row| Value::Number(row.total_bytes)),
];

/// The columns that fit beside the names. `has_failed`: some flow has failed; then their column is
/// shown on narrow screens too.
pub(super) fn columns(width: u16, has_failed: bool) -> Vec<&'static Column> {
    let fits = |columns: &[&Column]| width.saturating_sub(width_of(columns)) >= NAMES_LEAST;
    let is_wide = width >= WIDE;
    let mut columns: Vec<&Column> =
        COLUMNS.iter().take(if is_wide { COLUMNS.len() } else { NARROW }).collect();
    let is_shown = has_failed || is_wide && fits(&columns);
    if !is_shown {
        columns.retain(|column| !column.is_of_failed());
    }
    while columns.len() > 1 && !fits(&columns) {
        columns.pop();
    }
    columns
}

fn width_of(columns: &[&Column]) -> u16 {
    columns.iter().map(|column| column.width + 1).sum()
}

/// The places of the two names; the second is empty if rows have one.
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

/// Puts texts into columns, aligned at the right.
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

/// Draws the heads of the columns, with a mark at the one that rows are sorted by.
pub(super) fn draw_head(state: &State, columns: &[&Column], line: Rect, buffer: &mut Buffer) {
    buffer.set_style(line, HEAD);
    let heads = match state.group {
        Group::Pods => ["POD", "POD"],
        Group::Nodes => ["NODE", "NODE"],
        Group::Vnis => ["VNI", ""],
        Group::Services => ["CLIENT", "SERVICE"],
    };
    // ▲: the least comes first, or of names A
    let is_rising = state.reversed != (state.order == Order::Name);
    let sorted = if is_rising { "▲" } else { "▼" };
    for (area, head) in name_areas(state.group, columns, line).into_iter().zip(heads) {
        let mark = if state.order == Order::Name { sorted } else { "" };
        Text::new(area, buffer).put(head, HEAD).put(mark, HEAD);
    }
    draw_columns(columns, line, buffer, |column| {
        let mark = if column.order == Some(state.order) { sorted } else { "" };
        (format!("{}{mark}", column.head()), HEAD)
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
        // names differ at their ends as often as at their beginnings
        let name = shortened(name, area.width);
        Text::new(area, buffer).put(&name, theme.name);
    }
    let style = if sum(row.bytes) == 0 { Style::new().add_modifier(Modifier::DIM) } else { PLAIN };
    draw_columns(columns, line, buffer, |column| {
        let is_alarming = column.is_of_failed() && row.failed > 0;
        (column.text(row), if is_alarming { theme.alarm } else { style })
    });
}
