//! The public interfaces of the libraries, as docs/public-api records them: a change is seen in the
//! diff of these files.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Failure, command, output, packages, root, target};

/// Libraries of the programs alone: other programs are told not to use them, and they may change
/// with every release.
const INTERNAL: [&str; 2] = ["vxcli", "vxdump"];
/// The Rust whose rustdoc made the recorded listings. Another one may write JSON that
/// cargo-public-api does not read, or print the same items otherwise.
const RUST: &str = "1.95";
/// Of cargo-public-api: it must read what rustdoc writes, and another one may print otherwise.
const VERSION: &str = "0.52.0";

/// Compares the listings with the recorded ones, or records them with `--bless`.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let bless = arguments.iter().any(|argument| argument == "--bless");
    let rust = rust()?;
    let is_recorded = rust == RUST;
    if !is_recorded && !bless {
        println!("{}", other_rust(&rust));
    }
    let tool = tool()?;
    let mut changed = Vec::new();
    let packages = packages::all()?;
    let libraries = packages.iter().filter(|package| package.is_published && package.is_library);
    for library in libraries.map(|package| package.name.as_str()) {
        if INTERNAL.contains(&library) {
            continue;
        }
        let now = match listing(&tool, library) {
            Ok(now) => now,
            Err(failure) if is_recorded || bless => {
                return Err(format!(
                    "{failure}\ncargo-public-api {VERSION} reads the JSON of Rust {RUST}; this is Rust {rust}"
                ));
            }
            Err(failure) => {
                println!("{failure}\n{}", other_rust(&rust));
                return Ok(());
            }
        };
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
    if bless && !is_recorded {
        println!(
            "recorded with Rust {rust}: change RUST of xtask's public_api.rs from {RUST} to it"
        );
    }
    if changed.is_empty() {
        return Ok(());
    }
    if !is_recorded {
        println!("{} differ: {}", changed.join(", "), other_rust(&rust));
        return Ok(());
    }
    let names = changed.join(", ");
    Err(format!("{names} changed; `cargo xtask public-api --bless` records that"))
}

fn other_rust(rust: &str) -> String {
    format!(
        "!! PUBLIC INTERFACES ARE NOT CHECKED: this is Rust {rust}, and the listings were made with Rust {RUST} !!"
    )
}

/// The installed Rust without its patch level: `1.95` of `rustc 1.95.0 (…)`.
fn rust() -> Result<String, Failure> {
    let version = output(command("rustc").arg("--version"))?;
    let number = version.split_whitespace().nth(1).unwrap_or_default();
    let (minor, _) = number.rsplit_once('.').ok_or_else(|| format!("rustc is {version}"))?;
    Ok(minor.to_owned())
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
