//! The vxdump program as a library: everything but the process's own streams and exit, so that it
//! is tested in-process.

#![forbid(unsafe_code)]

// The public modules are for this crate's tests, which run them on devices, terminals and captures.
mod cli;
mod flows;
#[doc(hidden)]
pub mod input;
mod man;
mod map;
mod out;
mod packets;
#[doc(hidden)]
pub mod text;
#[doc(hidden)]
pub mod top;

use std::ffi::OsString;

use clap::CommandFactory;
use vxcli::{Failure, refuse};

use cli::{Cli, Command};

pub use vxcli::Terminal;

/// Runs the program; `args` begin with its name. Returns the exit status: 0, 1 for an error on the
/// way, 2 for a command line that cannot be carried out.
pub fn run(args: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> u8 {
    let cli = match cli::parse(args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, terminal),
    };
    let result = dispatch(cli, terminal);
    terminal.finish(result)
}

fn dispatch(cli: Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    if let Some(shell) = cli.completions {
        let mut script = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "vxdump", &mut script);
        return terminal.print(&script);
    }
    if cli.man {
        return terminal.print(man::page().as_bytes());
    }
    if cli.list_interfaces {
        let netns = cli.packets.input.live.netns()?;
        return input::devices::list(netns.as_ref(), terminal);
    }
    match cli.command {
        Some(Command::Flows(command)) => flows::run(&command, terminal),
        Some(Command::Map(command)) => map::run(&command, terminal),
        Some(Command::Top(command)) => top::run(&command, terminal),
        None => packets::run(&cli.packets, terminal),
    }
}

/// The README's example of the libraries compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
