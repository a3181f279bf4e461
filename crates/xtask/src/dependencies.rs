//! What the published crates bring with them: how many crates, and the Rust that these need.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::packages::{self, Package};
use crate::{Failure, command, output};

/// Features of vxcap, and how many crates it may bring with them, itself included.
const LIMITS: [(&str, usize); 2] = [("", 10), ("gzip,zstd,lz4", 30)];

/// Checks the number of crates that vxcap brings, and the Rust versions of all dependencies.
pub(crate) fn run(_: &[String]) -> Result<(), Failure> {
    for (features, limit) in LIMITS {
        // as `cargo tree | sort -u` counts: a crate that several others need may have two lines
        let crates = tree("vxcap", &["--no-default-features", "--features", features])?;
        println!("vxcap with {features:?}: {} crates, at most {limit}", crates.len());
        if crates.len() > limit {
            return Err(format!("too many crates: {crates:#?}"));
        }
        if features.is_empty() && crates.iter().any(|name| name.starts_with("cc ")) {
            return Err("reading a pcap file needs a C compiler".to_owned());
        }
    }
    rust_versions()
}

/// The crates that a package brings, itself included: `name vVERSION` and more, such as `(*)`.
fn tree(package: &str, options: &[&str]) -> Result<BTreeSet<String>, Failure> {
    let mut cargo = command("cargo");
    cargo.args(["tree", "-p", package, "-e", "normal,build", "--prefix", "none"]).args(options);
    Ok(output(&mut cargo)?.lines().map(str::to_owned).collect())
}

/// No dependency of a published crate says that it needs a newer Rust than the crate does.
fn rust_versions() -> Result<(), Failure> {
    let text = output(command("cargo").args(["metadata", "--format-version", "1"]))?;
    let metadata: Value = serde_json::from_str(&text).map_err(|e| e.to_string())?;
    let mut stated = HashMap::new();
    for package in metadata["packages"].as_array().into_iter().flatten() {
        if let [Some(name), Some(version), Some(rust)] =
            ["name", "version", "rust_version"].map(|key| package[key].as_str())
        {
            stated.insert(format!("{name} v{version}"), rust.to_owned());
        }
    }
    let mut newer = Vec::new();
    for Package { name, rust_version, .. } in
        packages::all()?.iter().filter(|package| package.is_published)
    {
        for dependency in tree(name, &["--all-features"])? {
            let words: Vec<&str> = dependency.splitn(3, ' ').take(2).collect();
            let Some(rust) = stated.get(&words.join(" ")) else { continue };
            if numbers(rust) > numbers(rust_version) {
                newer.push(format!("{name} says {rust_version}; {dependency} needs {rust}"));
            }
        }
    }
    println!("dependencies that need a newer Rust: {}", newer.len());
    if newer.is_empty() { Ok(()) } else { Err(newer.join("\n")) }
}

/// A version without its last numbers, `1.88`, is one with zeros.
fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    std::array::from_fn(|_| numbers.next().unwrap_or(0))
}
