//! Inner flows: who talks to whom, how well, across which nodes.

mod chosen;
pub(crate) mod command;
mod count;
mod flow_row;
mod interval;
mod ipfix;
mod layout;
mod live;
pub(crate) mod outcome;
mod packed;
#[cfg(feature = "parquet")]
mod parquet;
mod print;
mod prometheus;
mod row;
pub(crate) mod sums;
mod table;
mod totals;
mod translated;

use std::fmt::Write as _;
use std::num::NonZeroUsize;
use std::time::Duration;

use podmap::PodMap;
use vxcli::{Failure, Progress, Selection, Terminal, setup};
use vxflow::{Config, FlowRecord, TableCounts};
use vxlan::Decoder;

use crate::input::files::Source;
use crate::input::following::Following;
use crate::out::output::Output;
use crate::out::put;
use crate::packets;
use chosen::{Chosen, Kept as _};
use command::{FlowsCommand, LimitArgs, ShowArgs};
use count::{Counted, Job};
use ipfix::Exporter;
use packed::PackedFlows;
use print::{Form, Printer};
use row::{SumRow, columns};
use sums::{By, Sums};

/// Nanoseconds in a second.
const SECOND: i64 = 1_000_000_000;

/// `vxdump flows`.
pub(crate) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    if !args.input.live.interface.is_empty() {
        return live::run(args, terminal);
    }
    args.input.needs_files(&args.select.expression)?;
    let decoder = setup::decoder(&args.input.tunnel)?;
    let map = Following::once(&args.map, terminal)?;
    let mut source = Source::open(&args.input.read)?;
    let job = Job {
        config: config(&args.limits, &Config::without_timeouts(), decoder),
        map: &map,
        snaplen: args.input.most_bytes(),
        most: args.input.count.unwrap_or(u64::MAX),
        threads: threads(&args.limits),
    };
    let wanted = packets::selected(&args.select, &args.input)?;
    let mut select = || Selection::new(&wanted, &map);
    let progress = Progress::new(
        terminal.err_is_terminal && !terminal.out_is_terminal && !args.show.no_progress,
    );
    let columns = columns(args.show.by);
    let form = Form::new(&args.show, columns, terminal)?;
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let mut printer = Printer::new(output, form, columns);
    let is_table = printer.is_table();
    let mut ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    // a file waits
    if let Some(ipfix) = &mut ipfix {
        ipfix.patience = Duration::MAX;
    }
    let mut collected = Collected::new(args);
    let result = job.run(&mut source, &progress, &mut select, &mut |record| {
        if let Some(ipfix) = &mut ipfix {
            ipfix.add(&record);
        }
        collected.add(&record, &map);
        Ok(())
    });
    progress.end();
    let Counted { counts, damage } = result?;
    collected.print(&mut printer, &map, &counts)?;
    printer.end()?;
    if !is_table {
        tell_evicted(&counts, terminal);
    }
    tell_cut(&counts, args.input.snaplen, terminal);
    tell_late(&counts, terminal);
    tell_exported(ipfix, terminal);
    match damage.as_slice() {
        [] => Ok(()),
        [before @ .., last] => {
            for error in before {
                terminal.tell(error);
            }
            Err(Failure::error(last))
        }
    }
}

/// Sends the last of the flows, and says what a collector did not get.
fn tell_exported(ipfix: Option<Exporter>, terminal: &mut Terminal) {
    if let Some(mut ipfix) = ipfix {
        ipfix.end();
        if let Some(complaint) = ipfix.complaint() {
            terminal.tell(format_args!("warning: {complaint}"));
        }
    }
}

/// Limits and policies as the command line has them, the rest as in `base`.
fn config(args: &LimitArgs, base: &Config, decoder: Decoder) -> Config {
    let timeout = |given: Option<u32>, or: Option<i64>| {
        given.map(|seconds| i64::from(seconds) * SECOND).or(or)
    };
    let idle_timeout = timeout(args.idle_timeout, base.idle_timeout);
    // a closed connection is not waited for longer than an open one
    let closed_timeout =
        base.closed_timeout.map(|closed| closed.min(idle_timeout.unwrap_or(closed)));
    Config {
        max_flows: args.max_flows as usize,
        idle_timeout,
        closed_timeout,
        active_timeout: timeout(args.active_timeout, base.active_timeout),
        count_copies: !args.once,
        decoder,
        ..base.clone()
    }
}

/// As many threads as were asked for, or one for each processor.
fn threads(args: &LimitArgs) -> NonZeroUsize {
    match args.threads {
        Some(threads) => NonZeroUsize::new(threads.into()).unwrap_or(NonZeroUsize::MIN),
        None => std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN),
    }
}

/// Flows, or their sums, until they are printed.
struct Collected<'a> {
    args: &'a ShowArgs,
    rows: Rows,
    flows: u64,
    /// flows in other states than are to be shown
    left_out: u64,
}

enum Rows {
    Flows(Chosen<PackedFlows>),
    Sums(Sums),
}

impl<'a> Collected<'a> {
    fn new(FlowsCommand { show: args, limits, .. }: &'a FlowsCommand) -> Self {
        let rows = match args.by {
            By::Flow => Rows::Flows(Chosen::new(args.sort(), args.top)),
            by => Rows::Sums(Sums::of_connections(by, limits.once, limits.max_flows as usize)),
        };
        Self { args, rows, flows: 0, left_out: 0 }
    }

    fn add(&mut self, record: &FlowRecord, map: &PodMap) {
        let wanted = self.args.wants(record.state);
        let is_added = match &mut self.rows {
            Rows::Sums(sums) => sums.add_if(wanted, record, map),
            Rows::Flows(chosen) if wanted => {
                chosen.push(record.into());
                true
            }
            Rows::Flows(_) => false,
        };
        *(if is_added { &mut self.flows } else { &mut self.left_out }) += 1;
    }

    /// Prints the rows, and below a table what there was in all.
    fn print(
        self,
        printer: &mut Printer<'_>,
        map: &PodMap,
        counts: &TableCounts,
    ) -> Result<(), Failure> {
        let Self { args, rows, mut flows, mut left_out } = self;
        let mut counts = *counts;
        let (shown, of) = match rows {
            Rows::Flows(chosen) => {
                let (flows, given) = chosen.finish();
                printer.rows(flows.rows(), map)?;
                (flows.len() as u64, given)
            }
            Rows::Sums(mut sums) => {
                let settled = sums.settle(|state| args.wants(state));
                flows -= settled.flows + settled.unwanted;
                left_out += settled.unwanted;
                counts.packets = counts.packets.saturating_sub(settled.packets);
                let mut chosen = Chosen::<Vec<_>>::new(args.sort(), args.top);
                for (pair, sum) in sums.rows() {
                    chosen.push(SumRow::new(args.by, pair, sum));
                }
                let (rows, given) = chosen.finish();
                printer.rows(rows.iter(), map)?;
                (rows.len() as u64, given)
            }
        };
        if printer.is_table() {
            let mut text = String::new();
            if shown < of {
                let _ = write!(text, "{shown} of {of} rows: ");
            }
            if left_out > 0 {
                let _ = write!(text, "{flows} of ");
            }
            text.push_str(&tail(flows + left_out, &counts));
            put::text(printer.output.buffer(), &text);
        }
        Ok(())
    }
}

/// The line below a table.
fn tail(flows: u64, counts: &TableCounts) -> String {
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
fn tell_cut(counts: &TableCounts, snaplen: Option<u32>, terminal: &mut Terminal) {
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
fn tell_late(counts: &TableCounts, terminal: &mut Terminal) {
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
fn tell_evicted(counts: &TableCounts, terminal: &mut Terminal) {
    if counts.evicted > 0 {
        terminal.tell(format_args!("warning: {}", evicted(counts)));
    }
}
