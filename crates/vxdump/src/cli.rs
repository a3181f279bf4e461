//! The command line, as it is typed. Nothing is opened or checked against anything outside here.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use vxcli::Failure;
use vxcli::args::{MapArgs, SelectArgs, TunnelArgs};

use crate::flows::command::FlowsCommand;
use crate::out::format::Format;
use crate::top::command::TopCommand;

/// Capture and read Kubernetes overlay traffic: pod-to-pod packets with their nodes, pods and tunnels.
///
/// Prints one line (or one JSON object) a packet: the innermost packet in tcpdump's form, then where it goes in the
/// cluster, then how it was carried.
#[derive(Parser, Debug)]
#[command(
    name = "vxdump",
    version,
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "\
Examples:
  vxdump -r node1.pcapng --map nodes.json             what pods said to each other
  vxdump -r node1.pcap --map nodes.json --pod shop/web-0 --inner 'tcp port 80'
  vxdump -r node1.pcap.zst --format json | jq .inner
  vxdump map --map nodes.json 10.244.1.7              who owns an address

Exit status:
  0  all went well
  1  an error on the way (a damaged file), after printing what could be read
  2  a command line that cannot be carried out"
)]
pub(crate) struct Cli {
    /// What to do instead of printing packets.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Reading and printing packets.
    #[command(flatten)]
    pub(crate) packets: PacketArgs,

    /// List the network devices with their kind, and end.
    #[arg(short = 'D', long = "list-interfaces", help_heading = "Other")]
    pub(crate) list_interfaces: bool,

    /// Print a completion script for SHELL, and end.
    #[arg(long, value_name = "SHELL", help_heading = "Other")]
    pub(crate) completions: Option<clap_complete::Shell>,

    /// Print the manual page, in roff, and end.
    #[arg(long, help_heading = "Other")]
    pub(crate) man: bool,
}

/// What to do instead of printing packets.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print inner flows instead of packets: who talks to whom, how well, across which nodes.
    Flows(Box<FlowsCommand>),
    /// Print the address map, or who owns each ADDRESS.
    Map(MapCommand),
    /// Watch who talks to whom now, on a whole screen.
    Top(Box<TopCommand>),
}

/// `vxdump map`.
#[derive(Args, Debug)]
pub(crate) struct MapCommand {
    #[command(flatten)]
    pub(crate) map: MapArgs,

    /// How to print.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Addresses to look up; without any, the whole map is printed.
    #[arg(value_name = "ADDRESS")]
    pub(crate) addresses: Vec<String>,
}

/// Reading and printing packets.
#[derive(Args, Debug)]
pub(crate) struct PacketArgs {
    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    #[command(flatten)]
    pub(crate) map: MapArgs,

    #[command(flatten)]
    pub(crate) print: PrintArgs,

    #[command(flatten)]
    pub(crate) write: WriteArgs,

    /// Live: decode and print with N threads, each with buffers of its own, where one cannot keep up; all packets between
    /// two inner addresses go to one of them.
    #[arg(long, value_name = "N", help_heading = "Live capture", requires = "interface", conflicts_with = "read", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) threads: Option<u16>,
}

/// Where packets come from.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    /// Read packets from FILE: pcap or pcapng, also compressed (.gz .zst .lz4); `-` is stdin. May be repeated: the
    /// files are merged in time order.
    #[arg(short = 'r', value_name = "FILE")]
    pub(crate) read: Vec<PathBuf>,

    /// Take at most N bytes of each frame into account.
    #[arg(short = 's', long = "snapshot-length", value_name = "N")]
    pub(crate) snaplen: Option<u32>,

    #[command(flatten)]
    pub(crate) tunnel: TunnelArgs,

    /// Read EXPRESSION from FILE; one on the command line is ignored then.
    #[arg(short = 'F', value_name = "FILE")]
    pub(crate) expression_file: Option<PathBuf>,

    /// End after N packets.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    #[command(flatten)]
    pub(crate) live: LiveArgs,
}

impl InputArgs {
    /// How many bytes of a frame count: `-s 0` and none mean all, as with tcpdump.
    pub(crate) fn most_bytes(&self) -> usize {
        self.snaplen.filter(|&n| n != 0).map_or(usize::MAX, |n| n as usize)
    }

    /// # Errors
    ///
    /// [`Failure::Usage`] where no file is named to read; `expression`: the words as typed.
    pub(crate) fn needs_files(&self, expression: &[String]) -> Result<(), Failure> {
        if self.read.is_empty() {
            let ways = "a capture file with -r FILE, or a device with -i";
            return Err(Failure::nothing_to_read(ways, expression));
        }
        Ok(())
    }
}

/// Capturing live.
#[derive(Args, Debug)]
#[command(next_help_heading = "Live capture")]
#[allow(clippy::struct_excessive_bools)] // tcpdump's flags
pub(crate) struct LiveArgs {
    /// Capture live on device IF, a name or a number of -D; `any` is all of them. May be repeated. On an underlay device (a physical one) only
    /// overlay traffic is shown, unless --all is given.
    #[arg(short = 'i', long = "interface", value_name = "IF", conflicts_with = "read")]
    pub(crate) interface: Vec<String>,

    /// Capture inside this network namespace: a name of `ip netns`, a path, or pid:N (a pod's pause process).
    #[arg(long, value_name = "NAME|PATH|pid:N", conflicts_with = "read")]
    pub(crate) netns: Option<String>,

    /// On an underlay device: everything, not only overlay traffic.
    #[arg(long)]
    pub(crate) all: bool,

    /// Size of the capture buffer in KiB (default: 32768).
    #[arg(short = 'B', long = "buffer-size", value_name = "KIB", value_parser = clap::value_parser!(u32).range(1..=2_097_151))]
    pub(crate) buffer: Option<u32>,

    /// Only frames that come in, go out, or both (default).
    #[arg(short = 'Q', long = "direction", value_enum, value_name = "DIRECTION")]
    pub(crate) direction: Option<Direction>,

    /// Do not put the device into promiscuous mode.
    #[arg(short = 'p', long = "no-promiscuous-mode")]
    pub(crate) no_promiscuous: bool,

    /// What frames shall begin with, where the device has a choice (-L lists it).
    #[arg(short = 'y', long = "linktype", value_name = "TYPE")]
    pub(crate) link_type: Option<String>,

    /// Whose clock stamps frames; the host's is the only one there is (-J).
    #[arg(short = 'j', long = "time-stamp-type", value_name = "TYPE")]
    pub(crate) time_stamp_type: Option<String>,

    /// Show frames within a millisecond or two.
    #[arg(long)]
    pub(crate) immediate_mode: bool,

    /// What captures: our own ring, or libpcap.
    #[arg(long, value_enum, default_value_t = Backend::Ring)]
    pub(crate) backend: Backend,

    /// Go on as USER after the devices and the first file are open.
    #[arg(short = 'Z', long = "relinquish-privileges", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Keep rights, files and system calls that a capture does not need.
    #[arg(long)]
    pub(crate) no_sandbox: bool,

    /// Decide on every frame in user space, none in the kernel. The result is the same.
    #[arg(long)]
    pub(crate) no_pushdown: bool,
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

/// Which way frames go.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Received frames.
    In,
    /// Sent frames.
    Out,
    /// Both.
    Inout,
}

/// What captures.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// Our own ring (Linux).
    Ring,
    /// libpcap.
    Pcap,
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

/// Parses a command line, the program's name first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args)
}
