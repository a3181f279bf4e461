//! What is said after the flows: the line below a table, and warnings.

use std::fmt::Write as _;

use vxcli::Terminal;
use vxflow::TableCounts;

use super::ipfix::Exporter;
use crate::out::numbers::plural;

/// The line below a table.
pub(super) fn tail(flows: u64, counts: &TableCounts) -> String {
    let TableCounts { packets, not_ip, cut, tunnel_fragments, evicted, .. } = *counts;
    let mut text = format!("{flows} flow{}, {packets} packet{}", plural(flows), plural(packets));
    if not_ip > 0 {
        let _ = write!(text, "; {not_ip} frame{} without IP", plural(not_ip));
    }
    if cut > 0 {
        let _ = write!(text, "; {cut} frame{} cut in the headers", plural(cut));
    }
    if tunnel_fragments > 0 {
        let s = plural(tunnel_fragments);
        let _ = write!(text, "; {tunnel_fragments} later fragment{s} of tunnel packets");
    }
    if evicted > 0 {
        let _ = write!(
            text,
            "; {evicted} flows were pushed out and may be told in pieces: --max-flows was reached"
        );
    }
    text.push('\n');
    text
}

/// Says that frames were captured too short, and what helps.
pub(super) fn tell_cut(counts: &TableCounts, snaplen: Option<u32>, terminal: &mut Terminal) {
    let (frames, they) = match counts.cut {
        0 => return,
        1 => ("1 frame was".to_owned(), "it"),
        more => (format!("{more} frames were"), "they"),
    };
    let advice = match snaplen {
        Some(_) => "Give a larger -s or none, or capture with a larger snapshot length (-s)",
        None => "Capture with a larger snapshot length (-s)",
    };
    terminal.tell(format_args!(
        "warning: {frames} cut in the headers; {they} may be in no flow, or in one without ports. {advice}."
    ));
}

/// Says that a file is not in the order of time, and what helps.
pub(super) fn tell_late(counts: &TableCounts, terminal: &mut Terminal) {
    let packets = match counts.late {
        0 => return,
        1 => "1 packet is".to_owned(),
        more => format!("{more} packets are"),
    };
    terminal.tell(format_args!(
        "warning: {packets} more than 1 ms out of order; round-trip times may be wrong. Sort the file with reordercap."
    ));
}

/// Says, for formats without a last line, that flows were evicted.
pub(super) fn tell_evicted(counts: &TableCounts, terminal: &mut Terminal) {
    let flows = match counts.evicted {
        0 => return,
        1 => "1 flow was".to_owned(),
        more => format!("{more} flows were"),
    };
    terminal.tell(format_args!(
        "warning: {flows} evicted (--max-flows reached) and may appear as several rows."
    ));
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
