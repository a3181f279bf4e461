//! Flows of devices, as they end or every few seconds.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use podmap::PodMap;
use vxcap::live::{Netns, User};
use vxcli::{Failure, Selection, Terminal};
use vxflow::{Config, FlowRecord, FlowTable, Seen, TableCounts};
use vxlan::{Decoder, LinkType};

use super::command::{FlowFormat, FlowsCommand};
use super::count::chosen;
use super::interval::Interval;
use super::ipfix::Exporter;
use super::print::{Form, Printer};
use super::prometheus::{Drops, Metrics};
use super::row::columns;
use super::sums::By;
use super::{Collected, SECOND, config, tell_evicted, tell_exported};
use crate::following::Following;
use crate::kernel_map::SUBNET_ENV_FOLDER;
use crate::live::{BATCH, WAIT, write_statistics};
use crate::output::Output;
use crate::packets;
use crate::sandbox::Sandbox;
use crate::signals::Signals;
use crate::taps::{Taps, Wanted};

/// A table is printed so often, in seconds, where nobody says how often.
const INTERVAL: u32 = 10;
/// The end may take so long, for the sake of a collector.
const LAST: Duration = Duration::from_secs(5);
/// How far the packets that are still in a ring may be behind the clock, in nanoseconds.
const BEHIND: i64 = SECOND;

/// `vxdump flows -i`.
pub(super) fn run(args: &FlowsCommand, terminal: &mut Terminal) -> Result<(), Failure> {
    let (live, show) = (&args.input.live, &args.show);
    let columns = columns(show.by);
    let form = Form::new(show, columns, terminal)?;
    let netns = live.netns.as_deref().map(Netns::open).transpose().map_err(Failure::usage)?;
    let netns = netns.map(Arc::new);
    let mut following = Following::open(&args.map, netns.as_deref(), terminal)?;
    let map = following.map();
    vxcli::setup::tell_warnings(&map, terminal);
    let ports = following.ports(&args.input.tunnel)?;
    let decoder = Decoder::default().ports(ports.clone());
    let mut selection = Selection::new(&packets::selected(&args.select, &args.input)?, &map)?;
    let wanted = Wanted::to_show(&mut selection, &ports, &map);
    let mut taps = Taps::open(&args.input, netns.as_ref(), wanted, terminal)?;
    let mut link_types = vec![LinkType::ETHERNET, LinkType::RAW];
    link_types.extend(taps.all.iter().map(|tap| tap.interface.link_type));
    selection.prepare(&link_types);
    let signals = Signals::listen()?;
    let ipfix = args.export.ipfix.as_deref().map(Exporter::open).transpose()?;
    let metrics = args.export.prometheus.as_deref().map(Metrics::bind).transpose()?;
    if let Some(metrics) = &metrics {
        terminal.tell(format_args!("metrics at http://{}/metrics", metrics.address()));
    }
    if let Some(name) = &live.user {
        User::named(name).and_then(|user| user.assume()).map_err(Failure::usage)?;
    }
    if !live.no_sandbox {
        let sandbox = Sandbox { readable: vec![SUBNET_ENV_FOLDER.into()], ..Sandbox::default() };
        for warning in sandbox.enter() {
            terminal.tell(format_args!("warning: {warning}"));
        }
    }

    let interval = match (show.interval, show.format) {
        (None, FlowFormat::Text) => Some(INTERVAL),
        (given, _) => given,
    };
    let output = Output::new(&mut *terminal.out, terminal.out_is_terminal);
    let printer = Printer::new(output, form, columns);
    let mut watch = Watch {
        args,
        config: config(&args.limits, &Config::default(), decoder),
        map,
        selection,
        printer,
        collected: Collected::new(show),
        as_they_end: interval.is_none() && show.by == By::Flow && show.top.is_none(),
        interval: interval.map(|_| Interval::new(args.limits.once)),
        printed: Instant::now(),
        ipfix,
        metrics: metrics.map(Metrics::serve).transpose()?,
        selected: 0,
    };
    let mut table = FlowTable::new(watch.config.clone());
    let interval = interval.map(|seconds| Duration::from_secs(seconds.into()));
    let mut lost = 0_usize;
    let mut told = Told { err: &mut *terminal.err, lost: &mut lost };
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
    write_statistics(&mut *terminal.err, &mut taps, selected);
    tell_evicted(&counts, terminal);
    tell_exported(ipfix, terminal);
    rest?;
    match lost {
        0 => Ok(()),
        lost => Err(Failure::error(format_args!(
            "the capture on {lost} of {} devices ended early",
            taps.all.len()
        ))),
    }
}

/// What a live run works with, but for the table.
struct Watch<'a> {
    args: &'a FlowsCommand,
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
        if self.as_they_end && !self.args.show.wants(record.state) {
            return Ok(());
        }
        if self.as_they_end {
            return self.printer.rows(&[record], &self.map);
        }
        let record = match &mut self.interval {
            Some(interval) => interval.of_ended(record),
            None => Some(record),
        };
        if let Some(record) = record {
            self.collected.add(record, &self.map);
        }
        Ok(())
    }

    /// Prints what came since the last time, of flows that have ended since and of those that go on.
    fn print(&mut self, table: &FlowTable) -> Result<(), Failure> {
        if let Some(interval) = &mut self.interval {
            let live = table.iter().filter_map(|record| interval.of_live(record));
            live.for_each(|record| self.collected.add(record, &self.map));
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
            self.printer.interval(now(), seconds);
        }
        let collected = std::mem::replace(&mut self.collected, Collected::new(&self.args.show));
        collected.print(&mut self.printer, &self.map, &counts)
    }
}

/// What is told on stderr while the capture holds stdout.
struct Told<'e> {
    err: &'e mut dyn Write,
    /// Devices that went away.
    lost: &'e mut usize,
}

/// The loop over all frames of all devices, which take turns.
fn capture(
    taps: &mut Taps,
    following: &mut Following,
    watch: &mut Watch<'_>,
    table: &mut FlowTable,
    signals: &Signals,
    interval: Option<Duration>,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    let most = watch.args.input.count.unwrap_or(u64::MAX);
    let decoder = watch.config.decoder.clone();
    let mut due = interval.map(|interval| Instant::now() + interval);
    watch.printer.head();
    while !signals.stop() && !taps.is_over() && watch.selected < most {
        if signals.report() {
            write_statistics(told.err, taps, watch.selected);
        }
        if let Some(map) = following.changed() {
            watch.map = map;
            watch.selection.map_changed(&watch.map);
            taps.map_changed(&mut watch.selection, &watch.map)?;
        }
        let mut came = false;
        for tap in &mut taps.all {
            for _ in 0..BATCH {
                if watch.selected >= most {
                    break;
                }
                match tap.next_frame() {
                    Ok(Some((frame, _))) => {
                        came = true;
                        let packet = chosen(&frame, &mut watch.selection, &decoder, &watch.map)?;
                        if let Some(packet) = packet {
                            watch.selected += 1;
                            let (time, interface) = (frame.time.nanos(), frame.interface);
                            table.push(&packet, Seen { time, interface, wire_len: frame.orig_len });
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        let _ = writeln!(told.err, "vxdump: {error}");
                        *told.lost += 1;
                        tap.give_up();
                        break;
                    }
                }
            }
        }
        if !came {
            table.expire(now() - BEHIND);
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

/// Nanoseconds since the Unix epoch.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}
