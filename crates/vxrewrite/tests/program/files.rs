//! Files: in their place only when they are whole, and never over an input.

use std::fs;

use vxcap::write::{PacketOptions, PcapngWriter, Section};
use vxcap::{Frame, FrameFlags, Interface, LinkType, Timestamp};
use vxtest::{Folder, Running, command, output, run, wait_until};

use crate::harness::{arg, captures, packets, vxrewrite};

/// The built program.
const VXREWRITE: &str = env!("CARGO_BIN_EXE_vxrewrite");

/// A pcap file of one packet.
const TINY: &[u8] = &[
    0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0, //
    10, 0, 0, 0, 7, 0, 0, 0, 2, 0, 0, 0, 64, 0, 0, 0, 0xaa, 0xbb,
];

#[test]
fn an_input_is_never_the_output() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    fs::hard_link(&file, folder.file("other.pcap")).unwrap();
    for out in [file.clone(), folder.file("other.pcap")] {
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out)]);
        assert_eq!(run.status, 2);
        assert!(run.stderr.contains("read and written at the same time"), "{}", run.stderr);
    }
    // the name of one of several outputs
    let named = folder.file("out-no-vni.pcap");
    fs::rename(folder.file("other.pcap"), &named).unwrap();
    let run = vxrewrite(["-r", arg(&named), "-w", arg(&folder.file("out.pcap")), "--split", "vni"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("out-no-vni.pcap: is read at the same time"), "{}", run.stderr);
    assert_eq!(folder.names(), ["in.pcap", "out-no-vni.pcap"]);
    assert_eq!(fs::read(&file).unwrap(), TINY);
}

#[cfg(target_os = "linux")]
#[test]
fn the_file_at_standard_input_is_an_input() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let mut command = command(VXREWRITE);
    command.args(["-r", "-", "-w", arg(&file), "--decap"]).stdin(fs::File::open(&file).unwrap());
    let run = output(&mut command);
    assert_eq!(run.status.code(), Some(2));
    assert_eq!(fs::read(&file).unwrap(), TINY);
}

#[cfg(target_os = "linux")]
#[test]
fn names_of_pipes_are_written_to() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let run = run(VXREWRITE, ["-r", arg(&file), "-w", "/dev/stdout"]);
    assert_eq!((run.status.code(), run.stdout.as_slice()), (Some(0), TINY));
}

#[test]
fn a_split_of_nothing_is_told() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    fs::write(&file, TINY).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--split", "vni", "--tunnel-only"]);
    assert_eq!(run.status, 0);
    assert!(run.stderr.contains("no file was written"), "{}", run.stderr);
    assert_eq!(folder.names(), ["in.pcap"]);
}

#[cfg(unix)]
#[test]
fn symbolic_links_stay_and_what_they_lead_to_is_written() {
    let folder = Folder::new();
    let (file, link) = (folder.file("in.pcap"), folder.file("link.pcap"));
    fs::write(&file, TINY).unwrap();
    std::os::unix::fs::symlink("new.pcap", &link).unwrap();
    // first it leads nowhere, then to what the first run wrote
    for _ in 0..2 {
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&link)]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(folder.file("new.pcap")).unwrap(), TINY);
    }
    fs::remove_file(folder.file("new.pcap")).unwrap();
    std::os::unix::fs::symlink("link.pcap", folder.file("new.pcap")).unwrap();
    assert_eq!(vxrewrite(["-r", arg(&file), "-w", arg(&link)]).status, 1);
}

#[test]
fn places_that_cannot_be_written_are_told() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&folder.file("no/such/out.pcap"))]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("cannot write to") && run.stderr.contains("out.pcap"));
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&folder.file("."))]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert_eq!(folder.names(), ["in.pcap"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", "/dev/full"]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("cannot write to /dev/full"), "{}", run.stderr);
}

#[test]
fn what_fails_leaves_nothing_behind() {
    let folder = Folder::new();
    let (first, second) = (folder.file("a.pcap"), folder.file("b.pcap"));
    fs::write(&first, TINY).unwrap();
    let mut sll = TINY.to_vec();
    sll[20] = 113;
    fs::write(&second, sll).unwrap();
    let out = folder.file("out.pcap");
    fs::write(&out, b"before").unwrap();
    let run = vxrewrite(["-r", arg(&first), "-r", arg(&second), "-w", arg(&out)]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("-F pcapng"), "{}", run.stderr);
    assert_eq!(fs::read(&out).unwrap(), b"before");
    assert_eq!(folder.names(), ["a.pcap", "b.pcap", "out.pcap"]);
}

#[test]
fn output_goes_to_pipes_and_is_compressed_by_ending() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", "-"]);
    assert_eq!((run.status, run.stdout.as_slice()), (0, TINY));
    for (ending, magic) in [("gz", [0x1f, 0x8b]), ("zst", [0x28, 0xb5]), ("lz4", [0x04, 0x22])] {
        let out = folder.file(&format!("out.pcap.{ending}"));
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out)]);
        assert_eq!(run.status, 0, "{}", run.stderr);
        assert_eq!(fs::read(&out).unwrap()[..2], magic);
        assert_eq!(packets(&out), packets(&file));
    }
}

#[test]
fn command_lines_that_make_no_sense_have_status_2() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    let out = folder.file("out.pcap");
    for (args, words) in [
        (vec!["-w", arg(&out)], "-r FILE"),
        (vec!["-r", arg(&file)], "-w OUT"),
        (vec!["-r", arg(&file), "-w", arg(&out), "--vni", "16777216"], "24 bits"),
        (vec!["-r", arg(&file), "-w", arg(&out), "--node", "x"], "--map"),
        (vec!["-r", arg(&file), "-w", arg(&out), "--annotate"], "-F pcapng"),
        (vec!["-r", arg(&file), "-w", "-", "--split", "vni"], "--split"),
        (vec!["-r", arg(&file), "-w", arg(&out), "--tunnel-port", "x"], "PORT"),
        (vec!["-r", arg(&file), "-w", arg(&out), "--to-port", "0"], "1..=65535"),
        (vec!["-r", arg(&file), "-w", arg(&out), "no such words"], "no such words"),
    ] {
        let run = vxrewrite(args.clone());
        assert_eq!(run.status, 2, "{args:?}: {}", run.stderr);
        assert!(run.stderr.contains(words), "{args:?}: {}", run.stderr);
        assert!(!out.exists());
    }
    assert_eq!(vxrewrite(["--help"]).status, 0);
}

#[test]
fn names_come_from_files_only() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    fs::write(&file, TINY).unwrap();
    let with_map = |map| vxrewrite(["-r", arg(&file), "-w", arg(&out), "--map", map]);
    let run = with_map("kernel");
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("give --map a file"), "{}", run.stderr);
    assert!(!out.exists());
    assert_eq!(with_map("none").status, 0);
    let help = String::from_utf8(vxrewrite(["--help"]).stdout).unwrap();
    assert!(help.contains("--map <FILE>") && !help.contains("kernel"), "{help}");
}

#[test]
fn a_compression_that_is_not_written_is_refused() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    fs::write(&file, TINY).unwrap();
    for name in ["out.pcap.xz", "out.pcapng.BZ2"] {
        let out = folder.file(name);
        let run = vxrewrite(["-r", arg(&file), "-w", arg(&out)]);
        assert_eq!(run.status, 2, "{}", run.stderr);
        assert!(run.stderr.contains("use .gz, .zst or .lz4"), "{}", run.stderr);
        assert!(!out.exists());
    }
}

#[test]
fn formats_are_converted_and_losses_told() {
    let Some(captures) = captures() else { return };
    let folder = Folder::new();
    let file = captures.join("lab/variants/http-n1-eth0.nsec.pcap");
    let (ng, back, micros) =
        (folder.file("a.pcapng"), folder.file("a.pcap"), folder.file("b.pcap"));
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&ng)]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(packets(&ng), packets(&file));
    // pcap by its ending keeps nanoseconds where the input has them
    let run = vxrewrite(["-r", arg(&ng), "-w", arg(&back)]);
    assert_eq!(run.status, 0);
    assert_eq!(packets(&back), packets(&file));
    let run = vxrewrite(["-r", arg(&ng), "-w", arg(&micros), "-F", "pcap"]);
    assert_eq!(run.status, 0);
    assert!(run.stderr.is_empty() || run.stderr.contains("microseconds"), "{}", run.stderr);
    let rounded: Vec<_> = packets(&file)
        .into_iter()
        .map(|(time, len, data)| (time.div_euclid(1000) * 1000, len, data))
        .collect();
    assert_eq!(packets(&micros), rounded);
    let run = vxrewrite([
        "-r",
        arg(&captures.join("lab/variants/ping-n1-n2-merged.pcapng")),
        "-w",
        arg(&micros),
        "-F",
        "pcap",
    ]);
    assert!(run.stderr.contains("8 interfaces that pcap cannot tell apart"), "{}", run.stderr);
    assert!(run.stderr.contains("times rounded down"), "{}", run.stderr);
}

#[test]
fn the_key_and_the_map_are_never_the_output() {
    let folder = Folder::new();
    let (file, key, map) = (folder.file("in.pcap"), folder.file("key"), folder.file("map.txt"));
    fs::write(&file, TINY).unwrap();
    let secret: Vec<u8> = (0..32).collect();
    fs::write(&key, &secret).unwrap();
    fs::write(&map, "10.244.1.0/24 worker\n").unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&key), "--anonymize", arg(&key)]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    assert!(run.stderr.contains("read and written at the same time"), "{}", run.stderr);
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&map), "--map", arg(&map)]);
    assert_eq!(run.status, 2, "{}", run.stderr);
    // as one of several outputs
    let named = folder.file("out-no-vni");
    fs::write(&named, "10.244.1.0/24 worker\n").unwrap();
    let out = folder.file("out");
    let run =
        vxrewrite(["-r", arg(&file), "-w", arg(&out), "--map", arg(&named), "--split", "vni"]);
    assert_eq!(run.status, 1, "{}", run.stderr);
    assert_eq!(fs::read(&key).unwrap(), secret);
    for map in [map, named] {
        assert_eq!(fs::read(map).unwrap(), b"10.244.1.0/24 worker\n");
    }
}

/// Ends a run that waits for its input; what it wrote so far is taken away.
#[cfg(target_os = "linux")]
#[test]
fn signals_take_unfinished_files_away() {
    use std::io::Write as _;
    use std::sync::mpsc;

    for signal in ["HUP", "INT", "TERM"] {
        let folder = Folder::new();
        let mut command = command(VXREWRITE);
        command.args(["-r", "-", "-w", arg(&folder.file("out.pcap")), "--snaplen", "10"]);
        command.stdin(std::process::Stdio::piped());
        let (go_on, signalled) = mpsc::channel();
        let mut run = Running::start(&mut command).fed(move |input| {
            input.write_all(TINY)?;
            let _ = signalled.recv();
            // the signal is seen between packets: as many as it takes until it is
            loop {
                input.write_all(&TINY[24..].repeat(20_000))?;
            }
        });
        wait_until("an output", || match folder.names() {
            names if names.is_empty() => Err("no file".to_owned()),
            _ => Ok(()),
        });
        run.signal(signal);
        go_on.send(()).unwrap();
        run.output();
        assert_eq!(folder.names(), [""; 0], "SIG{signal}");
    }
}

#[test]
fn what_pcap_headers_tell_goes_both_ways_or_is_told() {
    let folder = Folder::new();
    let (file, ng, back) = (folder.file("in.pcap"), folder.file("a.pcapng"), folder.file("b.pcap"));
    // a frame check sequence of 4 bytes: its length in units of 16 bits, and that it holds
    let mut with_fcs = TINY.to_vec();
    with_fcs[23] = 0x24;
    fs::write(&file, &with_fcs).unwrap();
    for (from, to) in [(&file, &ng), (&ng, &back)] {
        let run = vxrewrite(["-r", arg(from), "-w", arg(to)]);
        assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    }
    assert_eq!(fs::read(&back).unwrap()[20..24], with_fcs[20..24]);
    // patched pcap: 8 more bytes in each record's header
    let mut patched = TINY[..40].to_vec();
    patched[..4].copy_from_slice(&0xa1b2_cd34_u32.to_le_bytes());
    patched.extend([1, 0, 0, 0, 8, 0, 0, 0]);
    patched.extend(&TINY[40..]);
    fs::write(&file, &patched).unwrap();
    for (out, format) in [(&ng, "pcapng"), (&back, "nsecpcap")] {
        let run = vxrewrite(["-r", arg(&file), "-w", arg(out), "-F", format]);
        assert!(run.stderr.contains("that only patched pcap can hold"), "{format}: {}", run.stderr);
        assert_eq!(packets(out)[0].2, TINY[40..]);
    }
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&back), "-F", "pcap", "--snaplen", "1"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
}

#[test]
fn compressed_files_that_are_cut_off_say_so() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcap"), folder.file("out.pcap"));
    // what does not compress, so that the cut is in the middle of it
    let mut number = 1_u64;
    let mut bytes = TINY.to_vec();
    for _ in 0..10_000 {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        bytes.extend(&TINY[24..38]);
        bytes.extend([0, 0]);
        bytes.extend(&number.to_be_bytes()[..2]);
    }
    fs::write(&file, bytes).unwrap();
    for ending in ["gz", "zst", "lz4"] {
        let whole = folder.file(&format!("whole.pcap.{ending}"));
        assert_eq!(vxrewrite(["-r", arg(&file), "-w", arg(&whole)]).status, 0);
        let whole = fs::read(&whole).unwrap();
        for len in [6, whole.len() / 2, whole.len() - 1] {
            let cut = folder.file(&format!("cut.{ending}"));
            fs::write(&cut, &whole[..len]).unwrap();
            let run = vxrewrite(["-r", arg(&cut), "-w", arg(&out)]);
            assert_eq!(run.status, 1);
            let words = format!("file is cut off at its byte {len} ");
            assert!(run.stderr.contains(&words), "{ending} {len}: {}", run.stderr);
        }
        // a packet's byte, which decompresses to another one: the checksum tells
        let mut flipped = whole;
        let at = flipped.len() * 3 / 4;
        flipped[at] ^= 1;
        let damaged = folder.file(&format!("flipped.{ending}"));
        fs::write(&damaged, flipped).unwrap();
        assert_eq!(vxrewrite(["-r", arg(&damaged), "-w", arg(&out)]).status, 1, "{ending}");
    }
    // a block of an impossible kind
    let mut lz4 = fs::read(folder.file("whole.pcap.lz4")).unwrap();
    lz4[20..60].fill(0xff);
    let damaged = folder.file("damaged.lz4");
    fs::write(&damaged, lz4).unwrap();
    let run = vxrewrite(["-r", arg(&damaged), "-w", arg(&out)]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("the lz4 file is damaged"), "{}", run.stderr);
}

#[test]
fn times_before_1970_are_told_as_such() {
    let folder = Folder::new();
    let (file, out) = (folder.file("in.pcapng"), folder.file("out.pcap"));
    let mut writer = PcapngWriter::new(Vec::new());
    writer.section(&Section::default()).unwrap();
    let interface = Interface::new(LinkType::ETHERNET, 0).with_ts_offset(-2000);
    writer.interface(&interface, &[]).unwrap();
    let frame = Frame {
        time: Timestamp::from_nanos(-1_990_000_000_000),
        link_type: LinkType::ETHERNET,
        interface: 0,
        orig_len: 60,
        data: &[0; 60],
        flags: FrameFlags::default(),
    };
    writer.packet(&frame, &PacketOptions::default()).unwrap();
    fs::write(&file, writer.finish().unwrap()).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out)]);
    assert_eq!(run.status, 1);
    assert!(run.stderr.contains("a time 1990 seconds before 1970"), "{}", run.stderr);
}

#[test]
fn nodes_whose_names_are_alike_have_files_of_their_own() {
    let folder = Folder::new();
    let file = folder.file("in.pcap");
    let frame = vxlan::example::SYN;
    let len = (frame.len() as u32).to_le_bytes();
    let mut bytes = TINY[..24].to_vec();
    for third in [1, 2, 3, 4] {
        let mut frame = frame.to_vec();
        frame[50 + 14 + 14] = third; // the sender's subnet
        frame[50 + 14 + 18] = 99; // the receiver's
        bytes.extend([[10, 0, 0, 0], [0; 4], len, len].concat());
        bytes.extend(frame);
    }
    fs::write(&file, bytes).unwrap();
    let out = folder.file("out.pcap");
    let mut args = vec!["-r", arg(&file), "-w", arg(&out), "--split", "node"];
    for cidr in ["a:b=10.244.1.0/24", "a_b=10.244.2.0/24", "no-node=10.244.3.0/24"] {
        args.extend(["--pod-cidr", cidr]);
    }
    let run = vxrewrite(args);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    let files =
        ["in.pcap", "out-a%3ab.pcap", "out-a_b.pcap", "out-no%2dnode.pcap", "out-no-node.pcap"];
    assert_eq!(folder.names(), files);
}

#[cfg(unix)]
#[test]
fn an_output_behind_a_link_goes_on_when_it_is_opened_again() {
    let folder = Folder::new();
    let (file, out, real) =
        (folder.file("in.pcap"), folder.file("out.pcap"), folder.file("real.pcap"));
    // more networks than outputs are open at a time, and the first one again
    let mut capture = TINY[..24].to_vec();
    for vni in (0..100).chain([0]) {
        let mut frame = vxlan::example::SYN.to_vec();
        frame[48] = vni;
        let len = (frame.len() as u32).to_le_bytes();
        capture.extend([[10, 0, 0, 0], [0; 4], len, len].concat());
        capture.extend(frame);
    }
    fs::write(&file, capture).unwrap();
    std::os::unix::fs::symlink(&real, folder.file("out-vni0.pcap")).unwrap();
    let run = vxrewrite(["-r", arg(&file), "-w", arg(&out), "--split", "vni"]);
    assert_eq!((run.status, run.stderr.as_str()), (0, ""));
    assert_eq!(packets(&real).len(), 2);
    assert_eq!(packets(&folder.file("out-vni1.pcap")).len(), 1);
}
