//! Live flows: each when it ends, or a table every few seconds.

use std::time::{Duration, Instant};

use podmap::PodMap;
use vxcap::live::{Error, Statistics};
use vxcli::{Failure, Terminal};
use vxflow::{Config, FlowRecord, FlowTable, TableCounts};

use super::collected::{Collected, View};
use super::columns::columns;
use super::command::FlowsCommand;
use super::count::seen;
use super::ends::By;
use super::flow_row::FlowRow;
use super::interval::Interval;
use super::ipfix::Exporter;
use super::print::{FlowFormat, Form, Printer};
use super::prometheus::{Drops, Metrics};
use super::tail::{tell_cut, tell_evicted, tell_exported};
use super::traffic::SECOND;
use crate::input::capture::{Next, Watch, capture};
use crate::input::clock::now;
use crate::input::open::{Opened, Plan, Session};
use crate::input::report::Report;
use crate::input::sandbox::Sandbox;
use crate::input::taps::{DeviceFrame, Purpose, Taps};
use crate::input::wanted::Wanted;
use crate::out::output::Output;

/// Seconds between two tables, without --interval.
const INTERVAL: u32 = 10;
/// The time that a collector has to take the last flows.
const LAST: Duration = Duration::from_secs(5);
/// How late packets in a ring may be, in nanoseconds: flows time out that much later.
const BEHIND: i64 = SECOND;

/// `vxdump flows -i`.
pub(super) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    let show = &args.show;
    let columns = columns(show.by);
    let view = show.view();
    let form = Form::new(show.format, view.sort, &columns, terminal)?;
    let session = Plan::new(&args.input, terminal)?.open(Purpose::Show, terminal)?;
    let Session { opened: Opened { mut taps, wanted, .. }, mut orders, .. } = session;
    let ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    let metrics = args.export.prometheus.as_deref().map(Metrics::bind).transpose()?;
    if let Some(metrics) = &metrics {
        terminal.tell(format_args!("metrics at http://{}/metrics", metrics.address()));
    }
    args.input.live.rights().give_up(Sandbox::default(), terminal)?;

    let interval = match (show.interval, show.format) {
        (None, FlowFormat::Text) => Some(INTERVAL),
        (given, _) => given,
    };
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let printer = Printer::new(output, form, columns);
    let config = args.limits.config(&Config::default(), wanted.decoder.clone());
    let mut printing = Printing {
        view: &view,
        collected: Collected::new(&view, &config),
        config,
        printer,
        as_they_end: interval.is_none() && show.by == By::Flow && show.top.is_none(),
        interval: interval.map(|_| Interval::new(args.limits.once)),
        printed: Instant::now(),
        ipfix,
        metrics: metrics.map(Metrics::serve).transpose()?,
    };
    printing.printer.head();
    let mut watch = Flows {
        table: FlowTable::new(printing.config.clone()),
        wanted,
        printing,
        round: interval.map(|seconds| Round::new(Duration::from_secs(seconds.into()))),
        most: args.input.most_packets(),
        selected: 0,
        report: Report::new(&mut *terminal.err),
    };
    let captured = capture(&mut taps, &mut orders, &mut watch);

    let lost = watch.report.result(&taps);
    let (rest, counts, ipfix) = watch.finish(captured, &taps.statistics());
    tell_evicted(&counts, terminal);
    tell_cut(&counts, args.input.snaplen, terminal);
    tell_exported(ipfix, terminal);
    rest.and(lost)
}

/// When a table is due.
struct Round {
    every: Duration,
    due: Instant,
}

impl Round {
    fn new(every: Duration) -> Self {
        Self { every, due: Instant::now() + every }
    }

    /// Is a table due? Tables that were missed are not printed later.
    fn is_due(&mut self) -> bool {
        let now = Instant::now();
        let is_due = now >= self.due;
        if is_due {
            self.due = (self.due + self.every).max(now);
        }
        is_due
    }
}

/// Counts flows.
struct Flows<'a> {
    table: FlowTable,
    wanted: Wanted,
    printing: Printing<'a>,
    round: Option<Round>,
    /// The capture ends after this many packets.
    most: u64,
    selected: u64,
    report: Report<'a>,
}

/// Prints and exports flows.
struct Printing<'a> {
    view: &'a View,
    config: Config,
    printer: Printer<'a>,
    collected: Collected<'a>,
    as_they_end: bool,
    /// What earlier tables have counted, if there are several,
    interval: Option<Interval>,
    /// and when the last one was printed.
    printed: Instant,
    ipfix: Option<Exporter>,
    metrics: Option<Metrics>,
}

impl Printing<'_> {
    /// A flow has ended.
    fn ended(&mut self, record: FlowRecord, map: &PodMap) -> Result<(), Failure> {
        if let Some(ipfix) = &mut self.ipfix {
            ipfix.add(&record);
        }
        if let Some(metrics) = &mut self.metrics {
            metrics.ended(&record, map);
        }
        if self.as_they_end && !self.view.wants(record.state) {
            return Ok(());
        }
        if self.as_they_end {
            return self.printer.rows(std::iter::once(FlowRow::from(&record)), map);
        }
        let record = match &mut self.interval {
            Some(interval) => interval.of_ended(record),
            None => Some(record),
        };
        if let Some(record) = record {
            self.collected.add(&record, map);
        }
        Ok(())
    }

    /// Prints what was counted since the last table, of flows that have ended and of flows that
    /// continue.
    fn print(&mut self, table: &FlowTable, map: &PodMap) -> Result<(), Failure> {
        if let Some(interval) = &mut self.interval {
            let live = table.iter().filter_map(|record| interval.of_live(record));
            live.for_each(|record| self.collected.add(&record, map));
        }
        self.print_collected(&table.counts(), map)?;
        self.printer.output.flush()
    }

    /// Prints the collected flows; if there are several tables, below a line with the time.
    fn print_collected(&mut self, counts: &TableCounts, map: &PodMap) -> Result<(), Failure> {
        let mut counts = *counts;
        if let Some(interval) = &mut self.interval {
            counts = interval.end(&counts);
            let last = std::mem::replace(&mut self.printed, Instant::now());
            let seconds = self.printed.duration_since(last).as_secs_f64();
            self.printer.interval(now().nanos(), seconds);
        }
        let collected =
            std::mem::replace(&mut self.collected, Collected::new(self.view, &self.config));
        collected.print(&mut self.printer, map, &counts)
    }
}

impl Flows<'_> {
    /// Prints the flows that are left, and tells how the capture went. Gives what went wrong, what
    /// was counted, and the exporter, which may have to complain.
    fn finish(
        self,
        captured: Result<(), Failure>,
        statistics: &Statistics,
    ) -> (Result<(), Failure>, TableCounts, Option<Exporter>) {
        let Self { mut table, wanted, mut printing, selected, mut report, .. } = self;
        table.settle();
        let counts = table.counts();
        // the flows that are left are sorted, and the collector may take its time
        printing.as_they_end = false;
        if let Some(ipfix) = &mut printing.ipfix {
            ipfix.patience = LAST;
        }
        let rest = captured.and_then(|()| {
            table.finish().try_for_each(|record| printing.ended(record, &wanted.map))?;
            printing.print_collected(&counts, &wanted.map)
        });
        let Printing { ipfix, printer, .. } = printing;
        // the output is complete up to a failure, too
        let rest = rest.and(printer.end());
        report.statistics(statistics, selected);
        (rest, counts, ipfix)
    }
}

impl Watch for Flows<'_> {
    fn wanted(&mut self) -> &mut Wanted {
        &mut self.wanted
    }

    #[inline]
    fn frame(&mut self, DeviceFrame { mut frame, .. }: DeviceFrame<'_>) -> Result<Next, Failure> {
        self.wanted.cut(&mut frame);
        let Some(packet) = self.wanted.packet(&frame)? else { return Ok(Next::Continue) };
        self.selected += 1;
        self.table.push(&packet, seen(&frame));
        Ok(if self.selected >= self.most { Next::Enough } else { Next::Continue })
    }

    fn turn(&mut self, taps: &mut Taps, came: bool) -> Result<Next, Failure> {
        if !came {
            self.table.expire(now().nanos() - BEHIND);
        }
        let Self { table, printing, .. } = self;
        let map = &self.wanted.map;
        table.ended().try_for_each(|record| printing.ended(record, map))?;
        if let Some(metrics) = &mut printing.metrics
            && metrics.is_asked()
        {
            metrics.answer(table, map, Drops::of(&taps.statistics()), self.selected);
        }
        if self.round.as_mut().is_some_and(Round::is_due) {
            printing.print(table, map)?;
        }
        if !came {
            if let Some(ipfix) = &mut printing.ipfix {
                ipfix.send();
            }
            printing.printer.output.flush()?;
        }
        Ok(Next::Continue)
    }

    fn report(&mut self, statistics: &Statistics) {
        self.report.statistics(statistics, self.selected);
    }

    fn lost(&mut self, error: Error) {
        self.report.lost(&error);
    }
}
