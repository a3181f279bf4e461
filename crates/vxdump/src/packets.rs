//! Reading and printing packets: the program's main job.

use std::fmt::Write as _;

use podmap::PodMap;
use vxcap::Frame;
use vxcap::filter::Program;
use vxlan::{Decoder, LinkType, Packet};

use crate::cli::{Color, Format, PacketArgs, Precision, PrintArgs};
use crate::csv::{self, Csv};
use crate::failure::Failure;
use crate::json::{Json, Origin};
use crate::names::{Colors, Names};
use crate::output::Output;
use crate::progress::Progress;
use crate::save::{Plan, Save};
use crate::select::Selection;
use crate::setup;
use crate::source::{Captured, Source};
use crate::terminal::Terminal;
use crate::text::hex;
use crate::text::put;
use crate::text::time::{self, Clock, Mode};
use crate::text::{Options, Printer};
use crate::time_utc::Utc;

pub(crate) fn run(args: &PacketArgs, terminal: &mut Terminal) -> Result<(), Failure> {
    if args.input.read.is_empty() {
        return Err(Failure::usage(
            "nothing to read: give a capture file with -r FILE (see --help)",
        ));
    }
    let decoder = setup::decoder(&args.input.tunnel_port)?;
    let map = setup::map(&args.map, terminal)?;
    let mut selection = Selection::new(&args.select, &map)?;
    let mut source = Source::open(&args.input.read)?;
    if args.print.list_link_types {
        return list_link_types(&mut source, terminal);
    }
    if args.print.dump_program > 0 {
        return dump_program(&mut source, &mut selection, args.print.dump_program, terminal);
    }

    let plan = Plan::new(&args.write)?;
    if plan.as_ref().is_some_and(Plan::is_stdout) && (args.write.print_too || args.print.count_only) {
        return Err(Failure::usage("stdout cannot take packets (-w -) and text at once"));
    }
    let mut damage = Vec::new();
    let watched = terminal.out_is_terminal || args.print.line_buffered;
    let progress = Progress::new(
        terminal.err_is_terminal && !terminal.out_is_terminal && !args.print.no_progress,
    );
    let style = Style::new(&args.print, &map, terminal);
    let mut output = Output::new(&mut *terminal.out, watched);
    style.head(output.buffer());
    let save = plan.map(Save::begin).transpose()?;
    let mut run = Run { args, decoder: &decoder, map: &map, selection, style, save };
    let result = read(&mut run, &mut source, &mut output, &progress, &mut damage);
    progress.end();
    let selected = result?;
    if let Some(save) = run.save {
        save.finish(&[])?;
    }
    if args.print.count_only {
        put::decimal(output.buffer(), selected);
        put::text(output.buffer(), if selected == 1 { " packet\n" } else { " packets\n" });
    }
    output.flush()?;
    match damage.as_slice() {
        [] => Ok(()),
        [only] => Err(Failure::error(only)),
        [first, rest @ ..] => {
            terminal.tell(first);
            for error in &rest[..rest.len() - 1] {
                terminal.tell(error);
            }
            Err(Failure::error(&rest[rest.len() - 1]))
        }
    }
}

/// The loop over all frames. Returns how many were selected; damage to the input is collected, and what can be read on
/// is.
fn read(
    run: &mut Run<'_>,
    source: &mut Source,
    output: &mut Output<'_>,
    progress: &Progress,
    damage: &mut Vec<vxcap::Error>,
) -> Result<u64, Failure> {
    let Run { args, decoder, map, selection, style, save } = run;
    let printed = !args.print.count_only && (save.is_none() || args.write.print_too);
    let most = args.select.count.unwrap_or(u64::MAX);
    let snaplen = args.input.snaplen.filter(|&n| n != 0).map_or(usize::MAX, |n| n as usize);
    let (mut number, mut selected) = (0, 0);
    loop {
        progress.packet(number, || source.progress());
        let Captured { mut frame, interface, file } = match source.next_frame() {
            Ok(Some(next)) => next,
            Ok(None) => break,
            Err(error) => {
                damage.push(error);
                continue;
            }
        };
        number += 1;
        frame.data = frame.data.get(..snaplen).unwrap_or(frame.data);
        if !selection.wants_frame(&frame)? {
            continue;
        }
        let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
        let tunnel = decoder.innermost_tunnel(&packet);
        // of a first fragment only what this frame carried
        let inner_len = tunnel.map_or(frame.orig_len, |tunnel| {
            let carried = frame.orig_len.saturating_sub(tunnel.payload_offset());
            tunnel.payload_wire_len().min(carried)
        });
        if !selection.wants_packet(&packet, decoder, map, inner_len)? {
            continue;
        }
        selected += 1;
        if let (Some(save), Some(interface)) = (&mut *save, interface) {
            // -s cuts what is decoded and what is written alike
            if !save.packet(&frame, interface, None)? {
                break;
            }
        }
        if printed {
            let interface = interface.and_then(|i| i.name.as_deref());
            let origin = Origin { number, interface, file };
            let vni = tunnel.and_then(vxlan::Tunnel::vni).map(vxlan::Vni::number);
            let seen =
                Seen { frame: &frame, origin: &origin, packet: &packet, selected, vni, inner_len };
            style.write(output.buffer(), &seen, decoder);
            output.end_of_line()?;
        }
        if selected == most {
            break;
        }
    }
    Ok(selected)
}

/// What one run works with.
struct Run<'r> {
    args: &'r PacketArgs,
    decoder: &'r Decoder,
    map: &'r PodMap,
    selection: Selection,
    style: Style<'r>,
    save: Option<Save>,
}

/// A packet to be printed.
struct Seen<'a> {
    frame: &'a Frame<'a>,
    origin: &'a Origin<'a>,
    packet: &'a Packet<'a>,
    /// how many were selected, this one included
    selected: u64,
    /// of the innermost tunnel
    vni: Option<u32>,
    /// length of the innermost frame on the wire
    inner_len: u32,
}

/// How packets are printed.
enum Style<'m> {
    Text(Box<Text<'m>>),
    Json(Json<'m>),
    Csv(Csv<'m>),
}

impl<'m> Style<'m> {
    fn new(args: &PrintArgs, map: &'m PodMap, terminal: &Terminal) -> Self {
        match args.format {
            Format::Text => Self::Text(Box::new(Text::new(args, map, terminal))),
            Format::Json => Self::Json(Json { map, utc: Utc::default() }),
            Format::Csv => Self::Csv(Csv { map, utc: Utc::default() }),
        }
    }

    /// What stands before the first packet.
    fn head(&self, out: &mut Vec<u8>) {
        if let Self::Csv(_) = self {
            put::text(out, csv::COLUMNS);
        }
    }

    #[inline]
    fn write(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder) {
        match self {
            Self::Text(text) => text.write(out, seen, decoder),
            Self::Json(json) => json.write(out, seen.frame, seen.origin, seen.packet, decoder),
            Self::Csv(csv) => csv.write(out, seen.frame, seen.origin, seen.packet, decoder),
        }
    }
}

/// Lines in tcpdump's form, with names and carriage.
struct Text<'m> {
    names: Names<'m>,
    printer: Printer,
    clock: Clock,
    number: bool,
    hex: u8,
    hex_ascii: u8,
    ascii: u8,
}

impl<'m> Text<'m> {
    fn new(args: &PrintArgs, map: &'m PodMap, terminal: &Terminal) -> Self {
        let color = match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal.out_is_terminal && !terminal.no_color,
        };
        let nano = args.nano || args.time_stamp_precision == Precision::Nano;
        Self {
            names: Names {
                map,
                colors: if color { Colors::ON } else { Colors::default() },
                verbose: args.verbose > 0,
            },
            printer: Printer::new(Options {
                link_header: args.link_header,
                verbose: args.verbose,
                quiet: args.quiet,
                absolute_sequence: args.absolute_sequence,
            }),
            clock: Clock::new(
                match args.time {
                    0 => Mode::TimeOfDay,
                    1 => Mode::None,
                    2 => Mode::Epoch,
                    3 => Mode::SincePrevious,
                    4 => Mode::Date,
                    _ => Mode::SinceFirst,
                },
                if nano { time::Precision::Nano } else { time::Precision::Micro },
            ),
            number: args.number,
            hex: args.hex,
            hex_ascii: args.hex_ascii,
            ascii: args.ascii,
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder) {
        let inner = &seen.packet.inner;
        if self.number {
            put::decimal(out, seen.selected);
            put::text(out, "  ");
        }
        self.clock.write(out, seen.frame.time.nanos());
        self.printer.packet(out, inner, decoder, seen.vni, seen.inner_len);
        self.names.write(out, seen.packet, decoder);
        let (whole, network) = (inner.bytes(), inner.network_packet());
        let pick = |count: u8| if count > 1 { whole } else { network };
        // as in tcpdump, one form of dump: -A goes before -X, and that before -x
        if self.ascii > 0 {
            hex::ascii(out, pick(self.ascii));
        } else if self.hex_ascii > 0 {
            hex::hexadecimal_and_ascii(out, pick(self.hex_ascii));
        } else if self.hex > 0 {
            hex::hexadecimal(out, pick(self.hex));
        }
        out.push(b'\n');
    }
}

/// `-L`: the link types of the input's interfaces, as far as the first frame tells.
fn list_link_types(source: &mut Source, terminal: &mut Terminal) -> Result<(), Failure> {
    source.next_frame().map_err(Failure::error)?;
    let mut text = String::from("Data link types of the input:\n");
    let mut types: Vec<LinkType> = source.interfaces().iter().map(|i| i.link_type).collect();
    types.sort_unstable();
    types.dedup();
    for link_type in types {
        let _ = match link_type.name() {
            Some((name, meaning)) => writeln!(text, "  {name} ({meaning})"),
            None => writeln!(text, "  {} (not decoded)", link_type.0),
        };
    }
    print(&text, terminal)
}

/// `-d`: the compiled EXPRESSION for the link type of the input's first frame.
fn dump_program(
    source: &mut Source,
    selection: &mut Selection,
    how: u8,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let link_type = source
        .next_frame()
        .map_err(Failure::error)?
        .map_or(LinkType::ETHERNET, |captured| captured.frame.link_type);
    let program = match selection.program(link_type)? {
        Some(program) => program.clone(),
        None => Program::accept_all(),
    };
    let text = match how {
        1 => program.to_string(),
        2 => program.c_array().to_string(),
        _ => program.decimal().to_string(),
    };
    print(text.trim_end_matches('\n'), terminal).and_then(|()| print("\n", terminal))
}

fn print(text: &str, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut output = Output::new(&mut *terminal.out, false);
    put::text(output.buffer(), text);
    output.flush()
}
