//! The public interfaces of the libraries, as docs/public-api records them: a change is seen in the
//! diff of these files.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, command, output, root, target};

const LIBRARIES: [&str; 6] = ["vxlan", "vxcap", "podmap", "vxflow", "vxrewrite", "libpcap-shim"];
/// Of cargo-public-api: it must read what rustdoc writes, and another one may print otherwise.
const VERSION: &str = "0.52.0";

/// Compares the listings with the recorded ones, or records them with `--bless`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let bless = arguments.iter().any(|argument| argument == "--bless");
    let tool = tool()?;
    let mut changed = Vec::new();
    for library in LIBRARIES {
        let now = listing(&tool, library)?;
        let path = root().join("docs/public-api").join(library).with_extension("txt");
        let recorded = fs::read_to_string(&path).unwrap_or_default();
        if now == recorded {
            continue;
        }
        print_difference(library, &recorded, &now);
        if bless {
            write(&path, &now)?;
        } else {
            changed.push(library);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let names = changed.join(", ");
    Err(format!("{names} changed; `cargo xtask public-api --bless` records that"))
}

/// All public items of a library with all its features, without derived and blanket
/// implementations.
fn listing(tool: &Path, library: &str) -> Result<String, Failure> {
    let mut command = Command::new(tool);
    command.current_dir(root()).args(["public-api", "-sss", "--all-features", "-p", library]);
    // rustdoc's JSON is unstable. Build scripts look at the variable: what they make stays apart
    command.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", target().join("public-api"));
    output(&mut command)
}

/// cargo-public-api, installed below the target folder where it is not there.
fn tool() -> Result<PathBuf, Failure> {
    let is_right = |path: &Path| {
        let version = Command::new(path).args(["public-api", "--version"]).output();
        version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(VERSION))
    };
    let name = Path::new("cargo-public-api");
    if is_right(name) {
        return Ok(name.to_owned());
    }
    let folder = target().join("tools");
    let path = folder.join("bin").join(name);
    if !is_right(&path) {
        let mut cargo = command("cargo");
        cargo.args(["install", "cargo-public-api", "--locked", "--version", VERSION, "--quiet"]);
        crate::run(cargo.arg("--root").arg(&folder))?;
    }
    Ok(path)
}

fn print_difference(library: &str, recorded: &str, now: &str) {
    let lines = |text| str::lines(text).collect::<HashSet<_>>();
    let (old, new) = (lines(recorded), lines(now));
    println!("{library}:");
    for line in recorded.lines().filter(|line| !new.contains(line)) {
        println!("- {line}");
    }
    for line in now.lines().filter(|line| !old.contains(line)) {
        println!("+ {line}");
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().unwrap_or(path);
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|e| format!("{}: {e}", path.display()))
}
