//! Dedup: each packet once, as the sending programs count them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use crate::harness::{Folder, Outcome, arg, captures, files_below, tshark, vxrewrite};

/// Merges the captures of all points of a scenario, without `-i any` and the pcapng files, which hold the same once more.
fn points(scenario: &Path) -> Vec<PathBuf> {
    files_below(scenario)
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

/// Totals: `inner_tcp` of the nodes' eth0 in truth.json, where each packet between nodes passes once on its way out; in `mesh`
/// (108 + 72 + 116 - 8) / 2, as each of three nodes sees what it sends and what it receives.
#[test]
fn each_packet_of_the_lab_is_there_once() {
    let Some(captures) = captures() else { return };
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

/// What was lost between the nodes is there once, from where it was still seen; retransmissions stay.
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
    let Some(captures) = captures() else { return };
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
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let any = captures.join("lab/http/n1-any.pcap");
    dedup(&[any], &out);
    let vxlan = ["-d", "udp.port==8472,vxlan", "-Y", "tcp"];
    assert_eq!(tshark(&out, &vxlan, &["tcp.seq"]).len(), 360);
}
