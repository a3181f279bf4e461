//! IPFIX, judged by tshark's dissector and by nfcapd.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::program::{bundled, flows, tool};

/// A folder of this test.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("vxdump-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Protocol, addresses and ports as one text.
fn name(fields: [&str; 5]) -> String {
    fields.join(" ")
}

/// What a collector should have of each direction of our flows: packets, bytes.
fn expected(flows: &[Value]) -> BTreeMap<String, [u64; 2]> {
    let mut expected = BTreeMap::new();
    for flow in flows {
        let text = |key: &str| flow[key].as_str().unwrap_or("").to_owned();
        let port = |key: &str| flow[key].as_u64().unwrap_or(0).to_string();
        let protocol = match flow["protocol"].as_str().expect("a protocol") {
            "tcp" => "6",
            "udp" => "17",
            "icmp" => "1",
            "icmpv6" => "58",
            other => other,
        };
        let ends = [(text("src"), port("sport")), (text("dst"), port("dport"))];
        for (from, to, prefix) in [(0, 1, ""), (1, 0, "rev_")] {
            let count = |what: &str| flow[format!("{prefix}{what}")].as_u64().expect("a number");
            if count("packets") > 0 {
                let (from, to) = (&ends[from], &ends[to]);
                let name = name([protocol, &from.0, &from.1, &to.0, &to.1]);
                expected.insert(name, [count("packets"), count("bytes")]);
            }
        }
    }
    expected
}

/// A capture file of UDP datagrams to port 4739, which IANA has for IPFIX: raw IPv4 packets.
fn capture_of(datagrams: &[Vec<u8>]) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, 101] {
        file.extend(word.to_le_bytes());
    }
    for datagram in datagrams {
        let len = (datagram.len() + 28) as u16;
        for word in [1_u32, 0, len.into(), len.into()] {
            file.extend(word.to_le_bytes());
        }
        file.extend([0x45, 0]);
        file.extend(len.to_be_bytes());
        file.extend([0, 0, 0, 0, 64, 17, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1]);
        for field in [4739, 4739, len - 20, 0] {
            file.extend(field.to_be_bytes());
        }
        file.extend(datagram);
    }
    file
}

const CAPTURES: [&str; 3] = ["http-n1-eth0.pcap", "v6-n1-eth0.pcap", "mesh-n1-eth0.pcap"];

#[test]
fn tshark_reads_what_a_collector_gets() {
    let folder = folder("ipfix");
    for capture in CAPTURES {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
        let to = socket.local_addr().expect("an address").to_string();
        let flows = flows(&bundled(capture), &["--ipfix", &to]);
        let mut datagrams = Vec::new();
        let mut block = vec![0; 65536];
        while let Ok(len) = socket.recv(&mut block) {
            assert!(len <= 1232, "{len} bytes");
            datagrams.push(block[..len].to_vec());
        }
        let path = folder.join(capture);
        let mut file = fs::File::create(&path).expect("a file");
        file.write_all(&capture_of(&datagrams)).expect("written");
        let path = path.to_str().expect("a name in UTF-8");
        let json = tool("tshark", &["-r", path, "-T", "json", "-d", "udp.port==4739,cflow"]);
        assert!(!json.contains("_ws.malformed"), "{capture}: {json}");
        let fields = [
            "cflow.protocol",
            "cflow.srcaddr",
            "cflow.srcaddrv6",
            "cflow.srcport",
            "cflow.dstaddr",
            "cflow.dstaddrv6",
            "cflow.dstport",
            "cflow.packets",
            "cflow.octets",
            "cflow.layer2_segment_id",
        ];
        let mut arguments = vec!["-r", path, "-d", "udp.port==4739,cflow", "-T", "fields"];
        arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
        let mut theirs: Vec<Vec<String>> = vec![Vec::new(); fields.len()];
        for datagram in tool("tshark", &arguments).lines() {
            for (column, values) in theirs.iter_mut().zip(datagram.split('\t')) {
                let values = values.split(',').filter(|value| !value.is_empty());
                column.extend(values.map(str::to_owned));
            }
        }
        let expected = expected(&flows);
        let records = expected.len();
        assert_eq!(theirs[0].len(), records, "{capture}");
        // each capture has flows of one family only
        let (from, to) = if theirs[1].is_empty() { (2, 5) } else { (1, 4) };
        assert_eq!((theirs[from].len(), theirs[to].len()), (records, records), "{capture}");
        let mut rows = theirs.iter().map(|column| column.iter()).collect::<Vec<_>>();
        for _ in 0..records {
            let row: Vec<_> = rows.iter_mut().map(Iterator::next).collect();
            let field = |column: usize| row[column].map_or("", String::as_str);
            let name = name([field(0), field(from), field(3), field(to), field(6)]);
            let [packets, bytes] = expected[&name];
            assert_eq!(field(7), packets.to_string(), "{capture}: {name}");
            // without Ethernet headers
            assert_eq!(field(8), (bytes - 14 * packets).to_string(), "{capture}: {name}");
            // VXLAN and network 1
            assert_eq!(field(9), "72057594037927937", "{capture}: {name}");
        }
    }
    fs::remove_dir_all(folder).expect("the folder is removed");
}

/// nfcapd of nfdump, where it is installed: flows, packets, bytes and times.
#[test]
fn nfcapd_collects_the_flows() {
    let folder = folder("nfcapd");
    let free = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    let port = free.local_addr().expect("an address").port().to_string();
    drop(free);
    let files = folder.to_str().expect("a name in UTF-8");
    let started = Command::new("nfcapd")
        .args(["-w", files, "-b", "127.0.0.1", "-p", &port, "-t", "3600"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(mut collector) = started else {
        eprintln!("skipped: nfcapd is not installed (package nfdump)");
        return;
    };
    let hex = format!(":{:04X} ", port.parse::<u16>().expect("a port"));
    let listens = || fs::read_to_string("/proc/net/udp").is_ok_and(|table| table.contains(&hex));
    for _ in 0..100 {
        if listens() {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(listens(), "nfcapd does not listen");
    let capture = bundled("mesh-n1-eth0.pcap");
    let flows = flows(&capture, &["--ipfix", &format!("127.0.0.1:{port}")]);
    std::thread::sleep(Duration::from_millis(300));
    tool("kill", &["-TERM", &collector.id().to_string()]);
    collector.wait().expect("nfcapd ends");
    let json = tool("nfdump", &["-R", files, "-o", "json"]);
    let theirs: Value = serde_json::from_str(&json).expect("nfdump prints JSON");
    let theirs = theirs.as_array().expect("an array");
    let expected = expected(&flows);
    assert_eq!(theirs.len(), expected.len());
    let times: Vec<&str> =
        flows.iter().map(|flow| &flow["first"].as_str().expect("a time")[..23]).collect();
    for record in theirs {
        let number = |key: &str| record[key].as_u64().unwrap_or(0);
        let address = |key: &str| record[key].as_str().unwrap_or("");
        let [from, to] = ["src4_addr", "dst4_addr"].map(address);
        if number("proto") == 1 {
            continue; // nfdump has types of ICMP in the place of ports
        }
        let (proto, sport, dport) = ("proto", "src_port", "dst_port");
        let [proto, sport, dport] = [proto, sport, dport].map(|key| number(key).to_string());
        let name = name([&proto, from, &sport, to, &dport]);
        let [packets, bytes] = expected[&name];
        // without Ethernet headers
        assert_eq!((number("in_packets"), number("in_bytes")), (packets, bytes - 14 * packets));
        let first = record["first"].as_str().expect("a time");
        assert!(times.contains(&first), "{first}: {times:?}");
    }
    fs::remove_dir_all(folder).expect("the folder is removed");
}
