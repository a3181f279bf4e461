//! What is said when the flows were printed: the line below a table, and warnings.

use std::fmt::Write as _;

use vxcli::Terminal;
use vxflow::TableCounts;

use super::ipfix::Exporter;

/// The line below a table.
pub(super) fn tail(flows: u64, counts: &TableCounts) -> String {
    let plural = |number: u64| if number == 1 { "" } else { "s" };
    let packets = counts.packets;
    let mut text = format!("{flows} flow{}, {packets} packet{}", plural(flows), plural(packets));
    if counts.not_ip > 0 {
        let _ = write!(text, "; {} frame{} without IP", counts.not_ip, plural(counts.not_ip));
    }
    if counts.cut > 0 {
        let _ = write!(text, "; {} frame{} cut in the headers", counts.cut, plural(counts.cut));
    }
    if counts.tunnel_fragments > 0 {
        let number = counts.tunnel_fragments;
        let _ = write!(text, "; {number} later fragment{} of tunnel packets", plural(number));
    }
    if counts.evicted > 0 {
        let _ = write!(text, "; {}", evicted(counts));
    }
    text.push('\n');
    text
}

fn evicted(counts: &TableCounts) -> String {
    format!(
        "{} flows were pushed out and may be told in pieces: --max-flows was reached",
        counts.evicted
    )
}

/// Says that frames were captured too short, and what helps.
pub(super) fn tell_cut(counts: &TableCounts, snaplen: Option<u32>, terminal: &mut Terminal) {
    let (number, s) = match counts.cut {
        0 => return,
        1 => (1, " was"),
        more => (more, "s were"),
    };
    let more = if snaplen.is_some() { "give a larger -s, or none, or c" } else { "c" };
    terminal.tell(format_args!(
        "warning: {number} frame{s} cut in the headers, and may be in no flow, or in one without ports: {more}apture with a larger \
         snapshot length (-s)"
    ));
}

/// Says that a file is not in the order of time, and what helps.
pub(super) fn tell_late(counts: &TableCounts, terminal: &mut Terminal) {
    let number = match counts.late {
        0 => return,
        1 => "1 packet stands".to_owned(),
        more => format!("{more} packets stand"),
    };
    terminal.tell(format_args!(
        "warning: {number} behind packets of the same flow that are more than 1 ms later: round-trip times may be wrong; reordercap \
         (of Wireshark) puts a file in the order of time"
    ));
}

/// What a table's last line says, for formats without one.
pub(super) fn tell_evicted(counts: &TableCounts, terminal: &mut Terminal) {
    if counts.evicted > 0 {
        terminal.tell(format_args!("warning: {}", evicted(counts)));
    }
}
/// Sends the last of the flows, and says what a collector did not get.
pub(super) fn tell_exported(ipfix: Option<Exporter>, terminal: &mut Terminal) {
    if let Some(mut ipfix) = ipfix {
        ipfix.end();
        if let Some(complaint) = ipfix.complaint() {
            terminal.tell(format_args!("warning: {complaint}"));
        }
    }
}
