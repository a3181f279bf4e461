//! What tshark says of a file: a table of fields, from a live run or from a stored one, cut down to
//! the layers that this project decodes.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

/// UDP destination ports of tunnels, as `vxlan::Ports::DEFAULT` has them.
const TUNNEL_PORTS: [&str; 5] = ["8472", "4789", "4790", "6081", "8285"];

/// The fields that are compared, and the layer in `frame.protocols` that each occurs in once.
pub(crate) const COMPARED: &[(&str, &str)] = &[
    ("eth.dst", "eth"),
    ("eth.src", "eth"),
    ("eth.type", "eth+type"),
    ("vlan.id", "vlan"),
    ("ip.src", "ip"),
    ("ip.dst", "ip"),
    ("ip.ttl", "ip"),
    ("ip.id", "ip"),
    ("ip.len", "ip"),
    ("ip.hdr_len", "ip"),
    ("ip.proto", "ip"),
    ("ip.frag_offset", "ip"),
    ("ip.flags.mf", "ip"),
    ("ipv6.src", "ipv6"),
    ("ipv6.dst", "ipv6"),
    ("ipv6.hlim", "ipv6"),
    ("ipv6.plen", "ipv6"),
    ("ipv6.nxt", "ipv6"),
    ("arp.opcode", "arp"),
    ("arp.src.proto_ipv4", "arp"),
    ("arp.dst.proto_ipv4", "arp"),
    ("udp.srcport", "udp"),
    ("udp.dstport", "udp"),
    ("udp.length", "udp"),
    ("tcp.srcport", "tcp"),
    ("tcp.dstport", "tcp"),
    ("tcp.seq_raw", "tcp"),
    ("tcp.ack_raw", "tcp"),
    ("tcp.hdr_len", "tcp"),
    ("tcp.flags", "tcp"),
    ("tcp.window_size_value", "tcp"),
    ("tcp.len", "tcp"),
    ("icmp.type", "icmp"),
    ("icmp.code", "icmp"),
    ("icmpv6.type", "icmpv6"),
    ("icmpv6.code", "icmpv6"),
    ("sctp.srcport", "sctp"),
    ("sctp.dstport", "sctp"),
    ("igmp.type", "igmp"),
    ("vxlan.vni", "vxlan"),
    ("geneve.vni", "geneve"),
    ("geneve.proto_type", "geneve"),
];

/// Fields that are asked for besides.
const BESIDES: &[&str] = &[
    "frame.number",
    "frame.protocols",
    "frame.len",
    "frame.cap_len",
    "frame.time_epoch",
    "vxlan.flags",
    "vxlan.gbp",
    "vxlan.next_proto",
    "geneve.option.class",
    "geneve.option.type",
    "udp.checksum.status",
    "tcp.checksum.status",
    "icmp.checksum.status",
    "icmpv6.checksum.status",
    "sctp.checksum.status",
    "igmp.checksum.status",
    "_ws.malformed",
    "_ws.short",
];

/// One frame as tshark sees it.
pub(crate) struct Row {
    values: HashMap<String, Vec<String>>,
}

impl Row {
    /// The first value of a field.
    pub(crate) fn one(&self, field: &str) -> &str {
        self.all(field).first().map_or("", String::as_str)
    }

    /// All values of a field, in the order of the frame.
    pub(crate) fn all(&self, field: &str) -> &[String] {
        self.values.get(field).map_or(&[], Vec::as_slice)
    }

    /// Was the field asked for at all?
    pub(crate) fn knows(&self, field: &str) -> bool {
        self.values.contains_key(field)
    }

    /// Is it a packet? tshark counts pcapng's custom blocks and the system calls of sysdig's files
    /// as frames, too.
    pub(crate) fn is_packet(&self) -> bool {
        let first = self.one("frame.protocols").split(':').next().unwrap_or("");
        let no_time = self.one("frame.time_epoch").is_empty();
        !(first.starts_with("sys") || first == "data" && no_time)
    }

    /// Could tshark not dissect the frame to its end?
    pub(crate) fn is_broken(&self) -> bool {
        !self.one("_ws.malformed").is_empty() || !self.one("_ws.short").is_empty()
    }

    /// The fields of those layers that this project decodes; see [`count`].
    pub(crate) fn expected(&self) -> BTreeMap<&'static str, Vec<String>> {
        let counts = self.layers();
        let mut expected = BTreeMap::new();
        for &(field, layer) in COMPARED {
            if !self.knows(field) {
                continue;
            }
            let count = counts.get(layer).copied().unwrap_or(0);
            let mut values = self.all(field).to_vec();
            values.truncate(count);
            if field == "tcp.flags" {
                values = values.iter().map(|flags| without_reserved(flags)).collect();
            }
            if !values.is_empty() {
                expected.insert(field, values);
            }
        }
        expected
    }

    /// Has the nth VXLAN header the I bit set, without which tshark still calls it VXLAN?
    fn has_vni(&self, nth: usize) -> bool {
        let flags = self.all("vxlan.flags").get(nth).map_or("", String::as_str);
        // GPE's and plain VXLAN's flags, of 8 and 16 bits
        let (digits, bit) =
            (flags.trim_start_matches("0x"), if flags.len() > 4 { 0x0800 } else { 0x08 });
        u16::from_str_radix(digits, 16).is_ok_and(|flags| flags & bit != 0)
    }

    /// How often each layer occurs before the first one that this project does not decode: GRE, IP
    /// in IP, what an ICMP error quotes, and what follows a source port of a tunnel.
    pub(crate) fn layers(&self) -> BTreeMap<&'static str, usize> {
        const THROUGH: &[&str] = &[
            "eth",
            "eth+type",
            "sll",
            "null",
            "raw",
            "vlan",
            "ieee8021ad",
            "llc",
            "mpls",
            "ip",
            "ipv6",
            "ah",
            "udp",
            "vxlan",
            "geneve",
            "nsh",
            "tcp",
            "icmp",
            "icmpv6",
            "sctp",
            "igmp",
            "arp",
            "ethertype",
        ];
        const LAST: &[&str] = &["tcp", "icmp", "icmpv6", "sctp", "igmp", "arp"];

        let chain = self.one("frame.protocols").to_owned();
        let tokens: Vec<&str> = chain.split(':').collect();
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        let mut before = "";
        for (index, &token) in tokens.iter().enumerate() {
            if token.starts_with("ipv6.") {
                continue;
            }
            let Some(&name) = THROUGH.iter().find(|&&known| known == token) else { break };
            let behind_udp = matches!(token, "vxlan" | "geneve" | "nsh" | "ip" | "ipv6" | "mpls");
            if before == "udp" {
                let nth = counts.get("udp").copied().unwrap_or(1) - 1;
                let port = self.all("udp.dstport").get(nth).map_or("", String::as_str);
                if !behind_udp || !TUNNEL_PORTS.contains(&port) {
                    break;
                }
                if token == "vxlan" && !self.has_vni(counts.get("vxlan").copied().unwrap_or(0)) {
                    break;
                }
                if token == "nsh" {
                    *counts.entry("vxlan").or_default() += 1;
                }
            }
            let ip_in_ip = matches!(before, "ip" | "ipv6" | "ah") && matches!(token, "ip" | "ipv6");
            let pseudowire = before == "mpls" && token == "eth";
            if ip_in_ip || pseudowire {
                break;
            }
            *counts.entry(name).or_default() += 1;
            if name == "eth" && tokens.get(index + 1) == Some(&"ethertype") {
                *counts.entry("eth+type").or_default() += 1;
            }
            if LAST.contains(&name) {
                break;
            }
            before = name;
        }
        counts
    }
}

/// TCP's flags in tshark's notation without the three reserved bits, which it counts as flags.
fn without_reserved(flags: &str) -> String {
    let number = u16::from_str_radix(flags.trim_start_matches("0x"), 16).unwrap_or(0);
    format!("{:#06x}", number & 0x01ff)
}

/// Runs tshark on a capture file. A run on a damaged file gives the frames before the damage.
pub(crate) fn run(file: &Path) -> Vec<Row> {
    let mut command = vxtest::command("tshark");
    command.arg("-n").arg("-r").arg(file);
    for preference in [
        "ip.defragment:FALSE",
        "ipv6.defragment:FALSE",
        "tcp.desegment_tcp_streams:FALSE",
        "ip.check_checksum:TRUE",
        "tcp.check_checksum:TRUE",
        "udp.check_checksum:TRUE",
        "sctp.checksum:TRUE",
    ] {
        command.args(["-o", preference]);
    }
    // flannel's UDP back end, which tshark does not know; flannel's VXLAN, which it takes for OTV
    command.args(["-d", "udp.port==8472,vxlan", "-d", "udp.port==8285,ip"]);
    command.args(["-T", "fields", "-E", "header=y", "-E", "occurrence=a", "-E", "aggregator=,"]);
    for field in BESIDES.iter().copied().chain(COMPARED.iter().map(|(field, _)| *field)) {
        command.args(["-e", field]);
    }
    table(&answer(file, &mut command))
}

/// The lengths of the IP payloads that tshark puts together, frame by frame.
pub(crate) fn reassembled(file: &Path) -> Vec<[String; 2]> {
    const FIELDS: [&str; 2] = ["ip.reassembled.length", "ipv6.reassembled.length"];
    let mut command = vxtest::command("tshark");
    command.arg("-n").arg("-r").arg(file);
    command.args(["-T", "fields", "-E", "header=y", "-E", "occurrence=f"]);
    command.args(["-e", "frame.number"]);
    for field in FIELDS {
        command.args(["-e", field]);
    }
    let rows = table(&answer(file, &mut command));
    rows.iter().map(|row| FIELDS.map(|field| row.one(field).to_owned())).collect()
}

/// What a command says of a file, from an earlier run if there was one.
fn answer(file: &Path, command: &mut Command) -> String {
    let kept = kept_in(file, command);
    if let Ok(text) = std::fs::read_to_string(&kept) {
        return text;
    }
    let output = vxtest::output(command);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // a second run of the test need not wait for tshark again; where the answer cannot be kept it
    // does
    let _ = std::fs::write(kept, text.as_bytes());
    text
}

/// Where the answer to a command about a file is kept: a name that changes with the file and the
/// command.
fn kept_in(file: &Path, command: &Command) -> PathBuf {
    let mut hasher = DefaultHasher::new();
    format!("{command:?}").hash(&mut hasher);
    if let Ok(data) = std::fs::metadata(file) {
        (data.len(), data.modified().ok()).hash(&mut hasher);
    }
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tshark-{:016x}.tsv", hasher.finish()))
}

/// Reads a table of tab-separated values: comments, a header line, then one line a frame.
pub(crate) fn table(text: &str) -> Vec<Row> {
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let header: Vec<&str> = lines.next().unwrap_or("").split('\t').collect();
    lines
        .map(|line| {
            let values = header.iter().zip(line.split('\t')).map(|(&field, value)| {
                let values = value.split(',').filter(|value| !value.is_empty());
                (field.to_owned(), values.map(str::to_owned).collect())
            });
            Row { values: values.collect() }
        })
        .collect()
}
