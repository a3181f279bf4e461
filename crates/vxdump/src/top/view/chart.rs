//! Bytes a second of all traffic, over time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

use super::line::Text;
use super::theme::{BOLD, PLAIN, Theme};
use crate::out::numbers::{count, with_unit};
use crate::top::state::State;

/// Width of the text beside the chart.
const CHART_TEXT: u16 = 18;

/// Draws the chart, the newest value at the right, and its numbers beside it.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let beside = CHART_TEXT.min(area.width);
    let room = Rect { x: area.x + beside, width: area.width - beside, ..area };
    let history = &state.shown.history;
    let newest_first: Vec<u64> =
        history.iter().rev().take(usize::from(room.width)).copied().collect();
    let most = newest_first.iter().max().copied().unwrap_or(0);
    let now = newest_first.first().copied().unwrap_or(0);
    let texts = [
        (with_unit(now, "B/s"), BOLD),
        (format!("{} packets/s", count(state.shown.packets)), PLAIN),
        (format!("most {}", with_unit(most, "B/s")), PLAIN),
    ];
    for (line, (text, style)) in (area.top()..area.bottom()).zip(&texts) {
        let line = Rect { y: line, width: beside.saturating_sub(1), height: 1, ..area };
        Text::new(line, buffer).put(text, *style);
    }
    Sparkline::default()
        .data(newest_first)
        .direction(RenderDirection::RightToLeft)
        .max(most.max(1))
        .style(theme.chart)
        .render(room, buffer);
}
