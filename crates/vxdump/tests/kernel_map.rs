//! The names that a node's kernel gives, in a lab of network namespaces. As root.
#![cfg(target_os = "linux")]

use std::fmt::Display;
use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use podmap::{Builder, Kind, PodMap};
use vxcap::live::Netns;
use vxdump::input::kernel_map::KernelMap;
use vxtest::{Lab, Running, command, wait_until};

fn netns(lab: &Lab, place: &str) -> Netns {
    Netns::open(&lab.netns(place)).expect("the namespace is there")
}

fn kernel_in(lab: &Lab, place: &str, builder: &mut Builder) -> KernelMap {
    let mut complain = |error: &dyn Display| panic!("{error}");
    KernelMap::open(Some(&netns(lab, place)), builder, &mut complain).expect("the tables are read")
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn label(map: &PodMap, text: &str) -> String {
    map.owner(address(text)).label().to_owned()
}

/// Refreshes until the map changes.
fn next_map(kernel: &mut KernelMap, builder: &mut Builder) -> PodMap {
    wait_until("a change of the map", || {
        let is_changed = kernel.refresh(builder).expect("the tables are read");
        if is_changed { Ok(()) } else { Err("none".to_owned()) }
    });
    KernelMap::build(builder)
}

#[test]
fn flannels_topology_is_known_without_a_flag() {
    let Some(lab) = Lab::up(&["--ipv6", "--vni", "7", "--port", "4789"]) else { return };
    let mut builder = Builder::new();
    let kernel = kernel_in(&lab, "n1", &mut builder);
    let map = KernelMap::build(&mut builder);
    assert_eq!(map.warnings(), []);
    let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host has a name");
    let host = host.trim();
    // this node by its host's name, the others by their addresses
    assert_eq!(label(&map, "10.244.1.3"), host);
    assert_eq!(label(&map, "10.244.2.3"), "172.18.0.3");
    assert_eq!(label(&map, "10.244.3.3"), "172.18.0.4");
    assert_eq!(label(&map, "172.18.0.2"), format!("node:{host}"));
    assert_eq!(label(&map, "172.18.0.4"), "node:172.18.0.4");
    assert_eq!(label(&map, "10.244.1.0"), format!("vtep:{host}"));
    // the bridge's own address is no pod's
    assert_eq!(label(&map, "10.244.1.1"), format!("node:{host}"));
    assert_eq!(label(&map, "10.244.2.0"), "vtep:172.18.0.3");
    assert_eq!(label(&map, "fd00:10:244:1::2"), host);
    assert_eq!(label(&map, "fd00:10:244:2::2"), "fc00:172:18::3");
    assert_eq!(map.owner(address("8.8.8.8")).kind(), Kind::External);
    assert_eq!(map.node_by_vtep(address("172.18.0.3")), Some("172.18.0.3"));
    assert_eq!(map.node_by_vtep_mac([0xee, 0x8d, 0x0f, 0x1a, 0x4b, 3]), Some("172.18.0.4"));

    let [v4, v6] = kernel.tunnels() else { panic!("{:?}", kernel.tunnels()) };
    assert_eq!((v4.name.as_str(), v4.vni, v4.port), ("flannel.7", Some(7), 4789));
    assert_eq!((v6.vni, v6.port), (Some(7), 4789));
    assert_eq!(v4.endpoints.len(), 2);
    // a frame on flannel.7 from here to n2
    let (own, other) = ([0xee, 0x8d, 0x0f, 0x1a, 0x4b, 1], [0xee, 0x8d, 0x0f, 0x1a, 0x4b, 2]);
    assert_eq!(kernel.remote_of(v4.device, own), Some(address("172.18.0.2")));
    assert_eq!(kernel.remote_of(v4.device, other), Some(address("172.18.0.3")));
    assert_eq!(kernel.remote_of(v4.device, [2; 6]), None);
}

#[test]
fn names_of_other_sources_are_found_by_address() {
    for options in [&[][..], &["--calico"]] {
        let Some(lab) = Lab::up(options) else { return };
        let mut builder = Builder::new();
        let _kernel = kernel_in(&lab, "n1", &mut builder);
        builder.read_bytes("nodes.json", lab.command(&["nodes"]).as_bytes()).unwrap();
        let map = KernelMap::build(&mut builder);
        assert_eq!(map.warnings(), [], "{options:?}");
        assert_eq!(map.nodes().collect::<Vec<_>>(), ["n1", "n2", "n3"], "{options:?}");
        for (text, expected) in [
            ("10.244.1.2", "n1"),
            ("10.244.2.2", "n2"),
            ("10.244.3.0", "vtep:n3"),
            ("172.18.0.2", "node:n1"),
            ("172.18.0.4", "node:n3"),
        ] {
            assert_eq!(label(&map, text), expected, "{options:?}");
        }
    }
}

#[test]
fn in_a_pod_its_node_is_asked_and_followed() {
    for options in [&["--ipv6"][..], &["--calico"]] {
        let Some(lab) = Lab::up(options) else { return };
        let mut builder = Builder::new();
        // of the second node, so that it is found among others
        let mut kernel = kernel_in(&lab, "n2p1", &mut builder);
        let map = KernelMap::build(&mut builder);
        let host = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host has a name");
        for (text, expected) in [
            ("10.244.2.2", host.trim()),
            ("10.244.1.2", "172.18.0.2"),
            ("10.244.3.3", "172.18.0.4"),
            ("10.96.0.10", "?"),
            ("8.8.8.8", "external"),
        ] {
            assert_eq!(label(&map, text), expected, "{options:?}");
        }
        let tunnel = kernel.tunnels()[0].clone();
        let mac = tunnel.mac.expect("it has one");
        assert_eq!(kernel.remote_of(tunnel.device, mac), None, "no device of the pod's");

        lab.command(&[
            "exec",
            "n2",
            "ip",
            "route",
            "del",
            &map.rows()
                .find_map(|row| {
                    (row.label == "172.18.0.4" && row.kind == Kind::Pod)
                        .then(|| row.cidr.to_string())
                })
                .expect("it has pods"),
        ]);
        let map = next_map(&mut kernel, &mut builder);
        assert_eq!(label(&map, "10.244.3.3"), "?", "{options:?}");
    }
}

#[test]
fn calicos_topology_is_known_too() {
    let Some(lab) = Lab::up(&["--calico"]) else { return };
    let mut builder = Builder::new();
    let kernel = kernel_in(&lab, "n1", &mut builder);
    let map = KernelMap::build(&mut builder);
    let host = map.owner(address("10.244.1.2")).node().unwrap().to_owned();
    assert_eq!(map.owner(address("10.244.1.2")).cidr(), Some("10.244.1.0/26".parse().unwrap()));
    assert_eq!(label(&map, "172.18.0.2"), format!("node:{host}"));
    assert_eq!(label(&map, "10.244.3.7"), "172.18.0.4");
    assert_eq!((kernel.tunnels()[0].vni, kernel.tunnels()[0].port), (Some(4096), 4789));
}

#[test]
fn both_families_are_known_behind_one_mac_address() {
    let Some(lab) = Lab::up(&["--ipv6"]) else { return };
    for arguments in [
        "ip link add ovl6 type vxlan id 77 dstport 4790 local fd77::11 nolearning",
        "ip link set ovl6 up",
        "ip neighbour add 10.50.2.0 lladdr 02:77:00:00:00:02 dev ovl6 nud permanent",
        "ip neighbour add fd50:0:0:2:: lladdr 02:77:00:00:00:02 dev ovl6 nud permanent",
        "bridge fdb add 02:77:00:00:00:02 dev ovl6 dst fd77::12",
        "ip route add 10.50.2.0/24 via 10.50.2.0 dev ovl6 onlink",
        "ip route add fd50:0:0:2::/64 via fd50:0:0:2:: dev ovl6 onlink",
    ] {
        lab.command(&[&["exec", "n1"], &*arguments.split(' ').collect::<Vec<_>>()].concat());
    }
    let mut builder = Builder::new();
    let _kernel = kernel_in(&lab, "n1", &mut builder);
    let map = KernelMap::build(&mut builder);
    assert_eq!(map.warnings(), []);
    for network in ["10.50.2", "fd50:0:0:2:"] {
        let (first, pod) = if network.contains(':') { (":", ":5") } else { (".0", ".5") };
        assert_eq!(label(&map, &format!("{network}{first}")), "vtep:fd77::12");
        assert_eq!(label(&map, &format!("{network}{pod}")), "fd77::12");
    }
}

#[test]
fn changes_are_followed_and_only_those_that_matter() {
    let Some(lab) = Lab::up(&[]) else { return };
    let mut builder = Builder::new();
    let mut kernel = kernel_in(&lab, "n1", &mut builder);
    let on_n1 = |command: &str| {
        lab.command(&[&["exec", "n1", "ip"], &*command.split(' ').collect::<Vec<_>>()].concat());
    };
    on_n1("route del 10.244.3.0/24");
    let map = next_map(&mut kernel, &mut builder);
    // a kernel does not know all of a cluster's private addresses
    assert_eq!(map.owner(address("10.244.3.3")).kind(), Kind::Unknown);
    assert_eq!(map.owner(address("8.8.8.8")).kind(), Kind::External);
    assert_eq!(label(&map, "10.244.2.3"), "172.18.0.3");

    on_n1("route add 10.244.3.0/24 via 10.244.2.0 dev flannel.1 onlink");
    let map = next_map(&mut kernel, &mut builder);
    assert_eq!(label(&map, "10.244.3.3"), "172.18.0.3", "a stale route shows where packets go");

    lab.command(&[
        "exec",
        "n1",
        "bridge",
        "fdb",
        "replace",
        "ee:8d:0f:1a:4b:02",
        "dev",
        "flannel.1",
        "dst",
        "172.18.0.9",
    ]);
    let map = next_map(&mut kernel, &mut builder);
    assert_eq!(label(&map, "10.244.2.3"), "172.18.0.9");

    on_n1("link del flannel.1");
    let map = next_map(&mut kernel, &mut builder);
    assert_eq!(map.owner(address("10.244.2.3")).node(), None);
    assert_eq!(kernel.tunnels(), []);
}

#[test]
fn nodes_that_are_reached_without_a_tunnel_are_known() {
    let Some(lab) = Lab::up(&[]) else { return };
    let mut builder = Builder::new();
    let mut kernel = kernel_in(&lab, "n1", &mut builder);
    // as flannel's DirectRouting does it for a node of the same subnet
    let on_n1 = |command: &str| {
        lab.command(&[&["exec", "n1", "ip"], &*command.split(' ').collect::<Vec<_>>()].concat());
    };
    on_n1("route replace 10.244.3.0/24 via 172.18.0.4 dev eth0");
    // what is not like a node's part of the cluster is behind a router
    on_n1("route add 10.99.0.0/16 via 172.18.0.4 dev eth0");
    on_n1("route add 10.98.1.0/24 via 172.18.0.4 dev eth0");
    // every change is seen, however many maps there are on the way
    let mut map = next_map(&mut kernel, &mut builder);
    while label(&map, "10.244.3.3") != "172.18.0.4"
        || map.owner(address("172.18.0.4")).kind() != Kind::Node
    {
        map = next_map(&mut kernel, &mut builder);
    }
    for other in ["10.99.0.9", "10.98.1.9"] {
        assert_eq!(map.owner(address(other)).kind(), Kind::Unknown);
    }
    assert_eq!(label(&map, "10.244.2.3"), "172.18.0.3");
}

#[test]
fn a_thousand_changes_cost_little_and_leave_nothing() {
    let Some(lab) = Lab::up(&[]) else { return };
    let mut builder = Builder::new();
    let mut kernel = kernel_in(&lab, "n1", &mut builder);
    let before = resident();
    let mut changes = command("ip");
    changes.args(["netns", "exec", &lab.netns("n1"), "sh", "-c"]);
    changes
        .arg("for i in $(seq 500); do ip link add t0 type veth peer name t1; ip link del t0; done");
    let mut changes = Running::start(&mut changes);
    let (mut calls, mut rebuilt) = (0_u32, 0_u32);
    while changes.is_running() {
        rebuilt += u32::from(kernel.refresh(&mut builder).expect("the tables are read"));
        calls += 1;
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(calls > 10);
    assert_eq!(rebuilt, 0, "a cable is no news");
    let grown = resident().saturating_sub(before);
    assert!(grown < 8192, "{grown} KiB more after a thousand changes");
    // and a change that matters is seen after them
    lab.command(&["exec", "n1", "ip", "route", "del", "10.244.3.0/24"]);
    next_map(&mut kernel, &mut builder);
}

/// Memory of this process in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a process has a status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it says so");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
