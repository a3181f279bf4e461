//! Capturing live: packets of devices, until a signal or a number ends it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vxcap::filter::pushdown::{Overlay, Prefix};
use vxcap::live::{self, Capture, Directions, Netns, Options, Statistics};
use vxcap::write::Counts;
use vxcap::{Interface, Timestamp};
use vxcli::{Failure, Selection, Terminal, setup};
use vxlan::LinkType;

use crate::cli::{Backend, Direction, InputArgs, PacketArgs};
use crate::output::Output;
use crate::packets;
use crate::pipeline::{Next, Pipeline};
use crate::save::{Ended, Save};
use crate::signals::Signals;
use crate::style::Style;
use crate::text::put;

/// Signals and the wish to see what is there are looked at this often, while nothing comes.
const WAIT: Duration = Duration::from_millis(100);
/// And after this many frames, while many come.
const BATCH: u32 = 1024;

/// A device that is captured on.
struct Tap {
    capture: Capture,
    interface: Interface,
    /// The last word on its frames, once it is gone.
    last: Option<Statistics>,
}

pub(crate) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let map = setup::map(&args.map, terminal)?;
    let decoder = setup::decoder(&args.input.tunnel)?;
    let ports = setup::ports(&args.input.tunnel)?;
    let mut selection = Selection::new(&args.select, &map)?;
    let netns =
        args.input.live.netns.as_deref().map(Netns::open).transpose().map_err(Failure::usage)?;
    let netns = netns.map(Arc::new);

    let devices = live::devices(netns.as_deref()).map_err(Failure::error)?;
    let underlay = |name: &String| {
        let device = devices.iter().find(|device| device.name == *name);
        !args.input.live.all && device.is_some_and(|device| device.kind.is_underlay())
    };
    let only_overlay: Vec<bool> = args.input.live.interface.iter().map(underlay).collect();
    if only_overlay.contains(&true) {
        let pods = map.rows().filter(|row| row.kind == podmap::Kind::Pod);
        let pods = pods.filter_map(|row| Prefix::new(row.cidr.address(), row.cidr.prefix_len()));
        let overlay = Overlay { ports: ports.clone(), pods: pods.collect() };
        selection.only_overlay(overlay, only_overlay.clone());
    }

    let mut taps = Vec::new();
    for (number, (name, only_overlay)) in
        args.input.live.interface.iter().zip(only_overlay).enumerate()
    {
        let mut options = options(&args.input, name, number as u32);
        options.netns.clone_from(&netns);
        let link_type = devices.iter().find(|d| d.name == *name).map(live::Device::link_type);
        let ethernet = link_type == Some(LinkType::ETHERNET);
        if ethernet && !args.input.live.no_pushdown {
            let pushed = selection.kernel_program(&ports, &map, only_overlay)?;
            if args.print.dump_program > 0 {
                return packets::print_program(&pushed.program, args.print.dump_program, terminal);
            }
            for (part, why) in &pushed.left_out {
                terminal.tell(format_args!("{name}: {part} is decided in user space: {why}"));
            }
            let program = pushed.program.with_snaplen(args.input.snaplen.unwrap_or(0));
            options.program = Some(Arc::new(program));
        }
        let capture = Capture::open(&options).map_err(Failure::error)?;
        let mut interface = capture.interface().clone();
        interface.filter = filter_text(args);
        interface.os = crate::save::operating_system();
        let snaplen = interface.snaplen;
        let what = if only_overlay { ", overlay traffic only (--all for everything)" } else { "" };
        let (short, long) = interface.link_type.name().unwrap_or(("?", "not decoded"));
        let _ = writeln!(
            terminal.err,
            "listening on {name}, link-type {short} ({long}), snapshot length {snaplen} bytes{what}"
        );
        taps.push(Tap { capture, interface, last: None });
    }

    let signals = Signals::listen()?;
    let save = packets::plan(args)?.map(Save::begin).transpose()?;
    let style = Style::new(&args.print, terminal);
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let output = Output::new(&mut *terminal.out, watched);
    let mut pipeline = Pipeline::new(args, decoder, map, selection, style, save, output);
    let begin = now();
    let mut told = Told { err: &mut *terminal.err, lost: 0 };
    let result = capture(&mut taps, &mut pipeline, &signals, &mut told);

    // whatever ended it: what was captured is written, and what was lost is told
    let result = result.and_then(|()| pipeline.output.flush());
    let saved = match pipeline.save.take() {
        Some(save) => {
            let ended = ended(&mut taps, begin);
            save.finish(&ended)
        }
        None => Ok(()),
    };
    let selected = pipeline.selected;
    if args.print.count_only {
        packets::count(&mut pipeline);
        pipeline.output.flush()?;
    }
    told.statistics(&mut taps, selected);
    result.and(saved)?;
    match told.lost {
        0 => Ok(()),
        lost => Err(Failure::error(format_args!(
            "the capture on {lost} of {} devices ended early",
            taps.len()
        ))),
    }
}

/// The loop over all frames of all devices.
fn capture(
    taps: &mut [Tap],
    pipeline: &mut Pipeline<'_>,
    signals: &Signals,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    let mut quiet = false;
    loop {
        if signals.stop() || taps.iter().all(|tap| tap.last.is_some()) {
            return Ok(());
        }
        if signals.report() {
            told.statistics(taps, pipeline.selected);
        }
        // several devices take turns; where all were silent, one of them is waited for
        let several = taps.iter().filter(|tap| tap.last.is_none()).count() > 1;
        let wait = match (quiet, several) {
            (true, true) => Duration::from_millis(5),
            (true, false) => WAIT,
            (false, _) => Duration::ZERO,
        };
        let mut came = false;
        for tap in taps.iter_mut().filter(|tap| tap.last.is_none()) {
            let mut patience = if came { Duration::ZERO } else { wait };
            for _ in 0..BATCH {
                match tap.capture.next_frame(std::mem::take(&mut patience)) {
                    Ok(Some(frame)) => {
                        came = true;
                        if pipeline.frame(frame, Some(&tap.interface), None, None)? == Next::Enough
                        {
                            return Ok(());
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        told.tell(&error);
                        told.lost += 1;
                        tap.last = Some(tap.capture.statistics().unwrap_or_default());
                        break;
                    }
                }
            }
        }
        if !came && !quiet {
            // nothing more for now: whoever looks on sees all there was
            pipeline.flush()?;
        }
        quiet = !came;
    }
}

/// What is told on stderr while the capture holds stdout.
struct Told<'e> {
    err: &'e mut dyn std::io::Write,
    /// Devices that went away.
    lost: usize,
}

impl Told<'_> {
    fn tell(&mut self, message: impl std::fmt::Display) {
        let _ = writeln!(self.err, "vxdump: {message}");
    }

    /// As tcpdump's, and what was lost before the capture could see it.
    fn statistics(&mut self, taps: &mut [Tap], captured: u64) {
        let mut sum = Statistics::default();
        for tap in taps {
            let one = tap.statistics();
            sum.received += one.received;
            sum.dropped += one.dropped;
            sum.interface_dropped = add(sum.interface_dropped, one.interface_dropped);
            // of the whole host: the same for each device
            sum.backlog_dropped = sum.backlog_dropped.max(one.backlog_dropped);
        }
        let lines = [
            (Some(captured), "captured", true),
            (Some(sum.received), "received by filter", true),
            (Some(sum.dropped), "dropped by kernel", true),
            (sum.interface_dropped, "dropped by interface", false),
            (sum.backlog_dropped, "dropped by the kernel's input queue, of any device", false),
        ];
        for (number, what, always) in lines {
            if let Some(number) = number.filter(|&n| always || n > 0) {
                let plural = if number == 1 { "" } else { "s" };
                let _ = writeln!(self.err, "{number} packet{plural} {what}");
            }
        }
    }
}

impl Tap {
    fn statistics(&mut self) -> Statistics {
        match self.last {
            Some(last) => last,
            None => self.capture.statistics().unwrap_or_default(),
        }
    }
}

fn add(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a + b),
        (a, b) => a.or(b),
    }
}

/// What each interface tells at the end of a capture file.
fn ended(taps: &mut [Tap], begin: Timestamp) -> Vec<Ended<'_>> {
    let end = now();
    let mut all = Vec::new();
    for (number, tap) in taps.iter_mut().enumerate() {
        let statistics = tap.statistics();
        let counts = Counts {
            start: Some(begin),
            end: Some(end),
            dropped_by_interface: statistics.interface_dropped,
            accepted_by_filter: Some(statistics.received),
            dropped_by_os: Some(statistics.dropped),
            delivered: Some(statistics.captured),
            ..Counts::default()
        };
        all.push(Ended { interface: number as u32, described: &tap.interface, counts });
    }
    all
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_nanos(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX))
}

/// What selects, as text for the interface block of a capture file.
fn filter_text(args: &PacketArgs) -> Option<String> {
    let select = &args.select;
    let mut words = Vec::new();
    if !select.expression.is_empty() {
        words.push(select.expression.join(" "));
    }
    for (flag, values) in [("--node", &select.node), ("--pod", &select.pod)] {
        words.extend(values.iter().map(|value| format!("{flag} {value}")));
    }
    words.extend(select.vni.iter().map(|vni| format!("--vni {vni}")));
    words.extend(select.inner.iter().map(|inner| format!("--inner '{inner}'")));
    (!words.is_empty()).then(|| words.join(" "))
}

fn options(input: &InputArgs, device: &str, interface: u32) -> Options {
    let mut options = Options::new(device);
    if input.live.immediate_mode {
        options = options.immediate();
    }
    options.interface = interface;
    options.snaplen = input.snaplen.unwrap_or(0);
    options.promiscuous = !input.live.no_promiscuous;
    if let Some(kib) = input.live.buffer {
        options.buffer = kib as usize * 1024;
    }
    options.directions = match input.live.direction {
        Some(Direction::In) => Directions::In,
        Some(Direction::Out) => Directions::Out,
        Some(Direction::Inout) | None => Directions::Both,
    };
    options.backend = match input.live.backend {
        Backend::Ring => live::Backend::Native,
        Backend::Pcap => live::Backend::Pcap,
    };
    options
}

/// `-D`: the devices, each with its number, kind, and for a VXLAN device VNI and port.
pub(crate) fn list(input: &InputArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let netns = input.live.netns.as_deref().map(Netns::open).transpose().map_err(Failure::usage)?;
    let devices = live::devices(netns.as_ref()).map_err(Failure::error)?;
    let mut output = Output::new(&mut *terminal.out, false);
    for (number, device) in devices.iter().enumerate() {
        let state = match (device.up, device.running) {
            (true, true) => "up, running",
            (true, false) => "up",
            _ => "down",
        };
        let line = format!("{}.{} ({}) [{state}]\n", number + 1, device.name, device.kind);
        put::text(output.buffer(), &line);
    }
    output.flush()
}
