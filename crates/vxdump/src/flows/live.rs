//! Flows of devices, as they end or every few seconds.

use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcli::{Failure, Selection, Terminal};
use vxflow::{Config, FlowRecord, FlowTable, Seen, TableCounts};

use super::collected::{Collected, View};
use super::columns::columns;
use super::command::FlowsCommand;
use super::count::chosen;
use super::ends::By;
use super::flow_row::FlowRow;
use super::interval::Interval;
use super::ipfix::Exporter;
use super::print::{FlowFormat, Form, Printer};
use super::prometheus::{Drops, Metrics};
use super::tail::{tell_cut, tell_evicted, tell_exported};
use super::traffic::SECOND;
use crate::input::following::Following;
use crate::input::open::{Opened, Plan, give_up_rights};
use crate::input::sandbox::Sandbox;
use crate::input::signals::Signals;
use crate::input::taps::{Captured, Purpose, Taps};
use crate::out::output::Output;
use crate::packets::live::{BATCH, Told, WAIT, now};

/// A table is printed so often, in seconds, where nobody says how often.
const INTERVAL: u32 = 10;
/// The end may take so long, for the sake of a collector.
const LAST: Duration = Duration::from_secs(5);
/// How far the packets that are still in a ring may be behind the clock, in nanoseconds.
const BEHIND: i64 = SECOND;

/// `vxdump flows -i`.
pub(super) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    let show = &args.show;
    let columns = columns(show.by);
    let view = show.view();
    let form = Form::new(show.format, view.sort, &columns, terminal)?;
    let plan = Plan::new(&args.input, &args.select, &args.map, terminal)?;
    let Opened { mut following, map, decoder, selection, mut taps, signals, .. } =
        plan.open(&args.input, None, Purpose::Show, Vec::new(), terminal)?;
    let ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    let metrics = args.export.prometheus.as_deref().map(Metrics::bind).transpose()?;
    if let Some(metrics) = &metrics {
        terminal.tell(format_args!("metrics at http://{}/metrics", metrics.address()));
    }
    give_up_rights(&args.input.live, Sandbox::default(), terminal)?;

    let interval = match (show.interval, show.format) {
        (None, FlowFormat::Text) => Some(INTERVAL),
        (given, _) => given,
    };
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let printer = Printer::new(output, form, columns);
    let config = args.limits.config(&Config::default(), decoder);
    let mut watch = Watch {
        most: args.input.count.unwrap_or(u64::MAX),
        collected: Collected::new(&view, &config),
        config,
        view: &view,
        map,
        selection,
        printer,
        as_they_end: interval.is_none() && show.by == By::Flow && show.top.is_none(),
        interval: interval.map(|_| Interval::new(args.limits.once)),
        printed: Instant::now(),
        ipfix,
        metrics: metrics.map(Metrics::serve).transpose()?,
        selected: 0,
    };
    let mut table = FlowTable::new(watch.config.clone());
    let interval = interval.map(|seconds| Duration::from_secs(seconds.into()));
    let mut told = Told::new(&mut *terminal.err);
    let captured =
        capture(&mut taps, &mut following, &mut watch, &mut table, &signals, interval, &mut told);

    table.settle();
    let counts = table.counts();
    // what is left at the end comes in order, and may take its time
    watch.as_they_end = false;
    if let Some(ipfix) = &mut watch.ipfix {
        ipfix.patience = LAST;
    }
    let rest = captured.and_then(|()| {
        table.finish().try_for_each(|record| watch.ended(record))?;
        watch.print_collected(&counts)
    });
    let Watch { selected, ipfix, printer, .. } = watch;
    // what was printed before something went wrong is whole too
    let rest = rest.and(printer.end());
    told.statistics(&taps.statistics(), selected);
    let lost = told.result(&taps);
    tell_evicted(&counts, terminal);
    tell_cut(&counts, args.input.snaplen, terminal);
    tell_exported(ipfix, terminal);
    rest?;
    lost
}

/// What a live run works with, but for the table.
struct Watch<'a> {
    view: &'a View,
    /// After so many packets it ends.
    most: u64,
    config: Config,
    map: PodMap,
    selection: Selection,
    printer: Printer<'a>,
    collected: Collected<'a>,
    as_they_end: bool,
    /// what was told, where it is told every few seconds
    interval: Option<Interval>,
    /// when that was done last
    printed: Instant,
    ipfix: Option<Exporter>,
    metrics: Option<Metrics>,
    selected: u64,
}

impl Watch<'_> {
    /// A flow has ended.
    fn ended(&mut self, record: FlowRecord) -> Result<(), Failure> {
        if let Some(ipfix) = &mut self.ipfix {
            ipfix.add(&record);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.ended(&record, &self.map);
        }
        if self.as_they_end && !self.view.wants(record.state) {
            return Ok(());
        }
        if self.as_they_end {
            return self.printer.rows(std::iter::once(FlowRow::from(&record)), &self.map);
        }
        let record = match &mut self.interval {
            Some(interval) => interval.of_ended(record),
            None => Some(record),
        };
        if let Some(record) = record {
            self.collected.add(&record, &self.map);
        }
        Ok(())
    }

    /// Prints what came since the last time, of flows that have ended since and of those that go on.
    fn print(&mut self, table: &FlowTable) -> Result<(), Failure> {
        if let Some(interval) = &mut self.interval {
            let live = table.iter().filter_map(|record| interval.of_live(record));
            live.for_each(|record| self.collected.add(&record, &self.map));
        }
        self.print_collected(&table.counts())?;
        self.printer.output.flush()
    }

    /// Prints the flows that were collected, below a line that tells the time where there are several tables.
    fn print_collected(&mut self, counts: &TableCounts) -> Result<(), Failure> {
        let mut counts = *counts;
        if let Some(interval) = &mut self.interval {
            counts = interval.end(&counts);
            let last = std::mem::replace(&mut self.printed, Instant::now());
            let seconds = self.printed.duration_since(last).as_secs_f64();
            self.printer.interval(now().nanos(), seconds);
        }
        let collected =
            std::mem::replace(&mut self.collected, Collected::new(self.view, &self.config));
        collected.print(&mut self.printer, &self.map, &counts)
    }
}

/// The loop over all frames of all devices.
fn capture(
    taps: &mut Taps,
    following: &mut Following,
    watch: &mut Watch<'_>,
    table: &mut FlowTable,
    signals: &Signals,
    interval: Option<Duration>,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    let most = watch.most;
    let decoder = watch.config.decoder.clone();
    let mut due = interval.map(|interval| Instant::now() + interval);
    watch.printer.head();
    while !signals.stop() && !taps.is_over() && watch.selected < most {
        if signals.report() {
            told.statistics(&taps.statistics(), watch.selected);
        }
        if let Some(map) = following.changed() {
            watch.map = map;
            watch.selection.map_changed(&watch.map);
            taps.map_changed(&mut watch.selection, &watch.map)?;
        }
        let mut came = false;
        for _ in 0..BATCH {
            if watch.selected >= most {
                break;
            }
            match taps.next_frame() {
                Ok(Some(Captured { frame, .. })) => {
                    came = true;
                    let packet = chosen(&frame, &mut watch.selection, &decoder, &watch.map)?;
                    if let Some(packet) = packet {
                        watch.selected += 1;
                        let (time, interface) = (frame.time.nanos(), frame.interface);
                        table.push(&packet, Seen { time, interface, wire_len: frame.orig_len });
                    }
                }
                Ok(None) => break,
                Err(error) => told.lost(&error),
            }
        }
        if !came {
            table.expire(now().nanos() - BEHIND);
        }
        table.ended().try_for_each(|record| watch.ended(record))?;
        if let Some(metrics) = &mut watch.metrics
            && metrics.is_asked()
        {
            let drops = Drops::of(&taps.statistics());
            metrics.answer(table, &watch.map, drops, watch.selected);
        }
        if let (Some(time), Some(interval)) = (due, interval)
            && Instant::now() >= time
        {
            watch.print(table)?;
            // rounds that were missed are not made up for
            due = Some((time + interval).max(Instant::now()));
        }
        if !came {
            if let Some(ipfix) = &mut watch.ipfix {
                ipfix.send();
            }
            watch.printer.output.flush()?;
            taps.wait(WAIT)?;
        }
    }
    Ok(())
}
