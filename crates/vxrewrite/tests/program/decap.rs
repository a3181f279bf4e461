//! Decapsulation, judged by editcap and tshark.

use std::path::Path;

use vxtest::{Folder, judge};

use crate::harness::{arg, captures, judged_captures, packets, tshark, vxrewrite};

/// Every tunnel packet of a plain IPv4 underlay is what editcap leaves when it chops the 50 bytes
/// before the inner frame.
#[test]
fn inner_frames_are_those_of_editcap() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    for (name, format) in [
        ("http/n1-eth0.pcap", "pcap"),
        ("tcp-bulk-wire/n2-eth0.pcap", "pcap"),
        ("mesh/n1-all.pcapng", "pcapng"),
        ("variants/ping-n1-n2-merged.pcapng", "pcapng"),
    ] {
        let file = captures.join("lab").join(name);
        let (out, chopped) = (folder.file("out"), folder.file("chopped"));
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap", "--tunnel-only"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        let tunnels = folder.file("tunnels");
        vxrewrite(["-r", arg(&file), "-w", arg(&tunnels), "--tunnel-only"]);
        // -L: with the original length
        judge("editcap", ["-F", format, "-L", "-C", "50", arg(&tunnels), arg(&chopped)]);
        assert_eq!(packets(&out), packets(&chopped), "{name}");
        assert!(packets(&out).len() > 30);
        // the outer Ethernet header and the inner packet: the same from there on
        judge("editcap", ["-F", format, "-L", "-C", "14:50", arg(&tunnels), arg(&chopped)]);
        for (ours, theirs) in packets(&out).iter().zip(packets(&chopped)) {
            assert_eq!(ours.2[14..], theirs.2[14..]);
        }
    }
}

/// Addresses, lengths and interface of each packet, as tshark sees them inside the tunnel before,
/// and plainly after.
#[test]
fn tshark_sees_the_inner_packets() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    for name in ["lab/variants/ping-n1-n2-merged.pcapng", "lab/v6/n1-all.pcapng"] {
        let file = captures.join(name);
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        let fields = ["frame.time_epoch", "eth.src", "ip.src", "ipv6.src", "tcp.seq_raw"];
        let vxlan = ["-d", "udp.port==8472,vxlan"];
        let before: Vec<String> = tshark(&file, &vxlan, &fields)
            .into_iter()
            .map(|line| {
                // of outer and inner, the inner one
                let innermost = |field: &str| field.rsplit(',').next().unwrap_or("").to_owned();
                line.split(';').map(innermost).collect::<Vec<_>>().join(";")
            })
            .collect();
        let after = tshark(&out, &[], &fields);
        assert_eq!(before.len(), after.len());
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            // an IPv4 packet in IPv6 keeps the outer address in its field
            let after_times: Vec<_> = after.split(';').take(2).collect();
            let before_times: Vec<_> = before.split(';').take(2).collect();
            assert_eq!(before_times, after_times, "{name} packet {}", number + 1);
        }
        let nested = tshark(&out, &vxlan, &["vxlan.vni"]);
        assert!(nested.iter().all(String::is_empty), "{name}");
    }
}

#[test]
fn each_interface_and_vni_has_an_interface() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let file = captures.join("lab/variants/ping-n1-n2-merged.pcapng");
    vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap"]);
    let interfaces = interfaces(&out);
    let parents = crate::decap::interfaces(&file);
    assert_eq!(interfaces[..8], parents[..8]);
    let made: Vec<_> = interfaces[8..].iter().map(|i| i.name.clone().unwrap()).collect();
    assert_eq!(made, ["eth0 vni 1", "eth0 vni 1"]);
    for made in &interfaces[8..] {
        let parent = parents.iter().find(|p| p.name.as_deref() == Some("eth0")).unwrap();
        assert_eq!(made.resolution, parent.resolution);
        assert_eq!((&made.os, &made.filter), (&parent.os, &parent.filter));
    }
    let names = tshark(&out, &[], &["frame.interface_name"]);
    assert_eq!(names.iter().filter(|name| *name == "eth0 vni 1").count(), 40);
}

fn interfaces(file: &Path) -> Vec<vxcap::Interface> {
    let mut reader = vxcap::file::Reader::open(file).unwrap();
    while reader.next_frame().unwrap().is_some() {}
    reader.interfaces().to_vec()
}

#[test]
fn cut_frames_stay_cut() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcap");
    let whole = captures.join("lab/http/n1-eth0.pcap");
    let cut = captures.join("lab/variants/http-n1-eth0.snap96.pcap");
    let run = vxrewrite(["-r", arg(&cut), "-w", arg(&out), "--decap"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let whole_out = folder.file("whole.pcap");
    vxrewrite(["-r", arg(&whole), "-w", arg(&whole_out), "--decap"]);
    let (cut, whole) = (packets(&out), packets(&whole_out));
    assert_eq!(cut.len(), whole.len());
    for (cut, whole) in cut.iter().zip(&whole) {
        assert_eq!((cut.0, cut.1), (whole.0, whole.1));
        assert!(whole.2.starts_with(&cut.2));
        assert!(cut.2.len() <= 96);
    }
}

/// GPE carries IP without Ethernet, which has a link type of its own; pcap has one link type only
/// and says so.
#[test]
fn bare_ip_has_its_own_link_type() {
    let folder = Folder::new();
    let file = folder.file("gpe.pcap");
    // Ethernet, IPv4, UDP to 4790, VXLAN-GPE with IPv4 in it, then a packet in no tunnel
    let mut inner = vec![0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    inner.extend([0, 7, 0, 7, 0, 8, 0, 0]);
    let mut frame = vec![2; 12];
    frame.extend([8, 0, 0x45, 0, 0, 64, 0, 0, 0, 0, 64, 17, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2]);
    frame.extend([0x80, 0, 0x12, 0xb6, 0, 44, 0, 0, 0x0c, 0, 0, 1, 0, 0, 9, 0]);
    frame.extend(&inner);
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    let len = frame.len() as u8;
    for frame in [frame.as_slice(), &frame[..34]] {
        let captured = frame.len() as u8;
        bytes.extend([10, 0, 0, 0, 7, 0, 0, 0, captured, 0, 0, 0, len, 0, 0, 0]);
        bytes.extend(frame);
    }
    std::fs::write(&file, bytes).unwrap();
    let out = folder.file("out.pcapng");
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let interfaces = interfaces(&out);
    assert_eq!(interfaces[1].link_type, vxcap::LinkType::RAW);
    assert_eq!(interfaces[1].name.as_deref(), Some("vni 9"));
    assert_eq!(packets(&out)[0].2, inner);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&folder.file("o.pcap")), "--decap"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("packet 2 is of link type EN10MB"), "{}", run.stderr);
    let only = folder.file("o.pcap");
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&only), "--decap", "--tunnel-only"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
}

/// The frames that outer fragments make are what the tunnel device saw.
#[test]
fn outer_fragments_are_put_together() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcap");
    let scenario = captures.join("lab/outer-frag");
    let file = scenario.join("n1-eth0.pcap");
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let mut inner: Vec<_> = packets(&out).into_iter().map(|packet| packet.2).collect();
    let mut device: Vec<_> =
        packets(&scenario.join("n1-flannel.1.pcap")).into_iter().map(|packet| packet.2).collect();
    inner.sort();
    device.sort();
    assert_eq!(inner.len(), device.len());
    assert!(inner == device);
}

/// Fragments that never become whole stay, and that is told.
#[test]
fn lone_fragments_stay() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let (some, out) = (folder.file("some.pcap"), folder.file("out.pcap"));
    let file = captures.join("lab/outer-frag/n1-eth0.pcap");
    // without the last fragments
    let first = ["-r", arg(&file), "-w", arg(&some), "not", "(ip[6:2] & 0x1fff != 0)"];
    assert_eq!(vxrewrite(first).status, 0);
    let run = vxrewrite(["-r", arg(&some), "-w", arg(&out), "--decap"]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    assert!(run.stderr.contains("other fragments are missing"), "{}", run.stderr);
    assert_eq!(packets(&out).len(), packets(&some).len());
}
