//! The manual page: the command line as clap knows it, and what is kept of a file.

use clap::CommandFactory;
use vxcli::man::Page;

use super::cli::Cli;

/// The page in roff.
pub(super) fn page() -> String {
    Page::new(Cli::command())
        .section("ORDER OF ACTIONS", ORDER)
        .section("WHAT IS KEPT", KEPT)
        .section("WHAT ANONYMISING DOES NOT PROMISE", NOT_PROMISED)
        .section("EXIT STATUS", EXIT_STATUS)
        .section("ENVIRONMENT", ENVIRONMENT)
        .section("EXAMPLES", EXAMPLES)
        .section("SEE ALSO", SEE_ALSO)
        .render()
}

const ORDER: &str = "\
Actions are carried out in this order, whatever their order on the command line:

  selection       `EXPRESSION`, `--inner`, `--vni`, `--node`, `--pod`, `--tunnel-only`
  --dedup         removes copies
  --to-port       changes the port of tunnels
  --annotate      adds names and comments
  --decap         removes tunnels
  --anonymize     replaces addresses
  --snaplen, --headers-only
                  cut

`--split` goes by the packet as it was captured.

`--decap` gives each VNI an interface of its own, named `vni 1`, or `eth0 vni 1` where the input names its \
interface. Packets in no tunnel keep their link type, so OUT may have several: Wireshark reads such a file, \
and tcpdump does not.

The copies that `--dedup` keeps come from different devices, so `vxdump flows` needs `--once` for such a \
file.";

const KEPT: &str = "\
Without an action, OUT is identical to the input. With actions, everything that they do not name is kept: \
times to the nanosecond, comments, name resolution, interfaces and their options, decryption secrets, unknown \
blocks, section by section, in either byte order.

What the format of OUT cannot hold is counted and reported on stderr. pcap has no comments, names, secrets or \
statistics, and does not tell interfaces apart; with `-F pcap` its times are in microseconds.

`--anonymize` leaves out comments and filters, because they may name addresses.

OUT is written beside its place and renamed when it is complete, and it is never one of the inputs. A damaged \
input gives all its whole packets, a message that names the place, and exit status 1.";

const NOT_PROMISED: &str = "\
`--anonymize` does not promise that nobody can tell who is who:

  payloads    are not touched: DNS, DHCP, HTTP and routing protocols name addresses in them; `--headers-only` \
cuts payloads off
  traffic     keeps its ports, sizes, times and VNIs: who knows it can recognise it
  prefixes    are preserved: who knows one address also knows a part of its neighbours' addresses
  the key     reverses the replacement: keep it apart from the file
  the unknown  may hold addresses: packets whose contents could not be inspected are counted and reported

The same key gives the same replacements, so files that belong together stay comparable.";

const EXIT_STATUS: &str = "  \
  0  success
  1  an error on the way, such as a damaged file; what could be read was written
  2  a command line that cannot be carried out";

const ENVIRONMENT: &str = "  \
  NO_COLOR        if it is set and not empty, messages have no colours
  COLUMNS         the width of `--help` where there is no terminal
  VXDUMP_LIBPCAP  the libpcap that compiles expressions: names or paths with colons between them, tried in \
this order";

const EXAMPLES: &str = "\
For Wireshark, without tunnels and with the names of pods:

    kubectl get nodes,pods,services,endpointslices -A -o json > map.json
    vxrewrite -r node.pcap -w pods.pcapng --decap --annotate \\
        --map map.json

For Wireshark, with tunnels on the port where it decodes VXLAN:

    vxrewrite -r node.pcap -w wireshark.pcap --to-port 4789

The files of two nodes as one, in the order of time, compressed:

    vxrewrite -r n1.pcap -r n2.pcap -w both.pcapng.zst

One file for each VNI: vni-1.pcap, vni-2.pcap and so on:

    vxrewrite -r node.pcap -w vni.pcap --split vni

Each packet once, from a capture on all devices of a node:

    vxrewrite -r any.pcapng -w once.pcapng --dedup

For somebody else, without addresses and payloads:

    head -c 32 /dev/urandom > key
    vxrewrite -r node.pcap -w report.pcap --anonymize key --headers-only

One network, straight into Wireshark:

    vxrewrite -r node.pcap -w - --vni 1 | wireshark -k -i -";

const SEE_ALSO: &str = concat!(
    "\
`vxdump`(1), `pcap-filter`(7), `wireshark`(1), `tshark`(1), `editcap`(1), `mergecap`(1), `reordercap`(1), \
`tcprewrite`(1)

The manuals are at ",
    env!("CARGO_PKG_REPOSITORY"),
    "/tree/main/docs"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_has_every_option() {
        let page = page();
        let mut program = Cli::command();
        program.build();
        for option in program.get_arguments() {
            let short = option.get_short().map(|short| format!("\\fB\\-{short}\\fR"));
            let long = option.get_long();
            let long = long.map(|long| format!("\\fB\\-\\-{}\\fR", long.replace('-', "\\-")));
            for name in short.into_iter().chain(long) {
                let is_there = page
                    .lines()
                    .any(|line| line.starts_with(&name) || line.contains(&format!(", {name}")));
                assert!(is_there, "{name}");
            }
        }
    }
}
