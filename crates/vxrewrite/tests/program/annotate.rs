//! Annotation, splitting and merging, as tshark sees them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use vxtest::Folder;

use crate::harness::{arg, captures, judged_captures, packets, tshark, vxrewrite};

/// The lab's nodes as `kubectl get nodes -o json` prints them.
fn nodes(folder: &Folder) -> PathBuf {
    let nodes: Vec<String> = (1..=3)
        .map(|n| {
            format!(
                r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"n{n}","annotations":{{
                "flannel.alpha.coreos.com/backend-type":"vxlan",
                "flannel.alpha.coreos.com/public-ip":"172.18.0.{}"}}}},
                "spec":{{"podCIDR":"10.244.{n}.0/24","podCIDRs":["10.244.{n}.0/24"]}}}}"#,
                n + 1
            )
        })
        .collect();
    let file = folder.file("nodes.json");
    let list = format!(r#"{{"apiVersion":"v1","kind":"List","items":[{}]}}"#, nodes.join(","));
    std::fs::write(&file, list).unwrap();
    file
}

#[test]
fn wireshark_shows_names_and_comments() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let (out, twice) = (folder.file("out.pcapng"), folder.file("twice.pcapng"));
    let file = captures.join("lab/mesh/n1-eth0.pcap");
    let map = nodes(&folder);
    let pods = folder.file("pods.txt");
    std::fs::write(&pods, "10.244.1.2 shop/web_0\n10.96.0.80 svc:shop/web\n").unwrap();
    let names = ["--map", arg(&map), "--map", arg(&pods), "--annotate"];
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--decap"].into_iter().chain(names));
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let resolve = ["-N", "n", "-Y", "tcp"];
    // -n of the harness turns names off, -N turns those of addresses on again
    let hosts = tshark(&out, &resolve, &["ip.src_host", "ip.dst_host"]).join("\n");
    assert!(hosts.contains("web_0.shop.pod"), "{hosts}");
    let comments = tshark(&out, &["-Y", "tcp"], &["frame.comment"]);
    assert!(comments.iter().all(|comment| comment.contains(" | vni 1 172.18.0.")), "{comments:?}");
    assert!(
        comments.iter().any(|comment| comment
            .contains("shop/web_0@n1 > n2 | vni 1 172.18.0.2 > 172.18.0.3 (n1 > n2)")),
        "{}",
        comments[0]
    );
    // on top of comments that were there
    let run = vxrewrite([
        "-r",
        arg(&out),
        "-w",
        arg(&twice),
        "--annotate",
        "--pod-cidr",
        "x=10.244.0.0/16",
    ]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let comments = tshark(&twice, &["-Y", "tcp"], &["frame.comment"]);
    assert!(
        comments[0].contains("shop/web_0@n1 > ") && comments[0].contains("x > x"),
        "{}",
        comments[0]
    );
    assert_eq!(packets(&twice), packets(&out));
}

#[test]
fn splitting_conserves_packets() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let map = nodes(&folder);
    for (name, key, files) in [
        ("mesh/n1-all.pcapng", "vni", 2),
        ("mesh/n1-all.pcapng", "node", 3),
        ("udp-small/n1-eth0.pcap", "flow", 105),
    ] {
        let file = captures.join("lab").join(name);
        let run = vxrewrite([
            "-r",
            arg(&file),
            "-w",
            arg(&folder.file(&format!("{key}.pcapng"))),
            "--split",
            key,
            "--map",
            arg(&map),
        ]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        let made: Vec<_> =
            folder.names().into_iter().filter(|n| n.starts_with(&format!("{key}-"))).collect();
        assert_eq!(made.len(), files, "{made:?}");
        let mut all = Vec::new();
        for name in &made {
            all.extend(packets(&folder.file(name)));
        }
        let mut expected = packets(&file);
        all.sort();
        expected.sort();
        assert_eq!(all, expected, "{key}");
    }
    assert!(folder.names().contains(&"vni-vni1.pcapng".to_owned()));
    assert!(folder.names().contains(&"node-n1.pcapng".to_owned()));
}

#[test]
fn merging_keeps_interfaces_apart_and_time_in_order() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out.pcapng");
    let files =
        ["mesh/n1-all.pcapng", "mesh/n2-all.pcapng", "variants/ping-n1-eth0.bigendian.pcap"]
            .map(|name| captures.join("lab").join(name));
    let run = vxrewrite([
        "-r",
        arg(&files[0]),
        "-r",
        arg(&files[1]),
        "-r",
        arg(&files[2]),
        "-w",
        arg(&out),
    ]);
    assert_eq!(run.status, 0, "{}", run.stderr);
    let merged = packets(&out);
    assert!(merged.is_sorted_by_key(|packet| packet.0));
    let mut expected: Vec<_> = files.iter().flat_map(|file| packets(file)).collect();
    let mut sorted = merged;
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
    let mut counts = BTreeMap::<String, usize>::new();
    for line in tshark(&out, &[], &["frame.interface_id"]) {
        *counts.entry(line).or_default() += 1;
    }
    let mut interfaces = 0;
    for file in &files {
        let mut reader = vxcap::file::Reader::open(file).unwrap();
        while reader.next_frame().unwrap().is_some() {}
        interfaces += reader.interfaces().len();
    }
    assert!(counts.len() <= interfaces && counts.len() > 5, "{counts:?} of {interfaces}");
    // a damaged file gives what it has, and the others go on
    let cut = captures.join("lab/variants/ping-n1-eth0.cut.pcap");
    let run = vxrewrite(["-r", arg(&cut), "-r", arg(&files[2]), "-w", arg(&out)]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("cut off"), "{}", run.stderr);
    assert_eq!(packets(&out).len(), 19 + 20);
}
