//! The command line, as it is typed. Nothing is opened or checked against anything outside here.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

use crate::flows::command::FlowsCommand;
use crate::map::MapCommand;
use crate::packets::args::PacketArgs;
use crate::top::command::TopCommand;

/// Capture and read Kubernetes overlay traffic: pod-to-pod packets with their nodes, pods and
/// tunnels.
///
/// Prints each packet as one line, or as a JSON object or CSV row: the innermost packet in
/// tcpdump's form, then its ends in the cluster, then how it was carried.
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
  vxdump -i eth0                                      overlay traffic of this node, with names
  vxdump -r node1.pcapng --map nodes.json             what pods sent to each other
  vxdump -r node1.pcap --map nodes.json --pod shop/web-0 --inner 'tcp port 80'
  vxdump -r node1.pcap.zst --format json | jq .inner
  vxdump flows -r node1.pcapng --map nodes.json       the same as flows
  vxdump map --map nodes.json 10.244.1.7              who owns an address

Exit status:
  0  success
  1  an error on the way (a damaged file, a device that went away), after
     printing what could be read
  2  a command line that cannot be carried out"
)]
pub(crate) struct Cli {
    /// What to do instead of printing packets.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Reading and printing packets.
    #[command(flatten)]
    pub(crate) packets: PacketArgs,

    /// List the network devices with their kinds, and exit.
    #[arg(short = 'D', long = "list-interfaces", help_heading = "Other")]
    pub(crate) list_interfaces: bool,

    /// Print a completion script for SHELL, and exit.
    #[arg(long, value_name = "SHELL", help_heading = "Other")]
    pub(crate) completions: Option<clap_complete::Shell>,

    /// Print the manual page in roff, and exit.
    #[arg(long, help_heading = "Other")]
    pub(crate) man: bool,
}

/// What to do instead of printing packets.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Print flows instead of packets: who talks to whom, how well, and across which nodes.
    Flows(Box<FlowsCommand>),
    /// Print the address map, or the owner of each ADDRESS.
    Map(MapCommand),
    /// Watch who talks to whom now, on the whole screen.
    Top(Box<TopCommand>),
}

impl Cli {
    /// The words of EXPRESSION, where they count.
    fn expression(&self) -> Option<&[String]> {
        let input = match &self.command {
            None => &self.packets.input,
            Some(Command::Flows(command)) => &command.input,
            Some(Command::Top(command)) => &command.input,
            Some(Command::Map(_)) => return None,
        };
        let counts = !self.list_interfaces && input.expression_file.is_none();
        counts.then_some(&input.select.expression)
    }
}

/// Parses a command line, the program's name first.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let cli = Cli::try_parse_from(args)?;
    // `vxdump -r FILE flows` would select packets of a host of that name
    if let Some([word]) = cli.expression() {
        let mut command = Cli::command();
        if command.find_subcommand(word).is_some() {
            let message = format!("`{word}` is a command and comes first: vxdump {word} -r FILE …");
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
    }
    Ok(cli)
}
