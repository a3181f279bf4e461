//! Tests that cannot run here, and say so.
//!
//! Each is told on stderr at once, past the test runner, which keeps what a passing test prints.
//! The skipped tests of one run of cargo are kept in a file under `target/skipped`, from which the
//! last test target of the workspace and `cargo xtask test` print a summary.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;
use std::{env, io, thread};

/// What a test may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The rights to make network namespaces.
    Root,
    /// A program or a Python module.
    Tool,
    /// Captures that do not come with the project.
    Captures,
    /// A device that this host does not have.
    Device,
    /// The version of a program that a test compares with.
    Version,
}

impl Missing {
    /// As `VXDUMP_MAY_SKIP` has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Tool => "tool",
            Self::Captures => "captures",
            Self::Device => "device",
            Self::Version => "version",
        }
    }
}

/// Records that this test does not run, or not all of it.
///
/// # Panics
///
/// Where `VXDUMP_MAY_SKIP` is set, and does not allow it.
pub fn skip(missing: Missing, why: &str) {
    if let Ok(allowed) = env::var("VXDUMP_MAY_SKIP") {
        let is_allowed = allowed.split([',', ' ']).any(|name| name == missing.name());
        assert!(is_allowed, "{why}; VXDUMP_MAY_SKIP={allowed} does not allow that");
    }
    let skipped = Skipped { test: this_test(), why: why.to_owned() };
    // not eprintln!, which the test runner captures
    let _ = writeln!(io::stderr(), "skipped: {}: {why}", skipped.test);
    if let Some(run) = Skips::of_this_run() {
        let _ = run.add(&skipped);
    }
}

/// Is this root, who may make network namespaces? If not, the test is recorded as skipped.
pub fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let is_root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !is_root {
        skip(Missing::Root, "network namespaces need root");
    }
    is_root
}

/// Are these programs installed? If not, the test is recorded as skipped.
pub fn has_tools(names: &[&str]) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = env::split_paths(&path).collect();
    let is_there = |name: &&&str| folders.iter().any(|folder| folder.join(name).is_file());
    let Some(missing) = names.iter().find(|name| !is_there(name)) else { return true };
    skip(Missing::Tool, &format!("{missing} is not installed (`cargo xtask judges` installs it)"));
    false
}

/// Package, test program and test.
fn this_test() -> String {
    let package = env::var("CARGO_PKG_NAME").unwrap_or_default();
    let program = env::current_exe().unwrap_or_default();
    let program = program.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // cargo appends a hash
    let program = program.rsplit_once('-').map_or(program.as_str(), |(name, _)| name);
    // the test runner names the thread of a test after it
    let test = thread::current().name().unwrap_or_default().to_owned();
    format!("{package} {program} {test}").trim_start().to_owned()
}

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Package, test program and test.
    pub test: String,
    /// What it lacks.
    pub why: String,
}

/// The skipped tests of one run of cargo, in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skips(PathBuf);

impl Skips {
    /// Of the run that this process is a part of: of its parent, which is cargo.
    pub fn of_this_run() -> Option<Self> {
        #[cfg(unix)]
        return Self::of(std::os::unix::process::parent_id());
        #[cfg(not(unix))]
        return Self::of(0);
    }

    /// Of the run of a process of cargo, while that is running.
    pub fn of(cargo: u32) -> Option<Self> {
        // numbers are used again; the moment of the start, which Linux tells, is not
        let numbers = fs::read_to_string(format!("/proc/{cargo}/stat")).unwrap_or_default();
        let start = numbers.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19));
        Some(Self(folder()?.join(format!("{cargo}-{}", start.unwrap_or("0")))))
    }

    /// Of the last run in which a test was skipped.
    pub fn last() -> Option<Self> {
        let entries = fs::read_dir(folder()?).ok()?;
        let time = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
        entries.filter_map(|entry| Some(entry.ok()?.path())).max_by_key(time).map(Self)
    }

    /// The skipped tests, sorted, each once for each reason.
    pub fn read(&self) -> Vec<Skipped> {
        let file = fs::read_to_string(&self.0).unwrap_or_default();
        let lines: BTreeSet<&str> = file.lines().collect();
        let skipped = |line: &str| {
            let (test, why) = line.split_once('\t')?;
            Some(Skipped { test: test.to_owned(), why: why.to_owned() })
        };
        lines.into_iter().filter_map(skipped).collect()
    }

    /// How many tests were skipped, and how many for each reason.
    pub fn summary(&self) -> String {
        let skipped = self.read();
        let tests: BTreeSet<&str> = skipped.iter().map(|skipped| skipped.test.as_str()).collect();
        if tests.is_empty() {
            return "skipped tests: 0\n".to_owned();
        }
        let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
        for skipped in &skipped {
            *reasons.entry(&skipped.why).or_default() += 1;
        }
        let head = format!("skipped tests: {} (`cargo xtask skips` lists them)\n", tests.len());
        reasons.iter().fold(head, |text, (why, count)| text + &format!("{count:5}  {why}\n"))
    }

    fn add(&self, skipped: &Skipped) -> io::Result<()> {
        if !self.0.exists() {
            self.0.parent().map_or(Ok(()), forget_old_runs)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.0)?;
        let why = skipped.why.replace(['\t', '\n'], " ");
        file.write_all(format!("{}\t{why}\n", skipped.test).as_bytes())
    }
}

/// Makes the folder, and removes the files of runs that are more than a day old.
fn forget_old_runs(folder: &Path) -> io::Result<()> {
    const DAY: Duration = Duration::from_secs(24 * 3600);
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.metadata()?.modified()?.elapsed().is_ok_and(|age| age > DAY) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// `target/skipped`, of the folder that this program was built in: `target/debug/deps` for tests.
fn folder() -> Option<PathBuf> {
    let program = env::current_exe().ok()?;
    let folder = program.parent()?;
    let profile = if folder.ends_with("deps") { folder.parent()? } else { folder };
    Some(profile.parent()?.join("skipped"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Folder;

    #[test]
    fn a_test_counts_once_and_each_reason_is_told() {
        let folder = Folder::new();
        let run = Skips(folder.file("run"));
        assert_eq!(run.summary(), "skipped tests: 0\n");
        for (test, why) in [("a", "no root"), ("b", "no root"), ("a", "no root"), ("a", "no judge")]
        {
            run.add(&Skipped { test: test.to_owned(), why: why.to_owned() }).unwrap();
        }
        let expected = "skipped tests: 2 (`cargo xtask skips` lists them)\n    \
                        1  no judge\n    2  no root\n";
        assert_eq!(run.summary(), expected);
        assert_eq!(run.read().len(), 3);
    }
}
