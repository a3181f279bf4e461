//! The vxdump program: hands the process's arguments and streams to the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(vxdump::run(std::env::args_os(), &mut vxdump::Terminal::of_process("vxdump")))
}
