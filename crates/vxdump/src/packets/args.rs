//! The command line of `vxdump` without a command, as it is typed, and what it means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, ValueEnum};
use vxcli::{Failure, Terminal};

use super::save::Plan;
use super::style::Look;
use crate::input::args::InputArgs;
use crate::out::format::Format;
use crate::text::Options;
use crate::text::time::{self, Mode};

/// Reading and printing packets.
#[derive(Args, Debug)]
pub(crate) struct PacketArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) print: PrintArgs,

    #[command(flatten)]
    pub(crate) write: WriteArgs,

    /// Decode and print with N threads, where one cannot keep up. Each has its own buffers. All
    /// packets between two inner addresses go to the same thread.
    #[arg(long, value_name = "N", help_heading = "Live capture", requires = "interface", conflicts_with = "read", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
}

impl PacketArgs {
    /// Are packets printed, rather than only counted or saved?
    pub(crate) fn prints(&self) -> bool {
        !self.print.count_only && (self.write.write.is_none() || self.write.print_too)
    }

    /// Where packets are saved, if they are.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where that cannot be, or would write over what is read.
    pub(crate) fn plan(&self) -> Result<Option<Plan>, Failure> {
        let Some(plan) = self.write.plan()? else { return Ok(None) };
        if plan.is_stdout() && (self.write.print_too || self.print.count_only) {
            return Err(Failure::usage("stdout cannot take packets (-w -) and text at once"));
        }
        plan.refuse_over(self.input.files())?;
        Ok(Some(plan))
    }
}

/// How packets are printed.
#[derive(Args, Debug)]
#[command(next_help_heading = "Output")]
#[allow(clippy::struct_excessive_bools)] // tcpdump's flags
pub(crate) struct PrintArgs {
    /// Print each packet as a line in tcpdump's form with names and tunnels, as a JSON object, or
    /// as a CSV row.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// When to colour text.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,

    /// Print the link-layer header of the innermost packet.
    #[arg(short = 'e')]
    pub(crate) link_header: bool,

    /// Print more: TTL, lengths, the state of checksums, and reserved bits of tunnel headers. -vv
    /// and -vvv print still more.
    #[arg(short = 'v', action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print less of each protocol.
    #[arg(short = 'q', long = "quick", alias = "quiet")]
    pub(crate) quiet: bool,

    /// -t: no time; -tt: seconds since 1970; -ttt: time since the previous line; -tttt: date and
    /// time; -ttttt: time since the first line.
    #[arg(short = 't', action = ArgAction::Count, value_parser = clap::value_parser!(u8).range(..=5))]
    pub(crate) time: u8,

    /// The precision of times in text.
    #[arg(long, value_enum, default_value_t = Precision::Micro)]
    pub(crate) time_stamp_precision: Precision,

    /// Shorthand for --time-stamp-precision=micro.
    #[arg(long, hide = true)]
    pub(crate) micro: bool,

    /// Shorthand for --time-stamp-precision=nano.
    #[arg(long, conflicts_with = "micro")]
    pub(crate) nano: bool,

    /// Dump the innermost packet in hex; -xx: with its link-layer header.
    #[arg(short = 'x', action = ArgAction::Count)]
    pub(crate) hex: u8,

    /// Dump the innermost packet in hex and ASCII; -XX: with its link-layer header.
    #[arg(short = 'X', action = ArgAction::Count)]
    pub(crate) hex_ascii: u8,

    /// Dump the innermost packet in ASCII; -AA: with its link-layer header.
    #[arg(short = 'A', action = ArgAction::Count)]
    pub(crate) ascii: u8,

    /// Print absolute TCP sequence numbers, not relative to the first of the connection.
    #[arg(short = 'S', long = "absolute-tcp-sequence-numbers")]
    pub(crate) absolute_sequence: bool,

    /// Print the packet's number at the start of each line.
    #[arg(short = '#', long = "number")]
    pub(crate) number: bool,

    /// Print only the number of packets.
    #[arg(long = "count")]
    pub(crate) count_only: bool,

    /// Write each line at once, as on a terminal.
    #[arg(short = 'l')]
    pub(crate) line_buffered: bool,

    /// Accepted as in tcpdump, without effect: addresses and ports are always printed as numbers.
    #[arg(short = 'n', action = ArgAction::Count)]
    pub(crate) numeric: u8,

    /// List the link types of the file or device, and exit.
    #[arg(short = 'L', long = "list-data-link-types")]
    pub(crate) list_link_types: bool,

    /// List the clocks that can stamp the device's frames, and exit.
    #[arg(short = 'J', long = "list-time-stamp-types")]
    pub(crate) list_time_stamp_types: bool,

    /// Print the program that EXPRESSION is compiled to, and exit; -dd: as C, -ddd: as numbers.
    #[arg(short = 'd', action = ArgAction::Count)]
    pub(crate) dump_program: u8,
}

/// Writing packets.
#[derive(Args, Debug)]
#[command(next_help_heading = "Writing")]
pub(crate) struct WriteArgs {
    /// Write the selected packets to FILE as they were captured, instead of printing them; `-` is
    /// stdout. The format is pcapng, or pcap if FILE ends in .pcap. Comments, names and secrets of
    /// the input are not written; use vxrewrite to keep them.
    #[arg(short = 'w', value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Begin a new file when one exceeds SIZE million bytes (with suffix k, m, g: KiB, MiB, GiB).
    /// The files are FILE, FILE1, FILE2 …
    #[arg(short = 'C', value_name = "SIZE", requires = "write")]
    pub(crate) rotate_size: Option<String>,

    /// Begin a new file every SECONDS. FILE may contain the fields of strftime(3).
    #[arg(short = 'G', value_name = "SECONDS", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rotate_seconds: Option<u64>,

    /// With -C: write N files (in each period of -G), then overwrite the first. With -G alone: stop
    /// after N files.
    #[arg(short = 'W', value_name = "N", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rotate_files: Option<u32>,

    /// Run COMMAND on each file when it is complete, with the file's name as argument.
    #[arg(short = 'z', value_name = "COMMAND", requires = "write")]
    pub(crate) after_rotation: Option<String>,

    /// Write each packet to the file at once.
    #[arg(short = 'U', long = "packet-buffered")]
    pub(crate) packet_buffered: bool,

    /// Print packets although -w writes them.
    #[arg(long = "print", requires = "write")]
    pub(crate) print_too: bool,
}

impl PrintArgs {
    /// How packets look.
    pub(crate) fn look(&self, terminal: &Terminal) -> Look {
        let is_nano = self.nano || self.time_stamp_precision == Precision::Nano;
        Look {
            format: self.format,
            time: match self.time {
                0 => Mode::TimeOfDay,
                1 => Mode::None,
                2 => Mode::Epoch,
                3 => Mode::SincePrevious,
                4 => Mode::Date,
                _ => Mode::SinceFirst,
            },
            precision: if is_nano { time::Precision::Nano } else { time::Precision::Micro },
            number: self.number,
            color: match self.color {
                Color::Always => true,
                Color::Never => false,
                Color::Auto => terminal.out_is_terminal && !terminal.no_color,
            },
            text: Options {
                link_header: self.link_header,
                verbose: self.verbose,
                quiet: self.quiet,
                absolute_sequence: self.absolute_sequence,
            },
            hex: self.hex,
            hex_ascii: self.hex_ascii,
            ascii: self.ascii,
        }
    }
}

impl WriteArgs {
    /// `None` without `-w`.
    fn plan(&self) -> Result<Option<Plan>, Failure> {
        let Some(path) = self.write.clone() else { return Ok(None) };
        let plan = Plan {
            path,
            size: self.rotate_size.as_deref().map(size).transpose()?,
            period: self.rotate_seconds.map(Duration::from_secs),
            files: self.rotate_files,
            command: self.after_rotation.clone(),
            packet_buffered: self.packet_buffered,
        };
        plan.check().map(Some)
    }
}

/// `-C`: millions of bytes, or with a suffix k, m, g KiB, MiB, GiB.
fn size(text: &str) -> Result<u64, Failure> {
    let (digits, unit) = match text.as_bytes().last() {
        Some(b'k' | b'K') => (&text[..text.len() - 1], 1 << 10),
        Some(b'm' | b'M') => (&text[..text.len() - 1], 1 << 20),
        Some(b'g' | b'G') => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1_000_000),
    };
    let size = digits.parse::<u64>().ok().and_then(|n| n.checked_mul(unit)).filter(|&n| n > 0);
    size.ok_or_else(|| Failure::usage(format_args!("-C {text}: not a size in millions of bytes")))
}

/// When to colour.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// The precision of times in text.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precision {
    /// Microseconds.
    Micro,
    /// Nanoseconds.
    Nano,
}
