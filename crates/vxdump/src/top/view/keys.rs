//! The last line: the keys, or the filter while it is typed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::WIDE;
use super::line::Text;
use super::theme::{BOLD, HEAD, PLAIN};
use crate::top::state::State;

/// Draws it.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) {
    let wide = area.width >= WIDE;
    let mut text = Text::new(area, buffer);
    if state.editing {
        text.put("/", BOLD).put(&state.filter, PLAIN).put(" ", HEAD);
        text.put_right("  Enter keep  Esc no filter", PLAIN);
        return;
    }
    let long: &[(&str, &str)] = &[
        ("q", " quit  "),
        ("p", " pods "),
        ("n", " nodes "),
        ("v", " VNIs "),
        ("s", " services  sort by "),
        ("b", " bytes "),
        ("k", " packets "),
        ("f", " failed "),
        ("r", " retr "),
        ("t", " RTT "),
        ("a", " name  "),
        ("/", " filter  "),
        ("space", " pause  "),
        ("↑↓", " scroll  "),
        ("^Z", " stop"),
    ];
    let short: &[(&str, &str)] = &[
        ("q", " quit  "),
        ("p", " pods "),
        ("n", " nodes "),
        ("v", " VNIs "),
        ("s", " services  sort "),
        ("b k f r t a", "  "),
        ("/", " filter "),
        ("space", " pause"),
    ];
    for (key, what) in if wide { long } else { short } {
        text.put(key, BOLD).put(what, PLAIN);
    }
}
