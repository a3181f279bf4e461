//! Runs the program, and finds the captures.

use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;
use vxtest::{files_below, testdata};

/// The built program.
pub(crate) const VXDUMP: &str = env!("CARGO_BIN_EXE_vxdump");

/// `vxdump flows` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Output {
    vxtest::run(VXDUMP, [&["flows"], arguments].concat())
}

/// What it printed, where nothing may go wrong but a damaged file.
pub(crate) fn text(arguments: &[&str]) -> String {
    let output = run(arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 1)), "{arguments:?}: {said}");
    String::from_utf8(output.stdout).expect("the program prints UTF-8")
}

/// The flows of a file.
pub(crate) fn flows(path: &Path, arguments: &[&str]) -> Vec<Value> {
    let path = path.to_str().expect("a name in UTF-8");
    let arguments = [&["-r", path, "--format", "json"], arguments].concat();
    let text = text(&arguments);
    text.lines().map(|line| serde_json::from_str(line).expect("a line is an object")).collect()
}

/// A capture that comes with the project.
pub(crate) fn bundled(name: &str) -> PathBuf {
    testdata("captures").join(name)
}

/// All capture files below `folder`, in order.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    files_below(folder, &["pcap", "pcapng"])
}
