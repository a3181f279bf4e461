//! Prints rows as a table: whole in a pipe, short and fitted on a terminal.

use std::net::IpAddr;

use podmap::{Kind, PodMap};
use vxcli::Failure;

use super::columns::{Column, Facts, Row};
use super::form::write_port;
use super::layout::{
    Frame, GAP, Named, Shown, fit, has_core, lacks_names, on_terminal, whole, with_named_ends,
};
use super::value::Value;
use crate::out::output::Output;
use crate::out::put;
use crate::out::time_utc::Utc;

/// Writes the head and the rows. Without a frame all columns are shown uncut.
pub(crate) fn write<R: Row>(
    output: &mut Output<'_>,
    columns: &[&'static Column],
    frame: Option<Frame>,
    rows: &(impl Iterator<Item = R> + Clone),
    map: &PodMap,
) -> Result<(), Failure> {
    let mut cells = Cells::default();
    let shown = if let Some(frame) = frame {
        fitted(columns, frame, &mut cells, rows, map)
    } else {
        let mut shown = whole(columns);
        measure(&mut shown, &mut cells, rows, map);
        shown
    };

    for column in &shown {
        put_cell(output.buffer(), column, column.title.as_bytes());
    }
    end_line(output.buffer());
    for row in rows.clone() {
        let facts = row.facts(map);
        for column in &shown {
            put_cell(output.buffer(), column, cells.of(column, &facts, map).text);
        }
        end_line(output.buffer());
        output.end_of_line()?;
    }
    Ok(())
}

/// The columns that fit the terminal. Where addresses and names do not both fit, names replace the
/// addresses.
fn fitted<R: Row>(
    columns: &[&'static Column],
    frame: Frame,
    cells: &mut Cells,
    rows: &(impl Iterator<Item = R> + Clone),
    map: &PodMap,
) -> Vec<Shown> {
    let mut wanted = on_terminal(columns);
    measure(&mut wanted, cells, rows, map);
    let mut shown = wanted.clone();
    fit(&mut shown, frame);
    if !lacks_names(&wanted, &shown) {
        return shown;
    }
    for named in [Named::WithNode, Named::WithoutNode] {
        let mut wanted = with_named_ends(columns, named);
        measure(&mut wanted, cells, rows, map);
        let is_named = |column: &Shown| column.named.is_some() && column.says;
        if !wanted.iter().any(is_named) {
            // if the map has only ranges, no name distinguishes addresses
            return shown;
        }
        let mut fitted = wanted.clone();
        fit(&mut fitted, frame);
        if named == Named::WithoutNode || has_core(&wanted, &fitted) {
            return fitted;
        }
    }
    shown
}

/// Finds the width and the content of the columns from all rows.
fn measure<R: Row>(
    shown: &mut [Shown],
    cells: &mut Cells,
    rows: &(impl Iterator<Item = R> + Clone),
    map: &PodMap,
) {
    for row in rows.clone() {
        let facts = row.facts(map);
        for column in &mut *shown {
            let Cell { text, is_number, is_named } = cells.of(column, &facts, map);
            column.width = column.width.max(characters(text));
            column.is_right |= is_number;
            column.says |= match column.named {
                Some(_) => is_named,
                None => !matches!(text, b"-" | b"?" | b"0"),
            };
            if column.form.is_text() {
                keep_common(&mut column.common, text);
            }
        }
    }
}

/// Shortens `common` to what this text begins with, too.
fn keep_common(common: &mut Option<String>, cell: &[u8]) {
    match common {
        None => *common = Some(String::from_utf8_lossy(cell).into_owned()),
        // the usual case
        Some(common) if cell.starts_with(common.as_bytes()) => {}
        Some(common) => {
            let text = String::from_utf8_lossy(cell);
            let same = common.chars().zip(text.chars()).take_while(|(a, b)| a == b);
            common.truncate(same.map(|(character, _)| character.len_utf8()).sum());
        }
    }
}

/// The name that the map has for exactly this address, not for a range that contains it.
fn own_name(map: &PodMap, address: IpAddr, named: Named) -> Option<&str> {
    let owner = map.owner(address);
    let is_own = match owner.kind() {
        Kind::Pod => owner.pod().is_some(),
        Kind::Service => owner.service().is_some(),
        Kind::Node | Kind::Vtep => owner.node().is_some(),
        _ => false,
    };
    // neither namespaces nor names have an @ (RFC 1123)
    let without_node = || owner.label().split('@').next().unwrap_or_default();
    is_own.then(|| match named {
        Named::WithNode => owner.label(),
        Named::WithoutNode => without_node(),
    })
}

/// Ends the line, without blanks after the last column.
fn end_line(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
    out.push(b'\n');
}

/// Buffers for making cells.
#[derive(Default)]
struct Cells {
    utc: Utc,
    text: Vec<u8>,
}

/// What a column shows of a row.
struct Cell<'c> {
    text: &'c [u8],
    is_number: bool,
    /// It is the name of an address.
    is_named: bool,
}

impl Cells {
    fn of<'a>(&mut self, shown: &Shown, facts: &impl Facts<'a>, map: &PodMap) -> Cell<'_> {
        let Self { utc, text } = self;
        text.clear();
        let value = facts.value(shown.column);
        let second = shown.second.map_or(Value::Absent, |column| facts.value(column));
        let name = match (shown.named, &value) {
            (Some(named), Value::Address(address)) => own_name(map, *address, named),
            _ => None,
        };
        if let Some(name) = name {
            put::text(text, name);
            write_port(text, &second, utc);
        } else {
            shown.form.write(text, &value, &second, utc);
        }
        Cell { text, is_number: value.is_number(), is_named: name.is_some() }
    }
}

/// Appends a cell in its column's width. A text that is too long loses part of the prefix that all
/// share, or else its middle, because names and addresses differ at their ends.
fn put_cell(out: &mut Vec<u8>, column: &Shown, cell: &[u8]) {
    let (width, len) = (column.width, characters(cell));
    if width == 0 {
        return;
    }
    let blanks = width.saturating_sub(len);
    let pad = |out: &mut Vec<u8>, count: usize| out.resize(out.len() + count, b' ');
    if column.is_right {
        pad(out, blanks);
    }
    if len > width {
        let text = String::from_utf8_lossy(cell);
        // the characters that are lost are the same in every row
        let lost = len - width + 1;
        let common = column.common.as_deref().map_or(0, |common| common.chars().count());
        let begin = match common.checked_sub(lost) {
            // if even the middle is shared, it is cut there
            Some(begin) => begin.min((width - 1) / 2),
            None => (width - 1) / 2,
        };
        out.extend(text.chars().take(begin).collect::<String>().bytes());
        put::text(out, "…");
        let end = text.chars().skip(len - (width - 1 - begin));
        out.extend(end.collect::<String>().bytes());
    } else {
        out.extend_from_slice(cell);
    }
    pad(out, if column.is_right { GAP } else { blanks + GAP });
}

/// Characters of a UTF-8 text.
fn characters(text: &[u8]) -> usize {
    // all bytes but those that continue a character (RFC 3629 section 3)
    text.iter().filter(|&&byte| byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use podmap::{Builder, PodClaim};
    use vxflow::{FlowTable, Seen};

    use super::super::columns::{columns, named};
    use super::super::ends::By;
    use super::super::flow_row::FlowRow;
    use super::super::sort::Sort;
    use super::*;

    /// Names have their nodes if there is room. A range's name is not shown for an address.
    #[test]
    fn names_take_the_place_of_addresses_on_a_narrow_terminal() {
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: 0, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        let flows: Vec<_> = table.finish().map(|flow| FlowRow::from(&flow)).collect();
        let source_of = |map: &PodMap, width: usize| {
            let mut cells = Cells::default();
            let frame = Frame { width, sort: Sort::Bytes };
            let shown = fitted(&columns(By::Flow), frame, &mut cells, &flows.iter(), map);
            let column = shown.iter().find(|column| column.column.name == "src").unwrap();
            let facts = flows[0].facts(map);
            let cell = cells.of(column, &facts, map).text;
            assert_eq!(column.width, characters(cell), "it is whole");
            String::from_utf8(cell.to_vec()).unwrap()
        };
        let mut builder = Builder::new();
        builder.read_bytes("map", b"10.244.1.0/24 n1\n").unwrap();
        let ranges = builder.clone().build();
        let source = builder.source("test");
        let node = Some("n1".into());
        let address = flows[0].key.source;
        builder.add_pod(source, ("shop", "web-0"), address, node, PodClaim::Status);
        let map = builder.build();
        let port = flows[0].key.source_port().unwrap();
        assert_eq!(source_of(&map, 200), format!("{address}:{port}"));
        assert_eq!(source_of(&map, 80), format!("shop/web-0@n1:{port}"));
        assert_eq!(source_of(&map, 50), format!("shop/web-0:{port}"));
        assert_eq!(source_of(&ranges, 50), format!("{address}:{port}"));
    }

    #[test]
    fn what_is_cut_keeps_both_ends() {
        let [mut column] = whole(&[named("src_name")]).try_into().unwrap();
        let cut = |column: &Shown, text: &str| {
            let mut out = Vec::new();
            put_cell(&mut out, column, text.as_bytes());
            String::from_utf8(out).unwrap()
        };
        column.width = 9;
        assert_eq!(cut(&column, "default/web-0@worker"), "defa…rker  ");
        assert_eq!(cut(&column, "[fd00::1:2:3]:8080"), "[fd0…8080  ");
        assert_eq!(cut(&column, "ünïcødé12"), "ünïcødé12  ");
        // of a shared prefix, its end goes first
        column.common = Some("default/web-".into());
        assert_eq!(cut(&column, "default/web-0@w"), "defa…-0@w  ");
        assert_eq!(cut(&column, "default/web-1@worker"), "…1@worker  ");
        column.common = None;
        column.width = 2;
        assert_eq!(cut(&column, "web"), "…b  ");
        column.width = 1;
        assert_eq!(cut(&column, "web"), "…  ");
    }
}
