//! Reads the reference captures, and asks tshark about them.

use std::path::{Path, PathBuf};

use vxcap::file::Reader;
use vxflow::{Config, FlowRecord, FlowTable, Seen};
use vxtest::files_below;

/// All capture files below `folder`, in order.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    files_below(folder, &["pcap", "pcapng", "cap", "pcapn"])
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

/// One row a packet, one column a field: a field that stands several times (outer and inner) has
/// its last value.
pub(crate) fn tshark(path: &Path, filter: &str, fields: &[&str]) -> Vec<Vec<String>> {
    let mut command = vxtest::command("tshark");
    command.arg("-r").arg(path).args(["-n", "-d", "udp.port==8472,vxlan", "-Y", filter]);
    command.args(["-T", "fields", "-E", "occurrence=l"]);
    for field in fields {
        command.args(["-e", field]);
    }
    let output = vxtest::output(&mut command);
    let text = String::from_utf8(output.stdout).expect("tshark prints text");
    assert!(
        output.status.success() || !text.is_empty(),
        "tshark -r {}: {}",
        path.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}
