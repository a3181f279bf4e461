//! Selection and split of outer fragments: the later ones show nothing of the tunnel, and go where
//! the first one goes.

use std::fs;
use std::path::Path;

use vxtest::Folder;

use crate::harness::{arg, judged_captures, packets, tshark, vxrewrite};

/// Length of the Ethernet header and of the IPv4 header of the example.
const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20;
/// Where the datagram is cut, in units of 8 bytes: behind the inner ports.
const CUT: usize = 7;

/// The two fragments of a datagram with this identification.
fn fragments(frame: &[u8], id: u8) -> [Vec<u8>; 2] {
    let (headers, datagram) = frame.split_at(HEADERS);
    let fragment = |payload: &[u8], flags: u8, offset: u8| {
        let mut fragment = [headers, payload].concat();
        fragment[ETHERNET + 3] = (fragment.len() - ETHERNET) as u8;
        fragment[ETHERNET + 4..ETHERNET + 8].copy_from_slice(&[0, id, flags, offset]);
        fragment
    };
    let (first, last) = datagram.split_at(CUT * 8);
    [fragment(first, 0x20, 0), fragment(last, 0, CUT as u8)]
}

/// A capture with the fragments of three datagrams, mixed: of VNI 1, of VNI 2, and of none.
fn capture(file: &Path, order: &[(usize, usize)]) -> Vec<Vec<u8>> {
    let one = vxlan::example::SYN.to_vec();
    let mut two = one.clone();
    two[HEADERS + 14] = 2; // the VNI
    two[HEADERS + 16 + 14 + 14] = 99; // 10.244.99.5, on no known node
    two[HEADERS + 16 + 14 + 20 + 3] = 81; // the port
    let mut none = one.clone();
    none[HEADERS + 2..HEADERS + 4].copy_from_slice(&[0, 7]);
    let all = [fragments(&one, 1), fragments(&two, 2), fragments(&none, 3)];
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let frames: Vec<_> = order.iter().map(|&(which, part)| all[which][part].clone()).collect();
    for (number, frame) in frames.iter().enumerate() {
        let len = frame.len() as u8;
        bytes.extend([10, 0, 0, 0, number as u8, 0, 0, 0, len, 0, 0, 0, len, 0, 0, 0]);
        bytes.extend(frame);
    }
    fs::write(file, bytes).unwrap();
    frames
}

const MIXED: [(usize, usize); 6] = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)];

#[test]
fn a_selection_keeps_all_fragments_of_a_datagram() {
    let folder = Folder::new();
    let (file, out) = (folder.file("mixed.pcap"), folder.file("out.pcap"));
    let frames = capture(&file, &MIXED);
    for (selection, kept) in [
        (&["--vni", "1"][..], &[0, 3][..]),
        (&["--vni", "2"], &[1, 4]),
        (&["--inner", "tcp port 81"], &[1, 4]),
        (&["--node", "worker", "--pod-cidr", "worker=10.244.1.0/24"], &[0, 3]),
        (&["--tunnel-only"], &[0, 1, 3, 4]),
        (&["--tunnel-only", "--inner", "tcp port 80"], &[0, 3]),
        // EXPRESSION is asked of each frame as it was captured, as in tcpdump
        (&["--vni", "1", "udp port 8472"], &[0]),
    ] {
        let mut args = vec!["-r", arg(&file), "-w", arg(&out)];
        args.extend(selection);
        let run = vxrewrite(args);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{selection:?}");
        let expected: Vec<_> = kept.iter().map(|&index| frames[index].clone()).collect();
        let found: Vec<_> = packets(&out).into_iter().map(|packet| packet.2).collect();
        assert!(found == expected, "{selection:?}: {} packets", found.len());
    }
}

#[test]
fn a_split_keeps_datagrams_together() {
    let folder = Folder::new();
    let file = folder.file("mixed.pcap");
    let frames = capture(&file, &MIXED);
    let out = folder.file("out.pcap");
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--split", "vni"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    for (name, kept) in [("vni1", [0, 3]), ("vni2", [1, 4]), ("no-vni", [2, 5])] {
        let found = packets(&folder.file(&format!("out-{name}.pcap")));
        let found: Vec<_> = found.into_iter().map(|packet| packet.2).collect();
        assert!(found == kept.map(|index| frames[index].clone()), "{name}");
    }
}

/// Who is not told of the datagram's begin can only say so.
#[test]
fn fragments_without_their_first_one_are_told() {
    let folder = Folder::new();
    let (file, out) = (folder.file("late.pcap"), folder.file("out.pcap"));
    let frames = capture(&file, &[(1, 1), (1, 0), (0, 1)]);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--vni", "2"]);
    assert_eq!(run.status, 0);
    assert!(run.stderr.contains("2 later outer fragments whose first"), "{}", run.stderr);
    assert!(packets(&out)[0].2 == frames[1]);
    // and what no selection asks for stays without a word
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--snaplen", "1000"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(packets(&out).len(), 3);
}

/// tshark puts as many datagrams together from what was selected as from the whole capture.
#[test]
fn tshark_reassembles_what_was_selected() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let file = captures.join("lab/outer-frag/n1-eth0.pcap");
    // in each datagram's last fragment
    let whole = |file: &Path| {
        let options = ["-d", "udp.port==8472,vxlan", "-Y", "vxlan.vni==1 && ip.reassembled.length"];
        tshark(file, &options, &["frame.time_epoch", "ip.reassembled.length", "vxlan.vni"])
    };
    let expected = whole(&file);
    assert!(expected.len() > 10);
    let port = tshark(&file, &["-d", "udp.port==8472,vxlan", "-Y", "ip.frag_offset>0"], &["ip.id"]);
    let out = folder.file("out.pcap");
    for selection in [&["--vni", "1"][..], &["--tunnel-only"]] {
        let mut args = vec!["-r", arg(&file), "-w", arg(&out)];
        args.extend(selection);
        let run = vxrewrite(args);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert_eq!(whole(&out), expected);
        let later = tshark(&out, &["-Y", "ip.frag_offset>0"], &["ip.id"]);
        assert_eq!(later.len(), port.len());
    }
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--split", "vni"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(whole(&folder.file("out-vni1.pcap")), expected);
}
