//! All tests, and which were skipped.

use std::io::Write as _;

use vxtest::Skips;

use crate::{Failure, command};

/// `cargo test` of the whole workspace, and then what was skipped.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut command = command("cargo");
    command.args(["test", "--workspace", "--all-features"]).args(arguments);
    command.env("XTASK_TEST", "yes");
    let mut tests = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let skips = Skips::of(tests.id());
    let status = tests.wait().map_err(|e| format!("{command:?}: {e}"))?;
    if let Some(skips) = skips {
        print!("\n{}", skips.summary());
        let _ = std::io::stdout().flush();
    }
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// The skipped tests of the last run, one line each.
pub(crate) fn skips(_: &[String]) -> Result<(), Failure> {
    for skipped in Skips::last().ok_or("no run has skipped a test")?.read() {
        println!("{}: {}", skipped.test, skipped.why);
    }
    Ok(())
}
