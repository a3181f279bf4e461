//! tshark's conversations and its TCP analysis, flow by flow.

use std::collections::BTreeMap;
use std::path::Path;

use vxflow::{Ends, FlowRecord};
use vxlan::IpProtocol;

use vxtest::{has_tools, references};

use crate::files;

/// What tshark says of a TCP or UDP stream.
#[derive(Debug, Default, PartialEq)]
struct Stream {
    /// by direction, the first packet's first
    packets: [u64; 2],
    bytes: [u64; 2],
    retransmits: u64,
    out_of_order: u64,
    keep_alives: u64,
    zero_windows: u64,
    resets: u64,
    /// nanoseconds
    initial_rtt: Option<i64>,
}

/// VNI, protocol, and the ends in order: address and port.
type Name = (Option<u32>, u8, [(String, u16); 2]);

const FIELDS: [&str; 20] = [
    "vxlan.vni",
    "ip.src",
    "ip.dst",
    "ipv6.src",
    "ipv6.dst",
    "tcp.srcport",
    "tcp.dstport",
    "udp.srcport",
    "udp.dstport",
    "frame.len",
    "tcp.analysis.retransmission",
    "tcp.analysis.out_of_order",
    "tcp.analysis.keep_alive",
    "tcp.analysis.zero_window",
    "tcp.flags.reset",
    "tcp.analysis.initial_rtt",
    "tcp.stream",
    "udp.stream",
    "ip.len",
    "ipv6.plen",
];

/// Bytes before the inner Ethernet frame: outer Ethernet, IPv4 or IPv6, UDP, VXLAN. (No tags in
/// these captures.)
fn overhead(is_v6: bool) -> u64 {
    14 + if is_v6 { 40 } else { 20 } + 8 + 8
}

/// All streams of a file: tshark's own streams do not know the VNI, so rows are grouped by name.
fn streams(path: &Path, filter: &str, outer_v6: bool) -> BTreeMap<Name, Stream> {
    let mut streams: BTreeMap<Name, Stream> = BTreeMap::new();
    for row in files::tshark(path, filter, &FIELDS) {
        let text = |at: usize| row.get(at).map_or("", String::as_str);
        let vni = text(0).parse().ok();
        // the last value is that of the innermost; IPv4 in IPv6 has none here
        let v6 = !text(3).is_empty() && (text(1).is_empty() || !outer_v6 && vni.is_some());
        let (source, destination) = if v6 { (text(3), text(4)) } else { (text(1), text(2)) };
        let is_tcp = !text(5).is_empty();
        let at = if is_tcp { 5 } else { 7 };
        let (source_port, destination_port) =
            (text(at).parse().unwrap(), text(at + 1).parse().unwrap());
        let mut ends =
            [(source.to_owned(), source_port), (destination.to_owned(), destination_port)];
        ends.sort();
        let side = usize::from(ends[0] != (source.to_owned(), source_port));
        let stream = streams.entry((vni, if is_tcp { 6 } else { 17 }, ends)).or_default();
        stream.packets[side] += 1;
        let len: u64 = text(9).parse().unwrap();
        stream.bytes[side] += if vni.is_some() { len - overhead(outer_v6) } else { len };
        stream.retransmits += u64::from(!text(10).is_empty());
        stream.out_of_order += u64::from(!text(11).is_empty());
        stream.keep_alives += u64::from(!text(12).is_empty());
        stream.zero_windows += u64::from(!text(13).is_empty());
        stream.resets += u64::from(matches!(text(14), "1" | "True"));
        if let Some((seconds, fraction)) = text(15).split_once('.') {
            let nanos =
                seconds.parse::<i64>().unwrap() * 1_000_000_000 + fraction.parse::<i64>().unwrap();
            stream.initial_rtt.get_or_insert(nanos);
        }
    }
    streams
}

fn name(flow: &FlowRecord) -> Option<Name> {
    let Ends::Ports { source, destination } = flow.key.ends else { return None };
    let mut ends =
        [(flow.key.source.to_string(), source), (flow.key.destination.to_string(), destination)];
    ends.sort();
    Some((flow.key.vni.map(u32::from), flow.key.protocol.0, ends))
}

fn stream(flow: &FlowRecord) -> Stream {
    let (f, r) = (&flow.forward, &flow.reverse);
    let Ends::Ports { source, .. } = flow.key.ends else { unreachable!("only flows with ports") };
    let first = (flow.key.source.to_string(), source);
    let swapped = name(flow).is_some_and(|(_, _, ends)| ends[0] != first);
    let order = |a, b| if swapped { [b, a] } else { [a, b] };
    Stream {
        packets: order(f.packets, r.packets),
        bytes: order(f.bytes, r.bytes),
        retransmits: u64::from(f.retransmits + r.retransmits),
        out_of_order: u64::from(f.out_of_order + r.out_of_order),
        keep_alives: u64::from(f.keep_alives + r.keep_alives),
        zero_windows: u64::from(f.zero_windows + r.zero_windows),
        resets: u64::from(f.resets) + u64::from(r.resets),
        initial_rtt: if flow.key.protocol == IpProtocol::TCP { flow.rtt() } else { None },
    }
}

/// Every capture of the lab at a single point: packets, bytes, health and round-trip times of every
/// stream.
#[test]
fn lab_captures_agree_with_tshark() {
    let Some(folder) = references("").filter(|_| has_tools(&["tshark"])) else { return };
    let (mut streams_seen, mut sent_again) = (0, 0);
    for path in files::files(&folder.join("lab")) {
        let file = path.strip_prefix(&folder).unwrap().display().to_string();
        // Not compared:
        // - several capture points in one file: tshark takes copies for retransmissions
        // - fragments: tshark counts a datagram at its last fragment, this crate each fragment
        // - cut files, which make tshark fail
        // - those of the bridge and in the pod: the same packets as on the veth, and running tshark
        //   takes time
        let skipped = ["-any", "-all", "-merged", "-frag/", ".cut.", "-cni0", "p1-eth0"];
        if skipped.iter().any(|part| file.contains(part)) {
            continue;
        }
        let v6 = file.contains("v6/");
        let filter = if v6 { "(tcp or udp) and not icmpv6" } else { "(tcp or udp) and not icmp" };
        let mut theirs = streams(&path, filter, v6);
        if file.contains("calico") || file.contains("eth0") {
            // the outer packets themselves are no flows of ours
            theirs.retain(|(vni, protocol, ends), _| {
                vni.is_some() || *protocol == 6 || ends.iter().all(|(_, port)| *port != 8472)
            });
        }
        let flows = files::flows(&path);
        let mut ours = BTreeMap::new();
        for flow in &flows {
            if let Some(name) = name(flow) {
                assert!(ours.insert(name, stream(flow)).is_none(), "{file}: {:?} twice", flow.key);
            }
        }
        if file.contains("underlay-mix") {
            // datagrams to tunnel ports that are no tunnel packets: tshark calls them VXLAN or not
            // by other rules
            let odd = |(_, protocol, ends): &Name| {
                *protocol == 17 && ends.iter().any(|(_, port)| matches!(port, 8472 | 4789))
            };
            ours.retain(|name, _| !odd(name));
            theirs.retain(|name, _| !odd(name));
        }
        streams_seen += theirs.len();
        sent_again += theirs.values().map(|stream| stream.retransmits).sum::<u64>();
        assert_eq!(
            ours.keys().collect::<Vec<_>>(),
            theirs.keys().collect::<Vec<_>>(),
            "{file}: other streams"
        );
        for (name, theirs) in &mut theirs {
            if theirs.packets.contains(&0) {
                // tshark measures from SYN to ACK also where the SYN-ACK went another way (or was
                // translated)
                theirs.initial_rtt = None;
            }
            assert_eq!(&ours[name], &*theirs, "{file}: {name:?}");
        }
    }
    assert!(streams_seen > 1000 && sent_again > 20, "{streams_seen} streams, {sent_again}");
}
