//! The program without the process's streams, signals and exit, so that tests can run it
//! in-process.

mod advice;
mod behind;
mod cli;
mod command;
mod man;
mod target;

use std::ffi::OsString;

use clap::CommandFactory;
use vxcli::{Failure, refuse};

use cli::Cli;

pub use vxcli::Terminal;

/// Runs the program; `args` begin with its name. Returns the exit status: 0, 1 for an error on the
/// way (after writing what could be read), 2 for a command line that cannot be carried out.
pub fn run(args: impl IntoIterator<Item = OsString>, terminal: &mut Terminal) -> u8 {
    let cli = match cli::parse(args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, terminal),
    };
    let result = dispatch(&cli, terminal);
    terminal.finish(result)
}

fn dispatch(cli: &Cli, terminal: &mut Terminal) -> Result<(), Failure> {
    if let Some(shell) = cli.completions {
        let mut text = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "vxrewrite", &mut text);
        return terminal.print(&text);
    }
    if cli.man {
        return terminal.print(man::page().as_bytes());
    }
    command::run(cli, terminal)
}
