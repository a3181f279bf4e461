//! How processes are started.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A command without input, for which no signal is ignored.
///
/// # Panics
///
/// On Linux, where `env` is not that of GNU coreutils 8.31 or newer.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command;
    if cfg!(target_os = "linux") {
        require_gnu_env();
        command = Command::new("env");
        command.arg("--default-signal").arg(program);
    } else {
        command = Command::new(program);
    }
    command.stdin(Stdio::null());
    command
}

/// Else each program would seem to fail with a usage error of `env`.
fn require_gnu_env() {
    static IS_GNU: OnceLock<bool> = OnceLock::new();
    let is_gnu = || {
        let output = Command::new("env").args(["--default-signal", "true"]).output();
        output.is_ok_and(|output| output.status.success())
    };
    assert!(
        *IS_GNU.get_or_init(is_gnu),
        "`env` does not know --default-signal: the tests need GNU coreutils, 8.31 or newer"
    );
}
