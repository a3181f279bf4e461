//! What contradicts the map is pointed out, and nothing else is.

use std::fs;

use vxtest::{Folder, run, testdata};

fn vxdump(arguments: &[&str]) -> String {
    let output = run(env!("CARGO_BIN_EXE_vxdump"), arguments);
    String::from_utf8(output.stdout).expect("text")
}

fn read(capture: &str, map: &str, more: &[&str]) -> String {
    let capture = testdata("captures").join(capture).display().to_string();
    vxdump(&[&["-r", &capture, "--map", map], more].concat())
}

/// The map of the captures' cluster, with another text in one place.
fn changed(folder: &Folder, from: &str, to: &str) -> String {
    let map = fs::read_to_string(testdata("maps/nodes.json")).expect("the map");
    assert!(map.contains(from), "{from}");
    let path = folder.file("map");
    fs::write(&path, map.replace(from, to)).expect("a file");
    path.display().to_string()
}

/// In brackets at the end of lines.
fn pointed_out(text: &str) -> Vec<&str> {
    let note = |line| str::strip_suffix(line, "]").and_then(|line| Some(line.rsplit_once(" [")?.1));
    let is_of_map = |note: &&str| {
        note.contains("VTEP") || note.contains("belongs to") || note.contains("no VTEP")
    };
    text.lines().filter_map(note).filter(is_of_map).collect()
}

#[test]
fn a_healthy_cluster_is_passed_over_in_silence() {
    let nodes = testdata("maps/nodes.json").display().to_string();
    let cluster = testdata("maps/cluster.yaml").display().to_string();
    let calico = testdata("maps/calico.yaml").display().to_string();
    let mut packets = 0;
    for entry in fs::read_dir(testdata("captures")).expect("captures") {
        let name = entry.expect("an entry").file_name().into_string().expect("a name");
        if name == "README.md" {
            continue;
        }
        let maps: &[&str] =
            if name.starts_with("calico") { &[&calico] } else { &[&nodes, &cluster] };
        for map in maps {
            let text = read(&name, map, &[]);
            assert_eq!(pointed_out(&text), Vec::<&str>::new(), "{name} {map}");
            let json = read(&name, map, &["--format", "json"]);
            assert!(!json.contains("\"notes\""), "{name} {map}: {json}");
            packets += text.lines().filter(|line| line.contains(" | vni ")).count();
        }
    }
    assert!(packets > 1000, "{packets}");
}

#[test]
fn a_vtep_mac_that_no_node_has_is_pointed_out() {
    // the node has another one by now
    let folder = Folder::new();
    let map = changed(&folder, "d2:5f:08:b1:6e:b2", "d2:5f:08:b1:6e:ff");
    let text = read("stale-mac-n1-eth0.pcap", &map, &["icmp or udp"]);
    let request = text.lines().find(|line| line.contains("10.244.2.2: ICMP echo request"));
    let note = " | vni 1 172.18.0.2 > 172.18.0.3 [inner destination MAC d2:5f:08:b1:6e:b2 is no VTEP's of vni 1]";
    assert!(request.is_some_and(|line| line.ends_with(note)), "{text}");
    let json = read("stale-mac-n1-eth0.pcap", &map, &["--format", "json"]);
    let expected = "\"notes\":[\"inner destination MAC d2:5f:08:b1:6e:b2 is no VTEP's of vni 1\"]}";
    assert!(json.contains(expected), "{json}");
    // and the other way, with -v too
    let both =
        read("ping-n1-eth0.pcap", &map, &["-v", "--inner", "icmp[0] = 0 and src 10.244.2.2"]);
    assert!(both.contains("[inner source MAC d2:5f:08:b1:6e:b2 is no VTEP's of vni 1]"), "{both}");
    // nothing is known of its VTEP: nothing is said
    let silent =
        read("stale-mac-n1-eth0.pcap", &testdata("maps/cidrs.txt").display().to_string(), &[]);
    assert_eq!(pointed_out(&silent), Vec::<&str>::new());
}

#[test]
fn a_vni_that_no_vtep_has_is_pointed_out() {
    let folder = Folder::new();
    let map = changed(&folder, "\\\"VNI\\\":1", "\\\"VNI\\\":7");
    let text = read("ping-n1-eth0.pcap", &map, &[]);
    let notes = pointed_out(&text);
    assert!(!notes.is_empty() && notes.iter().all(|note| *note == "no VTEP has vni 1"), "{text}");
}

#[test]
fn a_vni_that_no_vtep_has_is_pointed_out_where_one_end_is_not_known() {
    let folder = Folder::new();
    let map = changed(&folder, "\\\"VNI\\\":1", "\\\"VNI\\\":7");
    let text = fs::read_to_string(&map).expect("it was written");
    fs::write(&map, text.replace("10.244.2.0/24", "10.77.2.0/24")).expect("a file");
    let text = read("ping-n1-eth0.pcap", &map, &["--inner", "icmp"]);
    let notes = pointed_out(&text);
    assert!(text.contains("n1 > external"), "{text}");
    assert!(!notes.is_empty() && notes.iter().all(|note| *note == "no VTEP has vni 1"), "{text}");
}

#[test]
fn a_node_that_is_not_the_pods_is_pointed_out() {
    let folder = Folder::new();
    let map = changed(&folder, "\"172.18.0.3\"", "\"172.18.0.9\"");
    let text = fs::read_to_string(&map).expect("it was written");
    fs::write(&map, text.replace("\"172.18.0.4\"", "\"172.18.0.3\"")).expect("a file");
    let text = read("ping-n1-eth0.pcap", &map, &["src host 172.18.0.2"]);
    let notes = pointed_out(&text);
    assert!(!notes.is_empty(), "{text}");
    assert!(notes.iter().all(|note| *note == "10.244.2.2 belongs to n2, sent to n3"), "{text}");
}
