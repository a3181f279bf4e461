//! The program on real devices, in the lab's network namespaces: beside tcpdump, with and without
//! selection in the kernel, ended, killed, on a full disk, and on a device that goes away. Needs
//! root.

#![cfg(target_os = "linux")]

mod drained;
mod faults;
mod foreign;
mod lab;
mod order;
mod rotation;
mod threads;

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vxcap::Timestamp;
use vxcap::file::Reader;
use vxtest::{Lab, Missing, Running, command, has_tools, judge, output, skip, tool};

use lab::{VXDUMP, end, end_later, inside, listing, vxdump};

/// How often each frame is in a file.
fn frames(path: &str) -> BTreeMap<Vec<u8>, u32> {
    frames_before(path, Timestamp::from_nanos(i64::MAX))
}

/// How often each frame that was captured before `end` is in a file.
fn frames_before(path: &str, end: Timestamp) -> BTreeMap<Vec<u8>, u32> {
    let mut reader = Reader::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut frames = BTreeMap::new();
    while let Some(frame) = reader.next_frame().unwrap_or_else(|e| panic!("{e}")) {
        if frame.time < end {
            *frames.entry(frame.data.to_vec()).or_default() += 1;
        }
    }
    frames
}

fn now() -> Timestamp {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set");
    Timestamp::from_nanos(now.as_nanos() as i64)
}

#[test]
fn captures_what_tcpdump_captures() {
    if !has_tools(&["tcpdump", "tshark"]) {
        return;
    }
    let Some(lab) = Lab::up(&[]) else { return };
    let points = [("n1", "eth0"), ("n1", "flannel.1"), ("n1", "cni0"), ("n1p1", "eth0")];
    let mut running = Vec::new();
    for (place, device) in points {
        let (ours, theirs) = (
            lab.file(&format!("{place}-{device}.pcapng")),
            lab.file(&format!("{place}-{device}.pcap")),
        );
        let vxdump = vxdump(&lab, place, &["-i", device, "-w", &ours]);
        let options = ["-Z", "root", "-i", device, "-w", &theirs];
        let tcpdump = inside(&lab.netns(place), "tcpdump", &options);
        running.push((ours, theirs, vxdump, tcpdump));
    }
    lab.command(&["traffic", "ping", "http", "udp", "dns"]);
    // some seconds later, hosts ask again for their neighbours: between the ends of two captures
    let traffic_end = now();
    for (ours, theirs, vxdump, tcpdump) in running {
        let (status, _, said) = end(vxdump, "TERM");
        assert!(status.success(), "{said}");
        assert!(said.contains("0 packets dropped by kernel"), "{said}");
        end_later(tcpdump, "TERM");
        let [ours_frames, theirs_frames] =
            [&ours, &theirs].map(|file| frames_before(file, traffic_end));
        assert!(ours_frames.len() > 20, "{ours}: {} frames", ours_frames.len());
        assert!(ours_frames == theirs_frames, "{ours}: not what tcpdump captured");
        judge("tshark", ["-r", &ours, "-q", "-z", "io,stat,0"]);
    }
}

/// Selections, each with a part that the kernel decides.
const SELECTIONS: &[&[&str]] = &[
    &["udp port 8472"],
    &["--inner", "tcp port 8080"],
    &["--inner", "icmp or arp"],
    &["--inner", "udp port 53"],
    &["--inner", "tcp[13] & 2 != 0"],
    &["--inner", "host 10.244.2.2"],
    &["--vni", "1"],
    &["--vni", "2"],
    &["--pod-cidr", "n2=10.244.2.0/24", "--node", "n2"],
    &["--pod-cidr", "n3=10.244.3.0/24", "--node", "n3", "--inner", "tcp"],
    &["src host 172.18.0.3", "--inner", "icmp"],
    &["--inner", "len > 1000"],
    &["not udp"],
];

#[test]
fn selection_in_the_kernel_changes_nothing() {
    compare_with_and_without_pushdown("eth0", SELECTIONS);
}

#[test]
fn selection_in_the_kernel_changes_nothing_on_all_devices_together() {
    let of_cooked_headers: &[&[&str]] = &[
        &["inbound"],
        &["outbound", "--inner", "icmp"],
        &["arp or ether proto 0x0806", "--inner", "arp"],
        &["len > 1000"],
        &["--inner", "ether host ee:8d:0f:1a:4b:02"],
    ];
    compare_with_and_without_pushdown("any", &[SELECTIONS, of_cooked_headers].concat());
}

fn compare_with_and_without_pushdown(device: &str, selections: &[&[&str]]) {
    let Some(lab) = Lab::up(&[]) else { return };
    let mut running = Vec::new();
    for (number, selection) in selections.iter().enumerate() {
        let [pushed, not] =
            ["pushed", "not"].map(|what| lab.file(&format!("{number}-{what}.pcapng")));
        // small buffers: there are many captures
        let common = ["-i", device, "--map", "none", "-B", "4096"];
        let first = vxdump(&lab, "n1", &[&common, *selection, &["-w", &pushed]].concat());
        let second =
            vxdump(&lab, "n1", &[&common, *selection, &["--no-pushdown", "-w", &not]].concat());
        running.push((pushed, not, first, second));
    }
    lab.command(&["traffic", "ping", "http", "udp", "dns", "underlay"]);
    // all at once: hosts ask for their neighbours from time to time
    for (_, _, first, second) in &mut running {
        first.signal("INT");
        second.signal("INT");
    }
    for ((pushed, not, first, second), selection) in running.into_iter().zip(selections) {
        let [fewer, all] = [first, second].map(|capture| {
            let (status, _, said) = capture.ended();
            assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
            let received = said.lines().find(|line| line.ends_with("received by filter"));
            let number = received.and_then(|line| line.split(' ').next()?.parse::<u64>().ok());
            number.unwrap_or_else(|| panic!("{said}"))
        });
        // else it was not decided there
        assert!(fewer < all, "{selection:?}: {fewer} of {all} got through the kernel");
        assert!(frames(&pushed) == frames(&not), "{selection:?} differs");
        let wanted_some = !selection.contains(&"2");
        assert_eq!(!frames(&pushed).is_empty(), wanted_some, "{selection:?}");
    }
}

#[test]
fn of_all_devices_together_each_packet_has_its_own() {
    let Some(lab) = Lab::up(&[]) else { return };
    let text = vxdump(&lab, "n1", &["-i", "any", "icmp or udp port 8472"]);
    let json = vxdump(&lab, "n1", &["-i", "any", "--format", "json", "icmp or udp port 8472"]);
    // a device that came later
    lab.command(&[
        "exec",
        "n1",
        "sh",
        "-c",
        "ip link add late0 type veth peer name late1; \
        ip addr add 192.0.2.1/24 dev late0; ip link set late0 up; ip link set late1 up; \
        ip neigh add 192.0.2.2 lladdr 02:00:00:00:00:01 dev late0; ping -c 1 -W 1 192.0.2.2; true",
    ]);
    lab.command(&["exec", "n1p1", "ping", "-c", "1", "10.244.2.2"]);
    let (status, text, said) = end(text, "HUP");
    assert!(status.success() && said.contains("packets captured"), "{said}");
    let (_, json, _) = end(json, "INT");
    let request = "10.244.1.2 > 10.244.2.2: ICMP echo request";
    let devices = |marker: &str| -> Vec<&str> {
        let lines = text.lines().filter(|line| line.contains(marker));
        lines.map(|line| line.split(' ').nth(1).expect("a device")).collect()
    };
    assert_eq!(devices(request), ["veth011f1a4e1", "cni0", "flannel.1", "eth0"], "{text}");
    // as tcpdump has it, in a tunnel too
    for line in ["cni0  In  IP 10.244.1.2", "eth0  Out IP 10.244.1.2"] {
        assert!(text.contains(line), "{line}: {text}");
    }
    assert!(devices("192.0.2.1 > 192.0.2.2").contains(&"late0"), "{text}");
    for device in ["veth011f1a4e1", "cni0", "flannel.1", "eth0", "late0"] {
        assert!(json.contains(&format!("\"interface\":\"{device}\"")), "{device}: {json}");
    }

    // what would run there has no header before the packet
    let program = listing(&lab, "n1", &["-i", "any", "-d", "icmp"]);
    assert!(program.contains("[proto]") && program.contains("ldb      [9]"), "{program}");
}

/// On a physical device of this host, as a lab has none; nothing is captured.
#[test]
fn the_program_of_an_underlay_device_chooses_overlay_traffic() {
    let says = |arguments: &[&str]| tool(VXDUMP, arguments);
    let devices = says(&["-D"]);
    let physical = devices.lines().find(|line| line.contains("(physical)"));
    let Some(name) = physical.and_then(|line| line.split(['.', ' ']).nth(1)) else {
        return skip(Missing::Device, "this host has no physical device");
    };
    // port 8472
    let asks_for_tunnels =
        |arguments: &[&str]| says(&[&["-i", name, "-d"], arguments].concat()).contains("#0x2118");
    assert!(asks_for_tunnels(&[]));
    assert!(asks_for_tunnels(&["udp"]));
    assert!(!asks_for_tunnels(&["--all"]));
    assert!(!asks_for_tunnels(&["--all", "udp"]));
}

#[test]
fn names_come_from_the_kernel() {
    // on a port and VNI that no default knows
    let Some(lab) = Lab::up(&["--port", "9999", "--vni", "77"]) else { return };
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-l", "--vni", "77"]);
    lab.command(&["traffic", "ping"]);
    let (status, lines, said) = end(capture, "TERM");
    assert!(status.success(), "{said}");
    let ping = lines.lines().find(|l| l.contains("10.244.1.2 > 10.244.2.2: ICMP echo request"));
    let ping = ping.unwrap_or_else(|| panic!("{lines}"));
    assert!(ping.ends_with(" > 172.18.0.3 | vni 77 172.18.0.2 > 172.18.0.3"), "{ping}");
}

#[test]
fn names_in_a_pod_come_from_its_nodes_kernel() {
    let Some(lab) = Lab::up(&[]) else { return };
    let node = fs::read_to_string("/proc/sys/kernel/hostname").expect("the host has a name");
    let node = node.trim();
    // from outside, and started in the pod's namespace
    let options = ["-i", "eth0", "-l"];
    let captures = [vxdump(&lab, "n1p1", &options), inside(&lab.netns("n1p1"), VXDUMP, &options)];
    lab.command(&["traffic", "ping"]);
    lab.command(&["exec", "n1p1", "ping", "-c", "1", "10.244.1.1"]);
    for capture in captures {
        let (status, lines, said) = end(capture, "TERM");
        assert!(status.success() && !said.contains("warning"), "{said}");
        for (packet, ends) in [
            ("10.244.1.2 > 10.244.2.2: ICMP echo request", format!("{node} > 172.18.0.3")),
            ("10.244.3.3 > 10.244.1.2: ICMP echo request", format!("172.18.0.4 > {node}")),
            ("10.244.1.2 > 10.244.1.1: ICMP echo request", format!("{node} > node:{node}")),
        ] {
            let line = lines.lines().find(|line| line.contains(packet));
            let line = line.unwrap_or_else(|| panic!("{packet}: {lines}"));
            assert!(line.ends_with(&format!(" | {ends}")), "{line}");
        }
    }
}

#[test]
fn a_pod_whose_node_cannot_be_asked_is_told_what_to_do() {
    if !has_tools(&["setpriv"]) {
        return;
    }
    let Some(lab) = Lab::up(&[]) else { return };
    // enough to capture, and not to enter another namespace
    let mut command = command("ip");
    command.args(["netns", "exec", &lab.netns("n1p1"), "setpriv", "--bounding-set"]);
    command.args(["-all,+net_raw", "--inh-caps", "-all,+net_raw"]);
    let output = output(command.args([VXDUMP, "map", "--map", "kernel", "10.244.2.2"]));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(
        said.contains("warning: no names from the kernel") && said.contains("--map FILE"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let found = String::from_utf8_lossy(&output.stdout);
    assert!(found.contains('?'), "{found}");
}

#[test]
fn a_killed_capture_leaves_a_file_that_can_be_read() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("killed.pcapng");
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-w", &file]);
    lab.command(&["traffic", "ping"]);
    end_later(capture, "KILL");
    assert!(frames(&file).len() > 20);
}

#[test]
fn a_full_disk_is_told_and_what_was_written_can_be_read() {
    let Some(lab) = Lab::up(&[]) else { return };
    let disk = lab.folder.file("disk");
    fs::create_dir(&disk).expect("a folder");
    let disk_name = disk.display().to_string();
    tool("mount", ["-t", "tmpfs", "-o", "size=64k", "vxtest", &disk_name]);
    let file = disk.join("full.pcapng").display().to_string();
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-U", "-w", &file]);
    lab.command(&["traffic", "http", "tcp"]);
    let (status, _, said) = capture.ended();
    let read = frames(&file);
    tool("umount", [&disk_name]);
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("No space left") && said.contains("are whole"), "{said}");
    assert!(read.len() > 10, "{}", read.len());
}

#[test]
fn a_device_that_vanishes_ends_its_capture_and_not_the_others() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("both.pcapng");
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-i", "flannel.1", "-w", &file]);
    lab.command(&["traffic", "ping"]);
    thread::sleep(Duration::from_millis(300));
    lab.command(&["exec", "n1", "ip", "link", "del", "flannel.1"]);
    thread::sleep(Duration::from_millis(300));
    let before = frames_on(&file, "eth0");
    lab.command(&["exec", "n1", "ping", "-c", "2", "-i", "0.2", "172.18.0.3"]);
    let (status, _, said) = end(capture, "INT");
    assert_eq!(status.code(), Some(1), "{said}");
    // the kernel takes a device down before it removes it, and either may be seen
    assert!(said.contains("flannel.1: the device "), "{said}");
    assert!(frames_on(&file, "flannel.1") > 20);
    assert!(frames_on(&file, "eth0") >= before + 4);
}

/// How many frames of a device are in a file, in which devices are numbered as their first frames
/// came.
fn frames_on(path: &str, device: &str) -> usize {
    let mut reader = Reader::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut count = 0;
    while let Some((_, interface)) = reader.next_with_interface().unwrap_or_else(|e| panic!("{e}"))
    {
        count += usize::from(interface.is_some_and(|i| i.name.as_deref() == Some(device)));
    }
    count
}

#[test]
fn files_are_rotated_in_the_sandbox() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("r.pcapng");
    let capture = vxdump(&lab, "n1", &["-i", "eth0", "-C", "16k", "-W", "50", "-w", &file]);
    lab.command(&["traffic", "ping", "http"]);
    let (status, _, said) = end(capture, "TERM");
    assert!(status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let rotated: Vec<usize> =
        (0..3).map(|number| frames(&format!("{file}{number:02}")).len()).collect();
    assert!(rotated.iter().all(|&count| count > 5), "{rotated:?}");
}

#[test]
fn what_a_device_offers_is_listed_and_can_be_chosen() {
    if !has_tools(&["tcpdump"]) {
        return;
    }
    let Some(lab) = Lab::up(&[]) else { return };
    let run = |program: &str, arguments: &[&str]| {
        let netns = lab.netns("n1");
        let output = vxtest::run("ip", [&["netns", "exec", &netns, program], arguments].concat());
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let ours = VXDUMP;
    // the kernel's own devices: a number of -D is a device
    let (status, devices, _) = run(ours, &["-D"]);
    assert_eq!(status, Some(0));
    let numbered = devices.lines().find(|line| line.contains(".eth0 (")).expect("it is listed");
    let (number, _) = numbered.split_once('.').expect("it has a number");
    assert_eq!(run(ours, &["-i", number, "-L"]).1, run(ours, &["-i", "eth0", "-L"]).1);

    // tcpdump lists more link types of Ethernet devices, and those of `any` in another order
    for device in ["eth0", "any"] {
        let (_, out, err) = run("tcpdump", &["-i", device, "-L"]);
        let theirs = out + &err;
        let (status, listed, _) = run(ours, &["-i", device, "-L"]);
        assert_eq!(status, Some(0));
        assert!(listed.lines().all(|line| theirs.contains(line)), "{listed}{theirs}");
    }
    let (_, out, err) = run("tcpdump", &["-i", "eth0", "-J"]);
    assert_eq!(run(ours, &["-i", "eth0", "-J"]).1, out + &err);

    for refused in [
        ["-i", "eth0", "-y", "RAW"],
        ["-i", "eth0", "-y", "NONSENSE"],
        ["-i", "eth0", "-j", "nonsense"],
        ["-i", "no-such-device", "-c", "1"],
    ] {
        assert_eq!(run("tcpdump", &refused).0, Some(1), "{refused:?}");
        let (status, _, said) = run(ours, &refused);
        assert_eq!(status, Some(2), "{refused:?}: {said}");
        assert!(!said.contains("listening"), "{said}");
    }
    let file = lab.file("cooked.pcap");
    let capture = vxdump(&lab, "n1", &["-i", "any", "-y", "LINUX_SLL", "-w", &file]);
    lab.command(&["traffic", "ping"]);
    let (status, _, said) = end(capture, "INT");
    assert!(status.success(), "{said}");
    let mut reader = Reader::open(&file).unwrap_or_else(|e| panic!("{e}"));
    let frame = reader.next_frame().unwrap_or_else(|e| panic!("{e}")).expect("there was a ping");
    assert_eq!(frame.link_type, vxcap::LinkType::LINUX_SLL);
}

#[test]
fn what_came_before_the_signal_is_captured() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("all.pcapng");
    for written in [&["-w", file.as_str()][..], &["--count"]] {
        let mut capture = vxdump(&lab, "n1", &[&["-i", "eth0", "icmp"], written].concat());
        lab.command(&["exec", "n1", "ping", "-c", "3", "-i", "0.02", "172.18.0.3"]);
        // at once: the block that the packets are in is still the kernel's
        capture.signal("INT");
        let (status, _, said) = capture.ended();
        assert!(status.success(), "{said}");
        assert!(said.contains("6 packets captured\n6 packets received by filter\n"), "{said}");
    }
}

#[test]
fn checksums_that_nobody_filled_in_are_not_called_bad() {
    // virtual cables: super-frames, and checksums that are never finished
    let Some(lab) = Lab::up(&[]) else { return };
    let mut running = Vec::new();
    for (place, device) in [("n1p1", "eth0"), ("n1", "cni0"), ("n1", "flannel.1"), ("n1", "eth0")] {
        running.push(vxdump(&lab, place, &["-i", device, "--format", "json"]));
    }
    lab.command(&["traffic", "tcp", "udp", "http"]);
    let mut longest = 0;
    for capture in running {
        let (status, lines, said) = end(capture, "INT");
        assert!(status.success(), "{said}");
        assert!(!lines.contains("\"checksum\":\"bad\""), "{lines}");
        assert!(lines.contains("\"checksum\":\"partial\""), "{lines}");
        let lengths = lines.lines().filter_map(|line| {
            let (_, rest) = line.split_once("\"len\":")?;
            rest.split(',').next()?.parse::<u32>().ok()
        });
        longest = longest.max(lengths.max().expect("there are packets"));
    }
    assert!(longest > 5000, "no super-frame among them: {longest}");
}

#[test]
fn a_packet_is_on_the_screen_soon() {
    if !has_tools(&["script"]) {
        return;
    }
    let Some(lab) = Lab::up(&[]) else { return };
    let program = format!("{VXDUMP} --netns {} -i eth0 icmp -tt --nano", lab.netns("n1"));
    // on a terminal, which script(1) makes; and through a pipe, with -l
    let mut terminal = command("script");
    terminal.args(["-qefc", &format!("exec {program}"), "/dev/null"]);
    let mut pipe = command("sh");
    pipe.args(["-c", &format!("exec {program} -l 2>&1")]);
    for mut command in [terminal, pipe] {
        let mut screen = Running::start(command.stdin(Stdio::piped()));
        let lines = |printed: &str| printed.matches('\n').count();
        let before = lines(&screen.prints("its first line", |printed| {
            printed
                .split_inclusive('\n')
                .any(|line| line.contains("listening on") && line.ends_with('\n'))
        }));
        let mut ping = vxtest::command("ip");
        ping.args(["netns", "exec", &lab.netns("n1"), "ping", "-c", "3", "172.18.0.3"]);
        let ping = Running::start(&mut ping);
        let mut delays = Vec::new();
        for number in before..before + 6 {
            let printed = screen.prints("another line", |printed| lines(printed) > number);
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is after 1970");
            let line = printed.lines().nth(number).expect("there are more");
            let time = line.split(' ').next().expect("it has a time");
            let time: f64 = time.parse().unwrap_or_else(|e| panic!("{line}: {e}"));
            delays.push(now.as_secs_f64() - time);
        }
        assert!(ping.ended().0.success());
        screen.signal("TERM");
        screen.output();
        delays.sort_unstable_by(f64::total_cmp);
        eprintln!("{delays:?} s from arrival to the screen");
        // another packet comes after a second: what is not shown until then waits for it
        assert!(delays[0] < 0.8, "{delays:?}");
    }
}

#[test]
fn a_node_whose_devices_come_and_go_does_not_fill_memory() {
    let Some(lab) = Lab::up(&[]) else { return };
    let file = lab.file("churn.pcapng");
    let capture = vxdump(&lab, "n1", &["-i", "any", "-i", "eth0", "-w", &file]);
    let resident = |id: u32| {
        let status = fs::read_to_string(format!("/proc/{id}/status")).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("it says so");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number")
    };
    let churn = |times: u32| {
        let each = "ip link add t0 type veth peer name t1; ip link set t0 up; ip link del t0";
        let script = format!("i=0; while [ $i -lt {times} ]; do {each}; i=$((i+1)); done");
        lab.command(&["exec", "n1", "sh", "-c", &script]);
    };
    churn(20);
    lab.command(&["traffic", "ping"]);
    let before = resident(capture.id());
    churn(200);
    let grown = resident(capture.id()).saturating_sub(before);
    assert!(grown < 4096, "{grown} KiB more after hundreds of changes");
    lab.command(&["exec", "n1", "ping", "-c", "1", "172.18.0.3"]);
    let (status, _, said) = end(capture, "TERM");
    assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
    assert!(frames_on(&file, "eth0") > 20);
}
