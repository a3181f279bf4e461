//! An overlay of another kind than flannel's: one bridged network over two hosts, learned MAC
//! addresses, an underlay of IPv6, another port, identifier and other names. What vxdump captures
//! is what tcpdump captures beside it.

use vxcap::file::Reader;
use vxtest::{Folder, command, has_tools, is_root, output, unique};

use crate::lab::{VXDUMP, end, end_later, inside};

/// Two hosts with a pod each: `a`, `b`, `pa`, `pb`.
struct Bridged {
    prefix: String,
    folder: Folder,
}

/// In the shell, with `$P` before the names of namespaces.
const BUILD: &str = r"set -e
for n in a b pa pb; do
    ip netns add $P-$n
    ip netns exec $P-$n sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0
done
for n in pa pb; do ip netns exec $P-$n sysctl -qw net.ipv6.conf.all.disable_ipv6=1; done
ip -n $P-a link add ens3 type veth peer name ens3 netns $P-b
for n in a b; do
    [ $n = a ] && own=1 other=2 || { own=2; other=1; }
    ip -n $P-$n addr add 2001:db8:7::$own/64 dev ens3 nodad
    ip -n $P-$n link set ens3 up
    ip -n $P-$n link add vxlan.calico type vxlan id 4096 dstport 4789 dev ens3 \
        local 2001:db8:7::$own remote 2001:db8:7::$other learning udp6zerocsumtx udp6zerocsumrx
    ip -n $P-$n link add br-ovl type bridge stp_state 0 forward_delay 0 mcast_snooping 0
    ip -n $P-$n link set vxlan.calico mtu 1400 master br-ovl
    ip -n $P-$n link add cali0 type veth peer name eth0 netns $P-p$n
    ip -n $P-$n link set cali0 master br-ovl
    for d in cali0 vxlan.calico br-ovl; do ip -n $P-$n link set $d up; done
    ip -n $P-p$n addr add 192.168.77.$own/24 dev eth0
    ip -n $P-p$n link set eth0 mtu 1400 up
done
i=0
until ip netns exec $P-pa ping -c 1 -W 1 192.168.77.2 >/dev/null; do i=$((i+1)); [ $i -lt 20 ]; done
";

/// What stands in each packet that is compared.
const MARK: &str = "f0e1d2c3";

impl Bridged {
    fn up() -> Self {
        let bridged = Self { prefix: unique("vf"), folder: Folder::new() };
        bridged.shell(BUILD);
        bridged
    }

    fn shell(&self, script: &str) {
        let output = output(command("sh").args(["-c", script]).env("P", &self.prefix));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }

    fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }
}

impl Drop for Bridged {
    fn drop(&mut self) {
        self.shell("for n in a b pa pb; do ip netns del $P-$n || true; done");
    }
}

/// The frames of a file in their order, from the first marked one to the last.
fn marked(path: &str) -> Vec<Vec<u8>> {
    let mark = [0xf0, 0xe1, 0xd2, 0xc3];
    let mut reader = Reader::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap_or_else(|e| panic!("{e}")) {
        frames.push(frame.data.to_vec());
    }
    let is_marked = |frame: &Vec<u8>| frame.windows(4).any(|bytes| bytes == mark);
    let first = frames.iter().position(is_marked).unwrap_or_else(|| panic!("{path}: none"));
    let last = frames.iter().rposition(is_marked).unwrap_or(first);
    frames.drain(first..=last).collect()
}

#[test]
fn a_bridged_overlay_is_captured_as_tcpdump_captures_it() {
    if !is_root() || !has_tools(&["tcpdump"]) {
        return;
    }
    let bridged = Bridged::up();
    let points = [("a", "ens3"), ("a", "vxlan.calico"), ("a", "br-ovl"), ("pa", "eth0")];
    let mut running = Vec::new();
    for (place, device) in points {
        let file = |end| bridged.folder.file(&format!("{device}{end}")).display().to_string();
        let (ours, theirs) = (file(".pcapng"), file(".pcap"));
        let netns = bridged.netns(place);
        let first = inside(&netns, VXDUMP, &["-i", device, "-w", &ours]);
        let second = inside(&netns, "tcpdump", &["-Z", "root", "-i", device, "-w", &theirs]);
        running.push((device, ours, theirs, first, second));
    }
    let text = inside(&bridged.netns("a"), VXDUMP, &["-i", "ens3"]);
    // one packet after the other: their order is the same for whoever looks. ARP, small ones, inner
    // fragments.
    let ping = "ip netns exec $P-pa ping -q -i 0.01 -p";
    bridged.shell(&format!(
        "ip -n $P-pa neigh flush dev eth0
         {ping} {MARK} -c 20 192.168.77.2 && {ping} {MARK} -c 5 -s 4000 192.168.77.2 &&
         {ping} {MARK} -c 5 -s 1300 192.168.77.2"
    ));
    for (device, ours, theirs, first, second) in running {
        let (status, _, said) = end(first, "TERM");
        assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
        end_later(second, "TERM");
        let (ours, theirs) = (marked(&ours), marked(&theirs));
        // requests and replies, three fragments of the large ones
        let least = 2 * (20 + 3 * 5 + 5);
        assert!(ours.len() >= least, "{device}: {} frames", ours.len());
        assert!(ours == theirs, "{device}: {} frames, tcpdump {}", ours.len(), theirs.len());
    }
    let (status, lines, said) = end(text, "TERM");
    assert!(status.success(), "{said}");
    let request =
        lines.lines().find(|line| line.contains("192.168.77.1 > 192.168.77.2: ICMP echo request"));
    let carried = " | vni 4096 2001:db8:7::1 > 2001:db8:7::2";
    assert!(request.is_some_and(|line| line.ends_with(carried)), "{lines}");
    // pods' own MAC addresses are no fault in it
    assert!(!lines.contains("VTEP") && !lines.contains("belongs to"), "{lines}");
}
