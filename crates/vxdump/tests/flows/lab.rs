//! The flows of files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;

use serde_json::Value;
use vxcap::write::{PcapFormat, PcapWriter};
use vxcap::{Interface, LinkType, Timestamp};
use vxtest::{Folder, has_tools, references, tool};

use crate::program::{bundled, captures, flows, run, text};

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or(0)
}

/// Every HTTP connection and every series of datagrams that a pod's program reports, on its veth.
#[test]
fn flows_are_those_of_the_senders() {
    let Some(lab) = references("lab") else { return };
    let truth = std::fs::read_to_string(lab.join("truth.json")).expect("truth.json");
    let truth: Value = serde_json::from_str(&truth).expect("truth.json is JSON");
    let (mut http, mut udp) = (0, 0);
    for (scenario, details) in truth["scenarios"].as_object().expect("scenarios") {
        let points =
            ["n1", "n2", "n3"].map(|node| lab.join(scenario).join(format!("{node}-veth.pcap")));
        let points = points.iter().filter(|path| path.is_file());
        let all: Vec<Value> = points.flat_map(|path| flows(path, &[])).collect();
        let mut found = BTreeMap::new();
        for flow in &all {
            let key = ["src", "sport", "dst", "dport"].map(|key| flow[key].to_string());
            // where some are lost, the sender's own veth has the most
            let best = found.entry(key).or_insert(flow);
            if number(flow, "packets") > number(best, "packets") {
                *best = flow;
            }
        }
        for sent in details["flows"].as_array().expect("flows") {
            let key = ["src", "sport", "dst", "dport"].map(|key| sent[key].to_string());
            // not every sender is behind a veth that was captured
            let Some(flow) = found.get(&key) else { continue };
            let context = format!("{scenario}: {sent} {flow}");
            // Ethernet, IP, and the TCP header with timestamps or the UDP header
            let ip = if key[0].contains(':') { 40 } else { 20 };
            match sent["kind"].as_str().unwrap_or("") {
                "http" if number(sent, "retrans") == 0 => {
                    // a SYN has 8 bytes of options more, less the padding of timestamps
                    let headers = |packets: u64| packets * (14 + ip + 32) + 8;
                    let up = number(flow, "bytes") - headers(number(flow, "packets"));
                    let down = number(flow, "rev_bytes") - headers(number(flow, "rev_packets"));
                    assert_eq!(up, number(sent, "bytes_up"), "{context}");
                    assert_eq!(down, number(sent, "bytes_down"), "{context}");
                    assert_eq!((&flow["state"], &flow["retransmits"]), (&"SF".into(), &0.into()));
                    assert!(flow["rtt_ms"].as_f64().is_some_and(|rtt| rtt > 0.0), "{context}");
                    http += 1;
                }
                kind if kind.starts_with("udp") && scenario != "inner-frag" => {
                    assert_eq!(number(flow, "packets"), number(sent, "sent"), "{context}");
                    assert_eq!(number(flow, "rev_packets"), number(sent, "echoed"), "{context}");
                    let len = 14 + ip + 8 + number(sent, "size");
                    assert_eq!(number(flow, "bytes"), number(sent, "sent") * len, "{context}");
                    udp += 1;
                }
                _ => {}
            }
        }
    }
    assert!(http >= 50 && udp >= 100, "{http} {udp}");
}

/// tshark's conversations of the inner packets: as many, with the packets and bytes of both
/// directions.
#[test]
fn conversations_are_those_of_tshark() {
    let Some(lab) = references("lab") else { return };
    if !has_tools(&["tshark"]) {
        return;
    }
    for scenario in ["http", "service-dnat", "mesh", "wire-loss", "calico"] {
        let point = if scenario == "calico" { "n1-vxlan.calico" } else { "n1-flannel.1" };
        let path = lab.join(scenario).join(format!("{point}.pcap"));
        if !path.is_file() {
            continue;
        }
        let name = path.to_str().expect("a name in UTF-8");
        let fields = ["-e", "tcp.stream", "-e", "frame.len"];
        let rows = tool(
            "tshark",
            [&["-r", name, "-Y", "tcp and not icmp", "-T", "fields"], &fields[..]].concat(),
        );
        let mut theirs: BTreeMap<&str, [u64; 2]> = BTreeMap::new();
        for (stream, len) in rows.lines().filter_map(|row| row.split_once('\t')) {
            let stream = theirs.entry(stream).or_default();
            stream[0] += 1;
            stream[1] += len.parse::<u64>().expect("a length");
        }
        let mut theirs: Vec<[u64; 2]> = theirs.into_values().collect();
        theirs.sort_unstable();
        let both =
            |flow: &Value, key: &str| number(flow, key) + number(flow, &format!("rev_{key}"));
        let tcp = flows(&path, &["--inner", "tcp"]);
        let mut ours: Vec<[u64; 2]> =
            tcp.iter().map(|flow| [both(flow, "packets"), both(flow, "bytes")]).collect();
        ours.sort_unstable();
        assert!(!ours.is_empty());
        assert_eq!(ours, theirs, "{scenario}");
    }
}

/// Any number of threads prints the same, to the byte; and so do damaged files, whose damage is
/// told in the same words.
#[test]
fn threads_make_no_difference() {
    let Some(folder) = references("") else { return };
    let (mut files, mut lines, mut damaged) = (0, 0, 0);
    for path in captures(&folder) {
        let name = path.to_str().expect("a name in UTF-8");
        let with = |threads| run(&["-r", name, "--format", "csv", "--threads", threads]);
        let (one, three) = (with("1"), with("3"));
        lines += String::from_utf8_lossy(&one.stdout).lines().count();
        files += 1;
        damaged += usize::from(!one.status.success());
        assert_eq!(one, three, "{name}");
    }
    let counts = format!("{files} files, {damaged} damaged ones, {lines} lines");
    assert!(files > 300 && damaged > 5 && lines > 3000, "{counts}");
}

/// CSV has the columns of the table and the keys of JSON, in the same order, and the same values.
#[test]
fn formats_agree() {
    let path = bundled("mesh-n1-all.pcapng");
    let name = path.to_str().expect("a name in UTF-8");
    let csv = text(&["-r", name, "--format", "csv"]);
    let mut rows = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let columns = rows.next().expect("a head");
    let expected = "first last duration vni protocol src sport dst dport src_node dst_node src_name dst_name vtep_src \
                    vtep_dst packets bytes rev_packets rev_bytes state tcp_flags rev_tcp_flags rtt_ms retransmits \
                    rev_retransmits";
    // new columns come behind these
    assert!(columns.starts_with(&expected.split_whitespace().collect::<Vec<_>>()), "{columns:?}");
    let table = text(&["-r", name, "--sort", "first"]);
    assert_eq!(
        table.lines().next().expect("a head").split_whitespace().collect::<Vec<_>>(),
        columns
    );
    let json = text(&["-r", name, "--format", "json"]);
    for ((row, line), cells) in rows.zip(json.lines()).zip(table.lines().skip(1)) {
        let object: Value = serde_json::from_str(line).expect("an object");
        let shown: Vec<_> = cells.split_whitespace().collect();
        let mut at = 0;
        for ((column, cell), shown) in columns.iter().zip(row).zip(shown) {
            assert_eq!(shown, if cell.is_empty() { "-" } else { cell }, "{column}");
            if cell.is_empty() {
                assert!(object.get(column).is_none(), "{column}: {line}");
                continue;
            }
            // in the order of the columns
            let key = format!("\"{column}\":");
            let place = line.find(&key).unwrap_or_else(|| panic!("no {column} in {line}"));
            assert!(place >= at, "{column} in {line}");
            at = place;
            let value = line[place + key.len()..].trim_start_matches('"');
            assert!(value.starts_with(cell), "{column}: {cell} {line}");
        }
    }
}

/// Sums are the sums of the flows, however they are grouped.
#[test]
fn sums_are_those_of_the_flows() {
    for capture in ["mesh-n1-all.pcapng", "http-n1-eth0.pcap", "v6-n1-eth0.pcap"] {
        let path = bundled(capture);
        let total = |rows: &[Value]| {
            ["packets", "bytes", "retransmits"].map(|key| {
                rows.iter()
                    .map(|row| number(row, key) + number(row, &format!("rev_{key}")))
                    .sum::<u64>()
            })
        };
        let all = flows(&path, &[]);
        for by in ["pod", "node", "vni", "vtep", "service"] {
            let rows = flows(&path, &["--by", by]);
            assert_eq!(total(&rows), total(&all), "{capture} by {by}");
            let flows: u64 = rows.iter().map(|row| number(row, "flows")).sum();
            assert_eq!(flows, all.len() as u64, "{capture} by {by}");
        }
        let vteps: BTreeSet<_> = all
            .iter()
            .map(|flow| {
                let mut pair = [flow["vtep_src"].to_string(), flow["vtep_dst"].to_string()];
                pair.sort();
                pair
            })
            .collect();
        assert_eq!(flows(&path, &["--by", "vtep"]).len(), vteps.len(), "{capture}");
    }
}

/// Flows of some states are those that have them, in sums too, which count what went wrong.
#[test]
fn states_select_and_are_counted() {
    let mut paths = vec![bundled("stale-mac-n1-eth0.pcap"), bundled("underlay-mix-n1-eth0.pcap")];
    if let Some(lab) = references("lab") {
        let more = ["tcp-bulk-wire/n1-eth0.pcap", "udp-small/n1-eth0.pcap"];
        paths.extend(more.map(|name| lab.join(name)));
    }
    for path in paths {
        let all = flows(&path, &[]);
        let states: BTreeSet<&str> = all.iter().filter_map(|flow| flow["state"].as_str()).collect();
        assert!(states.len() > 1, "{}", path.display());
        for wanted in ["S0", "sf", "OTH,S0", "rej,RSTR"] {
            let are = |flow: &&Value| {
                let state = flow["state"].as_str().expect("a state");
                wanted.split(',').any(|wanted| wanted.eq_ignore_ascii_case(state))
            };
            let expected: Vec<&Value> = all.iter().filter(are).collect();
            let chosen = flows(&path, &["--state", wanted]);
            assert_eq!(chosen.iter().collect::<Vec<_>>(), expected, "{wanted}");
            let sums = flows(&path, &["--state", wanted, "--by", "vni"]);
            let sum = |key: &str| sums.iter().map(|row| number(row, key)).sum::<u64>();
            assert_eq!(sum("flows"), expected.len() as u64, "{wanted}");
            let name = path.to_str().expect("a name in UTF-8");
            let table = text(&["-r", name, "--state", wanted]);
            let tail = format!("{} of {} flows, ", expected.len(), all.len());
            let tail =
                if expected.len() == all.len() { format!("{} flows, ", all.len()) } else { tail };
            assert!(table.lines().last().is_some_and(|last| last.starts_with(&tail)), "{table}");
        }
        // this one has the ICMP error that a datagram to a closed port was answered with
        let refused = u64::from(path.ends_with("underlay-mix-n1-eth0.pcap"));
        let sums = flows(&path, &["--by", "vtep", "--sort", "failed"]);
        let sum = |key: &str| sums.iter().map(|row| number(row, key)).sum::<u64>();
        let count = |states: &[&str]| {
            let has = |flow: &&Value| states.contains(&flow["state"].as_str().unwrap_or(""));
            all.iter().filter(has).count() as u64
        };
        let is_lost_ping = |flow: &&Value| {
            flow["protocol"] == "icmp" && flow["sport"].is_u64() && number(flow, "rev_packets") == 0
        };
        let lost_pings = all.iter().filter(is_lost_ping).count() as u64;
        let failed = [
            count(&["S0"]) + lost_pings - refused,
            count(&["REJ"]) + refused,
            count(&["RSTO", "RSTR"]),
        ];
        assert_eq!(["unanswered", "rejected", "resets"].map(sum), failed, "{}", path.display());
        assert!(failed.iter().sum::<u64>() > 0);
        let first = flows(&path, &["--sort", "failed", "--top", "1"]);
        assert!(["S0", "RSTR", "OTH"].contains(&first[0]["state"].as_str().expect("a state")));
    }
}

/// The first end of a pair is the one that opened more of its flows, or as many and the first.
#[test]
fn pairs_begin_with_who_opened() {
    let mut turned = 0;
    for capture in ["mesh-n1-all.pcapng", "service-dnat-n1-eth0.pcap", "v6-n1-eth0.pcap"] {
        let path = bundled(capture);
        for (by, ends) in [("pod", ["src", "dst"]), ("vtep", ["vtep_src", "vtep_dst"])] {
            // how many flows were opened this way, and when the first of them began
            let mut opened: BTreeMap<[String; 2], (u64, String)> = BTreeMap::new();
            for flow in flows(&path, &["--sort", "first"]) {
                let ends = ends.map(|end| flow[end].as_str().unwrap_or("-").to_owned());
                let first = flow["first"].as_str().expect("a time").to_owned();
                opened.entry(ends).or_insert((0, first)).0 += 1;
            }
            let names = if by == "pod" { ["src_name", "dst_name"] } else { ends };
            for row in flows(&path, &["--by", by]) {
                let [a, b] = names.map(|end| row[end].as_str().unwrap_or("-").to_owned());
                turned += usize::from(a > b);
                let there = opened.get(&[a.clone(), b.clone()]);
                let back = opened.get(&[b, a]);
                let (there, back) = (there.expect("a flow of the first end"), back);
                let is_first = back
                    .is_none_or(|back| there.0 > back.0 || there.0 == back.0 && there.1 <= back.1);
                assert!(is_first, "{capture}: {row} {there:?} {back:?}");
            }
        }
    }
    assert!(turned > 0, "all pairs are in the order of names");
}

/// A number with a point, in millionths.
fn digits(flow: &Value, key: &str) -> u64 {
    let text = format!("{:.6}", flow[key].as_f64().unwrap_or(0.0));
    text.replace('.', "").parse().expect("digits")
}

/// Every order, and the first of it.
#[test]
fn sorted_as_asked() {
    let path = bundled("mesh-n1-all.pcapng");
    let both = |flow: &Value, key: &str| number(flow, key) + number(flow, &format!("rev_{key}"));
    // what a row is sorted by, in whole numbers
    let measure = |flow: &Value, sort: &str| match sort {
        "duration" => digits(flow, "duration"),
        "rtt" => digits(flow, "rtt_ms"),
        key => both(flow, key),
    };
    for sort in ["bytes", "packets", "retransmits", "duration", "rtt"] {
        let of = |arguments: &[&str]| -> Vec<u64> {
            flows(&path, arguments).iter().map(|flow| measure(flow, sort)).collect()
        };
        let all = of(&["--sort", sort]);
        assert!(all.is_sorted_by(|a, b| a >= b), "{sort}: {all:?}");
        assert!(sort == "retransmits" || all.first() > all.last(), "{sort}: {all:?}");
        assert_eq!(of(&["--sort", sort, "--top", "3"]), all[..3], "{sort}");
    }
    let first = flows(&path, &["--sort", "first"]);
    assert!(first.is_sorted_by_key(|flow| flow["first"].to_string()));
}

/// Connections to a service are as many as the client opened, though kube-proxy makes two flows of
/// each: on a bridge with `br_netfilter`, which has its requests behind kube-proxy and its answers
/// before, and from captures of both sides.
#[test]
fn connections_to_a_service_count_once() {
    let Some(lab) = references("lab") else { return };
    if !has_tools(&["tshark"]) {
        return;
    }
    let truth = std::fs::read_to_string(lab.join("truth.json")).expect("truth.json");
    let truth: Value = serde_json::from_str(&truth).expect("truth.json is JSON");
    let sent = truth["scenarios"]["service-dnat"]["flows"].as_array().expect("flows");
    let sent = sent.iter().filter(|flow| flow["src"] == "10.244.1.2");
    let opened = sent.filter(|flow| flow["dst"] == "10.96.0.80").count() as u64;
    assert!(opened > 0);
    let maps = ["cluster.yaml", "services.json", "endpointslices.json"]
        .map(|map| format!("{}/../../testdata/maps/{map}", env!("CARGO_MANIFEST_DIR")));
    // what the pod itself has
    let own = tool("tshark", ["-r", &format!("{}/service-dnat/n1-veth.pcap", lab.display())]);
    let own = own.lines().count() as u64;
    let once: &[&str] = &["--once"];
    for (points, options, times) in [
        (&["n1-veth"][..], &[][..], 1),
        (&["n1-cni0"], &[], 1),
        (&["n1-cni0"], once, 1),
        (&["n1-veth", "n1-eth0"], &[], 2),
        (&["n1-veth", "n1-eth0"], once, 1),
        (&["n1-eth0", "n1-veth"], once, 1),
        (&["n1-veth", "n1-cni0", "n1-flannel.1", "n1-eth0"], once, 1),
        (&["n1-any"], once, 1),
    ] {
        let paths = points.iter().map(|p| format!("{}/service-dnat/{p}.pcap", lab.display()));
        let mut arguments = vec!["--by".to_owned(), "service".to_owned()];
        arguments.extend(paths.flat_map(|path| ["-r".to_owned(), path]));
        arguments.extend(maps.iter().flat_map(|map| ["--map".to_owned(), map.clone()]));
        arguments.extend(options.iter().map(|&option| option.to_owned()));
        let run = |more: &[&str]| {
            text(
                &arguments
                    .iter()
                    .map(String::as_str)
                    .chain(more.iter().copied())
                    .collect::<Vec<_>>(),
            )
        };
        for threads in ["1", "2"] {
            let out = run(&["--format", "json", "--threads", threads]);
            let rows = out.lines().map(|line| serde_json::from_str(line).expect("an object"));
            let rows: Vec<Value> = rows.collect();
            let row = rows.iter().find(|row| row["src_name"] == "default/n1p1@n1").expect("a row");
            assert_eq!(row["service"], "svc:default/web tcp/80", "{points:?} {row}");
            assert_eq!(number(row, "flows"), times * opened, "{points:?} {row}");
            let packets = number(row, "packets") + number(row, "rev_packets");
            assert_eq!(packets, times * own, "{points:?} {row}");
            let failed = ["unanswered", "rejected", "resets"].map(|how| number(row, how));
            assert_eq!(failed, [0; 3], "{points:?} {row}");
            // and so it is in the last line of a table
            let sum = |keys: &[&str]| -> u64 {
                rows.iter().flat_map(|row| keys.iter().map(|key| number(row, key))).sum()
            };
            let tail =
                format!("{} flows, {} packets", sum(&["flows"]), sum(&["packets", "rev_packets"]));
            let table = run(&["--threads", threads]);
            assert!(table.trim_end().ends_with(&tail), "{tail}: {table}");
        }
        // a half has such a state, and no connection
        let unanswered = run(&["--format", "json", "--state", "S0,SH,SHR"]);
        assert!(!unanswered.contains("n1p1"), "{points:?}: {unanswered}");
    }
}

/// A port of a client that is used again and again, and one that is used for a service and straight
/// after for a pod of it: what counts is told by times and packets, not by the order in which flows
/// end.
#[test]
fn connections_from_one_port_count_once() {
    const START: i64 = 1_800_000_000_000_000;
    let maps = ["cluster.yaml", "services.json", "endpointslices.json"]
        .map(|map| format!("{}/../../testdata/maps/{map}", env!("CARGO_MANIFEST_DIR")));
    let (web, pod) = (([10, 96, 0, 80], 80), ([10, 244, 3, 2], 8080));
    let (client, syn, ack, fin) = (([10, 244, 1, 2], 40_000), 2, 16, 17);
    let segment = |from: ([u8; 4], u16), to: ([u8; 4], u16), seq: u32, flags: u8| {
        let mut frame = vec![2; 12];
        frame.extend([8, 0, 0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0]);
        frame.extend(from.0.iter().chain(&to.0));
        frame.extend([from.1, to.1].map(u16::to_be_bytes).as_flattened());
        frame.extend([seq, 1].map(u32::to_be_bytes).as_flattened());
        frame.extend([0x50, flags, 4, 0, 0, 0, 0, 0]);
        frame
    };
    // microseconds and frames
    let connection = |time: i64, server, seq: u32, data: u32| {
        let mut frames = vec![
            (time, segment(client, server, seq, syn)),
            (time + 100, segment(server, client, seq + 700_000, syn | ack)),
        ];
        frames.extend((0..=data).map(|number| {
            (time + 200 + 1000 * i64::from(number), segment(client, server, seq + 1, ack))
        }));
        let end = time + 300 + 1000 * i64::from(data);
        frames.push((end, segment(client, server, seq + 1, fin)));
        frames.push((end + 100, segment(server, client, seq + 700_001, fin)));
        frames
    };
    let mut again = Vec::new();
    for number in 0..30 {
        let (time, seq) = (i64::from(number) * 20_000_000, number * 1_000_000);
        again.extend(connection(time, web, seq, 0));
        again.extend(connection(time + 30, pod, seq, 0));
    }
    let mut both = connection(0, web, 5000, 0);
    both.extend(connection(60_000, pod, 900_000, 100));
    let folder = Folder::new();
    let path = folder.file("one-port.pcap");
    for (mut frames, flows, packets) in [(again, 30, 30 * 5), (both, 2, 5 + 105)] {
        frames.sort_by_key(|(time, _)| *time);
        let format = PcapFormat::of(&Interface::new(LinkType::ETHERNET, 65_535));
        let mut writer = PcapWriter::new(File::create(&path).unwrap(), format).unwrap();
        for ((time, frame), identification) in frames.iter_mut().zip(1_u16..) {
            frame[18..20].copy_from_slice(&identification.to_be_bytes());
            let time = Timestamp::from_nanos((START + *time) * 1000);
            writer.record(time, frame.len() as u32, frame).unwrap();
        }
        writer.finish().unwrap();
        for threads in ["1", "2", "3"] {
            let mut arguments = vec!["--by", "service", "--once", "--threads", threads];
            arguments.extend(maps.iter().flat_map(|map| ["--map", map]));
            let rows = self::flows(&path, &arguments);
            assert_eq!(rows.len(), 1, "{rows:?}");
            let counted = number(&rows[0], "packets") + number(&rows[0], "rev_packets");
            assert_eq!((number(&rows[0], "flows"), counted), (flows, packets), "{threads}");
        }
    }
}
