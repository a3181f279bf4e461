//! Whatever an action makes of a capture, Wireshark reads it without a complaint that it did not
//! have before.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use vxtest::{Folder, Outcome, command, files_below, judge, output};

use crate::harness::{arg, judged_captures, vxrewrite};

/// Actions, and the ending of what they write; none leaves the format as it was.
const ACTIONS: [(&str, &[&str]); 12] = [
    ("", &["--decap"]),
    (".pcapng", &["--decap"]),
    (".pcapng", &["--decap=1", "--tunnel-only"]),
    ("", &["--to-port", "4789"]),
    (".pcapng", &["--decap", "--annotate", "--pod-cidr", "worker=10.244.1.0/24"]),
    (".pcapng", &["--to-port", "4789", "--annotate", "--pod-cidr", "worker=10.244.1.0/24"]),
    ("", &["--dedup"]),
    ("", &["--snaplen", "70"]),
    ("", &["--headers-only"]),
    ("", &["--anonymize", "KEY"]),
    (".pcap", &[]),
    ("", &["-F", "nsecpcap"]),
];

/// Runs an action; KEY is the name of the key file.
fn act(input: &Path, out: &Path, args: &[&str], key: &Path) -> Outcome {
    let args = args.iter().map(|&one| if one == "KEY" { arg(key) } else { one });
    vxrewrite(["-r", arg(input), "-w", arg(out)].into_iter().chain(args))
}

/// The files of which Wireshark's reader complains, by their names.
fn complaints(files: &[PathBuf]) -> HashSet<String> {
    let mut complaints = HashSet::new();
    for some in files.chunks(500) {
        let output = output(command("capinfos").arg("-c").args(some));
        let said = String::from_utf8_lossy(&output.stderr);
        for (line, next) in said.lines().zip(said.lines().skip(1).chain([""])) {
            // a link type that it does not know can be in pcapng as long as no packet has it, but
            // not in the header of pcap
            if next.starts_with("(pcap: network type 1240 unknown") {
                continue;
            }
            let quoted = line.split('"').nth(1).map(|name| name.rsplit('/').next().unwrap_or(name));
            complaints.extend(quoted.map(str::to_owned));
        }
    }
    complaints
}

/// A single packet of an impossible length: where less than 8 bytes of it are kept, tshark guesses
/// another kind of pcap, with longer packet headers.
const GUESSED: [&str; 1] =
    ["PcapPlusPlus__clusterfuzz-testcase-minimized-FuzzTarget-6223613626941440.pcap"];

#[test]
fn every_output_is_read_without_a_complaint() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let key = folder.file("key");
    std::fs::write(&key, (0..32).collect::<Vec<u8>>()).unwrap();
    let inputs: Vec<PathBuf> = ["lab", "third-party"]
        .into_iter()
        .flat_map(|part| files_below(&captures.join(part), &[]))
        .filter(|path| {
            let ending = path.extension().and_then(|e| e.to_str());
            !matches!(ending, Some("csv" | "tsv" | "json" | "jsonl" | "md"))
        })
        .collect();
    let mut outputs = Vec::new();
    for (number, input) in inputs.iter().enumerate() {
        for (action, (ending, args)) in ACTIONS.iter().enumerate() {
            let out = folder.file(&format!("{number}-{action}{ending}"));
            let run = act(input, &out, args, &key);
            assert!(run.status <= 1, "{} {action}: {}", input.display(), run.stderr);
            if out.exists() {
                outputs.push(out);
            }
        }
    }
    assert!(outputs.len() > 10 * inputs.len(), "{} outputs", outputs.len());
    let before = complaints(&inputs);
    let new: Vec<_> = complaints(&outputs)
        .into_iter()
        .filter_map(|name| {
            let (number, action) = name.split_once('-')?;
            let input: &Path = inputs.get(number.parse::<usize>().ok()?)?;
            let action = action.split('.').next()?.parse::<usize>().ok()?;
            let input_name = input.file_name()?.to_str()?;
            let known = before.contains(input_name) || GUESSED.contains(&input_name);
            (!known).then(|| format!("{} {:?}", input.display(), ACTIONS[action]))
        })
        .collect();
    assert!(new.is_empty(), "{} of {}: {new:#?}", new.len(), outputs.len());
}

/// No packet of the lab becomes malformed, and VXLAN is decoded at its port with no preference set.
#[test]
fn no_packet_becomes_malformed() {
    let Some(captures) = judged_captures() else { return };
    let folder = Folder::new();
    let key = folder.file("key");
    std::fs::write(&key, (0..32).collect::<Vec<u8>>()).unwrap();
    let inputs: Vec<PathBuf> = files_below(&captures.join("lab"), &[])
        .into_iter()
        // underlay-mix has other traffic at VXLAN's ports, which tshark takes for it where it is
        // told to
        .filter(|path| {
            path.ends_with("n1-eth0.pcap") && !path.ends_with("underlay-mix/n1-eth0.pcap")
        })
        .collect();
    assert!(inputs.len() > 10);
    // all of them behind each other, in one file
    let count = |files: &[PathBuf], options: &[&str], display: &str| {
        let all = folder.file("all.pcapng");
        let mut args = vec!["-a", "-w", arg(&all)];
        args.extend(files.iter().map(|file| arg(file)));
        judge("mergecap", &args);
        // every datagram by itself: those of different captures have the same identifications
        let mut args = vec!["-n", "-o", "ip.defragment:FALSE", "-r", arg(&all)];
        args.extend(options);
        args.extend(["-Y", display, "-T", "fields", "-e", "frame.number"]);
        judge("tshark", &args).lines().count()
    };
    let vxlan = ["-d", "udp.port==8472,vxlan"];
    let malformed = "_ws.malformed || _ws.expert.group == \"Malformed\"";
    let before = count(&inputs, &vxlan, malformed);
    let tunnels = count(&inputs, &vxlan, "vxlan");
    assert!(tunnels > 1000);
    for (action, (_, args)) in ACTIONS.iter().enumerate() {
        // what is cut cannot be decoded wholly
        if args.contains(&"--snaplen") || args.contains(&"--headers-only") {
            continue;
        }
        let mut outputs = Vec::new();
        for (number, input) in inputs.iter().enumerate() {
            let out = folder.file(&format!("{number}-{action}.pcapng"));
            let run = act(input, &out, args, &key);
            assert_eq!(run.status, 0, "{args:?} {}", run.stderr);
            outputs.push(out);
        }
        let is_reported = args.contains(&"--to-port");
        let options = if is_reported { &[][..] } else { &vxlan };
        let after = count(&outputs, options, malformed);
        assert!(after <= before, "{args:?}: {after} malformed packets, {before} before");
        if is_reported {
            assert_eq!(count(&outputs, options, "vxlan"), tunnels, "{args:?}");
        }
        if args.iter().any(|one| one.starts_with("--decap")) {
            let left = count(&outputs, options, "vxlan");
            assert!(left == 0, "{args:?}: {left} packets in a tunnel");
        }
    }
}
