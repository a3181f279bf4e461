//! Which columns a terminal has room for, and what they look like there.

use super::sort::Sort;

/// Blanks between columns.
pub(super) const GAP: usize = 2;
/// Names and addresses are cut down to this many characters before a column of [`CORE`] is left out.
const LEAST: usize = 16;
/// Names may be longer than a terminal is wide (RFC 1123 labels): this many characters are shown before a column that is
/// not of [`CORE`] has room.
const ENOUGH: usize = 40;

/// The columns that tell who talks to whom, how much and how well, in the order in which they are given room; those of
/// one line only together.
const CORE: &[&[&str]] = &[
    &["src", "dst"],
    &["src_name", "dst_name", "service"],
    &["src_node", "dst_node"],
    &["vtep_src", "vtep_dst"],
    &["vni"],
    &["bytes"],
    &["state"],
    &["flows"],
    &["rtt_ms"],
    &["retransmits"],
    &["rev_bytes"],
    &["unanswered"],
    &["rejected"],
    &["resets"],
];
/// Names and addresses of the two ends are what tells rows apart: they are cut, down to [`LEAST`], only where beside them there
/// would be no room for these and what the rows are sorted by.
const BESIDE_ENDS: &[&str] = &["bytes", "state", "flows", "unanswered", "rejected", "resets"];
/// Of flows these are none of those: what they tell is in the addresses too.
const NOT_OF_FLOWS: &[&str] = &["src_name", "src_node", "vtep_src", "vni"];
/// The other columns, in the order in which they are given room.
const FURTHER: &[&[&str]] = &[
    &["protocol"],
    &["src_name", "dst_name"],
    &["packets"],
    &["rev_packets"],
    &["duration"],
    &["first"],
    &["src_node", "dst_node"],
    &["vtep_src", "vtep_dst"],
    &["vni"],
    &["rtt_max_ms"],
    &["tcp_flags"],
    &["rev_tcp_flags"],
    &["last"],
];

/// Where these say nothing of any row, they are left out.
const LEFT_OUT: &[&str] = &[
    "src_name",
    "dst_name",
    "src_node",
    "dst_node",
    "vtep_src",
    "vtep_dst",
    "vni",
    "tcp_flags",
    "rev_tcp_flags",
];
/// Where nothing went wrong, these come last.
const LAST: &[&str] = &["unanswered", "rejected", "resets"];

/// The columns that rows are sorted by: they come right behind the ends.
const fn sorted_by(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Bytes => &["bytes"],
        Sort::Packets => &["packets"],
        Sort::Duration => &["duration"],
        Sort::Rtt => &["rtt_ms"],
        Sort::Retransmits => &["retransmits"],
        Sort::First => &["first"],
        Sort::Flows => &["flows"],
        Sort::Failed => &["state", "unanswered", "rejected", "resets"],
    }
}

/// The terminal that a table is fitted to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Columns of characters.
    pub(crate) width: usize,
    /// What the rows are sorted by.
    pub(crate) sort: Sort,
}

/// What is made of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// It is written as it is.
    Whole,
    /// An address, with the second value as its port.
    End,
    /// The name that the map has for an address, or else the address, with the second value as its port; of pods with their
    /// node, or without.
    NamedEnd { with_node: bool },
    /// A number, in few digits.
    Count,
    /// Numbers of both ends.
    Both,
    /// The time of day.
    Clock,
    /// How long it took.
    Span,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) form: Form,
    /// Where its value stands in a row, and the other one that it has room for.
    pub(super) at: (usize, Option<usize>),
    /// 0 for one that is not shown.
    pub(super) width: usize,
    /// Numbers stand at the right.
    pub(super) is_right: bool,
    /// Some row has something else than nothing or zero here; of ends with names, a name.
    pub(super) says: bool,
    /// What all its values begin with, where they are texts.
    pub(super) common: Option<String>,
}

impl Shown {
    fn new(
        name: &'static str,
        title: &'static str,
        form: Form,
        at: (usize, Option<usize>),
    ) -> Self {
        let width = title.chars().count();
        Self { name, title, form, at, width, is_right: false, says: false, common: None }
    }

    /// Can its values be cut?
    pub(super) fn is_text(&self) -> bool {
        matches!(self.form, Form::End | Form::NamedEnd { .. })
            || self.name.ends_with("_name")
            || self.name.ends_with("_node")
            || self.name.starts_with("vtep_")
            || self.name == "service"
    }
}

/// All columns as they are named.
pub(super) fn whole(columns: &[&'static str]) -> Vec<Shown> {
    let of = |(at, &name)| Shown::new(name, name, Form::Whole, (at, None));
    columns.iter().enumerate().map(of).collect()
}

/// The columns as a terminal has them: some with another one's values.
pub(super) fn on_terminal(columns: &[&'static str]) -> Vec<Shown> {
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let of = |(at, &name): (usize, &&'static str)| {
        let (title, form, with) = match name {
            "sport" | "dport" | "rev_retransmits" => return None,
            "src" => (name, Form::End, place("sport")),
            "dst" => (name, Form::End, place("dport")),
            "retransmits" => ("retr", Form::Both, place("rev_retransmits")),
            "packets" => ("pkts→", Form::Count, None),
            "rev_packets" => ("←pkts", Form::Count, None),
            "bytes" => ("bytes→", Form::Count, None),
            "rev_bytes" => ("←bytes", Form::Count, None),
            "flows" => (name, Form::Count, None),
            "unanswered" => ("unans", Form::Count, None),
            "rejected" => ("rej", Form::Count, None),
            "resets" => ("reset", Form::Count, None),
            "rtt_ms" => ("rtt", Form::Span, None),
            "rtt_max_ms" => ("max rtt", Form::Span, None),
            "duration" => ("lasted", Form::Span, None),
            "first" | "last" => (name, Form::Clock, None),
            "protocol" => ("proto", Form::Whole, None),
            "tcp_flags" => ("flags→", Form::Whole, None),
            "rev_tcp_flags" => ("←flags", Form::Whole, None),
            _ => (name, Form::Whole, None),
        };
        Some(Shown::new(name, title, form, (at, with)))
    };
    columns.iter().enumerate().filter_map(of).collect()
}

/// The columns with the names of the ends in place of their addresses.
pub(super) fn with_named_ends(columns: &[&'static str], with_node: bool) -> Vec<Shown> {
    let mut shown = on_terminal(columns);
    shown.retain(|column| match column.name {
        "src_name" | "dst_name" => false,
        "src_node" | "dst_node" => !with_node,
        _ => true,
    });
    for column in shown.iter_mut().filter(|column| column.form == Form::End) {
        column.form = Form::NamedEnd { with_node };
    }
    shown
}

/// Are the ends whole, and is what [`CORE`] tells of flows beside them?
pub(super) fn has_core(wanted: &[Shown], fitted: &[Shown]) -> bool {
    let is_core = |column: &Shown| {
        CORE.iter().any(|group| group.contains(&column.name) && !NOT_OF_FLOWS.contains(&group[0]))
    };
    wanted
        .iter()
        .zip(fitted)
        .all(|(wanted, fitted)| !is_core(wanted) || fitted.width == wanted.width)
}

/// Was there room for addresses, but not for the whole names beside them? `wanted`: the columns before they were fitted.
pub(super) fn lacks_names(wanted: &[Shown], fitted: &[Shown]) -> bool {
    let is_name = |column: &Shown| matches!(column.name, "src_name" | "dst_name") && column.says;
    wanted.iter().any(|column| column.form == Form::End)
        && wanted
            .iter()
            .zip(fitted)
            .any(|(wanted, fitted)| is_name(wanted) && fitted.width < wanted.width)
}

/// Takes columns in the order of their importance while there is room; at least one.
pub(super) fn fit(shown: &mut [Shown], frame: Frame) {
    let wanted: Vec<usize> = shown.iter().map(|column| column.width).collect();
    let is_text: Vec<bool> = shown.iter().map(Shown::is_text).collect();
    let most = |at: usize, text: usize| if is_text[at] { wanted[at].min(text) } else { wanted[at] };
    let (mut core, further) = by_importance(shown);
    // what rows are sorted by comes right behind the ends
    let key = places(sorted_by(frame.sort), shown);
    core.insert(core.len().min(1), key);
    let ends_most = most_of_ends(shown, &core, frame.width + GAP);

    let mut widths = vec![0; shown.len()];
    let mut room = frame.width + GAP;
    let mut taken: Vec<usize> = Vec::new();
    let mut take = |group: &[usize], text: usize, widths: &mut [usize], room: &mut usize| {
        let new: Vec<usize> = group.iter().copied().filter(|&at| widths[at] == 0).collect();
        let needed: usize = new.iter().map(|&at| most(at, text) + GAP).sum();
        if needed <= *room {
            *room -= needed;
            for &at in &new {
                widths[at] = most(at, text);
            }
            taken.extend(new);
        } else if taken.is_empty() {
            share(new.clone(), widths, &wanted, *room);
            *room = 0;
            taken.extend(new.into_iter().filter(|&at| widths[at] > 0));
        }
    };
    for (at, group) in core.iter().enumerate() {
        take(group, if at == 0 { ends_most } else { LEAST }, &mut widths, &mut room);
    }
    grow(&mut widths, &mut room, |at| most(at, ENOUGH));
    for group in &further {
        take(group, ENOUGH, &mut widths, &mut room);
    }
    grow(&mut widths, &mut room, |at| wanted[at]);
    for (column, width) in shown.iter_mut().zip(widths) {
        column.width = width;
    }
}

/// How many characters each of the two ends may have at first, so that there is room for [`BESIDE_ENDS`] and what rows are sorted
/// by; as many as it needs, if it can be.
fn most_of_ends(shown: &[Shown], core: &[Vec<usize>], room: usize) -> usize {
    let [ends, key, others @ ..] = core else { return LEAST };
    // sums have no state of one flow: how well their flows went is in these
    let of_sums = shown.iter().all(|column| column.name != "src");
    let is_beside = |at: &&usize| {
        let name = shown[**at].name;
        !key.contains(*at)
            && (BESIDE_ENDS.contains(&name) || of_sums && matches!(name, "rtt_ms" | "retransmits"))
    };
    let beside = key.iter().chain(others.iter().flatten().filter(is_beside));
    let beside: usize = beside.map(|&at| shown[at].width + GAP).sum();
    let needed = |most: usize| -> usize {
        ends.iter().map(|&at| shown[at].width.min(most) + GAP).sum::<usize>() + beside
    };
    (LEAST..=room).rev().find(|&most| needed(most) <= room).unwrap_or(LEAST)
}

/// Gives what room is left to the columns that were cut, evenly, each up to what it is to have.
fn grow(widths: &mut [usize], room: &mut usize, most: impl Fn(usize) -> usize) {
    loop {
        let cut: Vec<usize> =
            (0..widths.len()).filter(|&at| 0 < widths[at] && widths[at] < most(at)).collect();
        if cut.is_empty() || *room == 0 {
            return;
        }
        let each = (*room / cut.len()).max(1);
        for at in cut {
            let more = each.min(most(at) - widths[at]).min(*room);
            widths[at] += more;
            *room -= more;
        }
    }
}

/// Where the columns stand, by importance: those of [`CORE`], and the others.
fn by_importance(shown: &[Shown]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let of_flows = shown.iter().any(|column| column.name == "src");
    let groups = |groups: &[&[&str]], without: &[&str]| -> Vec<Vec<usize>> {
        let groups = groups.iter().filter(|group| !without.contains(&group[0]));
        groups.map(|group| places(group, shown)).filter(|group| !group.is_empty()).collect()
    };
    let says_nothing = |group: &Vec<usize>, of: &[&str]| {
        group.iter().all(|&at| of.contains(&shown[at].name) && !shown[at].says)
    };
    let mut core = groups(CORE, if of_flows { NOT_OF_FLOWS } else { &[] });
    let mut further = groups(FURTHER, &[]);
    // the ends stay, whatever they are
    let ends = core.first().cloned();
    let stays = |group: &Vec<usize>| Some(group) == ends.as_ref() || !says_nothing(group, LEFT_OUT);
    core.retain(stays);
    further.retain(stays);
    // names in place of addresses may be without their nodes
    if shown.iter().any(|column| column.form == (Form::NamedEnd { with_node: false })) {
        let nodes = places(&["src_node", "dst_node"], shown);
        if let Some(at) = further.iter().position(|group| *group == nodes) {
            let nodes = further.remove(at);
            further.insert(further.len().min(1), nodes);
        }
    }
    further.extend(core.extract_if(.., |group| says_nothing(group, LAST)));
    (core, further)
}

fn places(names: &[&str], shown: &[Shown]) -> Vec<usize> {
    names.iter().filter_map(|name| shown.iter().position(|column| column.name == *name)).collect()
}

/// The same width for all that are given, but for those that need less; the last are left out where there is no room at
/// all.
fn share(mut group: Vec<usize>, widths: &mut [usize], wanted: &[usize], mut room: usize) {
    group.truncate((room / (1 + GAP)).max(1));
    group.sort_by_key(|&at| wanted[at]);
    for (done, &at) in group.iter().enumerate() {
        let each = (room / (group.len() - done)).saturating_sub(GAP).max(1);
        widths[at] = wanted[at].min(each);
        room = room.saturating_sub(widths[at] + GAP);
    }
}

#[cfg(test)]
mod tests {
    use super::super::ends::By;
    use super::super::row::columns;
    use super::*;

    const ALL: [By; 6] = [By::Flow, By::Pod, By::Node, By::Vni, By::Vtep, By::Service];
    const SORTS: [Sort; 8] = [
        Sort::Bytes,
        Sort::Packets,
        Sort::Duration,
        Sort::Rtt,
        Sort::Retransmits,
        Sort::First,
        Sort::Flows,
        Sort::Failed,
    ];

    /// Columns with values of usual widths, and texts of this one.
    fn filled(by: By, text: usize) -> Vec<Shown> {
        let mut shown = on_terminal(columns(by));
        for column in &mut shown {
            let usual = match column.form {
                Form::End | Form::NamedEnd { .. } => 21,
                Form::Clock => 12,
                Form::Count => 5,
                Form::Both => 3,
                Form::Whole if column.is_text() => text,
                Form::Span | Form::Whole => 6,
            };
            (column.width, column.says) = (column.width.max(usual), true);
        }
        shown
    }

    #[test]
    fn every_column_has_its_importance() {
        for by in ALL {
            let shown = filled(by, 12);
            let (core, further) = by_importance(&shown);
            for (at, column) in shown.iter().enumerate() {
                let groups = core.iter().chain(&further).filter(|group| group.contains(&at));
                assert!(groups.count() >= 1, "{} by {by:?}", column.name);
            }
        }
    }

    /// Whatever the width: nothing sticks out, pairs stay together, what is sorted by is shown, no room is wasted.
    #[test]
    fn the_widest_that_fit() {
        let tables = ALL.iter().flat_map(|&by| SORTS.map(|sort| (by, sort)));
        let tables = tables.flat_map(|(by, sort)| [4, 12, 90].map(|text| (by, sort, text)));
        for ((by, sort, text), width) in tables.flat_map(|table| (1..250).map(move |w| (table, w)))
        {
            let wanted = filled(by, text);
            let mut shown = wanted.clone();
            fit(&mut shown, Frame { width, sort });
            let widths: Vec<_> = shown.iter().map(|column| (column.name, column.width)).collect();
            let context = || format!("{by:?} by {sort:?} in {width}: {widths:?}");
            let count = shown.iter().filter(|column| column.width > 0).count();
            let taken = shown.iter().map(|column| column.width).sum::<usize>();
            let taken = (taken + GAP * count).saturating_sub(GAP);
            assert!(count > 0 && taken <= width, "{}", context());
            let of = |name: &str| shown.iter().find(|column| column.name == name);
            for [a, b] in [["src", "dst"], ["src_name", "dst_name"], ["vtep_src", "vtep_dst"]] {
                let [a, b] = [a, b].map(|name| of(name).map(|column| column.width > 0));
                assert!(width <= 3 || by == By::Service || a == b, "{}", context());
            }
            let is_key = |column: &&Shown| sorted_by(sort).contains(&column.name);
            assert!(
                width < 70 || shown.iter().filter(is_key).all(|c| c.width > 0),
                "{}",
                context()
            );
            // a name that is cut, or a column more, would have had room
            let room = width - taken;
            let cut = shown.iter().zip(&wanted).any(|(c, w)| 0 < c.width && c.width < w.width);
            assert!(!cut || room == 0, "{}", context());
            let absent = of("packets").is_some_and(|column| column.width == 0);
            assert!(!absent || room < 6 + GAP || width < 80, "{}", context());
        }
    }

    /// What says nothing gives its room to what does.
    #[test]
    fn columns_of_nothing_come_last() {
        for (by, column) in [(By::Pod, "rejected"), (By::Flow, "tcp_flags"), (By::Flow, "vni")] {
            let mut shown = filled(by, 16);
            let at = shown.iter().position(|shown| shown.name == column).unwrap();
            let mut fitted = |says: bool, width: usize| {
                shown[at].says = says;
                let mut shown = shown.clone();
                fit(&mut shown, Frame { width, sort: Sort::Bytes });
                shown[at].width > 0
            };
            let least = (1..400).find(|&width| fitted(true, width)).unwrap();
            assert!(!fitted(false, least), "{column}");
        }
        // but a pair's own columns stay
        let mut shown = on_terminal(columns(By::Vni));
        fit(&mut shown, Frame { width: 80, sort: Sort::Bytes });
        assert!(shown.iter().any(|column| column.name == "vni" && column.width > 0));
    }

    /// At 80 columns: ends with ports, bytes, state, round-trip time, retransmissions; of sums what went wrong.
    #[test]
    fn what_matters_is_shown_at_80() {
        for (by, sort) in ALL.iter().flat_map(|&by| SORTS.map(|sort| (by, sort))) {
            let mut shown = filled(by, 90);
            fit(&mut shown, Frame { width: 80, sort });
            let named = |name: &&str| shown.iter().any(|column| column.name == *name);
            let matters = ["src", "dst", "bytes", "state", "rtt_ms", "retransmits", "flows"];
            for name in matters.iter().filter(|name| named(name)) {
                // what is sorted by comes first
                let sorted_by_others = match sort {
                    Sort::Failed => true,
                    Sort::Packets | Sort::Duration | Sort::First => by == By::Flow,
                    _ => false,
                };
                let is_wide = by == By::Flow && sort == Sort::First && *name == "rtt_ms";
                if *name == "retransmits" && sorted_by_others || is_wide {
                    continue;
                }
                let column = shown.iter().find(|column| column.name == *name);
                assert!(
                    column.is_some_and(|c| c.width > 0),
                    "{name}, {by:?} by {sort:?}: {shown:?}"
                );
            }
        }
    }
}
