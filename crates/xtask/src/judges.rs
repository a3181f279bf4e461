//! The programs that tests compare with.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Failure, command, run, target};

/// Programs, and the Debian packages that have them.
const PROGRAMS: &[(&str, &str)] = &[
    ("tshark", "tshark"),
    ("editcap", "wireshark-common"),
    ("tcpdump", "tcpdump"),
    ("nfcapd", "nfdump"),
    ("ip", "iproute2"),
    ("ethtool", "ethtool"),
    ("nft", "nftables"),
    ("ping", "iputils-ping"),
    ("python3", "python3"),
    ("zstd", "zstd"),
    ("lz4", "lz4"),
    ("man", "man-db"),
    ("mandoc", "mandoc"),
    ("tmux", "tmux"),
    ("script", "bsdutils"),
    ("setpriv", "util-linux"),
];
/// Readers of Parquet and of Prometheus' format, both Python packages.
const MODULES: [&str; 2] = ["pyarrow", "prometheus_client"];

/// Installs what is missing, and prints the versions of the most important ones.
pub(crate) fn install(_: &[String]) -> Result<(), Failure> {
    let is_missing = |program: &str| {
        let found = command("sh").args(["-c", &format!("command -v {program}")]).output();
        !found.is_ok_and(|output| output.status.success())
    };
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _)| is_missing(program))
        .map(|(_, package)| *package)
        .collect();
    let needs_modules = match named_python() {
        Some(python) => !has_modules(python),
        None => !has_modules("python3") && !has_modules(python()),
    };
    if needs_modules
        && named_python().is_none()
        && !is_success(command("python3").args(["-c", "import ensurepip"]))
    {
        packages.push("python3-venv");
    }
    if !packages.is_empty() {
        if is_missing("apt-get") {
            return Err(format!("install what Debian has as {}", packages.join(", ")));
        }
        let is_root = is_success(command("sh").args(["-c", "[ $(id -u) = 0 ]"]));
        let apt_get = || {
            let mut apt_get = if is_root { command("apt-get") } else { command("sudo") };
            if !is_root {
                apt_get.args(["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"]);
            }
            apt_get.env("DEBIAN_FRONTEND", "noninteractive");
            apt_get
        };
        run(apt_get().args(["update", "-qq"]))?;
        let mut installed = apt_get();
        installed.args(["install", "-y", "-qq", "--no-install-recommends"]).args(&packages);
        run(installed.stdout(Stdio::null()))?;
    }
    if needs_modules {
        // a Python that the developer names is theirs: nothing is installed into it
        if let Some(python) = named_python() {
            let modules = MODULES.join(", ");
            return Err(format!(
                "VXDUMP_PYTHON is {}, which lacks some of {modules}",
                python.display()
            ));
        }
        run(command("python3").args(["-m", "venv"]).arg(target().join("judges")))?;
        let mut pip = Command::new(python());
        run(pip.args(["-m", "pip", "install", "-q", "--retries", "5"]).args(MODULES))?;
    }
    for program in ["tshark", "tcpdump"] {
        let version = command(program).arg("--version").output().map_err(|e| e.to_string())?;
        let version = String::from_utf8_lossy(&version.stdout).into_owned();
        println!("{}", version.lines().next().unwrap_or(program));
    }
    Ok(())
}

/// The Python with the modules; the tests (`vxtest::python`) look for it there.
fn python() -> PathBuf {
    target().join("judges/bin/python")
}

/// The Python that the tests are told to use.
fn named_python() -> Option<PathBuf> {
    env::var_os("VXDUMP_PYTHON").map(PathBuf::from)
}

fn has_modules(python: impl Into<PathBuf>) -> bool {
    let modules = format!("import {}", MODULES.join(", "));
    is_success(Command::new(python.into()).args(["-c", &modules]))
}

fn is_success(command: &mut Command) -> bool {
    command.output().is_ok_and(|output| output.status.success())
}
