//! Reads the reference captures, and asks tshark about them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use vxcap::file::Reader;
use vxflow::{Config, FlowRecord, FlowTable, Seen};

/// The folder of the reference captures; `None`, with a message, where they are not there.
pub(crate) fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("VXDUMP_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/captures"),
        PathBuf::from,
    );
    if folder.join("lab").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no captures in {} (set VXDUMP_CAPTURES)", folder.display());
    None
}

/// All capture files below `folder`, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder can be read") {
            let path = entry.expect("the folder can be read").path();
            let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or("");
            if path.is_dir() {
                folders.push(path);
            } else if ["pcap", "pcapng", "cap", "pcapn"].contains(&ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// Frames of a file, as far as it can be read.
pub(crate) struct OwnedFrame {
    pub(crate) seen: Seen,
    pub(crate) link_type: vxlan::LinkType,
    pub(crate) data: Vec<u8>,
}

pub(crate) fn frames(path: &Path) -> Vec<OwnedFrame> {
    let mut frames = Vec::new();
    // what cannot be read at all has no flows
    let Ok(mut reader) = Reader::open(path) else { return frames };
    while let Ok(Some(frame)) = reader.next_frame() {
        let seen =
            Seen { time: frame.time.nanos(), interface: frame.interface, wire_len: frame.orig_len };
        frames.push(OwnedFrame { seen, link_type: frame.link_type, data: frame.data.to_vec() });
    }
    frames
}

pub(crate) fn table(frames: &[OwnedFrame], config: Config) -> FlowTable {
    let decoder = config.decoder.clone();
    let mut table = FlowTable::new(config);
    for frame in frames {
        let packet = decoder.decode_captured(&frame.data, frame.link_type, frame.seen.wire_len);
        table.push(&packet, frame.seen);
    }
    table
}

/// The flows of a file, by key.
pub(crate) fn flows(path: &Path) -> Vec<FlowRecord> {
    let mut flows: Vec<_> = table(&frames(path), Config::without_timeouts()).finish().collect();
    flows.sort_by_key(|flow| (flow.key, flow.first));
    flows
}

/// One row a packet, one column a field: a field that stands several times (outer and inner) has its last value.
pub(crate) fn tshark(path: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = Command::new("tshark");
    command.arg("-r").arg(path).args(["-n", "-d", "udp.port==8472,vxlan", "-Y", filter]);
    command.args(["-T", "fields", "-E", "occurrence=l"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = command.output().expect("tshark must be installed (package tshark)");
    let text = String::from_utf8(output.stdout).expect("tshark prints text");
    assert!(
        output.status.success() || !text.is_empty(),
        "tshark -r {}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
