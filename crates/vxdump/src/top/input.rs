//! Keys, and what they ask for.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::group::Group;
use super::order::Order;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// End.
    Quit,
    /// Stop, as the shell's job, and give the terminal back until it goes on.
    Suspend,
    /// Show pairs of another kind.
    Group(Group),
    /// Sort by this column; if it is that one already, in reverse.
    Sort(Order),
    /// Pause, or go on.
    Pause,
    /// Scroll by so many rows.
    Scroll(i32),
    /// Scroll by so many screens.
    Page(i32),
    /// To the first row.
    Top,
    /// To the last row.
    Bottom,
    /// Begin to type the filter.
    EditFilter,
    /// A character of the filter.
    Type(char),
    /// Remove its last character.
    Backspace,
    /// Remove all of its characters.
    ClearLine,
    /// End typing, and keep the filter.
    Keep,
    /// Remove the filter.
    NoFilter,
}

/// What a key asks for; `editing`: while the filter is typed.
pub(super) fn action(key: KeyEvent, editing: bool) -> Option<Action> {
    if key.kind == KeyEventKind::Release {
        return None;
    }
    if key.modifiers.contains(KeyModifiers::CONTROL) {
        return match key.code {
            KeyCode::Char('c') => Some(Action::Quit),
            KeyCode::Char('z') => Some(Action::Suspend),
            KeyCode::Char('u') if editing => Some(Action::ClearLine),
            _ => None,
        };
    }
    if key.modifiers.contains(KeyModifiers::ALT) {
        return None;
    }
    // these keys work while the filter is typed, too
    match key.code {
        KeyCode::Esc => return Some(Action::NoFilter),
        KeyCode::Up => return Some(Action::Scroll(-1)),
        KeyCode::Down => return Some(Action::Scroll(1)),
        KeyCode::PageUp => return Some(Action::Page(-1)),
        KeyCode::PageDown => return Some(Action::Page(1)),
        KeyCode::Home => return Some(Action::Top),
        KeyCode::End => return Some(Action::Bottom),
        _ => {}
    }
    if editing {
        return match key.code {
            KeyCode::Char(character) => Some(Action::Type(character)),
            KeyCode::Backspace => Some(Action::Backspace),
            KeyCode::Enter => Some(Action::Keep),
            _ => None,
        };
    }
    let KeyCode::Char(character) = key.code else { return None };
    match character {
        'q' => Some(Action::Quit),
        'p' => Some(Action::Group(Group::Pods)),
        'n' => Some(Action::Group(Group::Nodes)),
        'v' => Some(Action::Group(Group::Vnis)),
        's' => Some(Action::Group(Group::Services)),
        'b' => Some(Action::Sort(Order::Bytes)),
        'k' => Some(Action::Sort(Order::Packets)),
        'f' => Some(Action::Sort(Order::Failed)),
        'r' => Some(Action::Sort(Order::Retransmits)),
        't' => Some(Action::Sort(Order::Rtt)),
        'a' => Some(Action::Sort(Order::Name)),
        ' ' => Some(Action::Pause),
        '/' => Some(Action::EditFilter),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode) -> KeyEvent {
        KeyEvent::new(code, KeyModifiers::NONE)
    }

    #[test]
    fn letters_are_commands_but_while_a_filter_is_typed() {
        let q = press(KeyCode::Char('q'));
        assert_eq!(action(q, false), Some(Action::Quit));
        assert_eq!(action(q, true), Some(Action::Type('q')));
        let slash = press(KeyCode::Char('/'));
        assert_eq!(action(slash, false), Some(Action::EditFilter));
        assert_eq!(action(slash, true), Some(Action::Type('/')));
        assert_eq!(action(press(KeyCode::Enter), false), None);
        assert_eq!(action(press(KeyCode::Enter), true), Some(Action::Keep));
        assert_eq!(action(press(KeyCode::Esc), false), Some(Action::NoFilter));
    }

    #[test]
    fn control_c_ends_and_control_z_stops_always() {
        for (letter, asked) in [('c', Action::Quit), ('z', Action::Suspend)] {
            let key = KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL);
            assert_eq!(action(key, false), Some(asked));
            assert_eq!(action(key, true), Some(asked));
        }
    }

    #[test]
    fn other_control_characters_and_releases_are_nothing() {
        let control_p = KeyEvent::new(KeyCode::Char('p'), KeyModifiers::CONTROL);
        assert_eq!(action(control_p, false), None);
        assert_eq!(action(control_p, true), None);
        let mut released = press(KeyCode::Char('q'));
        released.kind = KeyEventKind::Release;
        assert_eq!(action(released, false), None);
    }

    #[test]
    fn arrows_scroll_while_typing_too() {
        for editing in [false, true] {
            assert_eq!(action(press(KeyCode::Down), editing), Some(Action::Scroll(1)));
            assert_eq!(action(press(KeyCode::PageUp), editing), Some(Action::Page(-1)));
            assert_eq!(action(press(KeyCode::End), editing), Some(Action::Bottom));
        }
    }
}
