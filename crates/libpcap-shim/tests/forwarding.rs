//! The `pcap` crate works through the shim where libpcap is installed, and fails in words where it
//! is not.
//!
//! What is loaded is decided once a process, so each case runs in a process of its own: this test
//! program again, with `VXDUMP_LIBPCAP` set and the name of one case.

#![cfg(unix)]

use std::{env, fs, process::Output};

use pcap::{Capture, Device, Linktype};
use vxtest::{command, output};

/// Set in the child processes: without it a case has nothing to do.
const CHILD: &str = "VXDUMP_SHIM_TEST_CHILD";

fn run(case: &str, library: Option<&str>) -> Output {
    let mut command = command(env::current_exe().expect("the path of this test program"));
    command.args(["--exact", case, "--nocapture"]).env(CHILD, "1").env_remove("VXDUMP_LIBPCAP");
    if let Some(library) = library {
        command.env("VXDUMP_LIBPCAP", library);
    }
    output(&mut command)
}

fn assert_passes(case: &str, library: Option<&str>) {
    let output = run(case, library);
    assert!(
        output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"),
        "{case} with {library:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

fn is_child() -> bool {
    env::var_os(CHILD).is_some()
}

#[test]
fn where_libpcap_is_installed() {
    assert_passes("child_with_libpcap", None);
}

#[test]
fn a_list_of_names_is_tried_in_order() {
    assert_passes(
        "child_with_libpcap",
        Some("/nonexistent/libpcap.so:libpcap.so.0.8:libpcap.so.1"),
    );
}

#[test]
fn where_libpcap_is_absent() {
    assert_passes("child_without_libpcap", Some("/nonexistent/libpcap.so"));
    assert_passes("child_without_libpcap", Some(""));
}

#[test]
fn a_library_that_is_not_libpcap_is_refused() {
    assert_passes("child_without_libpcap", Some("libc.so.6"));
}

#[test]
fn child_with_libpcap() {
    if !is_child() {
        return;
    }
    #[cfg(target_os = "linux")]
    assert!(!mapped("libpcap"), "the program is linked with libpcap");
    libpcap_shim::available().unwrap_or_else(|missing| panic!("{missing}"));
    #[cfg(target_os = "linux")]
    assert!(mapped("libpcap"), "available() loaded nothing");
    assert!(libpcap_shim::version().is_some_and(|version| version.starts_with("libpcap version")));

    let capture = Capture::dead(Linktype::ETHERNET).expect("a dead handle");
    let program = capture.compile("ether proto 0x88b5", true).expect("a program");
    let mut frame = [0_u8; 60];
    assert!(!program.filter(&frame));
    frame[12..14].copy_from_slice(&[0x88, 0xb5]);
    assert!(program.filter(&frame));
    let Err(error) = capture.compile("ether prot", true) else { panic!("nonsense was compiled") };
    assert!(error.to_string().contains("syntax error"), "{error}");
    assert_eq!(Linktype(113).get_name().as_deref(), Ok("LINUX_SLL"));
    assert_eq!(Linktype::from_name("EN10MB"), Ok(Linktype::ETHERNET));
    Device::list().expect("a list of devices");
    assert!(Capture::from_file("/nonexistent/file.pcap").is_err());
}

#[test]
fn child_without_libpcap() {
    if !is_child() {
        return;
    }
    let missing = libpcap_shim::available().expect_err("there is no libpcap");
    assert!(missing.to_string().contains("apt install libpcap0.8"), "{missing}");
    assert_eq!(libpcap_shim::version(), None);

    // Whoever does not ask gets errors, and no crash.
    assert!(Capture::dead(Linktype::ETHERNET).is_err());
    assert!(Linktype(1).get_name().is_err());
    assert!(Linktype::from_name("EN10MB").is_err());
    let words = Device::list().expect_err("there is no libpcap").to_string();
    assert!(words.contains("install libpcap"), "{words}");
    let Err(error) = Capture::from_device("lo") else { panic!("there is no libpcap") };
    assert!(error.to_string().contains("install libpcap"), "{error}");
    let Err(error) = Capture::from_file("/nonexistent/file.pcap") else { panic!("no libpcap") };
    assert!(error.to_string().contains("install libpcap"), "{error}");
}

/// Whether a file with `name` in its path is mapped into this process.
#[cfg(target_os = "linux")]
fn mapped(name: &str) -> bool {
    // The test program's own name contains the crate's, with other letters in between.
    fs::read_to_string("/proc/self/maps")
        .expect("the list of mappings")
        .lines()
        .any(|line| line.contains(&format!("{name}.so")))
}
