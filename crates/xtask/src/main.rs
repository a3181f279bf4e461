//! The tasks of vxdump's developers, behind one door: `cargo xtask` lists them.
//!
//! A task that is a script elsewhere is only called here.

mod circles;
mod dependencies;
mod judges;
mod packages;
mod public_api;
mod test_run;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// What went wrong, in words for a person.
type Failure = String;

/// A task: its name, what it does in one line, and what runs it with its arguments.
type Task = (&'static str, &'static str, fn(&[String]) -> Result<(), Failure>);

const TASKS: &[Task] = &[
    ("test", "run all tests, and list at the end what was skipped and why", test_run::run),
    ("skips", "list every test that the last run skipped", test_run::skips),
    (
        "judges",
        "install the programs that tests compare with (Debian packages, Python)",
        judges::install,
    ),
    (
        "bless",
        "record golden outputs, examples of the manuals, public interfaces and the picture anew",
        bless,
    ),
    ("picture", "record the README's picture anew; or picture --check", picture),
    ("lab", "flannel's topology in network namespaces: lab up, lab traffic all, lab down", lab),
    (
        "bench",
        "decoding in memory; or bench read, rewrite, flows, load: beside other programs",
        bench,
    ),
    (
        "instructions",
        "count the instructions of the main jobs, beside the recorded table",
        instructions,
    ),
    ("fuzz", "run every fuzz target: fuzz [SECONDS] [TARGET...]", fuzz),
    (
        "public-api",
        "compare the libraries' public interfaces with docs/public-api; or --bless",
        public_api::run,
    ),
    ("circles", "find source files that import each other", circles::run),
    (
        "dependencies",
        "check how many crates vxcap needs, and their Rust versions",
        dependencies::run,
    ),
    (
        "features",
        "lint every library without features, and with each one alone",
        packages::features,
    ),
    ("package", "make and build the packages of all crates that are published", packages::package),
    ("ci", "everything that CI runs", ci),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let Some((name, arguments)) = arguments.split_first() else {
        list();
        return ExitCode::SUCCESS;
    };
    let Some((.., task)) = TASKS.iter().find(|(known, ..)| known == name) else {
        list();
        eprintln!("xtask: there is no task {name}");
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
        println!("cargo xtask {name:12}  {what}");
    }
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder that cargo builds in.
fn target() -> PathBuf {
    root().join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// A program of this machine, or of the workspace by its path; it runs at the root.
fn command(program: &str) -> Command {
    let mut command = if program.contains('/') {
        Command::new(root().join(program))
    } else {
        Command::new(program)
    };
    command.current_dir(root());
    command
}

/// Runs a command that must succeed.
fn run(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|e| format!("{command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// What a command prints that must succeed; what it says is shown.
fn output(command: &mut Command) -> Result<String, Failure> {
    let output = command.stderr(std::process::Stdio::inherit()).output();
    let output = output.map_err(|e| format!("{command:?}: {e}"))?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", output.status));
    }
    String::from_utf8(output.stdout).map_err(|e| format!("{command:?}: {e}"))
}

fn bless(_: &[String]) -> Result<(), Failure> {
    let mut tests = command("cargo");
    tests.args(["test", "-p", "vxdump", "--test", "golden", "--test", "docs"]);
    run(tests.env("VXDUMP_BLESS", "1"))?;
    public_api::run(&["--bless".to_owned()])?;
    picture(&[])
}

/// The picture shows what the program of this source prints, so that is built first.
fn picture(arguments: &[String]) -> Result<(), Failure> {
    run(command("cargo").args(["build", "--quiet", "-p", "vxdump"]))?;
    let program = target().join("debug/vxdump");
    run(command("docs/picture/make").args(arguments).env("VXDUMP", program))
}

fn lab(arguments: &[String]) -> Result<(), Failure> {
    run(command("testdata/lab/flannel-lab").args(arguments))
}

fn bench(arguments: &[String]) -> Result<(), Failure> {
    let Some((table, arguments)) = arguments.split_first() else {
        return run(command("cargo").args(["bench", "-p", "vxdump-benches"]));
    };
    match table.as_str() {
        "read" | "rewrite" | "flows" => {
            run(command(&format!("benches/{table}.sh")).args(arguments))
        }
        "load" => run(command("benches/load/compare.sh").args(arguments)),
        other => Err(format!("no table {other}: read, rewrite, flows or load")),
    }
}

fn instructions(arguments: &[String]) -> Result<(), Failure> {
    run(command("benches/instructions.sh").args(arguments))
}

fn fuzz(arguments: &[String]) -> Result<(), Failure> {
    run(command("fuzz/run").args(arguments))
}

fn ci(_: &[String]) -> Result<(), Failure> {
    run(&mut command(".ci/run"))
}
