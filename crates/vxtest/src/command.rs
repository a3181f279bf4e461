//! How processes are started.

use std::ffi::OsStr;
use std::process::{Command, Stdio};

/// A command without input, for which no signal is ignored.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command;
    if cfg!(target_os = "linux") {
        command = Command::new("env");
        command.arg("--default-signal").arg(program);
    } else {
        command = Command::new(program);
    }
    command.stdin(Stdio::null());
    command
}
