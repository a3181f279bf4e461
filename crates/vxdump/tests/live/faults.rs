//! What contradicts the map of a node's kernel, while it changes.

use std::fs;

use vxtest::Lab;

use crate::lab::{end, vxdump};

fn notes(lines: &str) -> Vec<&str> {
    let brackets = lines.split(" [").filter_map(|rest| Some(rest.split_once(']')?.0));
    brackets.filter(|note| note.contains("VTEP") || note.contains("belongs to")).collect()
}

#[test]
fn faults_are_pointed_out_and_healthy_traffic_is_not() {
    let Some(lab) = Lab::up(&["--ipv6"]) else { return };
    let healthy = vxdump(&lab, "n2", &["-i", "eth0", "-i", "flannel.1"]);
    lab.command(&[
        "traffic",
        "ping",
        "http",
        "udp",
        "dns",
        "ipv6",
        "large",
        "fragments",
        "underlay",
    ]);
    let (_, lines, said) = end(healthy, "TERM");
    assert!(lines.lines().filter(|line| line.contains(" | vni 1 ")).count() > 100, "{said}");
    assert_eq!(notes(&lines), Vec::<&str>::new());

    let faulty = vxdump(&lab, "n2", &["-i", "eth0"]);
    lab.command(&["traffic", "stale-mac", "wrong-vni"]);
    let (_, lines, _) = end(faulty, "TERM");
    let notes = notes(&lines);
    for expected in ["inner destination MAC ", "no VTEP has vni 2"] {
        assert!(notes.iter().any(|note| note.starts_with(expected)), "{expected}: {lines}");
    }
    assert!(
        notes.iter().all(|note| note.ends_with("vni 1") || note.ends_with("vni 2")),
        "{notes:?}"
    );
}

#[test]
fn errors_about_tunnel_packets_show_and_select_whom_they_concern() {
    let Some(lab) = Lab::up(&[]) else { return };
    let pods = lab.file("pods.json");
    fs::write(&pods, lab.command(&["pods"])).expect("a file");
    let wanted = ["-i", "eth0", "--map", &pods, "--pod"];
    let [n2p1, not_pushed, another] = [&["n2p1"][..], &["n2p1", "--no-pushdown"], &["n3p1"]]
        .map(|more| vxdump(&lab, "n1", &[&wanted, more].concat()));
    lab.command(&["traffic", "unreachable"]);
    let [n2p1, not_pushed, another] = [n2p1, not_pushed, another].map(|capture| {
        let (status, lines, said) = end(capture, "TERM");
        assert!(status.success(), "{said}");
        let errors = lines.lines().filter(|line| line.contains("unreachable"));
        let behind_time = errors.filter_map(|line| Some(line.split_once(' ')?.1.to_owned()));
        behind_time.collect::<Vec<_>>()
    });
    let quoted = " [quoted: vni 1 10.244.1.2 > 10.244.2.2, default/n1p1@n1 > default/n2p1@n2]";
    assert!(n2p1.iter().any(|line| line.ends_with(quoted)), "{n2p1:?}");
    assert_eq!(n2p1, not_pushed);
    assert_eq!(another, Vec::<String>::new());
}

#[test]
fn calicos_healthy_traffic_is_passed_over_too() {
    let Some(lab) = Lab::up(&["--calico"]) else { return };
    let capture = vxdump(&lab, "n1", &["-i", "eth0"]);
    lab.command(&["traffic", "ping", "http", "udp", "dns"]);
    let (_, lines, said) = end(capture, "TERM");
    assert!(lines.lines().filter(|line| line.contains(" | vni 4096 ")).count() > 100, "{said}");
    assert_eq!(notes(&lines), Vec::<&str>::new());
}
