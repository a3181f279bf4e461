//! The manual page: the command line as clap knows it, the notation of lines, and all columns.

use clap::{CommandFactory, ValueEnum};
use vxcli::man::Page;

use crate::cli::Cli;
use crate::flows::columns::{self, Column};
use crate::flows::ends::By;
use crate::flows::form::Form;
use crate::{map, packets};

/// The page in roff.
pub(crate) fn page() -> String {
    Page::new(Cli::command())
        .section("NOTATION", NOTATION)
        .section("COLUMNS", columns())
        .section("SELECTING", SELECTING)
        .section("RIGHTS", RIGHTS)
        .section("SIGNALS", SIGNALS)
        .section("EXIT STATUS", EXIT_STATUS)
        .section("ENVIRONMENT", ENVIRONMENT)
        .section("FILES", FILES)
        .section("EXAMPLES", EXAMPLES)
        .section("SEE ALSO", SEE_ALSO)
        .render()
}

const NOTATION: &str = "\
A packet is one line of three parts with bars between them. Here it is folded at the bars:

    01:42:24.008353 IP 10.244.1.2.44806 > 10.244.2.2.8080: tcp 51
    | default/n1p1@n1 > default/n2p1@n2
    | vni 1 172.18.0.2 > 172.18.0.3

The first part is the innermost packet, exactly as `tcpdump`(8) prints it with `-n` (here also with `-q`). \
A packet that cannot be decoded to its end says why in brackets: \
`[truncated: TCP needs 20 bytes, 12 captured]`.

A live capture of several devices also has the device's name in front of the packet. With `-i any` the \
direction follows it; in a file of such a capture, `?` stands in place of the device:

  In   the packet was received by this host
  Out  it was sent by this host
  B    it was received as a broadcast
  M    it was received as a multicast
  P    it was seen on the device, but is addressed to another host's MAC address

The second part is its two ends, the sender first:

  NAMESPACE/POD@NODE  this pod, on this node
  NODE                some pod on this node: the map has the node's podCIDR, but not the pod
  svc:NAMESPACE/NAME  this service
  svc                 some service
  node:NAME           the node itself
  vtep:NAME           the node's own address in the pod network, as on flannel.1
  external            an address that the map does not know
  ?                   nothing is known: there is no map, or the kernel does not know this private address

The third part is how the packet was carried: the VNI, and the addresses of the two nodes. A packet in no \
tunnel has no third part. Of a tunnel in a tunnel, the outer one comes first.

With `-v` the third part also has the outer source port and TTL, the ends' nodes, and the state of the outer \
and the inner checksum. The first part may call a checksum incorrect, as tcpdump does, where it was only left \
to hardware offload:

  ok          right
  zero        not used, as UDP over IPv4 may do
  partial     left to offload, not a fault: the field has the sum of the pseudo-header
  lco         local checksum offload, not a fault: the outer checksum becomes right when the inner one is filled in
  bad         wrong
  unverified  a fragment, or not captured to its end

Contradictions with the map are appended in brackets. They are the first thing to look for when packets leave \
a node and nobody answers:

  [inner destination MAC ... is no VTEP's of vni N]
                      the other node's tunnel device has a new MAC address that this node does not know
  [inner source MAC ... is no VTEP's of vni N]
                      the same, seen at the receiver
  [no VTEP has vni N]
                      the two nodes have different VNIs
  [ADDRESS belongs to NODE, sent to NODE]
                      a stale route or forwarding entry

Other notes in brackets:

  [outer fragment, id N, offset N]
                      a part of a tunnel packet that was too long for the network between the nodes; only \
the first part shows the inner packet
  [quoted: ...]       the tunnel packet that an ICMP error is about";

/// All columns of CSV, and the keys of JSON.
fn columns() -> String {
    let of_flows = columns::columns(By::Flow);
    let (mut shared, of_sums): (Vec<&Column>, Vec<&Column>) = columns::of_sums()
        .into_iter()
        .partition(|column| of_flows.iter().any(|other| other.name == column.name));
    shared.retain(|column| !column.is_of_pairs());
    format!(
        "\
Packets, as CSV (`--format csv`):

{}
Packets, as JSON (`--format json`), one object a line:

{JSON}
Flows (`vxdump flows`): the columns of tables, CSV and Parquet, and the keys of JSON. A table on a terminal \
shows those that it has room for, some under a shorter name.

{}
Sums (`--by`) have two columns for their pair, or one for a network:

{}
They share these columns with flows: {}. They also have:

{}
Of packets, flows and sums, values that do not apply are empty in CSV, and absent in JSON. Times are UTC.

The map (`vxdump map`), as CSV and JSON, with `-` where there is nothing:

{}
Owners of addresses (`vxdump map ADDRESS`) have the columns `address`, `kind`, `cidr`, `node` and `label` in CSV.",
        rows(&packets::csv::COLUMNS),
        rows_of_flows(&of_flows),
        pairs(),
        names(&shared),
        rows_of_flows(&of_sums),
        rows(&map::COLUMNS),
    )
}

fn rows(columns: &[(&str, &str)]) -> String {
    let rows = columns.iter().map(|(name, meaning)| format!("  {name}  {meaning}\n"));
    rows.collect()
}

/// Rows of columns, with what a terminal makes of them.
fn rows_of_flows(columns: &[&Column]) -> String {
    let rows = columns.iter().map(|column| {
        let shown = match column.form {
            Form::Within(other) => format!(" (on a terminal in `{}`)", columns::named(other).title),
            _ if column.title == column.name => String::new(),
            _ => format!(" (on a terminal `{}`)", column.title),
        };
        format!("  {}  {}{shown}\n", column.name, column.meaning)
    });
    rows.collect()
}

/// The columns that name the ends of each kind of sums.
fn pairs() -> String {
    let sums = By::value_variants().iter().filter(|&&by| by != By::Flow);
    let rows = sums.filter_map(|&by| {
        let value = by.to_possible_value()?;
        let mut pair = columns::columns(by);
        pair.retain(|column| column.is_of_pairs());
        Some(format!("  --by {}  {}\n", value.get_name(), names(&pair)))
    });
    rows.collect()
}

fn names(columns: &[&Column]) -> String {
    columns.iter().map(|column| format!("`{}`", column.name)).collect::<Vec<_>>().join(", ")
}

const JSON: &str = "  \
  time      when the packet was captured
  frame     its number, its length on the wire and as captured, and the device
  encap     every tunnel header, the outermost first, with the outer addresses, their nodes, and notes
  inner     the innermost packet that could be decoded
  src, dst  the owners of its addresses: kind (pod, service, node, vtep, external, unknown), cidr, node, \
namespace, pod, service
  error     where and why decoding stopped early
";

const SELECTING: &str = "\
EXPRESSION is asked of the frame as captured. On a physical device that is UDP between nodes, so \
`tcp port 80` finds nothing there. `--inner` is asked of the packet in the tunnel:

    vxdump -i eth0 --inner 'tcp port 80'

The same option twice means OR; different options mean AND. `--node` and `--pod` match either end, and need \
a map. Some expressions for `--inner`:

  host 10.244.1.7 and port 5432  one address and one port
  tcp[13] & 18 = 2  connection attempts
  tcp[13] & 4 != 0  resets
  port 53           DNS
  icmp or icmp6     pings and errors
  not port 9090     everything but one port

libpcap compiles expressions; it is loaded when the first one is needed. As in tcpdump, `tcp[...]` is true of \
IPv4 only, and a port only of the first fragment of a packet. Later outer fragments carry no tunnel header, so \
they inherit the decision made for their first fragment.

A live capture on a physical device selects overlay traffic: packets to a tunnel port, later fragments of UDP, \
ICMP errors that quote either, and plain packets from or to a pod. `--all` turns this off. On VXLAN, bridge and \
veth devices, and in files, everything is selected.";

const RIGHTS: &str = "\
Reading files needs no rights. Capturing needs `CAP_NET_RAW`, and `--netns` also `CAP_SYS_ADMIN`: run vxdump as \
root, or give the right to the program once:

    setcap cap_net_raw+ep /usr/local/bin/vxdump

After the devices are open, vxdump drops all capabilities, and landlock and seccomp limit what it can still do. \
`--no-sandbox` turns this off.";

const SIGNALS: &str = "  \
  SIGINT, SIGTERM, SIGHUP  end a capture: what was captured is still printed, and the counts of packets are \
given on stderr
  SIGUSR1  gives the counts on stderr, and the capture goes on";

const EXIT_STATUS: &str = "  \
  0  success, also where the reader of stdout has closed it
  1  an error on the way, such as a damaged file or a device that went away; what could be read was printed
  2  a command line that cannot be carried out";

const ENVIRONMENT: &str = "  \
  NO_COLOR        if it is set and not empty, there are no colours; `--color always` overrides it
  TZ              the time zone of times in lines (`tzset`(3)); tables, JSON and CSV use UTC
  TZDIR           the folder of the time zones, if it is not the system's
  COLUMNS         the width of `--help` where there is no terminal
  VXDUMP_LIBPCAP  the libpcap that compiles expressions: names or paths with colons between them, tried in \
this order";

const FILES: &str = "  \
  /run/flannel/subnet.env  what flannel knows of this node: with `-i` it is a part of the map of names
  /run/netns, /var/run/netns  the names of network namespaces for `--netns`, as `ip-netns`(8) makes them
  /proc/PID/ns/net  the network namespace of a process for `--netns pid:PID`";

const EXAMPLES: &str = "\
On a node, print overlay traffic as it passes, and watch who talks to whom:

    vxdump -i eth0
    vxdump top -i eth0

Keep the last gigabyte of it, and read one of the files:

    vxdump -i eth0 -w ring.pcapng -C 100 -W 10
    vxdump -r ring.pcapng3

Inside a pod, by the process ID of its pause container:

    vxdump --netns pid:4711 -i eth0

Save the names of pods and services, and print one pod's HTTP packets:

    kubectl get nodes,pods,services,endpointslices -A -o json > map.json
    vxdump -r node.pcap --map map.json --pod shop/web-0 \\
        --inner 'tcp port 80'

The services that fail most, and the slowest flows:

    vxdump flows -r node.pcap --map map.json --by service --sort failed
    vxdump flows -r node.pcap --map map.json --sort rtt --top 10

Flows and packets for other programs:

    vxdump flows -r node.pcap --format csv > flows.csv
    vxdump -r node.pcap.zst --format json | jq .inner

Who owns an address:

    vxdump map --map map.json 10.244.1.7

In Wireshark, live:

    vxdump -i eth0 -U -w - | wireshark -k -i - -d udp.port==8472,vxlan";

const SEE_ALSO: &str = concat!(
    "\
`vxrewrite`(1), `tcpdump`(8), `pcap-filter`(7), `wireshark`(1), `tshark`(1), `editcap`(1), `reordercap`(1), \
`ip-netns`(8), `kubectl`(1), `capabilities`(7)

The manuals of vxdump are at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/tree/main/docs"
);

#[cfg(test)]
mod tests {
    use super::*;

    /// A word as the page has it, in bold.
    fn bold(word: &str) -> String {
        format!("\\fB{}\\fR", word.replace('-', "\\-"))
    }

    #[test]
    fn page_has_every_command_and_option() {
        let page = page();
        let mut program = Cli::command();
        program.build();
        for command in program.get_subcommands() {
            let title = format!(".SH \"VXDUMP {}\"\n", command.get_name().to_uppercase());
            assert!(page.contains(&title), "{title}");
        }
        for command in program.get_subcommands().chain([&program]) {
            for option in command.get_arguments().filter(|option| !option.is_hide_set()) {
                let short = option.get_short().map(|short| bold(&format!("-{short}")));
                let long = option.get_long().map(|long| bold(&format!("--{long}")));
                for name in short.into_iter().chain(long) {
                    let is_there = page
                        .lines()
                        .any(|line| line.starts_with(&name) || line.contains(&format!(", {name}")));
                    assert!(is_there, "{name} of {}", command.get_name());
                }
            }
        }
    }

    #[test]
    fn page_has_every_column() {
        let page = page();
        let section = page.split(".SH ").find(|section| section.starts_with("COLUMNS\n"));
        let section = section.expect("a section");
        let others = packets::csv::COLUMNS.iter().chain(&map::COLUMNS).map(|(name, _)| *name);
        let flows = columns::columns(By::Flow).into_iter().chain(columns::of_sums());
        for name in others.chain(flows.map(|column| column.name)) {
            assert!(section.contains(&format!("\n{}\n", bold(name))), "{name}");
        }
    }
}
