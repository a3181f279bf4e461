//! The first line: what is watched, and which rows in which order.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::line::Text;
use super::theme::{BOLD, HEAD, PLAIN, Theme};
use crate::top::order::Order;
use crate::top::state::State;

/// The mark of a pause.
const PAUSED: &str = " PAUSED ";

/// Draws it.
pub(super) fn draw(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let by = match state.order {
        Order::Bytes => "bytes/s",
        Order::Packets => "packets/s",
        Order::Failed => "failed flows",
        Order::Retransmits => "retransmissions",
        Order::Rtt => "round-trip time",
        Order::Name => "name",
    };
    let turned = match (state.reversed, state.order) {
        (false, _) => "",
        (true, Order::Name) => ", Z to A",
        (true, _) => ", least first",
    };
    let mut text = Text::new(area, buffer);
    text.put("vxdump top ", BOLD).put(&state.devices, theme.name);
    text.put(&format!("  {} by {by}{turned}", state.group.name()), PLAIN);
    if !state.filter.is_empty() && !state.editing {
        text.put("  filter ", PLAIN).put(&state.filter, BOLD);
    }
    if state.paused {
        text.put_over_right(PAUSED, HEAD);
    } else {
        text.put_right(&format!("every {} s", state.interval), PLAIN);
    }
}
