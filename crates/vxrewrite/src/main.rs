//! The vxrewrite program: hands the process's arguments and streams to the library.

use std::process::ExitCode;

use vxrewrite::program::{self, Terminal};

fn main() -> ExitCode {
    ExitCode::from(program::run(std::env::args_os(), &mut Terminal::of_process()))
}
