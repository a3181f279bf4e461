//! What the lab's sending programs report.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;
use vxflow::{ConnState, FlowKey, FlowRecord};
use vxlan::IpProtocol;

use crate::files;

/// Ethernet, and TCP with the timestamp option that every segment has.
const ETHERNET: u64 = 14;
const TCP: u64 = 32;
/// What a SYN has besides: maximum segment size, SACK permitted, window scale, less what pads the
/// timestamps.
const SYN_EXTRA: u64 = 8;
const UDP: u64 = 8;

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or("")
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

fn ip_len(flow: &FlowRecord) -> u64 {
    if flow.key.source.is_ipv4() { 20 } else { 40 }
}

/// Payload bytes of TCP that nothing was sent twice of.
fn payload(flow: &FlowRecord, counts: &vxflow::Counts) -> u64 {
    counts.bytes - counts.packets * (ETHERNET + ip_len(flow) + TCP) - SYN_EXTRA
}

fn check_tcp(truth: &Value, flow: &FlowRecord, context: &str) {
    assert_eq!(flow.state, ConnState::SF, "{context}");
    assert_eq!(payload(flow, &flow.forward), number(truth, "bytes_up"), "{context}");
    if truth["bytes_down"].is_u64() {
        assert_eq!(payload(flow, &flow.reverse), number(truth, "bytes_down"), "{context}");
    }
    assert_eq!(flow.forward.retransmits + flow.reverse.retransmits, 0, "{context}");
}

fn check_udp(truth: &Value, flow: &FlowRecord, context: &str) {
    let sent = number(truth, "sent");
    let echoed = number(truth, "echoed");
    assert_eq!((flow.forward.packets, flow.reverse.packets), (sent, echoed), "{context}");
    let len = ETHERNET + ip_len(flow) + UDP + number(truth, "size");
    assert_eq!((flow.forward.bytes, flow.reverse.bytes), (sent * len, echoed * len), "{context}");
    let answered = flow.exchange.unwrap().answered;
    assert_eq!(answered > 0, echoed > 0, "{context}");
    let state = if echoed > 0 { ConnState::SF } else { ConnState::S0 };
    assert_eq!(flow.state, state, "{context}");
}

/// All flows that the sending programs report, at the sending pod.
#[test]
fn flows_are_those_of_the_senders() {
    let Some(folder) = vxtest::references("") else { return };
    let lab = folder.join("lab");
    let truth = std::fs::read_to_string(lab.join("truth.json")).unwrap();
    let truth: Value = serde_json::from_str(&truth).unwrap();
    let mut checked = [0; 4];
    for (scenario, details) in truth["scenarios"].as_object().unwrap() {
        let flows: Vec<FlowRecord> = ["n1", "n2", "n3"]
            .iter()
            .flat_map(|node| {
                // the veth is that of one pod, before address translation; the bridge sees all pods
                let points = ["veth", "cni0"].map(|point| format!("{node}-{point}.pcap"));
                let paths = points.map(|point| lab.join(scenario).join(point));
                paths.into_iter().filter(|path| path.is_file())
            })
            .flat_map(|path| files::flows(&path))
            .collect();
        for truth in details["flows"].as_array().unwrap() {
            let context = format!("{scenario}: {truth}");
            let key = |flow: &&FlowRecord| {
                flow.key.vni.is_none()
                    && flow.key.source.to_string() == text(truth, "src")
                    && flow.key.source_port().map(u64::from) == truth["sport"].as_u64()
                    && flow.key.destination.to_string() == text(truth, "dst")
                    && flow.key.destination_port().map(u64::from) == truth["dport"].as_u64()
            };
            let kind = text(truth, "kind");
            // not there: what nodes themselves send; and inner fragments, which have headers of
            // their own
            let source = text(truth, "src");
            if kind == "ping" {
                checked[0] += usize::from(check_ping(truth, &flows, &context));
            } else if !(source.starts_with("10.244.") || source.starts_with("fd00:10:244:"))
                || ["10.244.1.0", "10.244.2.0", "10.244.3.0"].contains(&source)
            {
            } else if kind == "http" || kind == "bulk" {
                let Some(flow) = flows.iter().find(key) else { panic!("no flow for {context}") };
                if number(truth, "retrans") == 0 {
                    check_tcp(truth, flow, &context);
                    checked[1] += 1;
                } else {
                    // the kernel counts segments, of which a super-packet has many, as in the IPv6
                    // scenario
                    let sent_again = u64::from(flow.forward.retransmits);
                    let expected = if scenario == "v6" { 1 } else { number(truth, "retrans") };
                    assert_eq!(sent_again, expected, "{context}");
                }
            } else if kind.starts_with("udp") && scenario != "inner-frag" {
                let Some(flow) = flows.iter().find(key) else { panic!("no flow for {context}") };
                check_udp(truth, flow, &context);
                checked[2] += 1;
            } else if kind == "dns" {
                let Some(flow) = flows.iter().find(key) else { panic!("no flow for {context}") };
                let exchange = flow.exchange.unwrap();
                let queries = number(truth, "queries");
                assert_eq!(u64::from(exchange.requests), queries, "{context}");
                assert_eq!(u64::from(exchange.answered), queries, "{context}");
                assert!(exchange.first_response.unwrap() > 0, "{context}");
                checked[3] += 1;
            }
        }
    }
    assert!(
        checked[0] >= 10 && checked[1] >= 60 && checked[2] >= 100 && checked[3] >= 2,
        "{checked:?}"
    );
}

/// A ping that the pod of a node sent: requests and answers as it counted them.
fn check_ping(truth: &Value, flows: &[FlowRecord], context: &str) -> bool {
    if !text(truth, "from").contains('p') {
        return false; // of the node itself
    }
    let found = flows.iter().any(|flow| {
        let Some(exchange) = flow.exchange else { return false };
        matches!(flow.key.protocol, IpProtocol::ICMP | IpProtocol::ICMPV6)
            && flow.key.destination.to_string() == text(truth, "dst")
            && u64::from(exchange.requests) == number(truth, "sent")
            && u64::from(exchange.answered) == number(truth, "answered")
    });
    assert!(found, "no ping as {context}");
    true
}

fn flow_of(flows: &[FlowRecord], protocol: IpProtocol) -> Vec<&FlowRecord> {
    flows.iter().filter(|flow| flow.key.protocol == protocol).collect()
}

/// Inner fragments join their flow, in whichever order they come: 4 datagrams of 3,000 bytes in 3
/// fragments each, echoed.
#[test]
fn inner_fragments_join_their_flow() {
    let Some(folder) = vxtest::references("") else { return };
    let files = ["n1-eth0.pcap", "n1-veth.pcap", "n2-eth0.pcap"];
    for (file, is_reversed) in files.into_iter().flat_map(|file| [(file, false), (file, true)]) {
        let mut frames = files::frames(&folder.join("lab/inner-frag").join(file));
        if is_reversed {
            let times: Vec<_> = frames.iter().map(|frame| frame.seen.time).collect();
            frames.reverse();
            for (frame, time) in frames.iter_mut().zip(times) {
                frame.seen.time = time;
            }
        }
        let flows: Vec<_> =
            files::table(&frames, vxflow::Config::without_timeouts()).finish().collect();
        let udp = flow_of(&flows, IpProtocol::UDP);
        assert_eq!(udp.len(), 1, "{file}: {udp:#?}");
        assert_eq!((udp[0].forward.packets, udp[0].reverse.packets), (12, 12), "{file}");
        // each datagram: its payload and UDP header once, the other headers three times
        let bytes = 4 * (3000 + UDP + 3 * (ETHERNET + 20));
        assert_eq!((udp[0].forward.bytes, udp[0].reverse.bytes), (bytes, bytes), "{file}");
        let pings = flow_of(&flows, IpProtocol::ICMP);
        assert_eq!(pings.len(), 1, "{file}: {pings:#?}");
        let answered = pings[0].exchange.unwrap().answered;
        assert!(is_reversed || answered == 3, "{file}: {answered}");
    }
}

/// Outer fragments: the first stands for the whole inner packet, so that the flows are those of the
/// bridge.
#[test]
fn outer_fragments_count_once() {
    let Some(folder) = vxtest::references("") else { return };
    let folder = folder.join("lab/outer-frag");
    let plain = files::flows(&folder.join("n1-flannel.1.pcap"));
    let carried = files::flows(&folder.join("n1-eth0.pcap"));
    assert_eq!(plain.len(), carried.len());
    for (plain, carried) in plain.iter().zip(&carried) {
        assert_eq!(plain.key.source, carried.key.source);
        assert_eq!(plain.key.ends, carried.key.ends);
        assert_eq!(plain.forward, carried.forward);
        assert_eq!(plain.reverse, carried.reverse);
        assert_eq!(plain.state, carried.state);
    }
    let frames = files::frames(&folder.join("n1-eth0.pcap"));
    let counts = files::table(&frames, vxflow::Config::default()).counts();
    // truth.json: 122 fragments, two a packet
    assert_eq!(counts.tunnel_fragments, 61);
}

/// Loss in the underlay: the sender's counter of retransmissions is seen at its own node; at the
/// other one the FIN that was lost looks new.
#[test]
fn retransmissions_are_those_that_the_sender_counted() {
    let Some(folder) = vxtest::references("") else { return };
    let folder = folder.join("lab/wire-loss");
    for (file, expected) in [("n1-eth0.pcap", 5), ("n1-veth.pcap", 5), ("n2-eth0.pcap", 4)] {
        let flows = files::flows(&folder.join(file));
        let tcp = flow_of(&flows, IpProtocol::TCP);
        assert_eq!(tcp.len(), 1, "{file}");
        assert_eq!(tcp[0].forward.retransmits, expected, "{file}");
        assert_eq!(tcp[0].forward.out_of_order + tcp[0].reverse.retransmits, 0, "{file}");
    }
}

/// Several capture points in one file: copies are no retransmissions, and are counted or not as
/// wished.
#[test]
fn copies_are_told_from_retransmissions() {
    let Some(folder) = vxtest::references("") else { return };
    let mut copies = 0;
    for path in files::files(&folder.join("lab")) {
        let file = path.display().to_string();
        let is_sll1 = file.contains("sll1");
        if is_sll1 || !(file.ends_with("any.pcap") || file.ends_with("all.pcapng")) {
            continue;
        }
        let frames = files::frames(&path);
        let all = files::table(&frames, vxflow::Config::without_timeouts());
        let config = vxflow::Config::without_timeouts().count_copies(false);
        let once = files::table(&frames, config);
        let packets = all.counts().packets;
        let mut counted_once = 0;
        let alone = alone(&path);
        for flow in once.finish() {
            let key = FlowKey { vni: None, ..flow.key };
            let expected = alone.get(&key).copied().unwrap_or_default();
            let retransmits = (flow.forward.retransmits, flow.reverse.retransmits);
            assert_eq!(retransmits, expected, "{file}: {flow:?}");
            for counts in [flow.forward, flow.reverse] {
                counted_once += counts.packets + u64::from(counts.copies);
                copies += counts.copies;
            }
        }
        assert_eq!(counted_once, packets, "{file}");
        // each packet of a pod once, as on its veth
        if file.ends_with("http/n1-any.pcap") {
            check_once(&path, &frames);
        }
    }
    assert!(copies > 1000, "{copies}");
}

/// Retransmissions of each flow in the captures of single points beside `path`, whether they see it
/// in a tunnel or not.
fn alone(path: &Path) -> BTreeMap<FlowKey, (u32, u32)> {
    let mut all = BTreeMap::new();
    let (folder, name) = (path.parent().unwrap(), path.file_name().unwrap().to_str().unwrap());
    for point in ["veth", "eth0", "cni0", "flannel.1"] {
        let path = folder.join(format!("{}-{point}.pcap", &name[..2]));
        for flow in files::flows(&path) {
            let retransmits = (flow.forward.retransmits, flow.reverse.retransmits);
            all.entry(FlowKey { vni: None, ..flow.key }).or_insert(retransmits);
        }
    }
    all
}

/// Points that see a packet in a tunnel and in none; and the tables of several threads.
#[test]
fn a_packet_in_a_tunnel_and_in_none_is_one() {
    let Some(folder) = vxtest::references("") else { return };
    let config = vxflow::Config::without_timeouts().count_copies(false);
    let lab = folder.join("lab");
    let http = ["n1-eth0.pcap", "n1-cni0.pcap"].map(|name| lab.join("http").join(name));
    for (order, expected) in [([0, 1], (30, 360)), ([1, 0], (30, 360))] {
        let mut frames = Vec::new();
        for (interface, which) in order.into_iter().enumerate() {
            frames.extend(files::frames(&http[which]).into_iter().map(|mut frame| {
                frame.seen.interface = interface as u32;
                frame
            }));
        }
        frames.sort_by_key(|frame| frame.seen.time);
        let table = files::table(&frames, config.clone());
        assert_eq!(table.counts().packets, expected.1);
        let flows: Vec<_> = table.finish().collect();
        let packets = flows.iter().map(|flow| flow.forward.packets + flow.reverse.packets);
        assert_eq!((flows.len(), packets.sum::<u64>()), expected);
        assert!(flows.iter().all(|flow| flow.key.vni.is_some() && flow.vteps.is_some()));
        assert!(flows.iter().all(|flow| flow.vtep_changes == 0));
    }
}

/// Files that do not name their devices, as those merged into a pcap file: all packets seem to be
/// of one interface.
#[test]
fn copies_at_devices_without_names() {
    let Some(folder) = vxtest::references("") else { return };
    let lab = folder.join("lab");
    let merged = |scenario: &str, points: &[&str]| {
        let mut frames: Vec<_> = points
            .iter()
            .flat_map(|point| files::frames(&lab.join(scenario).join(format!("{point}.pcap"))))
            .collect();
        frames.sort_by_key(|frame| frame.seen.time);
        frames
    };
    let sum = |frames: &[files::OwnedFrame], config| {
        files::table(frames, config).finish().fold([0; 5], |sum: [u64; 5], flow| {
            let (there, back) = (flow.forward, flow.reverse);
            let lost = u64::from(there.retransmits + back.retransmits);
            let late = u64::from(there.out_of_order + back.out_of_order);
            [
                sum[0] + 1,
                sum[1] + there.packets,
                sum[2] + back.packets,
                sum[3] + lost,
                sum[4] + late,
            ]
        })
    };
    let whole = vxflow::Config::without_timeouts();
    let once = whole.clone().count_copies(false);
    // truth.json: 30 connections; tshark: 6 packets of each end in each file
    for points in [&["n1-eth0", "n1-flannel.1"], &["n1-eth0", "n2-eth0"]] {
        let frames = merged("http", points);
        assert_eq!(sum(&frames, once.clone()), [30, 180, 180, 0, 0], "{points:?}");
        let [_, there, back, lost, late] = sum(&frames, whole.clone());
        assert_eq!([there, back, lost, late], [360, 360, 0, 0], "{points:?}");
    }
    // a packet at each of four devices; and what the kernel's senders count is lost, once
    let all = ["n1-veth", "n1-cni0", "n1-flannel.1", "n1-eth0"];
    for (scenario, expected) in [("dns", [3, 75, 75, 0, 0]), ("udp-small", [105, 450, 50, 0, 0])] {
        assert_eq!(sum(&merged(scenario, &all), once.clone()), expected, "{scenario}");
    }
    let lossy = merged("wire-loss", &all);
    let alone = merged("wire-loss", &all[..1]);
    assert_eq!(sum(&lossy, once.clone()), sum(&alone, once.clone()));
    assert_eq!(sum(&alone, once.clone())[1..], sum(&alone, whole)[1..]);
}

/// Frames of which the capture kept too little are told apart from those without IP, and make no
/// health worse.
#[test]
fn cut_frames_are_told() {
    let Some(folder) = vxtest::references("") else { return };
    let frames = files::frames(&folder.join("lab/http/n1-eth0.pcap"));
    let cut = |len: usize| {
        let shorter: Vec<_> = frames
            .iter()
            .map(|frame| files::OwnedFrame {
                data: frame.data[..len.min(frame.data.len())].to_vec(),
                ..*frame
            })
            .collect();
        let table = files::table(&shorter, vxflow::Config::without_timeouts());
        let counts = table.counts();
        let lost = table.finish().map(|flow| flow.forward.retransmits + flow.reverse.retransmits);
        (counts.cut, counts.not_ip, counts.packets, lost.sum::<u32>())
    };
    // each frame: 50 bytes to the inner Ethernet header, 14 and 20 to TCP's, which has 32 or, with
    // the SYN, 40
    assert_eq!(cut(65535), (0, 0, 360, 0));
    assert_eq!(cut(124), (0, 0, 360, 0));
    assert_eq!(cut(123), (60, 0, 360, 0));
    assert_eq!(cut(105), (360, 0, 360, 0));
    assert_eq!(cut(90), (360, 0, 360, 0));
    for len in [80, 60, 30, 20, 0] {
        assert_eq!(cut(len), (360, 0, 0, 0), "{len}");
    }
}

/// The kernel's device `any` in the older format, that has no interface: three requests and three
/// answers at four devices.
#[test]
fn a_ping_at_any_device_counts_once() {
    let path = vxtest::testdata("captures/ping-n1-any-sll1.pcap");
    let config = vxflow::Config::without_timeouts().count_copies(false);
    let flows: Vec<_> = files::table(&files::frames(&path), config).finish().collect();
    let counted = flows.iter().map(|flow| (flow.forward.packets, flow.reverse.packets));
    assert_eq!(counted.collect::<Vec<_>>(), [(3, 3)]);
}

/// Equal addresses in two networks stay two flows, and packets in none belong to the first of them.
#[test]
fn networks_stay_apart() {
    let one: &[u8] = vxlan::example::SYN;
    let mut two = one.to_vec();
    two[14 + 20 + 8 + 6] = 2;
    let plain = &one[50..];
    let config = vxflow::Config::without_timeouts().count_copies(false);
    for order in [[one, &two, plain], [one, plain, &two], [plain, one, &two]] {
        let mut table = vxflow::FlowTable::new(config.clone());
        for (number, frame) in (0..).zip(order) {
            let interface = u32::from(frame.len() == plain.len());
            let seen = vxflow::Seen { time: number, interface, wire_len: frame.len() as u32 };
            table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        }
        let mut flows: Vec<_> = table
            .finish()
            .map(|flow| (flow.key.vni.map(u32::from), flow.forward.packets, flow.forward.copies))
            .collect();
        flows.sort_unstable();
        assert_eq!(flows, [(Some(1), 1, 1), (Some(2), 1, 0)]);
    }
}

fn check_once(path: &Path, frames: &[files::OwnedFrame]) {
    let config = vxflow::Config::without_timeouts().count_copies(false);
    let once = files::table(frames, config);
    let on_veth = files::flows(&path.with_file_name("n1-veth.pcap"));
    let mut all: Vec<_> = once.finish().collect();
    // nothing else than the pods' flows, which are in a tunnel further on, and the tunnel's own
    all.retain(|flow| flow.key.source.to_string().starts_with("10.244."));
    all.sort_by_key(|flow| (FlowKey { vni: None, ..flow.key }, flow.first));
    assert_eq!(all.len(), on_veth.len());
    for (once, veth) in all.iter().zip(&on_veth) {
        assert_eq!(once.key, FlowKey { vni: vxlan::Vni::new(1), ..veth.key });
        assert_eq!(once.forward.packets, veth.forward.packets, "{:?}", once.key);
        assert_eq!(once.reverse.packets, veth.reverse.packets, "{:?}", once.key);
    }
}

/// Carriage: the VTEPs of the opener's direction, from either end.
#[test]
fn vteps_are_those_of_the_opener() {
    let Some(folder) = vxtest::references("") else { return };
    for file in ["n1-eth0.pcap", "n2-eth0.pcap"] {
        for flow in files::flows(&folder.join("lab/http").join(file)) {
            let (from, to) = flow.vteps.unwrap();
            let vteps = (from.to_string(), to.to_string());
            assert_eq!(vteps, ("172.18.0.2".to_owned(), "172.18.0.3".to_owned()), "{file}");
            assert_eq!(flow.vtep_changes, 0, "{file}");
        }
    }
}
