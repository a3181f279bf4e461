//! How much memory the flows of a file may take, all of them shown: the kernel refuses what is
//! beyond.

use std::fs::File;

use vxcap::write::{PcapFormat, PcapWriter};
use vxcap::{Interface, LinkType, Timestamp};
use vxtest::{Folder, command, output};

use crate::program::VXDUMP;

const FLOWS: u32 = 120_000;
/// Bytes a flow, and what the program takes without any.
const LIMIT: u32 = 300 * FLOWS + (16 << 20);
/// Of the inner source address in the example's frame.
const SOURCE: usize = 76;

#[test]
fn all_flows_of_a_file_fit_where_their_table_does() {
    let folder = Folder::new();
    let path = folder.file("many.pcap");
    let format = PcapFormat::of(&Interface::new(LinkType::ETHERNET, 65_535));
    let mut writer = PcapWriter::new(File::create(&path).unwrap(), format).unwrap();
    let mut frame = vxlan::example::SYN.to_vec();
    for number in 0..FLOWS {
        frame[SOURCE..][..4].copy_from_slice(&number.to_be_bytes());
        let time = Timestamp::from_nanos(i64::from(number) * 1_000_000);
        writer.record(time, frame.len() as u32, &frame).unwrap();
    }
    writer.finish().unwrap();
    // also where nearly all have ended before the last packet
    for more in [&["--format", "csv"][..], &["--idle-timeout", "1"]] {
        let script = format!("ulimit -d {} && exec \"$0\" \"$@\"", LIMIT / 1024);
        let mut shell = command("sh");
        shell.args(["-c", &script, VXDUMP, "flows", "--threads", "1", "-r"]).arg(&path).args(more);
        let output = output(&mut shell);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{more:?}: {said}");
        let lines = String::from_utf8_lossy(&output.stdout).lines().count();
        // besides the head, and of a table the line below it
        assert!((1..=2).contains(&(lines - FLOWS as usize)), "{more:?}: {lines}");
    }
}
