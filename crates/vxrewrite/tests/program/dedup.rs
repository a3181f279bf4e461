//! Dedup: each packet once, as the sending programs count them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use vxtest::{Folder, Outcome, files_below};

use crate::harness::{arg, captures, judged_captures, tshark, vxrewrite};

/// Merges the captures of all points of a scenario, without `-i any` and the pcapng files, which
/// hold the same once more.
fn points(scenario: &Path) -> Vec<PathBuf> {
    files_below(scenario, &[])
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "pcap"))
        .filter(|path| !path.to_string_lossy().contains("-any"))
        .collect()
}

fn dedup(files: &[PathBuf], out: &Path) -> Outcome {
    let mut args: Vec<String> = Vec::new();
    for file in files {
        args.extend(["-r".to_owned(), arg(file).to_owned()]);
    }
    args.extend(["-w", arg(out), "--dedup", "-F", "pcapng"].map(str::to_owned));
    vxrewrite(args)
}

/// The flows that the sending programs reported: end that opened it, segments of both directions.
fn flows(scenario: &Path) -> Vec<(String, u64)> {
    let text = std::fs::read_to_string(scenario.join("flows.jsonl")).unwrap();
    let field = |line: &str, name: &str| -> Option<String> {
        let rest = line.split_once(&format!("\"{name}\": "))?.1;
        let end = rest.find([',', '}'])?;
        Some(rest[..end].trim_matches('"').to_owned())
    };
    text.lines()
        .filter(|line| field(line, "proto").as_deref() == Some("tcp"))
        .map(|line| {
            let count = |name| field(line, name).unwrap().parse::<u64>().unwrap();
            (field(line, "sport").unwrap(), count("segs_out") + count("segs_in"))
        })
        .collect()
}

/// Packets of each TCP flow, by the port of the end that opened it.
fn tcp_packets(out: &Path, servers: &[&str]) -> HashMap<String, u64> {
    let vxlan = ["-d", "udp.port==8472,vxlan", "-Y", "tcp"];
    let mut counts = HashMap::new();
    for line in tshark(out, &vxlan, &["tcp.srcport", "tcp.dstport"]) {
        let (source, destination) = line.split_once(';').unwrap();
        let client = if servers.contains(&source) { destination } else { source };
        *counts.entry(client.to_owned()).or_default() += 1;
    }
    counts
}

/// Totals: `inner_tcp` of the nodes' eth0 in truth.json, where each packet between nodes passes
/// once on its way out; in `mesh` (108 + 72 + 116 - 8) / 2, as each of three nodes sees what it
/// sends and what it receives.
#[test]
fn each_packet_of_the_lab_is_there_once() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    for (name, total) in [("mesh", 144), ("service-dnat", 168), ("http", 360), ("wire-loss", 98)] {
        let scenario = captures.join("lab").join(name);
        let out = folder.file("out.pcapng");
        let run = dedup(&points(&scenario), &out);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert!(run.stderr.contains("copies merged"), "{}", run.stderr);
        let counts = tcp_packets(&out, &["80", "8080", "9100"]);
        assert_eq!(counts.values().sum::<u64>(), total, "{name}");
        for (port, segments) in flows(&scenario) {
            // what a node itself sends to a service is masqueraded, with another port
            let Some(&found) = counts.get(&port) else { continue };
            // the programs counted before the connection was closed
            assert!((segments..=segments + 3).contains(&found), "{name} port {port}: {found}");
        }
    }
}

/// What was lost between the nodes is there once, from where it was still seen; retransmissions
/// stay.
#[test]
fn losses_change_nothing() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    dedup(&points(&captures.join("lab/wire-loss")), &out);
    assert_eq!(crate::harness::packets(&out).len(), 298);
}

/// Offload cuts segments otherwise at each point: the first copies are those of the sending pod.
#[test]
fn offload_is_seen_through() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let scenario = captures.join("lab/tcp-bulk-wire");
    dedup(&points(&scenario), &out);
    let pod = crate::harness::packets(&scenario.join("n1p1-eth0.pcap"));
    assert_eq!(crate::harness::packets(&out).len(), pod.len());
}

#[test]
fn pings_are_there_once() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    for (name, expected) in [("mesh", 12), ("ping", 20)] {
        dedup(&points(&captures.join("lab").join(name)), &out);
        let vxlan = ["-d", "udp.port==8472,vxlan", "-Y", "icmp"];
        assert_eq!(tshark(&out, &vxlan, &["icmp.seq"]).len(), expected, "{name}");
    }
}

/// `-i any` sees a packet at each device.
#[test]
fn any_is_many_points() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let any = captures.join("lab/http/n1-any.pcap");
    dedup(&[any], &out);
    let vxlan = ["-d", "udp.port==8472,vxlan", "-Y", "tcp"];
    assert_eq!(tshark(&out, &vxlan, &["tcp.seq"]).len(), 360);
}

/// Outer fragments of a packet are copies of it all together: some points see it whole, others its
/// fragments.
#[test]
fn fragments_of_a_copy_go_together() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let scenario = captures.join("lab/outer-frag");
    let all = points(&scenario);
    dedup(&all, &out);
    // as many as with --decap, of which none is a fragment of the underlay
    assert_eq!(crate::harness::packets(&out).len(), 91);
    assert!(
        tshark(&out, &["-Y", "ip.addr==172.18.0.0/16 && ip.frag_offset>0"], &["ip.id"]).is_empty()
    );
    // where each point sees fragments, all those of one point stay
    let underlay: Vec<_> = all
        .into_iter()
        .filter(|path| path.ends_with("n1-eth0.pcap") || path.ends_with("n2-eth0.pcap"))
        .collect();
    assert_eq!(underlay.len(), 2);
    let run = dedup(&underlay, &out);
    assert!(run.stderr.contains("152 copies merged, 152 packets left"), "{}", run.stderr);
    let whole = ["-d", "udp.port==8472,vxlan", "-Y", "vxlan"];
    assert_eq!(tshark(&out, &whole, &["vxlan.vni"]).len(), 91);
}

/// A TCP segment, with a time in microseconds.
#[derive(Clone)]
struct Segment {
    time: u32,
    id: u16,
    source: u8,
    destination: u8,
    sequence: u32,
    acknowledgement: u32,
    payload: Vec<u8>,
    /// How much of the payload was captured.
    captured: usize,
}

impl Segment {
    fn new(payload: &[u8]) -> Self {
        let (payload, captured) = (payload.to_vec(), payload.len());
        Self {
            time: 0,
            id: 100,
            source: 1,
            destination: 2,
            sequence: 1000,
            acknowledgement: 5,
            payload,
            captured,
        }
    }

    /// A part of it, as offload cuts it.
    fn part(&self, number: u16, len: usize) -> Self {
        let start = usize::from(number) * len;
        let payload = self.payload[start..start + len].to_vec();
        Self {
            id: self.id + number,
            sequence: self.sequence + start as u32,
            captured: len,
            payload,
            ..*self
        }
    }

    fn record(&self) -> Vec<u8> {
        let total = (40 + self.payload.len()) as u16;
        let frame = [
            &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0][..],
            &total.to_be_bytes(),
            &self.id.to_be_bytes(),
            &[0x40, 0, 64, 6, 0, 0, 10, 244, 1, self.source, 10, 244, 2, self.destination],
            &[3, 0xe8, 0, 80],
            &self.sequence.to_be_bytes(),
            &self.acknowledgement.to_be_bytes(),
            &[0x50, 0x18, 1, 0, 0, 0, 0, 0],
            &self.payload[..self.captured],
        ]
        .concat();
        let words = [10, self.time, frame.len() as u32, 54 + self.payload.len() as u32];
        [words.map(u32::to_le_bytes).concat(), frame].concat()
    }
}

/// How many packets are left of what two points saw.
fn left(first: &[Segment], second: &[Segment]) -> usize {
    let folder = Folder::new();
    let files = [first, second].map(|segments| {
        let file = folder.file(&format!("{}.pcap", segments.as_ptr().addr()));
        let mut bytes = vec![
            0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0,
        ];
        bytes.extend(segments.iter().flat_map(Segment::record));
        std::fs::write(&file, bytes).unwrap();
        file
    });
    let out = folder.file("out.pcapng");
    assert_eq!(dedup(&files, &out).status, 0);
    crate::harness::packets(&out).len()
}

#[test]
fn copies_have_the_same_payload_numbers_and_addresses() {
    let one = Segment { time: 0, ..Segment::new(&[7; 40]) };
    let copy = Segment { time: 50, ..one.clone() };
    let with = |change: fn(&mut Segment)| {
        let mut other = copy.clone();
        change(&mut other);
        left(std::slice::from_ref(&one), &[other])
    };
    assert_eq!(with(|_| ()), 1);
    assert_eq!(with(|other| other.payload[39] = 8), 2);
    assert_eq!(with(|other| other.acknowledgement = 6), 2);
    assert_eq!(with(|other| other.sequence = 1001), 2);
    // translated addresses are those of one end
    assert_eq!(with(|other| other.destination = 9), 1);
    assert_eq!(with(|other| other.source = 9), 1);
    assert_eq!(with(|other| (other.source, other.destination) = (9, 9)), 2);
    // of what was captured at both points, and at one
    assert_eq!(with(|other| other.captured = 10), 1);
    assert_eq!(with(|other| (other.captured, other.payload[9]) = (10, 8)), 2);
    assert_eq!(with(|other| (other.captured, other.payload[10]) = (10, 8)), 1);
    let cut = Segment { captured: 20, ..one.clone() };
    assert_eq!(left(std::slice::from_ref(&cut), &[Segment { time: 50, ..cut.clone() }]), 1);
    let mut other = Segment { time: 50, ..cut.clone() };
    other.payload[19] = 8;
    assert_eq!(left(std::slice::from_ref(&cut), &[other]), 2);
}

#[test]
fn parts_of_a_segment_have_its_bytes() {
    let bytes: Vec<u8> = (0..300_u32).map(|number| (number * 7 % 251) as u8).collect();
    let whole = Segment { time: 100, ..Segment::new(&bytes) };
    let parts = |time: u32| [0, 1, 2].map(|number| Segment { time, ..whole.part(number, 100) });
    assert_eq!(left(std::slice::from_ref(&whole), &parts(150)), 1);
    assert_eq!(left(&parts(50), std::slice::from_ref(&whole)), 3);
    for (number, place) in [(0, 99), (1, 0), (2, 50)] {
        let mut changed = parts(150);
        changed[number].payload[place] ^= 1;
        assert_eq!(left(std::slice::from_ref(&whole), &changed), 2);
        let mut changed = parts(50);
        changed[number].payload[place] ^= 1;
        assert_eq!(left(&changed, std::slice::from_ref(&whole)), 4);
    }
    let mut changed = parts(150);
    changed[1].acknowledgement = 6;
    assert_eq!(left(std::slice::from_ref(&whole), &changed), 2);
}
