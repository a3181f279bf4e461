//! Packets of devices, by one thread, until a signal or a number ends it.

use std::sync::Arc;

use vxcap::Timestamp;
use vxcap::live::{Error, Statistics};
use vxcap::write::InterfaceCounts;
use vxcli::{Failure, Terminal};

use super::args::PacketArgs;
use super::pipeline::Pipeline;
use super::save::{self, Ended, Save};
use super::style::Style;
use super::threads::{self, Printing};
use super::{count, print_program};
use crate::input::capture::{Next, Watch, capture};
use crate::input::carriages::Carriages;
use crate::input::clock::now;
use crate::input::devices;
use crate::input::following::Known;
use crate::input::open::{Opened, Plan, Session};
use crate::input::report::Report;
use crate::input::sandbox::Sandbox;
use crate::input::taps::{DeviceFrame, Purpose, Tap, Taps};
use crate::input::wanted::Wanted;
use crate::out::output::Output;

/// `vxdump -i`.
pub(super) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    let print = &args.print;
    if print.list_link_types || print.list_time_stamp_types {
        let netns = args.input.live.netns()?;
        let devices = args.input.devices()?;
        return devices::list_choices(&devices, netns.as_ref(), print.list_link_types, terminal);
    }
    let plan = Plan::new(&args.input, terminal)?;
    if print.dump_program > 0 {
        return print_program(&plan.program()?, print.dump_program, terminal);
    }

    let threads = args.threads.map_or(1, usize::from);
    if threads > 1 && args.write.write.is_some() {
        return Err(Failure::usage(
            "--threads shares the printing of packets; -w writes them with one thread",
        ));
    }
    let saved = args.plan()?;
    let purpose = purpose(args, plan.text().is_some());
    let session = plan.open_for(threads, purpose, terminal)?;
    if threads > 1 {
        args.input.live.rights().give_up(Sandbox::default(), terminal)?;
        let style = || style(args, &session.opened.taps, terminal);
        let (head, rests) = (style().head, (0..threads).map(|_| style().rest).collect());
        let watched = terminal.out_is_terminal || args.print.line_buffered;
        let output = Output::new(&mut *terminal.out, watched);
        let report = Report::new(&mut *terminal.err);
        let (printed, most) = (args.prints(), args.input.most_packets());
        return threads::run(session, Printing { head, rests, output, report, printed, most });
    }
    alone(args, session, saved, terminal)
}

/// Captures with one thread.
fn alone(
    args: &PacketArgs,
    session: Session,
    saved: Option<save::Plan>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let Session { opened, known, mut orders, .. } = session;
    let Opened { mut taps, wanted, device_names } = opened;
    let style = style(args, &taps, terminal);
    let save = begin(args, saved, &taps, terminal)?;
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let output = Output::new(&mut *terminal.out, watched);
    let (printed, most) = (args.prints(), args.input.most_packets());
    let mut pipeline = Pipeline::new(wanted, style, save, output, printed, most);
    pipeline.devices = device_names;
    let begin = now();
    let report = Report::new(&mut *terminal.err);
    let mut watch = Packets { pipeline, carriages: known.carriages, report };
    let result = capture(&mut taps, &mut orders, &mut watch);

    // whatever ended it: what was captured is written, and what was lost is told
    let Packets { mut pipeline, mut report, .. } = watch;
    if args.print.count_only {
        count(&mut pipeline.output, pipeline.selected);
    }
    let flushed = pipeline.output.flush();
    let saved = match pipeline.save.take() {
        Some(save) => save.finish(&ended(&mut taps.all, begin)),
        None => Ok(()),
    };
    if let Some(warning) = pipeline.warning() {
        report.tell(warning);
    }
    report.statistics(&taps.statistics(), pipeline.selected);
    result.and(flushed).and(saved)?;
    report.result(&taps)
}

/// Gives up rights and begins the first file: as the user of `-Z`, who owns it, and before the
/// sandbox, in which only files of its folder can be opened.
fn begin(
    args: &PacketArgs,
    saved: Option<save::Plan>,
    taps: &Taps,
    terminal: &mut Terminal,
) -> Result<Option<Save>, Failure> {
    if saved.as_ref().is_some_and(save::Plan::is_pcap) {
        let mut types = taps.all.iter().map(|tap| tap.interface.link_type);
        let first = types.next();
        if types.any(|link_type| Some(link_type) != first) {
            return Err(Failure::usage(
                "the devices have frames of several link types, and a pcap file has one: write pcapng",
            ));
        }
    }
    let rights = args.input.live.rights();
    let sandbox = Sandbox {
        writable: saved.as_ref().filter(|p| p.rotates()).map(|p| p.folder().to_owned()),
        commands: saved.as_ref().is_some_and(save::Plan::runs_commands),
        ..Sandbox::default()
    };
    rights.assume_user()?;
    let save = saved.map(Save::begin).transpose().map_err(|failure| rights.as_user(failure))?;
    rights.enter(sandbox, terminal);
    Ok(save)
}

/// How packets of these devices are printed.
fn style(args: &PacketArgs, taps: &Taps, terminal: &Terminal) -> Style {
    let mut style = Style::new(&args.print.look(terminal));
    let names = taps.devices.iter().map(|device| (device.index, device.name.clone()));
    style.rest.interface_names(names.collect());
    if taps.all.len() > 1 || taps.all.iter().any(Tap::is_any) {
        style.rest.tell_devices();
    }
    style
}

/// Prints and saves packets.
struct Packets<'p> {
    pipeline: Pipeline<'p>,
    carriages: Arc<Carriages>,
    report: Report<'p>,
}

impl Watch for Packets<'_> {
    fn wanted(&mut self) -> &mut Wanted {
        &mut self.pipeline.wanted
    }

    #[inline]
    fn frame(&mut self, captured: DeviceFrame<'_>) -> Result<Next, Failure> {
        self.pipeline.captured(captured, &self.carriages)
    }

    fn turn(&mut self, _: &mut Taps, came: bool) -> Result<Next, Failure> {
        if !came {
            // nothing more for now: whoever looks on sees all there was
            self.pipeline.flush()?;
        }
        Ok(Next::Continue)
    }

    fn map_changed(&mut self, known: &Known) {
        self.carriages = Arc::clone(&known.carriages);
    }

    fn report(&mut self, statistics: &Statistics) {
        self.report.statistics(statistics, self.pipeline.selected);
    }

    fn lost(&mut self, error: Error) {
        self.report.lost(&error);
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
