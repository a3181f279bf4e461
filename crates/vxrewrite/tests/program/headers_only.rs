//! `--headers-only`: all headers through every carrier, and nothing of what they carry in the end.

use std::fs;
use std::path::Path;

use vxtest::Folder;

use crate::harness::{arg, judged_captures, packets, tshark, vxrewrite};

/// What must not stay.
const PAYLOAD: [u8; 100] = [0xf7; 100];

fn ethernet(ether_type: u16, carried: &[u8]) -> Vec<u8> {
    let addresses = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    [&addresses[..], &ether_type.to_be_bytes(), carried].concat()
}

/// IPv4 with a right length; a fragment where `fragment` says so.
fn fragment(protocol: u8, fragment: u16, carried: &[u8]) -> Vec<u8> {
    let total = (20 + carried.len() as u16).to_be_bytes();
    let [high, low] = fragment.to_be_bytes();
    let header = [0x45, 0, total[0], total[1], 0, 7, high, low, 64, protocol, 0, 0];
    [&header[..], &[10, 244, 1, 2], &[10, 244, 2, 3], carried].concat()
}

fn ipv4(protocol: u8, carried: &[u8]) -> Vec<u8> {
    fragment(protocol, 0, carried)
}

fn ipv6(next: u8, carried: &[u8]) -> Vec<u8> {
    let length = (carried.len() as u16).to_be_bytes();
    let address = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    [&[0x60, 0, 0, 0, length[0], length[1], next, 64][..], &address, &address, carried].concat()
}

fn tcp(payload: &[u8]) -> Vec<u8> {
    let fixed = [0, 80, 0, 90, 0, 0, 0, 1, 0, 0, 0, 2, 0x60, 0x10, 1, 0, 0, 0, 0, 0];
    [&fixed[..], &[2, 4, 5, 0xb4], payload].concat()
}

fn udp(port: u16, payload: &[u8]) -> Vec<u8> {
    let length = (8 + payload.len() as u16).to_be_bytes();
    [&[0xc0, 0][..], &port.to_be_bytes(), &length, &[0, 0], payload].concat()
}

fn behind(header: &[u8], carried: &[u8]) -> Vec<u8> {
    [header, carried].concat()
}

fn vxlan(frame: &[u8]) -> Vec<u8> {
    let header = [8, 0, 0, 0, 0, 0, 1, 0];
    ethernet(0x0800, &ipv4(17, &udp(8472, &[&header[..], frame].concat())))
}

/// Frames by what carries the payload.
fn carriers() -> Vec<(&'static str, Vec<u8>)> {
    let segment = tcp(&PAYLOAD);
    let packet = ipv4(6, &segment);
    let packet_6 = ipv6(6, &segment);
    let frame = ethernet(0x0800, &packet);
    let v4 = |protocol, carried: &[u8]| ethernet(0x0800, &ipv4(protocol, carried));
    let v6 = |next, carried: &[u8]| ethernet(0x86dd, &ipv6(next, carried));
    vec![
        ("TCP", frame.clone()),
        ("UDP", v4(17, &udp(9, &PAYLOAD))),
        ("IPv6", v6(6, &segment)),
        ("VLAN", ethernet(0x8100, &behind(&[0, 3, 8, 0], &packet))),
        ("VN-Tag", ethernet(0x8926, &behind(&[0, 0, 0, 0, 8, 0], &packet))),
        ("ICMP echo", v4(1, &behind(&[8, 0, 0, 0, 0, 1, 0, 1], &PAYLOAD))),
        ("ICMP error", v4(1, &behind(&[3, 4, 0, 0, 0, 0, 5, 0], &packet))),
        (
            "ICMP error about UDP",
            v4(1, &behind(&[11, 0, 0, 0, 0, 0, 0, 0], &ipv4(17, &udp(9, &PAYLOAD)))),
        ),
        (
            "ICMP error about a tunnel",
            v4(1, &behind(&[3, 3, 0, 0, 0, 0, 0, 0], &vxlan(&frame)[14..])),
        ),
        ("ICMPv6 echo", v6(58, &behind(&[128, 0, 0, 0, 0, 1, 0, 1], &PAYLOAD))),
        ("ICMPv6 error", v6(58, &behind(&[2, 0, 0, 0, 0, 0, 5, 0], &packet_6))),
        (
            "redirect",
            v6(
                58,
                &[&[137, 0, 0, 0, 0, 0, 0, 0][..], &[1; 32], &[4, 24, 0, 0, 0, 0, 0, 0], &packet_6]
                    .concat(),
            ),
        ),
        ("PPPoE", ethernet(0x8864, &behind(&[0x11, 0, 0, 1, 0, 146, 0, 0x21], &packet))),
    ]
}

/// The same, with protocols of IP between.
fn protocols() -> Vec<(&'static str, Vec<u8>)> {
    let segment = tcp(&PAYLOAD);
    let packet = ipv4(6, &segment);
    let packet_6 = ipv6(6, &segment);
    let frame = ethernet(0x0800, &packet);
    let v4 = |protocol, carried: &[u8]| ethernet(0x0800, &ipv4(protocol, carried));
    let v6 = |next, carried: &[u8]| ethernet(0x86dd, &ipv6(next, carried));
    let mut deep = frame.clone();
    for _ in 0..7 {
        deep = vxlan(&deep);
    }
    vec![
        ("GRE", v4(47, &behind(&[0, 0, 8, 0], &packet))),
        (
            "GRE with checksum, key, sequence",
            v4(47, &behind(&[0xb0, 0, 0x65, 0x58, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1], &frame)),
        ),
        (
            "GRE with PPP",
            v4(
                47,
                &behind(
                    &[
                        0x30, 0x81, 0x88, 0x0b, 0, 99, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0,
                        0x21,
                    ],
                    &packet,
                ),
            ),
        ),
        (
            "ERSPAN",
            v4(47, &behind(&[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 1, 0, 1, 0, 0, 0, 1], &frame)),
        ),
        ("IP in IP", v4(4, &packet)),
        ("6in4", v4(41, &packet_6)),
        ("4in6", v6(4, &packet)),
        ("IP in IP in IP in VXLAN", vxlan(&v4(4, &ipv4(4, &packet)))),
        ("Ethernet in IP", v4(97, &behind(&[0x30, 0], &frame))),
        ("MPLS", ethernet(0x8847, &behind(&[0, 1, 0, 0x40, 0, 2, 1, 0x40], &packet))),
        ("pseudowire", ethernet(0x8847, &behind(&[0, 1, 1, 0x40], &frame))),
        (
            "pseudowire with control word",
            ethernet(0x8847, &behind(&[0, 1, 1, 0x40, 0, 0, 0, 0], &frame)),
        ),
        (
            "SCTP",
            v4(
                132,
                &[
                    &[0, 7, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0][..],
                    &[3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0],
                    &[0, 3, 0, 116, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                    &PAYLOAD,
                ]
                .concat(),
            ),
        ),
        ("ESP", v4(50, &behind(&[0, 0, 0, 1, 0, 0, 0, 2], &PAYLOAD))),
        (
            "AH",
            v4(
                51,
                &behind(
                    &[6, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
                    &segment,
                ),
            ),
        ),
        ("nested tunnels", deep),
        ("first fragment", ethernet(0x0800, &fragment(6, 0x2000, &segment))),
        ("later fragment", ethernet(0x0800, &fragment(6, 20, &PAYLOAD))),
        (
            "encrypted MACsec",
            ethernet(0x88e5, &behind(&[0x2c, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 1], &PAYLOAD)),
        ),
        (
            "MACsec",
            ethernet(
                0x88e5,
                &behind(&[0x20, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0, 1, 8, 0], &packet),
            ),
        ),
    ]
}

/// Frames that are header from the first to the last byte.
fn headers() -> Vec<(&'static str, Vec<u8>)> {
    let spanning_tree = [&[0x42, 0x42, 3][..], &[0xf7; 35]].concat();
    vec![
        ("LLDP", ethernet(0x88cc, &PAYLOAD)),
        ("spanning tree", ethernet(38, &spanning_tree)),
        ("ARP", ethernet(0x0806, &[&[0, 1, 8, 0, 6, 4, 0, 1][..], &[0xf7; 20]].concat())),
        (
            "neighbour discovery",
            ethernet(0x86dd, &ipv6(58, &[&[135, 0, 0, 0, 0, 0, 0, 0][..], &[0xf7; 24]].concat())),
        ),
        ("IGMP", ethernet(0x0800, &ipv4(2, &[0x11, 0, 0, 0, 0xf7, 0xf7, 0xf7, 0xf7]))),
        ("OSPF", ethernet(0x0800, &ipv4(89, &PAYLOAD))),
    ]
}

fn write(path: &Path, frames: &[(&str, Vec<u8>)]) {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend([1, 0, 0, 0]);
    for (_, frame) in frames {
        let len = (frame.len() as u32).to_le_bytes();
        file.extend([[0; 4], [0; 4], len, len].concat());
        file.extend(frame);
    }
    fs::write(path, file).unwrap();
}

#[test]
fn headers_stay_and_payload_goes_through_every_carrier() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    let frames = [carriers(), protocols()].concat();
    write(&file, &frames);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--headers-only"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    for ((name, frame), (_, wire_len, kept)) in frames.iter().zip(packets(&out)) {
        let payload = frame.windows(PAYLOAD.len()).position(|bytes| bytes == PAYLOAD).unwrap();
        assert_eq!(kept, frame[..payload], "{name}");
        assert_eq!(wire_len as usize, frame.len(), "{name}");
    }
}

#[test]
fn what_is_all_header_stays() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    let frames = headers();
    write(&file, &frames);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--headers-only"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    for ((name, frame), (_, _, kept)) in frames.iter().zip(packets(&out)) {
        assert_eq!(&kept, frame, "{name}");
    }
}

#[test]
fn what_is_unknown_goes_and_is_told() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    let frames = [
        ("experimental EtherType", ethernet(0x88b5, &PAYLOAD)),
        ("experimental protocol", ethernet(0x0800, &ipv4(253, &PAYLOAD))),
    ];
    write(&file, &frames);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--headers-only"]);
    assert!(run.stderr.contains("2 packets with unknown protocols"), "{}", run.stderr);
    let kept: Vec<usize> = packets(&out).iter().map(|packet| packet.2.len()).collect();
    assert_eq!(kept, [14, 34]);
}

#[test]
fn cutting_keeps_headers_and_lengths() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcap");
    let file = captures.join("lab/http/n1-eth0.pcap");
    vxrewrite(["-r", arg(&file), "-w", arg(&out), "--headers-only"]);
    for (before, after) in packets(&file).iter().zip(packets(&out)) {
        assert_eq!((before.0, before.1), (after.0, after.1));
        assert!(before.2.starts_with(&after.2));
        let decoded = vxlan::decode(&before.2, vxlan::LinkType::ETHERNET);
        let payload = decoded.inner.payload().len();
        assert_eq!(after.2.len() + payload + decoded.inner.padding().len(), before.2.len());
    }
    let fields = ["tcp.seq_raw", "tcp.flags", "tcp.len"];
    let vxlan = ["-d", "udp.port==8472,vxlan"];
    assert_eq!(tshark(&file, &vxlan, &fields), tshark(&out, &vxlan, &fields));
    vxrewrite(["-r", arg(&file), "-w", arg(&out), "--snaplen", "60"]);
    assert!(packets(&out).iter().all(|packet| packet.2.len() == 60 && packet.1 > 60));
}
