//! Capturing live: packets of devices, until a signal or a number ends it.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use vxcap::Timestamp;
use vxcap::live::Statistics;
use vxcap::write::InterfaceCounts;
use vxcli::{Failure, Terminal};

use super::threads;
use crate::cli::{LiveArgs, PacketArgs};
use crate::input::carriages::Carriages;
use crate::input::devices;
use crate::input::following::Following;
use crate::input::open::{self, Opened, Plan, give_up_rights};
use crate::input::sandbox::Sandbox;
use crate::input::signals::Signals;
use crate::input::taps::{Captured, Purpose, Tap, Taps};
use crate::out::output::Output;
use crate::packets;
use crate::packets::pipeline::{Arrival, Next, Pipeline};
use crate::packets::save::{self, Ended, Save};
use crate::packets::style::Style;

/// Signals and changes of the map are looked at this often, while nothing comes.
pub(crate) const WAIT: Duration = Duration::from_millis(100);
/// And after this many frames of a device, while many come.
pub(crate) const BATCH: u32 = 4096;

pub(crate) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let live = &args.input.live;
    let print = &args.print;
    if print.list_link_types || print.list_time_stamp_types {
        return devices::list_choices(live, print.list_link_types, terminal);
    }
    let plan = Plan::new(&args.input, &args.select, &args.map, terminal)?;
    if args.print.dump_program > 0 {
        let program = plan.program(live)?;
        return packets::print_program(&program, args.print.dump_program, terminal);
    }

    let threads = args.threads.map_or(1, usize::from);
    if threads > 1 && args.write.write.is_some() {
        return Err(Failure::usage(
            "--threads shares the work of printing packets; to write them (-w) is one thread's",
        ));
    }
    let saved = packets::plan(args)?;
    let text = filter_text(args);
    let purpose = purpose(args, text.is_some());
    let others = (1..threads).map(|_| plan.another_selection(&args.select, &args.input));
    let others = others.collect::<Result<Vec<_>, _>>()?;
    let opened = plan.open(&args.input, text.as_deref(), purpose, others, terminal)?;
    if threads > 1 {
        give_up_rights(live, sandbox(None), terminal)?;
        let rests = (0..threads).map(|_| style(args, &opened.taps, terminal).rest).collect();
        let head = style(args, &opened.taps, terminal).head;
        return threads::run(args, opened, head, rests, terminal);
    }
    let style = style(args, &opened.taps, terminal);
    let Opened { mut following, map, decoder, selection, mut taps, device_names, signals, .. } =
        opened;
    if saved.as_ref().is_some_and(save::Plan::is_pcap) {
        let mut types = taps.all.iter().map(|tap| tap.interface.link_type);
        let first = types.next();
        if types.any(|link_type| Some(link_type) != first) {
            return Err(Failure::usage(
                "the devices have frames of several link types, and a pcap file has one: write pcapng",
            ));
        }
    }
    open::assume_user(live)?;
    let save =
        saved.clone().map(Save::begin).transpose().map_err(|failure| as_user(live, failure))?;
    open::enter(live, sandbox(saved.as_ref()), terminal);

    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let output = Output::new(&mut *terminal.out, watched);
    let mut pipeline = Pipeline::new(args, decoder, Arc::new(map), selection, style, save, output);
    pipeline.devices = device_names;
    let begin = now();
    let mut told = Told::new(&mut *terminal.err);
    let result = capture(&mut taps, &mut following, &mut pipeline, &signals, &mut told);

    // whatever ended it: what was captured is written, and what was lost is told
    let result = result.and_then(|()| pipeline.output.flush());
    let saved = match pipeline.save.take() {
        Some(save) => save.finish(&ended(&mut taps.all, begin)),
        None => Ok(()),
    };
    let selected = pipeline.selected;
    if args.print.count_only {
        packets::count(&mut pipeline.output, selected);
        pipeline.output.flush()?;
    }
    if let Some(warning) = pipeline.warning() {
        told.tell(warning);
    }
    told.statistics(&taps.statistics(), selected);
    result.and(saved)?;
    told.result(&taps)
}

/// Who was asked for with `-Z` may not do what the caller may.
fn as_user(args: &LiveArgs, failure: Failure) -> Failure {
    match (&args.user, failure) {
        (Some(user), Failure::Usage(text)) => Failure::Usage(format!("{text} (as {user}, see -Z)")),
        (_, failure) => failure,
    }
}

/// How packets of these devices are printed.
fn style(args: &PacketArgs, taps: &Taps, terminal: &Terminal) -> Style {
    let mut style = Style::new(&args.print, terminal);
    let names = taps.devices.iter().map(|device| (device.index, device.name.clone()));
    style.rest.interface_names(names.collect());
    if taps.all.len() > 1 || taps.all.iter().any(Tap::is_any) {
        style.rest.tell_devices();
    }
    style
}

/// What is still needed after everything is open.
fn sandbox(plan: Option<&save::Plan>) -> Sandbox {
    Sandbox {
        writable: plan.filter(|p| p.rotates()).map(|p| p.folder().to_owned()),
        commands: plan.is_some_and(save::Plan::runs_commands),
        ..Sandbox::default()
    }
}

/// The loop over all frames of all devices.
fn capture(
    taps: &mut Taps,
    following: &mut Following,
    pipeline: &mut Pipeline<'_>,
    signals: &Signals,
    told: &mut Told<'_>,
) -> Result<(), Failure> {
    let mut carriages = Carriages::of(following.kernel());
    while !signals.stop() && !taps.is_over() {
        if signals.report() {
            told.statistics(&taps.statistics(), pipeline.selected);
        }
        if let Some(map) = following.changed() {
            carriages = Carriages::of(following.kernel());
            pipeline.map_changed(Arc::new(map));
            taps.map_changed(&mut pipeline.selection, &pipeline.map)?;
        }
        match round(taps, &carriages, pipeline, &mut |error| told.lost(&error))? {
            Round::Enough => return Ok(()),
            Round::Frames => {}
            Round::Nothing => {
                // nothing more for now: whoever looks on sees all there was
                pipeline.flush()?;
                taps.wait(WAIT)?;
            }
        }
    }
    // what arrived before the signal counts
    taps.stop()?;
    while round(taps, &carriages, pipeline, &mut |error| told.lost(&error))? == Round::Frames {}
    Ok(())
}

/// What came of asking for frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Round {
    Frames,
    Nothing,
    /// As many as were asked for are there.
    Enough,
}

/// The frames that are there, at most a batch. `gone` hears of devices that went away.
pub(crate) fn round(
    taps: &mut Taps,
    carriages: &Carriages,
    pipeline: &mut Pipeline<'_>,
    gone: &mut dyn FnMut(vxcap::live::Error),
) -> Result<Round, Failure> {
    let mut came = Round::Nothing;
    for _ in 0..BATCH {
        match taps.next_frame() {
            Ok(Some(Captured { frame, interface, device })) => {
                came = Round::Frames;
                let carriage = carriages.find(device, frame.data);
                let arrival = Arrival { interface: Some(interface), file: None, carriage };
                if pipeline.frame(frame, &arrival)? == Next::Enough {
                    return Ok(Round::Enough);
                }
            }
            Ok(None) => break,
            Err(error) => gone(error),
        }
    }
    Ok(came)
}

/// What the frames are captured for.
fn purpose(args: &PacketArgs, selects: bool) -> Purpose {
    let write = &args.write;
    let stored = write.write.as_ref().is_some_and(|path| path.as_os_str() != "-");
    if stored && !write.packet_buffered && !write.print_too {
        Purpose::Store
    } else if args.print.count_only && write.write.is_none() && selects {
        Purpose::CountSome
    } else {
        Purpose::Show
    }
}

/// What is told on stderr while the capture holds stdout.
pub(crate) struct Told<'e> {
    err: &'e mut dyn Write,
    /// Devices that went away.
    lost: usize,
}

impl<'e> Told<'e> {
    pub(crate) fn new(err: &'e mut dyn Write) -> Self {
        Self { err, lost: 0 }
    }

    pub(crate) fn tell(&mut self, message: impl std::fmt::Display) {
        let _ = writeln!(self.err, "vxdump: {message}");
    }

    /// A device went away.
    pub(crate) fn lost(&mut self, error: &vxcap::live::Error) {
        self.tell(error);
        self.lost += 1;
    }

    pub(crate) fn statistics(&mut self, sum: &Statistics, captured: u64) {
        write_statistics(self.err, sum, captured);
    }

    /// What went wrong, where devices went away.
    pub(crate) fn result(&self, taps: &Taps) -> Result<(), Failure> {
        match self.lost {
            0 => Ok(()),
            lost => Err(lost_early(lost, taps)),
        }
    }
}

/// Devices went away before the end of the capture.
pub(crate) fn lost_early(lost: usize, taps: &Taps) -> Failure {
    let all = taps.all.len();
    Failure::error(format_args!("the capture on {lost} of {all} devices ended early"))
}

/// As tcpdump's, and what was lost before the capture could see it.
pub(crate) fn write_statistics(err: &mut dyn Write, sum: &Statistics, captured: u64) {
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
            let _ = writeln!(err, "{number} packet{plural} {what}");
        }
    }
}

/// What each interface tells at the end of a capture file.
fn ended(taps: &mut [Tap], begin: Timestamp) -> Vec<Ended<'_>> {
    let end = now();
    let mut all = Vec::new();
    for (number, tap) in taps.iter_mut().enumerate() {
        let statistics = tap.statistics();
        let counts = InterfaceCounts::default()
            .start(begin)
            .end(end)
            .dropped_by_interface(statistics.interface_dropped)
            .accepted_by_filter(statistics.received)
            .dropped_by_os(statistics.dropped)
            .delivered(statistics.captured);
        let (interface, described) = (number as u32, &tap.interface);
        all.push(Ended { interface, described, time: end, counts });
    }
    all
}

/// What the clock says, by which frames are stamped.
pub(crate) fn now() -> Timestamp {
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
