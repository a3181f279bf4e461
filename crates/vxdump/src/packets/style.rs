//! How a packet is printed: a line, a JSON object or a row, as the command line says.

use podmap::PodMap;
use vxcap::Timestamp;
use vxlan::Decoder;

use super::csv;
use super::json;
use super::names::{Colors, Names};
use super::seen::Seen;
use crate::out::format::Format;
use crate::out::put;
use crate::out::time_utc::Utc;
use crate::text::device_and_direction;
use crate::text::hex;
use crate::text::time::{Clock, Mode, Precision};
use crate::text::{Options, Printer};

/// The counts up to a packet, and with it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    /// Frames that were seen.
    pub(crate) seen: u64,
    /// Packets that were selected.
    pub(crate) selected: u64,
}

/// How packets look, as plain values.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) format: Format,
    pub(crate) time: Mode,
    pub(crate) precision: Precision,
    /// The number of each packet before its line.
    pub(crate) number: bool,
    pub(crate) color: bool,
    /// Of lines in tcpdump's form.
    pub(crate) text: Options,
    /// How often -x, -X and -A were given.
    pub(crate) hex: u8,
    pub(crate) hex_ascii: u8,
    pub(crate) ascii: u8,
}

/// How packets are printed.
pub(crate) struct Style {
    pub(crate) head: Head,
    pub(crate) rest: Rest,
}

impl Style {
    pub(crate) fn new(look: &Look) -> Self {
        Self { head: Head::new(look), rest: Rest::new(look) }
    }
}

/// Writes the start of a line or object: the time, which may depend on earlier packets, and the
/// number.
pub(crate) enum Head {
    Text {
        clock: Box<Clock>,
        number: bool,
    },
    Json(Utc),
    Csv(Utc),
    /// Another thread writes it.
    Elsewhere,
}

impl Head {
    fn new(look: &Look) -> Self {
        match look.format {
            Format::Text => Self::Text {
                clock: Box::new(Clock::new(look.time, look.precision)),
                number: look.number,
            },
            Format::Json => Self::Json(Utc::default()),
            Format::Csv => Self::Csv(Utc::default()),
        }
    }

    /// What stands before the first packet.
    pub(crate) fn title(&self, out: &mut Vec<u8>) {
        if let Self::Csv(_) = self {
            csv::write_names(out);
        }
    }

    #[inline]
    pub(crate) fn write(&mut self, out: &mut Vec<u8>, time: Timestamp, numbers: Numbers) {
        match self {
            Self::Text { clock, number } => {
                if *number {
                    // right-aligned in five places, as with tcpdump
                    let places = numbers.selected.max(1).ilog10() as usize + 1;
                    out.resize(out.len() + 5_usize.saturating_sub(places), b' ');
                    put::decimal(out, numbers.selected);
                    put::text(out, "  ");
                }
                clock.write(out, time.nanos());
            }
            Self::Json(utc) => json::write_head(utc, out, time, numbers.seen),
            Self::Csv(utc) => csv::write_head(utc, out, time, numbers.seen),
            Self::Elsewhere => {}
        }
    }
}

/// What follows.
pub(crate) enum Rest {
    Text(Box<Text>),
    Json,
    Csv,
}

impl Rest {
    fn new(look: &Look) -> Self {
        match look.format {
            Format::Text => Self::Text(Box::new(Text::new(look))),
            Format::Json => Self::Json,
            Format::Csv => Self::Csv,
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
            text.printer.devices_are_told();
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
            Self::Json => json::write_rest(out, seen, decoder, map),
            Self::Csv => csv::write_rest(out, seen, decoder, map),
        }
    }
}

/// Lines in tcpdump's form but for the time, with names and carriage.
pub(crate) struct Text {
    names: Names,
    printer: Printer,
    /// The device's name before each packet.
    devices: bool,
    hex: u8,
    hex_ascii: u8,
    ascii: u8,
}

impl Text {
    fn new(look: &Look) -> Self {
        let colors = if look.color { Colors::ON } else { Colors::default() };
        let Look { hex, hex_ascii, ascii, .. } = *look;
        Self {
            names: Names::new(colors, look.text.verbose > 0),
            printer: Printer::new(look.text),
            devices: false,
            hex,
            hex_ascii,
            ascii,
        }
    }

    fn write(&mut self, out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder, map: &PodMap) {
        let inner = &seen.packet.inner;
        if self.devices {
            let outer = &seen.packet.outer;
            match (outer.sll(), seen.origin.interface) {
                (Some(cooked), device) if cooked.version() == 2 => {
                    device_and_direction(out, device, cooked.packet_type());
                }
                (_, Some(device)) => {
                    put::text(out, device);
                    out.push(b' ');
                }
                (_, None) => {}
            }
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
