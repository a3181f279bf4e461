//! Re-porting, judged by tshark.

use vxtest::Folder;

use crate::harness::{arg, captures, judged_captures, packets, tshark, vxrewrite};

#[test]
fn tshark_decodes_without_being_told() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let checks = ["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"];
    let vxlan = [&checks[..], &["-d", "udp.port==8472,vxlan"]].concat();
    let fields = [
        "frame.time_epoch",
        "frame.len",
        "vxlan.vni",
        "ip.src",
        "udp.checksum.status",
        "ip.checksum.status",
        "tcp.seq_raw",
    ];
    for name in [
        "http/n1-eth0.pcap",
        "v6/n1-eth0.pcap",
        "outer-frag/n1-eth0.pcap",
        "variants/http-n1-eth0.snap96.pcap",
        "variants/ping-n1-n2-merged.pcapng",
        "underlay-mix/n1-eth0.pcap",
    ] {
        let file = captures.join("lab").join(name);
        let out = folder.file("out");
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--to-port", "4789"]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""), "{name}");
        let after = tshark(&out, &checks, &fields);
        let before = tshark(&file, &vxlan, &fields);
        // what is no VXLAN at port 8472 keeps its port, and tshark takes it for VXLAN only where it
        // is told to
        let differing = before.iter().zip(&after).filter(|(a, b)| a != b).count();
        assert!(
            differing <= if name.starts_with("underlay") { 6 } else { 0 },
            "{name}: {differing}"
        );
        assert!(after.iter().any(|line| line.contains("0x")) || after.len() > 10, "{name}");
    }
}

/// Port and checksum of tunnel packets, and nothing else.
#[test]
fn nothing_else_changes() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let file = captures.join("lab/underlay-mix/n1-eth0.pcap");
    let out = folder.file("out.pcap");
    vxrewrite(["-r", arg(&file), "-w", arg(&out), "--to-port", "4789"]);
    let mut changed = 0;
    for (before, after) in packets(&file).iter().zip(packets(&out)) {
        assert_eq!((before.0, before.1), (after.0, after.1));
        let places: Vec<usize> =
            (0..before.2.len()).filter(|&at| before.2[at] != after.2[at]).collect();
        let decoded = vxlan::decode(&before.2, vxlan::LinkType::ETHERNET);
        if decoded.tunnel.is_none() && decoded.inner.icmp().is_none_or(|i| i.quoted().is_none()) {
            assert!(places.is_empty(), "{places:?}");
        } else if !places.is_empty() {
            changed += 1;
            let udp = decoded.outer.transport_offset();
            assert!(
                decoded.tunnel.is_none()
                    || places.iter().all(|at| [2, 3, 6, 7].contains(&(at - udp))),
                "{places:?}"
            );
        }
        // the state of every checksum is what it was
        let again = vxlan::decode(&after.2, vxlan::LinkType::ETHERNET);
        assert_eq!(decoded.outer_checksum(), again.outer_checksum());
        assert_eq!(decoded.inner_checksum(), again.inner_checksum());
    }
    assert!(changed > 0);
    // and back: every byte is as it was
    let back = folder.file("back.pcap");
    vxrewrite(["-r", arg(&out), "-w", arg(&back), "--to-port", "8472", "--vni", "1"]);
    let only = folder.file("only.pcap");
    vxrewrite(["-r", arg(&file), "-w", arg(&only), "--vni", "1"]);
    assert_eq!(packets(&back), packets(&only));
}

/// On every capture there is: the state of each checksum is what it was, also in what ICMP errors
/// quote.
#[test]
fn states_of_checksums_stay() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let out = folder.file("out");
    let decoder = vxlan::Decoder::default();
    let (mut tunnels, mut quotes) = (0, 0);
    for path in ["lab", "third-party/vxlan", "third-party/geneve", "third-party/other"]
        .iter()
        .flat_map(|part| vxtest::files_below(&captures.join(part), &[]))
    {
        let _ = std::fs::remove_file(&out);
        vxrewrite(["-r", arg(&path), "-w", arg(&out), "--to-port", "4789"]);
        if !out.exists() {
            continue;
        }
        let (Ok(mut before), Ok(mut after)) =
            (vxcap::file::Reader::open(&path), vxcap::file::Reader::open(&out))
        else {
            continue;
        };
        let mut number = 0;
        while let (Ok(Some(a)), Ok(Some(b))) = (before.next_frame(), after.next_frame()) {
            number += 1;
            let place = format!("{} packet {number}", path.display());
            assert_eq!(
                (a.time, a.orig_len, a.data.len()),
                (b.time, b.orig_len, b.data.len()),
                "{place}"
            );
            let decode = |frame: &vxcap::Frame<'_>| -> Vec<String> {
                let packet = decoder.decode_captured(frame.data, frame.link_type, frame.orig_len);
                let mut states = vec![packet.inner_checksum().name().to_owned()];
                for level in decoder.encapsulations(&packet) {
                    states.push(level.checksum().name().to_owned());
                    states.push(level.headers.ports().map_or(0, |ports| ports.0).to_string());
                }
                if let Some(quote) = decoder.decode_quote(&packet.inner) {
                    states.push(quote.outer_checksum().name().to_owned());
                }
                states
            };
            assert_eq!(decode(&a), decode(&b), "{place}");
            let packet = decoder.decode_captured(b.data, b.link_type, b.orig_len);
            tunnels += usize::from(packet.tunnel.is_some());
            let quote = decoder.decode_quote(&packet.inner);
            if let Some((_, port)) = quote.and_then(|quote| quote.outer.ports()) {
                quotes += usize::from(port == 4789);
                assert_ne!(port, 8472, "{place}");
            }
        }
    }
    assert!(tunnels > 1000, "{tunnels}");
    eprintln!("{tunnels} tunnels, {quotes} quotes");
}
