//! `vxdump flows`, judged by the lab's senders, by tshark, by collectors, and by itself in another format or with
//! another number of threads.

mod collector;
mod lab;
#[cfg(target_os = "linux")]
mod live;
#[cfg(feature = "parquet")]
mod parquet;
mod program;
#[cfg(target_os = "linux")]
mod readme;

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
