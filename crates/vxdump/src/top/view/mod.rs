//! From the state to the cells of the screen.

mod chart;
mod keys;
mod line;
mod status;
mod table;
mod theme;
mod title;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::state::State;
use line::Text;
use theme::{PLAIN, Theme};

/// The width from which on all columns fit.
const WIDE: u16 = 120;

/// How many rows fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Lines for rows.
    pub(super) height: usize,
    /// Rows that pass the filter.
    pub(super) rows: usize,
}

/// Draws everything.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) -> Fit {
    let theme = Theme::new(state.plain);
    let rows = state.matching();
    let mut lines = Lines { rest: area };
    // on a low screen the most important lines come first: rows, keys, status, title, chart
    let key_line = (area.height >= 3).then(|| lines.bottom(1));
    let status_line = (area.height >= 4).then(|| lines.bottom(1));
    let title_line = (area.height >= 6).then(|| lines.top(1));
    let chart_area = match area.height {
        40.. => Some(lines.top(6)),
        20.. => Some(lines.top(3)),
        10.. => Some(lines.top(1)),
        _ => None,
    };
    let head = (area.height >= 2).then(|| lines.top(1));
    let rows_area = lines.rest;
    let fit = Fit { height: usize::from(rows_area.height), rows: rows.len() };
    let offset = state.offset.min(fit.rows.saturating_sub(fit.height));

    if let Some(area) = title_line {
        title::draw(state, &theme, area, buffer);
    }
    if let Some(area) = chart_area {
        chart::draw(state, &theme, area, buffer);
    }
    let has_failed = rows.iter().any(|row| row.failed > 0);
    let columns = table::columns(area.width, has_failed);
    if let Some(area) = head {
        table::draw_head(state, &columns, area, buffer);
    }
    let on_screen = rows.iter().skip(offset).take(fit.height);
    for (line, row) in (rows_area.top()..rows_area.bottom()).zip(on_screen) {
        let line = Rect { y: line, height: 1, ..rows_area };
        table::draw_row(state, &theme, row, &columns, line, buffer);
    }
    if rows.is_empty() {
        let text = match (state.rows().is_empty(), state.shown.total_packets) {
            (false, _) => {
                format!("None of {} has \"{}\" in its name.", state.rows().len(), state.filter)
            }
            (true, 0) => "No packets yet.".to_owned(),
            (true, _) => format!("No {} yet.", state.group.name()),
        };
        Text::new(rows_area, buffer).put(&text, PLAIN);
    }
    if let Some(area) = status_line {
        status::draw(state, &theme, offset, fit, area, buffer);
    }
    if let Some(area) = key_line {
        keys::draw(state, area, buffer);
    }
    fit
}

/// Hands out lines of an area from above and below.
struct Lines {
    rest: Rect,
}

impl Lines {
    fn top(&mut self, height: u16) -> Rect {
        let height = height.min(self.rest.height);
        let taken = Rect { height, ..self.rest };
        self.rest.y += height;
        self.rest.height -= height;
        taken
    }

    fn bottom(&mut self, height: u16) -> Rect {
        let height = height.min(self.rest.height);
        self.rest.height -= height;
        Rect { y: self.rest.bottom(), height, ..self.rest }
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::PathBuf;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use vxcap::live::Statistics;

    use super::*;
    use crate::top::group::Group;
    use crate::top::input::Action;
    use crate::top::order::Order;
    use crate::top::rates::{Row, sum};
    use crate::top::state::Snapshot;

    fn row(ends: [&str; 2], bytes: [u64; 2], rtt: Option<i64>) -> Row {
        Row {
            ends: ends.map(str::to_owned),
            bytes,
            packets: sum(bytes) / 1000,
            retransmits: sum(bytes) / 100_000,
            failed: 0,
            rtt,
            longest_rtt: rtt.map(|rtt| 3 * rtt),
            flows: 3,
            total_packets: sum(bytes) / 100,
            total_bytes: 20 * sum(bytes),
        }
    }

    fn state() -> State {
        let pods = vec![
            row(["shop/api-0@n1", "shop/db-0@n2"], [1_234_567, 98_765_432], Some(412_000)),
            row(["shop/web-5d6f7c8b9d-x2kfp@node-1", "shop/api-0@n1"], [512_000, 7], Some(39_800)),
            row(["10.244.3.9", "kube-system/kube-dns-0@n2"], [0, 0], None),
        ];
        let networks = vec![row(["1", "1"], [100_511_000, 1006], Some(225_000))];
        let history = (0..300_u64).map(|n| n * n * 1000).collect();
        let mut state = State { devices: "eth0".into(), interval: 1.0, ..State::default() };
        state.take(Snapshot {
            rows: [pods, Vec::new(), networks, Vec::new()],
            history,
            packets: 100_512,
            total_packets: 2_345_678,
            flows: 395,
            ..Snapshot::default()
        });
        state
    }

    fn lines(state: &State, width: u16, height: u16) -> Vec<String> {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal
            .draw(|frame| {
                draw(state, frame.area(), frame.buffer_mut());
            })
            .unwrap();
        let cells = terminal.backend().buffer().content();
        cells
            .chunks(usize::from(width.max(1)))
            .map(|line| line.iter().map(ratatui::buffer::Cell::symbol).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .collect()
    }

    /// Compares with a file beside this one; `VXDUMP_BLESS=1` writes it anew.
    fn assert_screen(state: &State, width: u16, height: u16, name: &str) {
        let mut text = String::new();
        for line in lines(state, width, height) {
            writeln!(text, "{line}").unwrap();
        }
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/top/screens").join(name);
        if std::env::var_os("VXDUMP_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let wanted = std::fs::read_to_string(&path).unwrap();
        assert!(text == wanted, "{name} is not what is drawn (VXDUMP_BLESS=1 accepts it):\n{text}");
    }

    #[test]
    fn screens() {
        let mut state = state();
        assert_screen(&state, 80, 24, "pods-80x24.txt");
        assert_screen(&state, 200, 50, "pods-200x50.txt");
        state.apply(Action::Group(Group::Vnis));
        state.apply(Action::Sort(Order::Rtt));
        state.apply(Action::Sort(Order::Rtt));
        state.apply(Action::Pause);
        assert_screen(&state, 80, 24, "networks-80x24.txt");
        state.apply(Action::Group(Group::Nodes));
        assert_screen(&state, 40, 12, "no-nodes-40x12.txt");
    }

    #[test]
    fn failed_flows_alarm_where_there_are_any() {
        let mut state = state();
        let failed = |state: &State, width| {
            let area = Rect::new(0, 0, width, 8);
            let mut buffer = Buffer::empty(area);
            draw(state, area, &mut buffer);
            let screen = lines(state, width, 8);
            // columns end where their heads do
            let (before, after) = screen[1].split_once("FAILED")?;
            let mark = usize::from(after.starts_with('▼'));
            let end = u16::try_from(before.chars().count() + "FAILED".len() + mark).unwrap();
            let alarm = Theme::new(false).alarm;
            Some([2, 3].map(|line| {
                let cell = &buffer[(end - 1, line)];
                (cell.symbol().to_owned(), cell.style().add_modifier == alarm.add_modifier)
            }))
        };
        let none = ("0".to_owned(), false);
        assert_eq!(failed(&state, 80), None);
        assert_eq!(failed(&state, 121), None);
        assert_eq!(failed(&state, 122), Some([none.clone(), none.clone()]));
        state.shown.rows[0][1].failed = 7;
        let some = Some([none.clone(), ("7".to_owned(), true)]);
        for width in [60, 80, 120, 122] {
            assert_eq!(failed(&state, width), some, "{width}");
        }
        assert_screen(&state, 80, 24, "failed-80x24.txt");
        state.apply(Action::Sort(Order::Failed));
        assert_eq!(failed(&state, 80), Some([("7".to_owned(), true), none]));
        // no flow of the rows that are left has failed
        state.filter = "dns".into();
        assert_eq!(failed(&state, 80), None);
    }

    #[test]
    fn marks_and_words_tell_which_way_rows_are_sorted() {
        let mut state = state();
        let mut seen = |order| {
            state.apply(Action::Sort(order));
            let screen = lines(&state, 80, 8);
            let (title, head) = (&screen[0], &screen[1]);
            let title = title.split(" by ").nth(1).unwrap_or_default();
            let title = title.split("  ").next().unwrap_or_default();
            let mark = head.chars().find(|character| "▲▼".contains(*character));
            (title.to_owned(), mark)
        };
        assert_eq!(seen(Order::Name), ("name".to_owned(), Some('▲')));
        assert_eq!(seen(Order::Name), ("name, Z to A".to_owned(), Some('▼')));
        assert_eq!(seen(Order::Rtt), ("round-trip time".to_owned(), Some('▼')));
        assert_eq!(seen(Order::Rtt), ("round-trip time, least first".to_owned(), Some('▲')));
    }

    #[test]
    fn a_filter_is_seen_while_it_is_typed_and_after() {
        let mut state = state();
        state.apply(Action::EditFilter);
        for character in "dns".chars() {
            state.apply(Action::Type(character));
        }
        let screen = lines(&state, 80, 24);
        assert!(
            screen[23].starts_with("/dns") && screen[23].ends_with("Esc no filter"),
            "{screen:?}"
        );
        assert!(screen[5].starts_with("10.244.3.9") && screen[6].is_empty(), "{screen:?}");
        state.apply(Action::Keep);
        let screen = lines(&state, 80, 24);
        assert!(screen[0].contains("filter dns"), "{screen:?}");
        assert!(screen[23].starts_with("q quit"), "{screen:?}");
        state.apply(Action::Type('x'));
        let screen = lines(&state, 80, 24);
        assert!(screen[5].starts_with("None of 3 has \"dnsx\""), "{screen:?}");
    }

    #[test]
    fn losses_stand_in_the_status_line() {
        let mut state = state();
        let mut statistics = Statistics::default();
        (statistics.dropped, statistics.backlog_dropped) = (12, Some(3400));
        let gone = vec!["eth1: the device is gone".to_owned()];
        state.take(Snapshot { statistics, gone, evicted: 5, ..state.shown.clone() });
        let screen = lines(&state, 200, 24);
        assert_eq!(
            screen[22],
            "dropped 12 by kernel, 3.40k by input queue  eth1: the device is gone  395 flows  5 evicted  2.35M packets  1-3 of 3 pairs of pods"
        );
    }

    #[test]
    fn nothing_is_drawn_outside_of_any_terminal() {
        let mut state = state();
        for width in 0..=130 {
            for height in [0, 1, 2, 3, 4, 5, 6, 10, 20, 40] {
                let area = Rect::new(0, 0, width, height);
                let mut buffer = Buffer::empty(area);
                let fit = draw(&state, area, &mut buffer);
                state.fit(fit.height, fit.rows);
            }
        }
    }

    #[test]
    fn names_cannot_reach_the_terminal() {
        let mut state = state();
        state.shown.rows[0][0].ends[0] = "a\x1b[2Jb\r\n\u{9b}31mc".into();
        state.shown.gone = vec!["\x1b]0;x\x07".into()];
        let screen = lines(&state, 200, 24).concat();
        assert!(!screen.chars().any(char::is_control), "{screen:?}");
        assert!(screen.contains("a[2Jb31mc"), "{screen:?}");
    }
}
