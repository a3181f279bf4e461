//! Runs the program, and finds the reference captures.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// `vxdump flows` with these arguments.
pub(crate) fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_vxdump"))
        .arg("flows")
        .args(arguments)
        .output()
        .expect("the program can be run")
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
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures").join(name)
}

/// The folder of the reference captures; `None`, with a message, where they are not there.
pub(crate) fn references() -> Option<PathBuf> {
    let folder = std::env::var_os("VXDUMP_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if folder.join("lab").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in {} (set VXDUMP_CAPTURES)", folder.display());
    None
}

/// All capture files below `folder`, in order.
pub(crate) fn captures(folder: &Path) -> Vec<PathBuf> {
    let (mut files, mut folders) = (Vec::new(), vec![folder.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng")
            {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A program that the tests need.
pub(crate) fn tool(name: &str, arguments: &[&str]) -> String {
    let output = Command::new(name).args(arguments).output();
    let output = output.unwrap_or_else(|e| panic!("{name} must be installed: {e}"));
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// What a Python script prints that needs `module`; `None`, with a message, where Python has no such module. The
/// interpreter is the one that `VXDUMP_PYTHON` names, else `python3`.
pub(crate) fn python(module: &str, script: &str, arguments: &[&str]) -> Option<String> {
    let interpreter = std::env::var("VXDUMP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&interpreter).args(["-c", &format!("import {module}")]).output();
    if !found.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: {interpreter} has no {module} (pip install {module}; VXDUMP_PYTHON)");
        return None;
    }
    Some(tool(&interpreter, &[&["-c", script], arguments].concat()))
}
