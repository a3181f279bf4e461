//! From the state to the cells of the screen.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::widgets::{RenderDirection, Sparkline, Widget};

use super::rates::Row;
use super::state::{Group, Order, State, sum};
use crate::numbers::{count, percent, time, with_unit};

/// Columns of names at least this wide are worth more than another column of numbers.
const NAMES_LEAST: u16 = 24;
/// From this width on there is room for all columns.
const WIDE: u16 = 120;
/// Beside the chart: the total, and the highest of the chart.
const CHART_TEXT: u16 = 18;

/// That nothing moves now.
const PAUSED: &str = " PAUSED ";

/// How much of the rows there was room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    /// Lines for rows.
    pub(super) height: usize,
    /// Rows that pass the filter.
    pub(super) rows: usize,
}

/// A column of numbers.
struct Column {
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
const NARROW_COLUMNS: [Column; 4] = [BYTES, PACKETS, RETRANSMITS, RTT];
const WIDE_COLUMNS: [Column; 11] = [
    BYTES,
    PACKETS,
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

/// Styles; without colours where they are unwanted.
struct Theme {
    name: Style,
    chart: Style,
    alarm: Style,
}

impl Theme {
    fn new(plain: bool) -> Self {
        let color = |color| if plain { Style::new() } else { Style::new().fg(color) };
        Self {
            name: color(Color::Cyan),
            chart: color(Color::Green),
            alarm: color(Color::Red).add_modifier(Modifier::BOLD),
        }
    }
}

const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);
const HEAD: Style = Style::new().add_modifier(Modifier::REVERSED);
const PLAIN: Style = Style::new();

/// Draws everything.
pub(super) fn draw(state: &State, area: Rect, buffer: &mut Buffer) -> Fit {
    let theme = Theme::new(state.plain);
    let rows = state.matching();
    let mut lines = Lines { rest: area };
    // what matters most gets its line first: rows, keys, status, title, chart
    let keys = (area.height >= 3).then(|| lines.bottom(1));
    let status = (area.height >= 4).then(|| lines.bottom(1));
    let title = (area.height >= 6).then(|| lines.top(1));
    let chart = match area.height {
        40.. => Some(lines.top(6)),
        20.. => Some(lines.top(3)),
        10.. => Some(lines.top(1)),
        _ => None,
    };
    let head = (area.height >= 2).then(|| lines.top(1));
    let table = lines.rest;
    let fit = Fit { height: usize::from(table.height), rows: rows.len() };
    let offset = state.offset.min(fit.rows.saturating_sub(fit.height));

    if let Some(area) = title {
        draw_title(state, &theme, area, buffer);
    }
    if let Some(area) = chart {
        draw_chart(state, &theme, area, buffer);
    }
    let columns = columns(area.width);
    if let Some(area) = head {
        draw_head(state, columns, area, buffer);
    }
    let on_screen = rows.iter().skip(offset).take(fit.height);
    for (line, row) in (table.top()..table.bottom()).zip(on_screen) {
        draw_row(state, &theme, row, columns, Rect { y: line, height: 1, ..table }, buffer);
    }
    if rows.is_empty() {
        let text = match (state.rows().is_empty(), state.shown.total_packets) {
            (false, _) => {
                format!("None of {} has \"{}\" in its name.", state.rows().len(), state.filter)
            }
            (true, 0) => "No packets yet.".to_owned(),
            (true, _) => format!("No {} yet.", state.group.name()),
        };
        Text::new(table, buffer).put(&text, PLAIN);
    }
    if let Some(area) = status {
        draw_status(state, &theme, offset, fit, area, buffer);
    }
    if let Some(area) = keys {
        draw_keys(state, area, buffer);
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

/// Puts text into a line, piece by piece, and no farther than it is wide.
struct Text<'b> {
    buffer: &'b mut Buffer,
    at: u16,
    end: u16,
    line: u16,
}

impl<'b> Text<'b> {
    fn new(area: Rect, buffer: &'b mut Buffer) -> Self {
        let visible = area.intersection(buffer.area);
        let end = if visible.is_empty() { visible.left() } else { visible.right() };
        Self { buffer, at: visible.left(), end, line: visible.top() }
    }

    fn put(&mut self, text: &str, style: Style) -> &mut Self {
        let room = self.end.saturating_sub(self.at);
        if room > 0 {
            let (at, _) =
                self.buffer.set_stringn(self.at, self.line, text, usize::from(room), style);
            self.at = at;
        }
        self
    }

    /// At the right end of the line, where that is free.
    fn put_right(&mut self, text: &str, style: Style) {
        let width = width(text);
        if self.at + width < self.end {
            self.at = self.end - width;
            self.put(text, style);
        }
    }
}

/// Cells that a text takes, as far as a screen is wide.
fn width(text: &str) -> u16 {
    u16::try_from(ratatui::text::Span::raw(text).width()).unwrap_or(u16::MAX)
}

fn draw_title(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
    let by = match state.order {
        Order::Bytes => "bytes/s",
        Order::Packets => "packets/s",
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
        // over whatever stands there
        text.at = text.at.min(text.end.saturating_sub(PAUSED.len() as u16 + 1)).max(area.x);
        text.put_right(PAUSED, HEAD);
    } else {
        text.put_right(&format!("every {} s", state.interval), PLAIN);
    }
}

fn draw_chart(state: &State, theme: &Theme, area: Rect, buffer: &mut Buffer) {
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

/// The columns that there is room for beside names.
fn columns(width: u16) -> &'static [Column] {
    let mut columns: &[Column] = if width >= WIDE { &WIDE_COLUMNS } else { &NARROW_COLUMNS };
    while let [rest @ .., _] = columns
        && !rest.is_empty()
        && width.saturating_sub(width_of(columns)) < NAMES_LEAST
    {
        columns = rest;
    }
    columns
}

fn width_of(columns: &[Column]) -> u16 {
    columns.iter().map(|column| column.width + 1).sum()
}

/// Where the two names stand; the second is empty where a row has one.
fn name_areas(group: Group, columns: &[Column], line: Rect) -> [Rect; 2] {
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
    columns: &[Column],
    line: Rect,
    style: Style,
    buffer: &mut Buffer,
    text_of: impl Fn(&Column) -> String,
) {
    let mut right = line.left() + line.width.saturating_sub(width_of(columns));
    for column in columns {
        right += column.width + 1;
        let text = text_of(column);
        let x = right.saturating_sub(width(&text)).max(line.left());
        let cell = Rect { x, width: right - x, ..line };
        Text::new(cell.intersection(line), buffer).put(&text, style);
    }
}

fn draw_head(state: &State, columns: &[Column], line: Rect, buffer: &mut Buffer) {
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
    draw_columns(columns, line, HEAD, buffer, |column| {
        let mark = if column.order == Some(state.order) { sorted } else { "" };
        format!("{}{mark}", column.head)
    });
}

fn draw_row(
    state: &State,
    theme: &Theme,
    row: &Row,
    columns: &[Column],
    line: Rect,
    buffer: &mut Buffer,
) {
    for (area, name) in name_areas(state.group, columns, line).into_iter().zip(&row.ends) {
        // the ends of names tell them apart as often as their beginnings
        let name = shortened(name, area.width);
        Text::new(area, buffer).put(&name, theme.name);
    }
    let style = if sum(row.bytes) == 0 { Style::new().add_modifier(Modifier::DIM) } else { PLAIN };
    draw_columns(columns, line, style, buffer, |column| (column.text)(row));
}

/// A name that is too long, without its middle.
fn shortened(name: &str, room: u16) -> Cow<'_, str> {
    if width(name) <= room {
        return name.into();
    }
    let room = room.saturating_sub(1);
    // as many characters of an end as have room
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

fn draw_status(
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
        text.put(&format!("{} pushed out  ", count(shown.evicted)), theme.alarm);
    }
    text.put(&format!("{} packets  ", count(shown.total_packets)), PLAIN);
    text.put(&format!("{first}-{last} of {} {}  ", fit.rows, state.group.name()), PLAIN);
}

fn draw_keys(state: &State, area: Rect, buffer: &mut Buffer) {
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
        ("r", " retransmissions "),
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
        ("b k r t a", "  "),
        ("/", " filter  "),
        ("space", " pause"),
    ];
    for (key, what) in if wide { long } else { short } {
        text.put(key, BOLD).put(what, PLAIN);
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::path::PathBuf;

    use ratatui::Terminal;
    use ratatui::backend::TestBackend;
    use vxcap::live::Statistics;

    use super::super::input::Action;
    use super::super::state::Snapshot;
    use super::*;

    fn row(ends: [&str; 2], bytes: [u64; 2], rtt: Option<i64>) -> Row {
        Row {
            ends: ends.map(str::to_owned),
            bytes,
            packets: sum(bytes) / 1000,
            retransmits: sum(bytes) / 100_000,
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
        let statistics =
            Statistics { dropped: 12, backlog_dropped: Some(3400), ..Statistics::default() };
        let gone = vec!["eth1: the device is gone".to_owned()];
        state.take(Snapshot { statistics, gone, evicted: 5, ..state.shown.clone() });
        let screen = lines(&state, 200, 24);
        assert_eq!(
            screen[22],
            "dropped 12 by kernel, 3.40k by input queue  eth1: the device is gone  395 flows  5 pushed out  2.35M packets  1-3 of 3 pairs of pods"
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

    #[test]
    fn long_names_keep_both_ends() {
        assert_eq!(shortened("shop/web-5d6f7c8b9d-x2kfp@node-1", 16), "shop/web…@node-1");
        assert_eq!(shortened("short", 5), "short");
        assert_eq!(shortened("short", 1), "…");
        assert_eq!(shortened("日本語日本語日本語", 8), "日本…語");
    }
}
