//! Anonymisation, judged by tshark: checksums are as right as before, and no address of the input
//! is left.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;

use vxtest::{Folder, files_below};

use crate::harness::{arg, judged_captures, tshark, vxrewrite};

const CHECKS: [&str; 8] = [
    "-o",
    "udp.check_checksum:TRUE",
    "-o",
    "ip.check_checksum:TRUE",
    "-o",
    "tcp.check_checksum:TRUE",
    "-d",
    "udp.port==8472,vxlan",
];

fn anonymize(folder: &Folder, file: &Path, out: &Path) {
    let key = folder.file("key");
    std::fs::write(&key, std::array::from_fn::<u8, 32, _>(|at| at as u8 * 7)).unwrap();
    let run = vxrewrite(["-r", arg(file), "-w", arg(out), "--anonymize", arg(&key)]);
    assert_eq!(run.status, 0, "{}", run.stderr);
}

#[test]
fn checksums_and_everything_but_addresses_stay() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out");
    let fields = [
        "frame.time_epoch",
        "frame.len",
        "frame.protocols",
        "ip.checksum.status",
        "tcp.checksum.status",
        "udp.checksum.status",
        "icmp.checksum.status",
        "icmpv6.checksum.status",
        "icmp.type",
        "icmpv6.type",
        "arp.opcode",
        "tcp.seq_raw",
        "vxlan.vni",
    ];
    for name in [
        "mesh/n1-eth0.pcap",
        "mesh/n1-cni0.pcap",
        "tcp-bulk-wire/n1-eth0.pcap",
        "service-dnat/n1-all.pcapng",
        "ping/n1-eth0.pcap",
        "ping/n1-any.pcap",
        "inner-frag/n1-eth0.pcap",
        "outer-frag/n1-eth0.pcap",
        "v6/n1-all.pcapng",
        "underlay-mix/n1-eth0.pcap",
        "variants/http-n1-eth0.snap96.pcap",
    ] {
        let file = captures.join("lab").join(name);
        anonymize(&folder, &file, &out);
        let (before, after) = (tshark(&file, &CHECKS, &fields), tshark(&out, &CHECKS, &fields));
        assert_eq!(before.len(), after.len());
        for (number, (before, after)) in before.iter().zip(&after).enumerate() {
            assert_eq!(before, after, "{name} packet {}", number + 1);
        }
    }
}

#[test]
fn prefixes_stay_and_addresses_do_not() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out");
    let fields = [
        "ip.addr",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
        "ipv6.addr",
        "icmpv6.nd.ns.target_address",
    ];
    let macs = ["eth.addr", "arp.src.hw_mac", "icmpv6.opt.linkaddr", "sll.src.eth"];
    for name in
        ["underlay-mix/n1-all.pcapng", "mesh/n1-any.pcap", "v6/n1-all.pcapng", "ping/n2-all.pcapng"]
    {
        let file = captures.join("lab").join(name);
        anonymize(&folder, &file, &out);
        let mut map: HashMap<IpAddr, IpAddr> = HashMap::new();
        let read = |file: &Path, fields: &[&str]| -> Vec<String> {
            tshark(file, &CHECKS, fields)
                .iter()
                .flat_map(|line| line.split([';', ',']).map(str::to_owned).collect::<Vec<_>>())
                .collect()
        };
        let (before, after) = (read(&file, &fields), read(&out, &fields));
        assert_eq!(before.len(), after.len(), "{name}");
        for (before, after) in before.iter().zip(&after).filter(|(before, _)| !before.is_empty()) {
            let (before, after): (IpAddr, IpAddr) =
                (before.parse().unwrap(), after.parse().unwrap());
            assert_eq!(*map.entry(before).or_insert(after), after, "{name}: {before}");
        }
        let shared = |a: IpAddr, b: IpAddr| match (a, b) {
            (IpAddr::V4(a), IpAddr::V4(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
            (IpAddr::V6(a), IpAddr::V6(b)) => Some((a.to_bits() ^ b.to_bits()).leading_zeros()),
            _ => None,
        };
        for (a, new_a) in &map {
            for (b, new_b) in &map {
                assert_eq!(shared(*a, *b), shared(*new_a, *new_b), "{name}: {a} {b}");
            }
        }
        assert!(map.len() > 3, "{name}");
        let before: HashSet<String> = read(&file, &macs).into_iter().collect();
        let after: HashSet<String> = read(&out, &macs).into_iter().collect();
        let left: Vec<_> = before
            .intersection(&after)
            .filter(|mac| !["", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"].contains(&mac.as_str()))
            .collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

/// All captures in one file, so that the judge starts twice only. Those with contents that could
/// not be inspected are left out, as are packets whose payload of TCP or UDP has packets in it.
#[test]
fn no_packet_of_any_capture_keeps_an_address() {
    const PAYLOADS: [&str; 1] = [":sflow"];
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let (alone, all, out) = (folder.file("alone"), folder.file("all"), folder.file("out"));
    let key = folder.file("key");
    std::fs::write(&key, std::array::from_fn::<u8, 32, _>(|at| at as u8 * 7)).unwrap();
    let mut args = Vec::new();
    for file in files_below(&captures, &[]) {
        let is_small = file.metadata().is_ok_and(|data| data.len() < 200_000);
        let name = arg(&file);
        if !is_small || !(name.ends_with("pcap") || name.ends_with("pcapng")) {
            continue;
        }
        let run = vxrewrite(["-r", name, "-w", arg(&alone), "--anonymize", arg(&key)]);
        if run.status == 0 && !run.stderr.contains("could not be inspected") {
            args.extend(["-r".to_owned(), name.to_owned()]);
        }
    }
    assert!(args.len() > 300, "{}", args.len());
    args.extend(["-w", arg(&all), "-F", "pcapng"].map(str::to_owned));
    assert_eq!(vxrewrite(args).status, 0);
    anonymize(&folder, &all, &out);

    let options = [
        "-o",
        "ip.defragment:FALSE",
        "-o",
        "ipv6.defragment:FALSE",
        "-o",
        "tcp.desegment_tcp_streams:FALSE",
    ];
    let fields = [
        "frame.protocols",
        "ip.addr",
        "ipv6.addr",
        "eth.addr",
        "sll.src.eth",
        "arp.src.proto_ipv4",
        "arp.dst.proto_ipv4",
        "arp.src.hw_mac",
        "arp.dst.hw_mac",
        "icmpv6.nd.ns.target_address",
        "icmpv6.nd.na.target_address",
        "icmpv6.opt.linkaddr",
        "icmpv6.opt.prefix",
        "icmpv6.mldr.mar.multicast_address",
        "icmp.redir_gw",
        "igmp.maddr",
        "ip.rec_rt",
        "ipv6.routing.src.addr",
        "ipv6.routing.srh.addr",
        "ipv6.opt.mipv6.home_address",
        "vrrp.ip_addr",
    ];
    // journal and custom blocks are no packets, and are left out
    let packets = |file| -> Vec<String> {
        let mut lines = tshark(file, &options, &fields);
        lines.retain(|line| !line.starts_with("data;"));
        lines
    };
    let (before, after) = (packets(&all), packets(&out));
    assert_eq!(before.len(), after.len());
    let mut compared = 0;
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        let (protocols, before) = before.split_once(';').unwrap();
        let (_, after) = after.split_once(';').unwrap();
        if PAYLOADS.iter().any(|payload| protocols.contains(payload)) {
            continue;
        }
        let known: HashSet<&str> = before.split([';', ',']).collect();
        let left: Vec<&str> = after
            .split([';', ','])
            .filter(|value| known.contains(value))
            // a MAC address that is broadcast or unknown stays
            .filter(|value| !["", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"].contains(value))
            .collect();
        assert!(left.is_empty(), "packet {} ({protocols}): {left:?}", number + 1);
        compared += 1;
    }
    assert!(compared > 5000, "{compared}");
}

#[test]
fn keys_come_from_files_only_and_are_checked() {
    let folder = Folder::new();
    let (file, key) = (folder.file("in.pcap"), folder.file("key"));
    let header =
        [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    std::fs::write(&file, header).unwrap();
    for (bytes, words) in [(vec![7; 32], "two halves"), (vec![1; 31], "32 bytes")] {
        std::fs::write(&key, bytes).unwrap();
        let out = folder.file("out.pcap");
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--anonymize", arg(&key)]);
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains(words), "{}", run.stderr);
        assert!(!out.exists());
    }
}
