//! Fragments put together again, judged by the lab's own tunnel device and by tshark's reassembly.

use std::collections::BTreeMap;

use vxlan::{Decoder, Outcome, Reassembler};
use vxtest::{has_tools, references};

use crate::judge;
use crate::{Frame, files, frames};

/// What a frame carries, as far as it is in a tunnel.
fn inner_frame(decoder: &Decoder, frame: &[u8], link_type: vxlan::LinkType) -> Option<Vec<u8>> {
    Some(decoder.decode(frame, link_type).tunnel?.payload().to_vec())
}

/// How often each inner frame occurs in a capture of the underlay, fragments put together.
fn carried(frames: &[Frame]) -> (BTreeMap<Vec<u8>, usize>, u64) {
    let decoder = Decoder::default();
    let mut reassembler = Reassembler::default();
    let mut inner = BTreeMap::new();
    for frame in frames {
        let packet = decoder.decode_captured(&frame.data, frame.link_type, frame.wire_len);
        let found = match reassembler.push(frame.nanos, &packet.outer) {
            Outcome::NotAFragment => inner_frame(&decoder, &frame.data, frame.link_type),
            Outcome::Whole { frame, link_type, .. } => inner_frame(&decoder, frame, link_type),
            Outcome::Held => None,
            outcome => panic!("{outcome:?}"),
        };
        if let Some(found) = found {
            *inner.entry(found).or_insert(0) += 1;
        }
    }
    assert_eq!(reassembler.pending(), 0, "fragments are left over");
    (inner, reassembler.counts().whole)
}

/// What the underlay carries in fragments is what the tunnel device sent and received.
#[test]
fn outer_fragments_carry_what_the_tunnel_device_saw() {
    let Some(root) = references("") else { return };
    for node in ["n1", "n2"] {
        let folder = root.join("lab/outer-frag");
        let (inner, whole) = carried(&frames(&folder.join(format!("{node}-eth0.pcap"))));
        let mut expected = BTreeMap::new();
        for frame in frames(&folder.join(format!("{node}-flannel.1.pcap"))) {
            *expected.entry(frame.data).or_insert(0) += 1;
        }
        assert_eq!(inner, expected, "{node}");
        assert!(whole > 10, "{node}: only {whole} packets came in fragments");
    }
}

/// Files whose fragments overlap, or leave nothing that tshark and this project must agree on: the
/// reason beside each.
const LAX: [(&str, &str); 3] = [
    ("peafowl__teardrop", "overlapping fragments, which tshark puts together all the same"),
    ("frag-", "IPv6 evasion: overlaps, which RFC 5722 forbids to put together"),
    ("icmp6_mobileprefix_asan", "cut"),
];

/// Wherever tshark puts outer fragments together this project does, at the same frame, to as many
/// bytes.
#[test]
fn fragments_become_whole_where_tshark_says() {
    let Some(root) = references("").filter(|_| has_tools(&["tshark"])) else { return };
    let (mut compared, mut report) = (0, Vec::new());
    let chosen = files(&root, "third-party")
        .into_iter()
        .chain(files(&root, "lab/inner-frag"))
        .chain(files(&root, "lab/outer-frag"))
        .filter(|file| LAX.iter().all(|(name, _)| !file.contains(name)));
    for file in chosen {
        let path = root.join(&file);
        let frames = frames(&path);
        let decoder = Decoder::default();
        let is_fragment = |frame: &Frame| {
            let packet = decoder.decode_captured(&frame.data, frame.link_type, frame.wire_len);
            packet.outer.fragment().is_some()
        };
        if !frames.iter().any(is_fragment) {
            continue;
        }
        let rows = judge::reassembled(&path);
        let mut reassembler = Reassembler::default();
        for (index, (frame, row)) in frames.iter().zip(&rows).enumerate() {
            let packet = decoder.decode_captured(&frame.data, frame.link_type, frame.wire_len);
            let ours = match reassembler.push(frame.nanos, &packet.outer) {
                Outcome::Whole { frame, link_type, .. } => {
                    let whole = vxlan::decode(frame, link_type).outer;
                    let four = |ip: vxlan::Ipv4Header<'_>| {
                        usize::from(ip.total_length()) - ip.header_len()
                    };
                    let six = || whole.ipv6().map(|ip| usize::from(ip.payload_length()));
                    whole.ipv4().map(four).or_else(six)
                }
                _ => None,
            };
            let is_outer = packet.outer.fragment().is_some();
            let theirs: Option<usize> =
                row.iter().find_map(|len| len.parse().ok()).filter(|_| is_outer);
            compared += usize::from(theirs.is_some());
            if ours != theirs {
                report.push(format!("{file} {}: {ours:?}, tshark {theirs:?}", index + 1));
            }
        }
    }
    assert!(report.is_empty(), "{}", report.join("\n"));
    assert!(compared >= 50, "only {compared} packets were put together");
}
