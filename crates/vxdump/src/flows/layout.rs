//! Which columns fit a terminal, and how wide they are.

use super::columns::{BeforeEnds, Column, Importance, WhenEmpty};
use super::form::Form;
use super::sort::Sort;

/// Blanks between columns.
pub(super) const GAP: usize = 2;
/// Names and addresses are cut down to this many characters before a column of [`Importance::Core`]
/// is left out.
const LEAST: usize = 16;
/// Names may be longer than a terminal is wide (RFC 1123 labels): this many characters are shown
/// before a column of [`Importance::Further`] has room.
const ENOUGH: usize = 40;

/// The terminal that a table is fitted to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame {
    /// Columns of characters.
    pub(crate) width: usize,
    /// What the rows are sorted by.
    pub(crate) sort: Sort,
}

/// A column of a table.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    pub(super) column: &'static Column,
    pub(super) title: &'static str,
    pub(super) form: Form,
    /// A second column, whose value is in the same cell.
    pub(super) second: Option<&'static Column>,
    /// Set if cells show the name of an address instead of the address.
    pub(super) named: Option<Named>,
    importance: Importance,
    /// 0 if it is not shown.
    pub(super) width: usize,
    /// Numbers are aligned at the right.
    pub(super) is_right: bool,
    /// Some row has a value that is neither empty nor zero; for ends with names, a name.
    pub(super) says: bool,
    /// The common prefix of its values, if they are texts.
    pub(super) common: Option<String>,
}

/// Which name is shown instead of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A pod's name has its node.
    WithNode,
    WithoutNode,
}

impl Shown {
    fn new(column: &'static Column, title: &'static str, form: Form) -> Self {
        Self {
            column,
            title,
            form,
            second: None,
            named: None,
            importance: column.importance,
            width: title.chars().count(),
            is_right: false,
            says: false,
            common: None,
        }
    }

    /// Is it an address with its port?
    fn is_end(&self) -> bool {
        self.form == Form::End
    }
}

/// All columns as they are named.
pub(super) fn whole(columns: &[&'static Column]) -> Vec<Shown> {
    columns.iter().map(|column| Shown::new(column, column.name, Form::Whole)).collect()
}

/// The columns as a terminal shows them: some share a cell.
pub(super) fn on_terminal(columns: &[&'static Column]) -> Vec<Shown> {
    let is_within = |column: &Column| matches!(column.form, Form::Within(_));
    let of_flows = columns.iter().any(|column| column.form == Form::End);
    let shown = columns.iter().filter(|column| !is_within(column)).map(|column| {
        let within = Form::Within(column.name);
        let second = columns.iter().copied().find(|other| other.form == within);
        let mut shown = Shown { second, ..Shown::new(column, column.title, column.form) };
        if !of_flows && column.is_of_pairs() {
            // the pair is to a sum what the addresses are to a flow
            shown.importance = Importance::Ends;
        }
        shown
    });
    shown.collect()
}

/// The columns with names instead of the ends' addresses.
pub(super) fn with_named_ends(columns: &[&'static Column], named: Named) -> Vec<Shown> {
    let mut shown = on_terminal(columns);
    shown.retain(|column| match column.form {
        Form::Name => false,
        Form::Node => named == Named::WithoutNode,
        _ => true,
    });
    for column in shown.iter_mut().filter(|column| column.is_end()) {
        column.named = Some(named);
    }
    shown
}

/// Are the ends and all columns of [`Importance::Core`] shown uncut?
pub(super) fn has_core(wanted: &[Shown], fitted: &[Shown]) -> bool {
    let is_core = |column: &Shown| !matches!(column.importance, Importance::Further(_));
    wanted
        .iter()
        .zip(fitted)
        .all(|(wanted, fitted)| !is_core(wanted) || fitted.width == wanted.width)
}

/// Did the addresses fit, but not the whole names beside them? `wanted`: the columns before they
/// were fitted.
pub(super) fn lacks_names(wanted: &[Shown], fitted: &[Shown]) -> bool {
    let is_name = |column: &Shown| column.form == Form::Name && column.says;
    wanted.iter().any(Shown::is_end)
        && wanted
            .iter()
            .zip(fitted)
            .any(|(wanted, fitted)| is_name(wanted) && fitted.width < wanted.width)
}

/// Shows columns in the order of their importance while there is room; at least one.
pub(super) fn fit(shown: &mut [Shown], frame: Frame) {
    let wanted: Vec<usize> = shown.iter().map(|column| column.width).collect();
    let is_text: Vec<bool> = shown.iter().map(|column| column.form.is_text()).collect();
    let most = |at: usize, text: usize| if is_text[at] { wanted[at].min(text) } else { wanted[at] };
    let (mut core, further) = by_importance(shown);
    // the column that rows are sorted by comes right after the ends
    let key = places(shown, |column| column.column.sort == Some(frame.sort));
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

/// How many characters each of the two ends may have at first, so that the columns for which they
/// are cut fit beside them, and so does the column that rows are sorted by.
fn most_of_ends(shown: &[Shown], core: &[Vec<usize>], room: usize) -> usize {
    let [ends, key, others @ ..] = core else { return LEAST };
    let of_sums = !shown.iter().any(Shown::is_end);
    let is_beside = |at: &&usize| {
        !key.contains(*at)
            && match shown[**at].column.before_ends {
                BeforeEnds::Never => false,
                BeforeEnds::InSums => of_sums,
                BeforeEnds::Always => true,
            }
    };
    let beside = key.iter().chain(others.iter().flatten().filter(is_beside));
    let beside: usize = beside.map(|&at| shown[at].width + GAP).sum();
    let needed = |most: usize| -> usize {
        ends.iter().map(|&at| shown[at].width.min(most) + GAP).sum::<usize>() + beside
    };
    (LEAST..=room).rev().find(|&most| needed(most) <= room).unwrap_or(LEAST)
}

/// Shares the room that is left evenly among the columns that were cut, up to `most` for each.
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

/// The places of the columns by importance: ends and [`Importance::Core`] first, then the others.
/// The columns of a group are shown together or not at all.
fn by_importance(shown: &[Shown]) -> (Vec<Vec<usize>>, Vec<Vec<usize>>) {
    let mut order: Vec<usize> = (0..shown.len()).collect();
    order.sort_by_key(|&at| shown[at].importance);
    let groups = order.chunk_by(|&a, &b| shown[a].importance == shown[b].importance);
    let is_empty = |group: &[usize], what: WhenEmpty| {
        group.iter().all(|&at| shown[at].column.when_empty == what && !shown[at].says)
    };
    let (mut core, mut further, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for group in groups {
        let importance = shown[group[0]].importance;
        let to = match importance {
            // the ends stay, whatever they are
            Importance::Ends => &mut core,
            _ if is_empty(group, WhenEmpty::LeftOut) => continue,
            _ if is_empty(group, WhenEmpty::ComesLast) => &mut last,
            Importance::Core(_) => &mut core,
            Importance::Further(_) => &mut further,
        };
        to.push(group.to_vec());
    }
    // where names lack their nodes, the nodes are worth more room
    if shown.iter().any(|column| column.named == Some(Named::WithoutNode)) {
        let nodes = places(shown, |column| column.form == Form::Node);
        if let Some(at) = further.iter().position(|group| *group == nodes) {
            let nodes = further.remove(at);
            further.insert(further.len().min(1), nodes);
        }
    }
    further.append(&mut last);
    (core, further)
}

fn places(shown: &[Shown], is_wanted: impl Fn(&Shown) -> bool) -> Vec<usize> {
    (0..shown.len()).filter(|&at| is_wanted(&shown[at])).collect()
}

/// Gives all columns of the group the same width, but no more than they need. The last are left out
/// if there is no room at all.
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
    use super::super::columns::columns;
    use super::super::ends::By;
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
        let mut shown = on_terminal(&columns(by));
        for column in &mut shown {
            let usual = match column.form {
                Form::End => 21,
                Form::Clock => 12,
                Form::Count => 5,
                Form::Both => 3,
                Form::Text | Form::Name | Form::Node => text,
                Form::Span | Form::Whole | Form::Within(_) => 6,
            };
            (column.width, column.says) = (column.width.max(usual), true);
        }
        shown
    }

    /// At every width the table fits, pairs stay together, the column that is sorted by is shown,
    /// and no room is wasted.
    #[test]
    fn the_widest_that_fit() {
        let tables = ALL.iter().flat_map(|&by| SORTS.map(|sort| (by, sort)));
        let tables = tables.flat_map(|(by, sort)| [4, 12, 90].map(|text| (by, sort, text)));
        for ((by, sort, text), width) in tables.flat_map(|table| (1..250).map(move |w| (table, w)))
        {
            let wanted = filled(by, text);
            let mut shown = wanted.clone();
            fit(&mut shown, Frame { width, sort });
            let widths: Vec<_> =
                shown.iter().map(|column| (column.column.name, column.width)).collect();
            let context = || format!("{by:?} by {sort:?} in {width}: {widths:?}");
            let count = shown.iter().filter(|column| column.width > 0).count();
            let taken = shown.iter().map(|column| column.width).sum::<usize>();
            let taken = (taken + GAP * count).saturating_sub(GAP);
            assert!(count > 0 && taken <= width, "{}", context());
            let of = |name: &str| shown.iter().find(|column| column.column.name == name);
            for [a, b] in [["src", "dst"], ["src_name", "dst_name"], ["vtep_src", "vtep_dst"]] {
                let [a, b] = [a, b].map(|name| of(name).map(|column| column.width > 0));
                assert!(width <= 3 || by == By::Service || a == b, "{}", context());
            }
            let is_key = |column: &&Shown| column.column.sort == Some(sort);
            assert!(
                width < 70 || shown.iter().filter(is_key).all(|c| c.width > 0),
                "{}",
                context()
            );
            // no name is cut, and no column left out, that would have fitted
            let room = width - taken;
            let cut = shown.iter().zip(&wanted).any(|(c, w)| 0 < c.width && c.width < w.width);
            assert!(!cut || room == 0, "{}", context());
            let absent = of("packets").is_some_and(|column| column.width == 0);
            assert!(!absent || room < 6 + GAP || width < 80, "{}", context());
        }
    }

    /// Columns without content give their room to others.
    #[test]
    fn columns_of_nothing_come_last() {
        for (by, column) in [(By::Pod, "rejected"), (By::Flow, "tcp_flags"), (By::Flow, "vni")] {
            let mut shown = filled(by, 16);
            let at = shown.iter().position(|shown| shown.column.name == column).unwrap();
            let mut fitted = |says: bool, width: usize| {
                shown[at].says = says;
                let mut shown = shown.clone();
                fit(&mut shown, Frame { width, sort: Sort::Bytes });
                shown[at].width > 0
            };
            let least = (1..400).find(|&width| fitted(true, width)).unwrap();
            assert!(!fitted(false, least), "{column}");
        }
        // but the columns of the pair stay
        let mut shown = on_terminal(&columns(By::Vni));
        fit(&mut shown, Frame { width: 80, sort: Sort::Bytes });
        assert!(shown.iter().any(|column| column.column.name == "vni" && column.width > 0));
    }

    /// 80 characters have room for ends with ports, bytes, state, round-trip time and
    /// retransmissions; for sums also for the failed flows.
    #[test]
    fn what_matters_is_shown_at_80() {
        for (by, sort) in ALL.iter().flat_map(|&by| SORTS.map(|sort| (by, sort))) {
            let mut shown = filled(by, 90);
            fit(&mut shown, Frame { width: 80, sort });
            let named = |name: &&str| shown.iter().any(|column| column.column.name == *name);
            let matters = ["src", "dst", "bytes", "state", "rtt_ms", "retransmits", "flows"];
            for name in matters.iter().filter(|name| named(name)) {
                // the column that is sorted by comes first
                let sorted_by_others = match sort {
                    Sort::Failed => true,
                    Sort::Packets | Sort::Duration | Sort::First => by == By::Flow,
                    _ => false,
                };
                let is_wide = by == By::Flow && sort == Sort::First && *name == "rtt_ms";
                if *name == "retransmits" && sorted_by_others || is_wide {
                    continue;
                }
                let column = shown.iter().find(|column| column.column.name == *name);
                assert!(
                    column.is_some_and(|c| c.width > 0),
                    "{name}, {by:?} by {sort:?}: {shown:?}"
                );
            }
        }
    }
}
