//! All tests, and which were skipped.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use vxtest::Skips;

use crate::{Failure, command};

/// `cargo test` of the whole workspace, then what was skipped, and last how many tests passed.
pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let mut command = command("cargo");
    // a target that fails does not end the run: the counts are those of all targets
    command.args(["test", "--workspace", "--all-features", "--no-fail-fast"]).args(arguments);
    command.env("XTASK_TEST", "yes").stdout(Stdio::piped());
    let error = |e: io::Error| format!("cargo test: {e}");
    let mut tests = command.spawn().map_err(error)?;
    let skips = Skips::of(tests.id());
    let mut counts = Counts::default();
    if let Some(stdout) = tests.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).map_err(error)? > 0 {
            io::stdout().write_all(&line).and_then(|()| io::stdout().flush()).map_err(error)?;
            counts.add(&String::from_utf8_lossy(&line));
            line.clear();
        }
    }
    let status = tests.wait().map_err(error)?;
    let skipped = skips.map_or(0, |skips| {
        print!("\n{}", skips.summary());
        skips.read().len()
    });
    let Counts { passed, failed } = counts;
    println!("{} passed, {failed} failed, {skipped} skipped", passed.saturating_sub(skipped));
    if status.success() { Ok(()) } else { Err(format!("cargo test: {status}")) }
}

/// Tests of all targets.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Those that were skipped too: the runner does not know of them.
    passed: usize,
    failed: usize,
}

impl Counts {
    /// Adds what a line of the runner tells: `test result: ok. 3 passed; 0 failed; …`.
    fn add(&mut self, line: &str) {
        let Some((_, counts)) =
            line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        for count in counts.split("; ") {
            match count.trim().split_once(' ') {
                Some((number, "passed")) => self.passed += number.parse().unwrap_or(0),
                Some((number, "failed")) => self.failed += number.parse().unwrap_or(0),
                _ => {}
            }
        }
    }
}

/// The skipped tests of the last run, one line each.
pub(crate) fn skips(_: &[String]) -> Result<(), Failure> {
    for skipped in Skips::last().ok_or("no run has skipped a test")?.read() {
        println!("{}: {}", skipped.test, skipped.why);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Counts;

    #[test]
    fn results_of_all_targets_are_added() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n",
            "test result: FAILED. 10 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { passed: 13, failed: 2 });
    }
}
