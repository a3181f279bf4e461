//! The vxrewrite program: hands the process's arguments, streams and signals to the library.

use std::process::ExitCode;
use std::sync::Arc;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;
use vxrewrite::program::{self, Terminal};

/// The exit status that shells give to a program ended by a signal: 128 and the signal's number.
const ENDED_BY_SIGNAL: i32 = 128;

fn main() -> ExitCode {
    let mut terminal = Terminal::of_process("vxrewrite");
    // a closed terminal ends the run like SIGTERM does, unless nohup ignores the signal
    let hangup = (!vxcli::is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hangup) {
        // The run looks for the first signal between two packets. A second one ends a run that
        // waits for its input. Where the handlers cannot be set, the signal ends the process at
        // once, as by default.
        let status = ENDED_BY_SIGNAL + signal;
        let _ =
            flag::register_conditional_shutdown(signal, status, Arc::clone(&terminal.interrupted));
        let _ = flag::register(signal, Arc::clone(&terminal.interrupted));
    }
    ExitCode::from(program::run(std::env::args_os(), &mut terminal))
}
