//! What a process in the sandbox can still do, and what no more. As root, whose rights are the most
//! to lose.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use vxcap::filter::Program;
use vxcap::live::{Capture, CaptureOptions, Error, TableReader, TableWatch, User};
use vxdump::input::sandbox::Sandbox;
use vxtest::{Folder, command, is_root, output};

/// Tells the test program that it is to go into the sandbox: it holds the folder to work in.
const FOLDER: &str = "VXDUMP_TEST_SANDBOX_FOLDER";
/// And whose rights it is to have there.
const COMMANDS: &str = "VXDUMP_TEST_SANDBOX_COMMANDS";

/// Runs one of the tests below in a process of its own.
fn in_a_process(test: &str, environment: &[(&str, &str)]) {
    // root has something to give up, others have not
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    fs::create_dir(folder.file("out")).unwrap();
    let mut program = command(std::env::current_exe().unwrap());
    program.args(["--exact", test, "--nocapture"]).env(FOLDER, folder.path());
    let output = output(program.envs(environment.iter().copied()));
    let said = String::from_utf8_lossy(&output.stderr);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && told.contains("1 passed"), "{told}{said}");
}

fn folder() -> Option<PathBuf> {
    std::env::var_os(FOLDER).map(PathBuf::from)
}

fn held() -> String {
    let status = fs::read_to_string("/proc/thread-self/status");
    let status = status.unwrap_or_else(|_| String::new());
    status.lines().filter(|line| line.starts_with("CapEff")).collect()
}

#[test]
fn a_capture_goes_on_and_little_else() {
    let Some(folder) = folder() else {
        return in_a_process("a_capture_goes_on_and_little_else", &[]);
    };
    let out = folder.join("out");
    let status = PathBuf::from("/proc/thread-self/status");
    let mut capture = Capture::open(&CaptureOptions::new("lo")).unwrap();
    let mut tables = TableReader::open().unwrap();
    let mut watch = TableWatch::open().unwrap();
    let mut open_file = File::create(folder.join("open")).unwrap();
    let sandbox =
        Sandbox { writable: Some(out.clone()), readable: vec![status], ..Sandbox::default() };
    assert_eq!(sandbox.enter(), []);

    // all that a capture does
    let socket_free = capture.next_frame(Duration::from_millis(10));
    assert!(socket_free.is_ok());
    capture.statistics().unwrap();
    capture.set_program(Some(Program::accept_all().into())).unwrap();
    assert!(capture.statistics().unwrap().backlog_dropped.is_some());
    tables.read().unwrap();
    watch.changed(Duration::from_millis(10)).unwrap();
    open_file.write_all(b"still open").unwrap();
    File::create(out.join("1.part")).unwrap().write_all(b"rotated").unwrap();
    fs::rename(out.join("1.part"), out.join("1")).unwrap();
    assert_eq!(fs::read(out.join("1")).unwrap(), b"rotated");
    fs::remove_file(out.join("1")).unwrap();
    std::thread::spawn(|| std::thread::sleep(Duration::from_millis(1))).join().unwrap();
    assert_eq!(held(), "CapEff:\t0000000000000000");

    // and no more
    assert!(File::open("/etc/passwd").is_err());
    assert!(File::create(folder.join("elsewhere")).is_err());
    assert!(fs::create_dir(out.join("folder")).is_err());
    assert!(Command::new("/bin/true").status().is_err());
    assert!(TcpListener::bind("127.0.0.1:0").is_err());
    let again = Capture::open(&CaptureOptions::new("lo")).unwrap_err();
    assert!(matches!(again, Error::System { .. } | Error::NotPermitted { .. }), "{again}");
}

#[test]
fn a_folder_of_another_user_stays_open_for_rotation() {
    let Some(folder) = folder() else {
        return in_a_process("a_folder_of_another_user_stays_open_for_rotation", &[]);
    };
    let out = folder.join("out");
    std::os::unix::fs::chown(&out, Some(65534), Some(65534)).unwrap();
    let status = PathBuf::from("/proc/thread-self/status");
    let sandbox =
        Sandbox { writable: Some(out.clone()), readable: vec![status], ..Sandbox::default() };
    assert_eq!(sandbox.enter(), []);
    File::create(out.join("1")).unwrap();
    // CAP_DAC_OVERRIDE alone: bit 1 of linux/capability.h
    assert_eq!(held(), "CapEff:\t0000000000000002");
    assert!(File::create(folder.join("elsewhere")).is_err());
}

#[test]
fn commands_run_without_capabilities() {
    let Some(_) = folder() else {
        return in_a_process("commands_run_without_capabilities", &[(COMMANDS, "yes")]);
    };
    let sandbox = Sandbox { commands: std::env::var_os(COMMANDS).is_some(), ..Sandbox::default() };
    assert_eq!(sandbox.enter(), []);
    assert_eq!(held(), "CapEff:\t0000000000000000");
    assert!(
        Path::new("/bin/true").exists() && Command::new("/bin/true").status().unwrap().success()
    );
    assert!(matches!(Capture::open(&CaptureOptions::new("lo")), Err(Error::NotPermitted { .. })));
}

#[test]
fn a_capture_goes_on_as_another_user() {
    let Some(folder) = folder() else {
        return in_a_process("a_capture_goes_on_as_another_user", &[]);
    };
    let mut capture = Capture::open(&CaptureOptions::new("lo")).unwrap();
    User::named("nobody").unwrap().assume().unwrap();
    capture.next_frame(Duration::from_millis(10)).unwrap();
    capture.statistics().unwrap();
    assert_eq!(held(), "CapEff:\t0000000000000000");
    assert!(User::named("root").unwrap().assume().is_err(), "there is no way back");
    assert!(File::create(folder.join("mine")).is_err());
    assert_eq!(Sandbox::default().enter(), []);
    capture.next_frame(Duration::from_millis(10)).unwrap();
}
