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

    /// Live: decode and print with N threads, each with buffers of its own, where one cannot keep up; all packets between
    /// two inner addresses go to one of them.
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
    /// How to print: a line, a JSON object or a CSV row a packet.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Colour in text.
    #[arg(long, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,

    /// Print the link-layer header of the innermost packet.
    #[arg(short = 'e')]
    pub(crate) link_header: bool,

    /// Print more: TTL, lengths, checksums and their state, reserved bits of tunnel headers. -vv, -vvv: still more.
    #[arg(short = 'v', action = ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print less.
    #[arg(short = 'q', long = "quick", alias = "quiet")]
    pub(crate) quiet: bool,

    /// -t: no time; -tt: seconds since 1970; -ttt: since the previous line; -tttt: with the date; -ttttt: since the
    /// first line.
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

    /// Print the bytes of the innermost packet in hex; -xx: with its link-layer header.
    #[arg(short = 'x', action = ArgAction::Count)]
    pub(crate) hex: u8,

    /// Print the bytes of the innermost packet in hex and ASCII; -XX: with its link-layer header.
    #[arg(short = 'X', action = ArgAction::Count)]
    pub(crate) hex_ascii: u8,

    /// Print the bytes of the innermost packet in ASCII; -AA: with its link-layer header.
    #[arg(short = 'A', action = ArgAction::Count)]
    pub(crate) ascii: u8,

    /// Print TCP sequence numbers as they are, not relative to the first.
    #[arg(short = 'S', long = "absolute-tcp-sequence-numbers")]
    pub(crate) absolute_sequence: bool,

    /// Print the number of the packet at the start of its line.
    #[arg(short = '#', long = "number")]
    pub(crate) number: bool,

    /// Print only how many packets there are.
    #[arg(long = "count")]
    pub(crate) count_only: bool,

    /// Write every line as it comes (as always on a terminal).
    #[arg(short = 'l')]
    pub(crate) line_buffered: bool,

    /// Addresses are always printed as numbers: taken for the sake of fingers that know tcpdump.
    #[arg(short = 'n', action = ArgAction::Count)]
    pub(crate) numeric: u8,

    /// No progress bar on stderr.
    #[arg(long)]
    pub(crate) no_progress: bool,

    /// List the link types of the input or the device, and end.
    #[arg(short = 'L', long = "list-data-link-types")]
    pub(crate) list_link_types: bool,

    /// List the clocks that can stamp the device's frames, and end.
    #[arg(short = 'J', long = "list-time-stamp-types")]
    pub(crate) list_time_stamp_types: bool,

    /// Print the compiled EXPRESSION, and end; -dd: as C, -ddd: as numbers.
    #[arg(short = 'd', action = ArgAction::Count)]
    pub(crate) dump_program: u8,
}

/// Writing packets.
#[derive(Args, Debug)]
#[command(next_help_heading = "Writing")]
pub(crate) struct WriteArgs {
    /// Write the selected packets to FILE as captured, instead of printing them; `-` is stdout. pcapng, and pcap where
    /// FILE ends in .pcap. Comments, names and secrets of the input stay behind: vxrewrite keeps them.
    #[arg(short = 'w', value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Begin a new file where one has more than SIZE million bytes (or KiB, MiB, GiB, with k, m, g): FILE, FILE1, FILE2 …
    #[arg(short = 'C', value_name = "SIZE", requires = "write")]
    pub(crate) rotate_size: Option<String>,

    /// Begin a new file every SECONDS; FILE may have the fields of strftime(3).
    #[arg(short = 'G', value_name = "SECONDS", requires = "write", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) rotate_seconds: Option<u64>,

    /// With -C: write this many files (in each period of -G), then begin with the first again. With -G alone: end after this many.
    #[arg(short = 'W', value_name = "N", requires = "write", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rotate_files: Option<u32>,

    /// Run COMMAND with the name of each file that is complete.
    #[arg(short = 'z', value_name = "COMMAND", requires = "write")]
    pub(crate) after_rotation: Option<String>,

    /// Write every packet out as it comes.
    #[arg(short = 'U', long = "packet-buffered")]
    pub(crate) packet_buffered: bool,

    /// Print too, with -w.
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
