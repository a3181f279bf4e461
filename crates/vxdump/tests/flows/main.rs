//! `vxdump flows`, judged by the lab's senders, by tshark, by collectors, and by itself in another
//! format or with another number of threads.

mod collector;
mod lab;
#[cfg(target_os = "linux")]
mod live;
#[cfg(target_os = "linux")]
mod memory;
#[cfg(feature = "parquet")]
mod parquet;
mod program;

use vxtest::{Folder, Running, has_tools, tool};

/// Without the feature `--format parquet` says what is missing.
#[cfg(not(feature = "parquet"))]
#[test]
fn parquet_must_be_built_in() {
    let path = program::bundled("ping-n1-eth0.pcap");
    let name = path.to_str().expect("a name in UTF-8");
    let output = program::run(&["-r", name, "--format", "parquet"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("cargo install --path crates/vxdump --features parquet"), "{said}");
}

/// What cannot be read at any place is read from its start to its end, however many threads there
/// are.
#[test]
fn pipes_and_several_threads() {
    use std::io::Write as _;

    let capture = program::bundled("http-n1-eth0.pcap");
    let expected =
        program::text(&["--format", "csv", "--threads", "1", "-r", capture.to_str().unwrap()]);
    let bytes = std::fs::read(&capture).unwrap();
    for name in ["-", "/dev/stdin"] {
        for threads in ["1", "2", "3"] {
            let mut command = vxtest::command(program::VXDUMP);
            command.args(["flows", "--format", "csv", "--threads", threads, "-r", name]);
            command.stdin(std::process::Stdio::piped());
            let bytes = bytes.clone();
            let running = Running::start(&mut command).fed(move |stdin| stdin.write_all(&bytes));
            let (status, printed, _) = running.ended();
            assert!(status.success(), "{name}, {threads} threads");
            assert_eq!(printed, expected, "{name}, {threads}");
        }
    }
}

/// Frames that were cut too short are pointed out, in every format.
#[test]
fn cut_frames_are_pointed_out() {
    let path = program::bundled("http-n1-eth0.pcap");
    let name = path.to_str().expect("a name in UTF-8");
    for format in ["text", "json", "csv"] {
        for threads in ["1", "2"] {
            let arguments = ["-r", name, "--format", format, "--threads", threads];
            let whole = program::run(&arguments);
            assert_eq!(String::from_utf8_lossy(&whole.stderr), "", "{format}");
            let cut = program::run(&[&arguments[..], &["-s", "80"]].concat());
            let said = String::from_utf8_lossy(&cut.stderr);
            let frames = said.contains("360 frames were cut in the headers");
            assert!(frames && said.contains("larger -s"), "{format}: {said}");
            let table = String::from_utf8_lossy(&cut.stdout);
            assert!(format != "text" || !table.contains("without IP"), "{table}");
        }
    }
}

/// A file that is not in the order of time is pointed out; put in order, it is not.
#[test]
fn packets_out_of_order_are_pointed_out() {
    if !has_tools(&["mergecap", "reordercap"]) {
        return;
    }
    let capture = program::bundled("http-n1-eth0.pcap");
    let capture = capture.to_str().expect("a name in UTF-8");
    let folder = Folder::new();
    let [twice, sorted] = ["twice", "sorted"].map(|name| folder.file(name));
    let [twice, sorted] = [&twice, &sorted].map(|path| path.to_str().expect("a name in UTF-8"));
    tool("mergecap", ["-a", "-w", twice, capture, capture]);
    tool("reordercap", [twice, sorted]);
    for threads in ["1", "2"] {
        for format in ["text", "csv"] {
            let said = |path| {
                let output = program::run(&["-r", path, "--threads", threads, "--format", format]);
                String::from_utf8_lossy(&output.stderr).into_owned()
            };
            let warning = said(twice);
            assert!(warning.contains("packets are more than 1 ms out of order"), "{warning}");
            assert!(warning.contains("reordercap"), "{warning}");
            assert_eq!(said(sorted), "");
        }
    }
}
