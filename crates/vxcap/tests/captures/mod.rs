//! The reference captures, read by libpcap itself.

use std::path::{Path, PathBuf};

use pcap::Capture;
use vxlan::LinkType;
use vxtest::{files_below, references};

/// A captured frame.
#[derive(Clone)]
pub(crate) struct Captured {
    pub(crate) link_type: LinkType,
    pub(crate) data: Vec<u8>,
}

/// All capture files below one folder of the reference captures, in the order of their paths;
/// `None` where the folder is absent, which is recorded as skipped.
pub(crate) fn files(folder: &str) -> Option<Vec<PathBuf>> {
    let files = files_below(&references(folder)?, &["pcap", "pcapng", "cap"]);
    assert!(!files.is_empty(), "no captures in {folder}");
    Some(files)
}

/// The frames of a file up to `most`, or up to where libpcap cannot read it any more.
pub(crate) fn frames(path: &Path, most: usize) -> Vec<Captured> {
    let mut frames = Vec::new();
    let Ok(mut capture) = Capture::from_file(path) else { return frames };
    let dlt = capture.get_datalink().0;
    // DLT_RAW is LINKTYPE_RAW in files; what is no link type at all is in damaged files
    let Ok(link_type) = u16::try_from(if dlt == 12 { 101 } else { dlt }).map(LinkType) else {
        return frames;
    };
    while frames.len() < most {
        let Ok(packet) = capture.next_packet() else { break };
        let data = packet.data.to_vec();
        frames.push(Captured { link_type, data });
    }
    frames
}
