//! The README's example of flows, as a terminal of 100 columns shows it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::tool;

#[test]
fn shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let readme = fs::read_to_string(root.join("README.md")).expect("a README");
    let (_, section) = readme.split_once("\n## Flows\n").expect("a section on flows");
    let command = section.lines().find_map(|line| line.strip_prefix("    vxdump ")).expect("one");
    let (_, block) = section.split_once("```text\n").expect("an output");
    let (block, _) = block.split_once("```").expect("its end");
    assert!(tool("script", &["--version"]).contains("util-linux"));
    let program = env!("CARGO_BIN_EXE_vxdump");
    let script = format!("stty cols 100 rows 24; {program} {command}");
    let output = Command::new("script")
        .args(["-qec", &script, "/dev/null"])
        .current_dir(root)
        .output()
        .expect("script can be run");
    let printed = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    assert_eq!(printed, block, "{script}");
}
