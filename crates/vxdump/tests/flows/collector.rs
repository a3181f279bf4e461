//! IPFIX, judged by tshark's dissector and by nfcapd.

use std::collections::BTreeMap;
use std::fs;
use std::net::UdpSocket;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use vxtest::{Folder, Running, command, has_tools, tool, wait_until};

use crate::program::{bundled, flows, run};

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
        let mut ends = [(text("src"), port("sport")), (text("dst"), port("dport"))];
        // in the place of ports: type and code of an echo, by direction
        let echo = match protocol {
            "1" => Some([0x0800, 0]),
            "58" if flow.get("sport").is_some() => Some([0x8000, 0x8100]),
            _ => None,
        };
        for (from, to, prefix) in [(0, 1, ""), (1, 0, "rev_")] {
            let count = |what: &str| flow[format!("{prefix}{what}")].as_u64().expect("a number");
            if count("packets") > 0 {
                if let Some(echo) = echo {
                    (ends[from].1, ends[to].1) = (String::new(), echo[from].to_string());
                }
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

/// The flows of a capture, and a capture file of what a collector gets of them.
fn exported(capture: &Path, arguments: &[&str], file: &Path) -> Vec<Value> {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_millis(300))).expect("a timeout");
    let to = socket.local_addr().expect("an address").to_string();
    let flows = flows(capture, &[&["--ipfix", &to], arguments].concat());
    let mut datagrams = Vec::new();
    let mut block = vec![0; 65536];
    while let Ok(len) = socket.recv(&mut block) {
        assert!(len <= 1232, "{len} bytes");
        datagrams.push(block[..len].to_vec());
    }
    fs::write(file, capture_of(&datagrams)).expect("written");
    flows
}

/// A port where nobody listens is told of, also where one message holds all flows; what was read is
/// printed.
#[test]
fn nobody_there_is_told() {
    let free = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr());
    let to = free.expect("a port").to_string();
    for capture in ["ping-n1-eth0.pcap", "http-n1-eth0.pcap"] {
        let path = bundled(capture);
        let name = path.to_str().expect("a name in UTF-8");
        let output = run(&["-r", name, "--format", "json", "--ipfix", &to]);
        let said = String::from_utf8_lossy(&output.stderr);
        let expected = format!("could not be sent to {to}: Connection refused");
        assert!(said.contains(&expected), "{capture}: {said}");
        assert!(output.status.success() && !output.stdout.is_empty(), "{capture}");
    }
}

#[test]
fn tshark_reads_what_a_collector_gets() {
    if !has_tools(&["tshark"]) {
        return;
    }
    let folder = Folder::new();
    for capture in CAPTURES {
        let path = folder.file(capture);
        let name_of_file = path.to_str().expect("a name in UTF-8");
        let read = ["-r", name_of_file, "-d", "udp.port==4739,cflow", "-T", "fields"];
        let all = exported(&bundled(capture), &[], &path);
        // no remarks on templates, lengths and sequence numbers
        let columns = ["-e", "_ws.expert.message", "-e", "_ws.malformed"];
        assert_eq!(tool("tshark", [&read[..], &columns].concat()).trim(), "", "{capture}");
        let columns = ["-e", "cflow.icmp_type_code_ipv4", "-e", "cflow.icmp_ipv6_type"];
        let types = tool("tshark", [&read[..], &columns].concat());
        let icmp = all
            .iter()
            .filter(|flow| flow["protocol"].as_str().is_some_and(|p| p.starts_with("icmp")));
        let types = types.split([',', '\t', '\n']).filter(|kind| !kind.is_empty()).count();
        assert_eq!(types, 2 * icmp.count(), "{capture}");

        let with_ports = ["--inner", "not icmp and not icmp6"];
        let flows = exported(&bundled(capture), &with_ports, &path);
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
        let mut arguments = read.to_vec();
        arguments.extend(fields.iter().flat_map(|field| ["-e", field]));
        let mut theirs: Vec<Vec<String>> = vec![Vec::new(); fields.len()];
        for datagram in tool("tshark", arguments).lines() {
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
}

/// nfcapd of nfdump.
struct Collector {
    process: Running,
    folder: Folder,
    address: String,
}

impl Collector {
    /// Listening; `None` where it is not installed.
    fn start() -> Option<Self> {
        if !has_tools(&["nfcapd", "nfdump"]) {
            return None;
        }
        let folder = Folder::new();
        let free = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let mut nfcapd = command("nfcapd");
        nfcapd.arg("-w").arg(folder.path());
        nfcapd.args(["-b", "127.0.0.1", "-p", &port.to_string(), "-t", "3600"]);
        let process = Running::start(&mut nfcapd);
        let hex = format!(":{port:04X} ");
        wait_until("nfcapd to listen", || {
            let table = fs::read_to_string("/proc/net/udp").unwrap_or_default();
            if table.contains(&hex) { Ok(()) } else { Err(table) }
        });
        Some(Self { process, folder, address: format!("127.0.0.1:{port}") })
    }

    /// What it has got, as nfdump prints it.
    fn stop(mut self) -> Vec<Value> {
        std::thread::sleep(Duration::from_millis(300));
        self.process.signal("TERM");
        self.process.ended();
        let files = self.folder.path().to_str().expect("a name in UTF-8");
        let json = tool("nfdump", ["-R", files, "-o", "json"]);
        serde_json::from_str(&json).expect("nfdump prints an array")
    }
}

/// Flows of both families, with ports and ICMP: packets, bytes and times.
#[test]
fn nfcapd_collects_the_flows() {
    let Some(collector) = Collector::start() else { return };
    let captures = ["mesh-n1-eth0.pcap", "v6-n1-eth0.pcap"];
    let flows: Vec<Value> = captures
        .iter()
        .flat_map(|capture| flows(&bundled(capture), &["--ipfix", &collector.address]))
        .collect();
    let theirs = collector.stop();
    let expected = expected(&flows);
    assert_eq!(theirs.len(), expected.len());
    let times: Vec<&str> =
        flows.iter().map(|flow| &flow["first"].as_str().expect("a time")[..23]).collect();
    for record in theirs {
        let number = |key: &str| record[key].as_u64().unwrap_or(0);
        let address = |end: &str| {
            let address = record[format!("{end}4_addr")].as_str();
            address.or_else(|| record[format!("{end}6_addr")].as_str()).unwrap_or("").to_owned()
        };
        let protocol = number("proto").to_string();
        let ports = if ["1", "58"].contains(&protocol.as_str()) {
            [String::new(), (number("icmp_type") << 8 | number("icmp_code")).to_string()]
        } else {
            ["src_port", "dst_port"].map(|key| number(key).to_string())
        };
        let name = name([&protocol, &address("src"), &ports[0], &address("dst"), &ports[1]]);
        let Some(&[packets, bytes]) = expected.get(&name) else {
            panic!("{name}: {record}\n{expected:?}")
        };
        // without Ethernet headers
        assert_eq!((number("in_packets"), number("in_bytes")), (packets, bytes - 14 * packets));
        let first = record["first"].as_str().expect("a time");
        assert!(times.contains(&first), "{first}: {times:?}");
    }
}

/// More than a collector's buffer has room for, all at once at the end of a file: none is lost.
#[test]
fn many_flows_at_once() {
    const FLOWS: u16 = 20_000;
    let Some(collector) = Collector::start() else { return };
    let folder = Folder::new();
    let file = folder.file("many.pcap");
    let mut packets = capture_of(&[]);
    for port in 1..=FLOWS {
        for word in [1_u32, 0, 28, 28] {
            packets.extend(word.to_le_bytes());
        }
        packets.extend([0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packets.extend([port, 9, 8, 0].map(u16::to_be_bytes).concat());
    }
    fs::write(&file, packets).expect("a file");
    assert_eq!(flows(&file, &["--ipfix", &collector.address]).len(), usize::from(FLOWS));
    assert_eq!(collector.stop().len(), usize::from(FLOWS));
}
