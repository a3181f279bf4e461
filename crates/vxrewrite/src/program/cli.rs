//! The command line as typed. Nothing is opened or checked here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use vxcli::args::{MapArgs, ReadArgs, SelectArgs};

/// The help of `--map`.
const MAP_HELP: &str = "Where names come from: kubectl's JSON or YAML of nodes, pods, services, endpointslices; flannel's \
    subnet.env; or lines `CIDR NAME`. May be repeated";

/// Rewrite capture files so that Wireshark and other tools understand overlay traffic, and lose
/// nothing.
///
/// What no action changes is kept byte for byte: times, comments, names, interfaces, decryption
/// secrets, unknown blocks.
#[derive(Parser, Debug)]
#[command(
    name = "vxrewrite",
    version,
    max_term_width = 100,
    override_usage = "vxrewrite -r FILE [-r FILE]... -w OUT [ACTIONS] [EXPRESSION]",
    // both programs have the option; only the one that captures can ask this node's kernel
    mut_arg("map", |map| map.help(MAP_HELP)),
    after_help = "\
Examples:
  vxrewrite -r node.pcapng -w pods.pcapng --decap --annotate --map nodes.json
  vxrewrite -r node.pcap -w wireshark.pcap --to-port 4789     Wireshark decodes VXLAN without being told
  vxrewrite -r n1.pcap -r n2.pcap -w both.pcapng.zst          merged in time order
  vxrewrite -r node.pcap -w - --vni 1 | wireshark -k -i -

Exit status:
  0  all went well
  1  an error on the way (a damaged file), after writing what could be read
  2  a command line that cannot be carried out"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) files: FileArgs,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    #[command(flatten)]
    pub(crate) map: MapArgs,

    #[command(flatten)]
    pub(crate) actions: ActionArgs,

    /// Print a completion script for SHELL.
    #[arg(long, value_name = "SHELL", help_heading = "Other")]
    pub(crate) completions: Option<clap_complete::Shell>,

    /// Print the manual page in roff.
    #[arg(long, help_heading = "Other")]
    pub(crate) man: bool,
}

/// What is read, and what is written.
#[derive(Args, Debug)]
#[command(next_help_heading = "Files")]
pub(crate) struct FileArgs {
    #[command(flatten)]
    pub(crate) input: ReadArgs,

    /// Write to OUT, compressed if it ends in .gz, .zst or .lz4. `-` is stdout. OUT appears when it
    /// is complete, and is never one of the inputs.
    #[arg(short = 'w', value_name = "OUT")]
    pub(crate) write: Option<PathBuf>,

    /// The format of OUT. By default it follows OUT's ending (.pcap, .pcapng), else the first
    /// input.
    #[arg(short = 'F', value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<Format>,
}

/// What is done to packets.
#[derive(Args, Debug)]
#[command(next_help_heading = "Actions")]
#[allow(clippy::struct_excessive_bools)] // actions, each on its own
pub(crate) struct ActionArgs {
    /// Put the inner frame in place of the outer one, on an interface of its own for each VNI.
    /// Nested tunnels are removed to the innermost frame, or one level with =1. Packets in no
    /// tunnel stay as they are.
    #[arg(
        long,
        value_name = "LEVELS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "all",
        value_enum
    )]
    pub(crate) decap: Option<Levels>,

    /// Give tunnels the destination port P. With 4789, Wireshark decodes VXLAN without being told.
    /// Checksums that were right stay right.
    #[arg(long, value_name = "P", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) to_port: Option<u16>,

    /// Add names for Wireshark: name resolution for the map's addresses, and a comment to each
    /// packet with its ends and its tunnels. pcapng only.
    #[arg(long)]
    pub(crate) annotate: bool,

    /// Replace IP and MAC addresses in all headers at every level, with the key in KEYFILE (32
    /// bytes, or 64 hexadecimal digits). Prefixes are preserved (the `pfx` mode of `IPcrypt`).
    /// Checksums that were right stay right. Payloads of TCP and UDP stay, with the addresses in
    /// DNS, DHCP or HTTP: --headers-only cuts them off. Packets whose contents could not be
    /// inspected are counted and reported.
    #[arg(long, value_name = "KEYFILE", conflicts_with = "annotate")]
    pub(crate) anonymize: Option<PathBuf>,

    /// Write one file for each VNI, sending node or inner flow. With OUT `a.pcap`, the files are
    /// `a-KEY.pcap`.
    #[arg(long, value_name = "KEY", value_enum)]
    pub(crate) split: Option<SplitBy>,

    /// Keep one copy of a packet that was captured at several points (veth, cni0, flannel.1, eth0),
    /// and report how many were merged.
    #[arg(long)]
    pub(crate) dedup: bool,

    /// Copies are at most SECONDS apart.
    #[arg(long, value_name = "SECONDS", default_value = "1", requires = "dedup", value_parser = seconds)]
    pub(crate) dedup_window: Duration,

    /// Cut packets to at most N bytes.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) snaplen: Option<u32>,

    /// Keep only packets in a tunnel.
    #[arg(long)]
    pub(crate) tunnel_only: bool,

    /// Keep all headers of each packet and no payload, through tunnels and other carriers and in
    /// packets that ICMP errors quote.
    #[arg(long)]
    pub(crate) headers_only: bool,
}

/// Formats, by the names that editcap has for them.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// pcap with times in microseconds.
    Pcap,
    /// pcap with times in nanoseconds.
    Nsecpcap,
    /// pcapng.
    Pcapng,
}

/// How many levels of tunnels are removed.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Levels {
    /// Every tunnel: the innermost frame stays.
    All,
    /// The outermost tunnel.
    #[value(name = "1")]
    One,
}

/// By what packets are split.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SplitBy {
    /// The VNI of the innermost tunnel.
    Vni,
    /// The node of the inner packet's sender, else of its receiver.
    Node,
    /// The inner flow, both directions together.
    Flow,
}

/// Parses a command line, the program's name first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    Cli::try_parse_from(args)
}

/// Seconds with decimals, up to an hour.
fn seconds(text: &str) -> Result<Duration, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=3600.0).contains(&seconds) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("not a number of seconds of 0 to 3600".to_owned()),
    }
}
