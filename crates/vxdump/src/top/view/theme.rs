//! Colours and attributes.

use ratatui::style::{Color, Modifier, Style};

/// Styles, with or without colours.
pub(super) struct Theme {
    pub(super) name: Style,
    pub(super) chart: Style,
    pub(super) alarm: Style,
}

impl Theme {
    pub(super) fn new(plain: bool) -> Self {
        let color = |color| if plain { Style::new() } else { Style::new().fg(color) };
        Self {
            name: color(Color::Cyan),
            chart: color(Color::Green),
            alarm: color(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
pub(super) const HEAD: Style = Style::new().add_modifier(Modifier::REVERSED);
pub(super) const PLAIN: Style = Style::new();
