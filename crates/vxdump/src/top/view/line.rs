//! A line of text that is cut where it is too long.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Puts text into a line, piece by piece, up to its width.
pub(super) struct Text<'b> {
    buffer: &'b mut Buffer,
    start: u16,
    at: u16,
    end: u16,
    line: u16,
}

impl<'b> Text<'b> {
    pub(super) fn new(area: Rect, buffer: &'b mut Buffer) -> Self {
        let visible = area.intersection(buffer.area);
        let end = if visible.is_empty() { visible.left() } else { visible.right() };
        let start = visible.left();
        Self { buffer, start, at: start, end, line: visible.top() }
    }

    pub(super) fn put(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.end.saturating_sub(self.at);
        if room > 0 {
            let (at, _) =
                self.buffer.set_stringn(self.at, self.line, text, usize::from(room), style);
            self.at = at;
        }
        self
    }

    /// Puts text at the right end of the line, if that is free.
    pub(super) fn put_right(&mut self, text: &str, style: Style) {
        let width = width(text);
        if self.at + width < self.end {
            self.at = self.end - width;
            self.put(text, style);
        }
    }

    /// The same, over what is already there.
    pub(super) fn put_over_right(&mut self, text: &str, style: Style) {
        let free = self.end.saturating_sub(width(text) + 1);
        self.at = self.at.min(free).max(self.start);
        self.put_right(text, style);
    }
}

/// The number of cells that a text takes.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(ratatui::text::Span::raw(text).width()).unwrap_or(u16::MAX)
}

/// A name that is too long, without its middle.
pub(super) fn shortened(name: &str, room: u16) -> Cow<'_, str> {
    if width(name) <= room {
        return name.into();
    }
    let room = room.saturating_sub(1);
    // as many characters of an end as fit
    let fitting = |characters: &mut dyn Iterator<Item = char>, room: u16| -> Vec<char> {
        let mut left = room;
        let fits = |character: &char| {
            let rest = left.checked_sub(width(character.encode_utf8(&mut [0; 4])));
            rest.inspect(|&rest| left = rest).is_some()
        };
        characters.take_while(fits).collect()
    };
    let tail = fitting(&mut name.chars().rev(), room / 2);
    let head = fitting(&mut name.chars(), room - room / 2);
    let characters = head.into_iter().chain(['…']).chain(tail.into_iter().rev());
    characters.collect::<String>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("shop/web-5d6f7c8b9d-x2kfp@node-1", 16), "shop/web…@node-1");
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("short", 1), "…");
        assert_eq!(shortened("日本語日本語日本語", 8), "日本…語");
    }
}
