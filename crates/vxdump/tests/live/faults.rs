//! What contradicts the map of a node's kernel, while it changes.

use crate::lab::{Lab, is_root};

fn notes(lines: &str) -> Vec<&str> {
    let note = |line| str::strip_suffix(line, "]").and_then(|line| Some(line.rsplit_once(" [")?.1));
    let is_of_map = |note: &&str| note.contains("VTEP") || note.contains("belongs to");
    lines.lines().filter_map(note).filter(is_of_map).collect()
}

#[test]
fn faults_are_pointed_out_and_healthy_traffic_is_not() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&["--ipv6"]);
    let healthy = lab.vxdump("n2", &["-i", "eth0", "-i", "flannel.1"]);
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
    let (_, lines, said) = healthy.end("TERM");
    assert!(lines.lines().filter(|line| line.contains(" | vni 1 ")).count() > 100, "{said}");
    assert_eq!(notes(&lines), Vec::<&str>::new());

    let faulty = lab.vxdump("n2", &["-i", "eth0"]);
    lab.command(&["traffic", "stale-mac", "wrong-vni"]);
    let (_, lines, _) = faulty.end("TERM");
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
fn calicos_healthy_traffic_is_passed_over_too() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&["--calico"]);
    let capture = lab.vxdump("n1", &["-i", "eth0"]);
    lab.command(&["traffic", "ping", "http", "udp", "dns"]);
    let (_, lines, said) = capture.end("TERM");
    assert!(lines.lines().filter(|line| line.contains(" | vni 4096 ")).count() > 100, "{said}");
    assert_eq!(notes(&lines), Vec::<&str>::new());
}
