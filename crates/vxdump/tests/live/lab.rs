//! Captures that run in the lab.

use std::process::ExitStatus;
use std::thread;
use std::time::Duration;

use vxtest::{Lab, Running, command, tool};

/// The built program.
pub(crate) const VXDUMP: &str = env!("CARGO_BIN_EXE_vxdump");

/// Starts vxdump on devices of a node or pod, and waits until it listens on all of them.
pub(crate) fn vxdump(lab: &Lab, place: &str, arguments: &[&str]) -> Running {
    let mut command = command(VXDUMP);
    command.args(["--netns", &lab.netns(place)]).args(arguments);
    let devices = arguments.iter().filter(|argument| **argument == "-i").count();
    Running::start(&mut command).listening(devices)
}

/// Starts a program in a network namespace, and waits until it listens.
pub(crate) fn inside(netns: &str, program: &str, arguments: &[&str]) -> Running {
    let mut command = command("ip");
    command.args(["netns", "exec", netns, program]).args(arguments);
    Running::start(&mut command).listening(1)
}

/// What vxdump prints of a node or pod without capturing.
pub(crate) fn listing(lab: &Lab, place: &str, arguments: &[&str]) -> String {
    tool(VXDUMP, [&["--netns", &lab.netns(place)], arguments].concat())
}

/// Sends a signal at once: a capture shows what came before it. Gives status, stdout, stderr.
pub(crate) fn end(mut running: Running, signal: &str) -> (ExitStatus, String, String) {
    running.signal(signal);
    running.ended()
}

/// Sends a signal after what came has had time to come through. What waits in the kernel comes to
/// tcpdump after a second, and is lost by a signal before; by SIGKILL to anybody.
pub(crate) fn end_later(running: Running, signal: &str) -> (ExitStatus, String, String) {
    thread::sleep(Duration::from_millis(1300));
    end(running, signal)
}
