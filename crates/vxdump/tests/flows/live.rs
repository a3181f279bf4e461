//! Flows of a device, in a network namespace of the test's own. Needs root.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use vxtest::{Running, command, is_root, python, run, tool, unique};

use crate::program::VXDUMP;

/// A network namespace with a loopback device, removed at the end.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let namespace = Self(unique("vxf"));
        tool("ip", ["netns", "add", &namespace.0]);
        tool("ip", ["-n", &namespace.0, "link", "set", "lo", "up"]);
        namespace
    }

    /// Sends datagrams to a port of the loopback device.
    fn send(&self, port: u16, count: u32) {
        let send =
            format!("for i in $(seq {count}); do echo -n abcd > /dev/udp/127.0.0.1/{port}; done");
        tool("ip", ["netns", "exec", &self.0, "bash", "-c", &send]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        run("ip", ["netns", "del", &self.0]);
    }
}

/// The program, listening.
fn listening(namespace: &Namespace, arguments: &[&str]) -> Running {
    let mut command = command(VXDUMP);
    command.args(["flows", "--netns", &namespace.0, "-i", "lo", "--map", "none"]).args(arguments);
    Running::start(&mut command).listening(1)
}

/// Ends the program as a user does; what it printed and said.
fn interrupt(mut flows: Running) -> (String, String) {
    flows.signal("INT");
    let (status, printed, said) = flows.ended();
    assert!(status.success(), "{said}");
    (printed, said)
}

fn get(address: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("the server answers");
    stream.set_read_timeout(Some(Duration::from_secs(10))).expect("a timeout");
    stream.write_all(request.as_bytes()).expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn metric(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name));
    let line = line.unwrap_or_else(|| panic!("no {name} in {text}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// Prometheus' own parser finds what it should.
fn understood(text: &str) {
    const PARSER: &str = r"
import sys
from prometheus_client.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.argv[1]):
    assert family.documentation, family.name
    print(family.name, family.type, len(family.samples))
";
    let Some(families) = python("prometheus_client.parser", PARSER, &[text]) else { return };
    let kinds: Vec<&str> = families.lines().collect();
    for kind in [
        "vxdump_bytes counter 1",
        "vxdump_flows_active gauge 1",
        "vxdump_flows_unanswered counter 1",
        "vxdump_flows_rejected counter 1",
        "vxdump_flows_reset counter 1",
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let histogram = kinds.iter().any(|kind| kind.starts_with("vxdump_rtt_seconds histogram "));
    assert!(histogram, "{kinds:?}");
}

/// Each flow as it ends, those left at SIGINT, and the counters meanwhile.
#[test]
fn json_and_counters() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new();
    let arguments = ["--format", "json", "--idle-timeout", "1", "--prometheus", "127.0.0.1:0"];
    let running = listening(&namespace, &arguments);
    let said = running.says("metrics at", |said| said.contains("metrics at"));
    let address = said.split("http://").nth(1).and_then(|rest| rest.split('/').next());
    let address = address.expect("an address").to_owned();
    namespace.send(4001, 3);
    // the flow ends while the capture goes on
    let printed = running.prints("a flow", |printed| printed.contains('\n'));
    let line = printed.lines().next().expect("a flow");
    let flow: Value = serde_json::from_str(line).expect("an object");
    assert_eq!(flow["src"], "127.0.0.1", "{line}");
    namespace.send(4002, 2);
    std::thread::sleep(Duration::from_millis(300));

    let answer = get(&address, "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("Content-Type: text/plain; version=0.0.4"), "{answer}");
    let bytes = metric(&answer, "vxdump_bytes_total{src_node=\"?\",dst_node=\"?\",vni=\"\"}");
    // each `echo` is a datagram of 4 bytes with 42 of headers, and an ICMP error comes back: 5 of
    // each
    assert_eq!(bytes, 5 * (4 + 42) + 5 * (4 + 42 + 28), "{answer}");
    // three of the five datagrams' flows are over, or two of them so far; an ICMP error refused
    // each
    let rejected =
        metric(&answer, "vxdump_flows_rejected_total{src_node=\"?\",dst_node=\"?\",vni=\"\"}");
    assert!((1..=3).contains(&rejected), "{answer}");
    assert_eq!(metric(&answer, "vxdump_flows_unanswered_total{"), 0, "{answer}");
    assert_eq!(metric(&answer, "vxdump_capture_drops_total{at=\"kernel\"}"), 0);
    let again = get(&address, "GET /metrics HTTP/1.0\r\n\r\n");
    assert_eq!(bytes, metric(&again, "vxdump_bytes_total"), "counters never fall");
    assert!(get(&address, "GET / HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404 "));
    let post = get(&address, "POST /metrics HTTP/1.1\r\n\r\n");
    assert!(post.starts_with("HTTP/1.1 405 ") && post.contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(get(&address, "\u{1}\r\n\r\n").starts_with("HTTP/1.1 400 "));
    let head = get(&address, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
    assert!(!head.contains("Content-Length: 0\r\n"), "{head}");
    understood(again.split_once("\r\n\r\n").expect("a body").1);
    // who says nothing keeps nobody else waiting
    let silent: Vec<_> = (0..20).map(|_| TcpStream::connect(&address)).collect();
    assert!(get(&address, "GET /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 200 "));
    drop(silent);

    let (printed, said) = interrupt(running);
    let all: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    let packets = |port: u16| -> u64 {
        let flows = all.iter().filter(|flow| flow["dport"] == port);
        flows.map(|flow| flow["packets"].as_u64().expect("a number")).sum()
    };
    assert_eq!((packets(4001), packets(4002)), (3, 2), "{printed}");
    assert!(said.contains("10 packets captured"), "{said}");
}

/// A table every second, below its time, with what came meanwhile; the rest at the end; each packet
/// once.
#[test]
fn tables() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new();
    let running = listening(&namespace, &["--interval", "1", "--by", "vni", "udp"]);
    namespace.send(4003, 4);
    std::thread::sleep(Duration::from_millis(2500));
    namespace.send(4003, 2);
    let (out, said) = interrupt(running);
    let tables: Vec<Vec<&str>> =
        out.split("\n\n").map(|table| table.lines().collect::<Vec<_>>()).collect();
    assert!(tables.len() >= 3, "{out}");
    let (mut flows, mut packets) = (0, 0);
    for table in tables {
        let (head, columns, tail) = (table[0], table[1], table[table.len() - 1]);
        assert!(
            head.starts_with("20") && head.ends_with(" s") && head[19..].starts_with("Z, "),
            "{out}"
        );
        assert!(columns.starts_with("first "), "{out}");
        let numbers: Vec<u64> = tail.split(' ').filter_map(|word| word.parse().ok()).collect();
        assert_eq!(numbers.len(), 2, "{out}");
        // a sum has a row only where something came
        assert_eq!(table.len(), if numbers[0] > 0 { 4 } else { 3 }, "{out}");
        (flows, packets) = (flows + numbers[0], packets + numbers[1]);
    }
    assert_eq!((flows, packets), (6, 6), "{out}");
    assert!(said.contains("6 packets captured"), "{said}");
}

/// A flow that goes on is told again only with what came meanwhile, and only flows in the states
/// that were asked for.
#[test]
fn what_came_meanwhile() {
    if !is_root() {
        return;
    }
    let namespace = Namespace::new();
    let arguments = ["--interval", "1", "--format", "json", "--state", "S0", "udp"];
    let running = listening(&namespace, &arguments);
    // one socket: a single flow
    let send = "exec 3>/dev/udp/127.0.0.1/4005; for i in 1 2 3 4 5; do echo -n abcd >&3; sleep 0.6; done; true";
    tool("ip", ["netns", "exec", &namespace.0, "bash", "-c", send]);
    let (out, said) = interrupt(running);
    let rows: Vec<Value> =
        out.lines().map(|line| serde_json::from_str(line).expect("an object")).collect();
    assert!(rows.len() >= 2, "{out}");
    let sum = |key: &str| rows.iter().map(|row| row[key].as_u64().expect("a number")).sum::<u64>();
    // ICMP errors come back, so that not all are sent
    let captured = said.split(" packets captured").next().and_then(|text| text.lines().last());
    let captured: u64 = captured.and_then(|number| number.parse().ok()).expect("a number");
    assert!(captured >= 2, "{said}");
    assert_eq!((sum("packets"), sum("bytes")), (captured, captured * 46), "{out}");
    assert!(rows.iter().all(|row| row["first"] == rows[0]["first"]), "{out}");
    assert!(rows.is_sorted_by_key(|row| row["last"].to_string()), "{out}");
}
