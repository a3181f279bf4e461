//! The tasks of vxdump's developers, behind one door: `cargo xtask` lists them.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use vxtest::Skips;

/// What went wrong, for a person.
type Failure = String;

/// A task: its name, what it does in one line, and what runs it with its arguments.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<(), Failure>);

const TASKS: &[Task] = &[
    ("test", "run all tests, and say at the end which were skipped", test),
    ("skips", "list the tests that the last run skipped", skips),
    ("lab", "flannel's topology in network namespaces: lab up, lab traffic all, lab down", lab),
    ("fuzz", "run every fuzz target: fuzz [SECONDS] [TARGET...]", fuzz),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some((name, arguments)) = arguments.split_first() else {
        list();
        return ExitCode::SUCCESS;
    };
    let Some((.., task)) = TASKS.iter().find(|(known, ..)| known == name) else {
        list();
        eprintln!("xtask: no task {name}");
        return ExitCode::from(2);
    };
    match task(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask {name}: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn list() {
    for (name, what, _) in TASKS {
        println!("cargo xtask {name:13} {what}");
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program of the workspace or of this machine, started at the root.
fn command(program: &str) -> Command {
    let script = root().join(program);
    let mut command =
        if program.contains('/') { Command::new(script) } else { Command::new(program) };
    command.current_dir(root());
    command
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    succeeded(command, status)
}

fn succeeded(command: &Command, status: ExitStatus) -> Result<(), Failure> {
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

fn test(arguments: &[String]) -> Result<(), Failure> {
    let mut command = command("cargo");
    command.args(["test", "--workspace", "--all-features"]).args(arguments);
    let mut tests = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
    let skips = Skips::of(tests.id());
    let status = tests.wait().map_err(|e| format!("{command:?}: {e}"))?;
    if let Some(skips) = skips {
        print!("\n{}", skips.summary());
    }
    succeeded(&command, status)
}

fn skips(_: &[String]) -> Result<(), Failure> {
    for skipped in Skips::last().ok_or("no run has skipped a test")?.read() {
        println!("{}: {}", skipped.test, skipped.why);
    }
    Ok(())
}

fn lab(arguments: &[String]) -> Result<(), Failure> {
    run(command("testdata/lab/flannel-lab").args(arguments))
}

fn fuzz(arguments: &[String]) -> Result<(), Failure> {
    run(command("fuzz/run").args(arguments))
}
