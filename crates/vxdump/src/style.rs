//! How a packet is printed: a line, a JSON object or a row, as the command line says.

use podmap::PodMap;
use vxcap::Frame;
use vxcli::Terminal;
use vxlan::{Decoder, Packet};

use crate::cli::{Color, Format, Precision, PrintArgs};
use crate::csv::{self, Csv};
use crate::json::{Json, Origin};
use crate::names::{Colors, Names};
use crate::text::hex;
use crate::text::put;
use crate::text::time::{self, Clock, Mode};
use crate::text::{Options, Printer};
use crate::time_utc::Utc;

/// A packet to be printed.
pub(crate) struct Seen<'a> {
    pub(crate) frame: &'a Frame<'a>,
    pub(crate) origin: &'a Origin<'a>,
    pub(crate) packet: &'a Packet<'a>,
    /// how many were selected, this one included
    pub(crate) selected: u64,
    /// of the innermost tunnel
    pub(crate) vni: Option<u32>,
    /// length of the innermost frame on the wire
    pub(crate) inner_len: u32,
}

/// How packets are printed.
pub(crate) enum Style {
    Text(Box<Text>),
    Json(Json),
    Csv(Csv),
}

impl Style {
    pub(crate) fn new(args: &PrintArgs, terminal: &Terminal) -> Self {
        match args.format {
            Format::Text => Self::Text(Box::new(Text::new(args, terminal))),
            Format::Json => Self::Json(Json { utc: Utc::default() }),
            Format::Csv => Self::Csv(Csv { utc: Utc::default() }),
        }
    }

    /// Names for the interface indexes in Linux cooked headers.
    pub(crate) fn interface_names(&mut self, names: Vec<(u32, String)>) {
        if let Self::Text(text) = self {
            text.printer.interface_names(names);
        }
    }

    /// Tells the device of each packet, where there are several.
    pub(crate) fn tell_devices(&mut self) {
        if let Self::Text(text) = self {
            text.devices = true;
        }
    }

    /// What stands before the first packet.
    pub(crate) fn head(&self, out: &mut Vec<u8>) {
        if let Self::Csv(_) = self {
            put::text(out, csv::COLUMNS);
        }
    }

    #[inline]
    pub(crate) fn write(
        &mut self,
        out: &mut Vec<u8>,
        seen: &Seen<'_>,
        decoder: &Decoder,
        map: &PodMap,
    ) {
        match self {
            Self::Text(text) => text.write(out, seen, decoder, map),
            Self::Json(json) => json.write(out, seen.frame, seen.origin, seen.packet, decoder, map),
            Self::Csv(csv) => csv.write(out, seen.frame, seen.origin, seen.packet, decoder, map),
        }
    }
}

/// Lines in tcpdump's form, with names and carriage.
pub(crate) struct Text {
    names: Names,
    printer: Printer,
    clock: Clock,
    /// The device's name before each packet.
    devices: bool,
    number: bool,
    hex: u8,
    hex_ascii: u8,
    ascii: u8,
}

impl Text {
    fn new(args: &PrintArgs, terminal: &Terminal) -> Self {
        let color = match args.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal.out_is_terminal && !terminal.no_color,
        };
        let nano = args.nano || args.time_stamp_precision == Precision::Nano;
        Self {
            names: Names::new(if color { Colors::ON } else { Colors::default() }, args.verbose > 0),
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
            devices: false,
            number: args.number,
            hex: args.hex,
            hex_ascii: args.hex_ascii,
            ascii: args.ascii,
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder, map: &PodMap) {
        let inner = &seen.packet.inner;
        if self.number {
            // right-aligned in five places, as with tcpdump
            let places = seen.selected.max(1).ilog10() as usize + 1;
            out.resize(out.len() + 5_usize.saturating_sub(places), b' ');
            put::decimal(out, seen.selected);
            put::text(out, "  ");
        }
        self.clock.write(out, seen.frame.time.nanos());
        if let Some(device) = seen.origin.interface.filter(|_| self.devices) {
            put::text(out, device);
            out.push(b' ');
        }
        self.printer.packet(out, inner, decoder, seen.vni, seen.inner_len);
        self.names.write(out, seen.packet, decoder, map);
        let pick =
            |count: u8| if count > 1 { inner.bytes() } else { hex::behind_link_header(inner) };
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
