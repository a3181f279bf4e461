//! The status line: lost frames, and which rows are on the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Fit;
use super::line::Text;
use super::theme::{PLAIN, Theme};
use crate::out::numbers::count;
use crate::top::state::State;

/// Draws the line; `offset`: the first row on the screen.
pub(super) fn draw(
    state: &State,
    theme: &Theme,
    offset: usize,
    fit: Fit,
    area: Rect,
    buffer: &mut Buffer,
) {
    let shown = &state.shown;
    let mut text = Text::new(area, buffer);
    let statistics = &shown.statistics;
    let drops = [
        (statistics.dropped, "by kernel"),
        (statistics.interface_dropped.unwrap_or(0), "by interface"),
        (statistics.backlog_dropped.unwrap_or(0), "by input queue"),
    ];
    if drops.iter().all(|(number, _)| *number == 0) {
        text.put("0 dropped  ", PLAIN);
    } else {
        text.put("dropped", theme.alarm);
        let mut between = " ";
        for (number, by) in drops.into_iter().filter(|(number, _)| *number > 0) {
            text.put(&format!("{between}{} {by}", count(number)), theme.alarm);
            between = ", ";
        }
        text.put("  ", PLAIN);
    }
    for gone in &shown.gone {
        text.put(gone, theme.alarm).put("  ", PLAIN);
    }
    let last = (offset + fit.height).min(fit.rows);
    let first = if last == 0 { 0 } else { offset + 1 };
    text.put(&format!("{} flows  ", count(shown.flows)), PLAIN);
    if shown.evicted > 0 {
        text.put(&format!("{} evicted  ", count(shown.evicted)), theme.alarm);
    }
    text.put(&format!("{} packets  ", count(shown.total_packets)), PLAIN);
    text.put(&format!("{first}-{last} of {} {}  ", fit.rows, state.group.name()), PLAIN);
}
