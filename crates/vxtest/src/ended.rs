//! Programs that run as processes and end, judges among them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::command::command;
use crate::running::Running;
use crate::skip::{Missing, skip};

/// Runs a command to its end.
///
/// # Panics
///
/// Where it cannot be started, or does not end within [`PATIENCE`](crate::PATIENCE).
pub fn output(command: &mut Command) -> Output {
    Running::start(command).output()
}

/// Runs a program to its end; see [`output`].
pub fn run<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> Output {
    output(command(program).args(arguments))
}

/// What a program prints that must succeed.
///
/// # Panics
///
/// Where it fails, with what it said.
pub fn tool<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> String {
    succeeded(command(program).args(arguments)).0
}

/// What a judge prints, which must succeed and warn of nothing.
///
/// # Panics
///
/// Where it fails or warns, with what it said.
pub fn judge<A: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = A>,
) -> String {
    let mut command = command(program);
    let (printed, said) = succeeded(command.args(arguments));
    // tshark says this to root
    let warnings: String = said.lines().filter(|l| !l.starts_with("Running as user")).collect();
    assert!(warnings.is_empty(), "{command:?} warns: {warnings}");
    printed
}

/// What a command prints and says that must succeed.
fn succeeded(command: &mut Command) -> (String, String) {
    let output = output(command);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    let printed = String::from_utf8(output.stdout);
    (printed.unwrap_or_else(|e| panic!("{command:?} prints no text: {e}")), said)
}

/// What a Python script prints that needs `module`. `None` where Python does not have the module;
/// the test is then recorded as skipped.
pub fn python(module: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let python = interpreter();
    if !run(&python, ["-c", &format!("import {module}")]).status.success() {
        let why = format!("Python has no {module} (`cargo xtask judges` installs it)");
        skip(Missing::Tool, &why);
        return None;
    }
    Some(tool(python, [&["-c", script], arguments].concat()))
}

fn interpreter() -> PathBuf {
    let installed = || {
        let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let path = root.join(target).join("judges/bin/python");
        if path.exists() { path } else { "python3".into() }
    };
    std::env::var_os("VXDUMP_PYTHON").map_or_else(installed, PathBuf::from)
}
