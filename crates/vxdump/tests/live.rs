//! The program on real devices, in the lab's network namespaces: beside tcpdump, with and without selection in the kernel,
//! ended, killed, on a full disk, and on a device that goes away. Needs root.

#![cfg(target_os = "linux")]

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use vxcap::file::Reader;

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").expect("a process has a status");
    let root = status.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !root {
        eprintln!("skipped: live capture is tested in network namespaces, which needs root");
    }
    root
}

fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}{}-{}", std::process::id() % 10_000, COUNT.fetch_add(1, Ordering::Relaxed))
}

/// flannel's topology, removed at the end; and a folder for files.
struct Lab {
    prefix: String,
    folder: PathBuf,
}

impl Lab {
    fn up(options: &[&str]) -> Self {
        let prefix = unique("vd");
        let folder = std::env::temp_dir().join(&prefix);
        fs::create_dir_all(&folder).expect("a folder for files");
        let lab = Self { prefix, folder };
        lab.command(&[&["up"], options].concat());
        lab
    }

    fn command(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/lab/flannel-lab");
        let output = Command::new(script)
            .args(["--prefix", &self.prefix])
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("the lab's script");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.prefix)
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Starts vxdump on a device of a node or pod, and waits until it listens.
    fn vxdump(&self, place: &str, arguments: &[&str]) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vxdump"));
        command.args(["--netns", &self.netns(place)]).args(arguments);
        let devices = arguments.iter().filter(|argument| **argument == "-i").count();
        Running::start(command, devices)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.command(&["down"]);
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A capture that runs; ended by its id.
struct Running {
    child: Child,
    said: BufReader<std::process::ChildStderr>,
}

impl Running {
    fn start(mut command: Command, devices: usize) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{command:?}: {e}"));
        let mut said = BufReader::new(child.stderr.take().expect("it is piped"));
        let mut heard = String::new();
        for _ in 0..devices {
            let before = heard.len();
            said.read_line(&mut heard).expect("stderr is text");
            assert!(heard[before..].contains("listening on"), "{heard}");
        }
        // what stands between listening and the first look at the devices
        thread::sleep(Duration::from_millis(300));
        Self { child, said }
    }

    /// Sends a signal, after what came has had time to come through. Gives status, stdout, stderr.
    fn end(mut self, signal: &str) -> (ExitStatus, String, String) {
        thread::sleep(Duration::from_millis(1300));
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &id]).status().expect("kill");
        assert!(sent.success(), "it has ended before");
        self.ended()
    }

    fn ended(&mut self) -> (ExitStatus, String, String) {
        let mut out = String::new();
        self.child.stdout.take().expect("it is piped").read_to_string(&mut out).expect("text");
        let mut err = String::new();
        self.said.read_to_string(&mut err).expect("text");
        (self.child.wait().expect("a status"), out, err)
    }
}

/// How often each frame is in a file.
fn frames(path: &str) -> BTreeMap<Vec<u8>, u32> {
    let mut reader = Reader::open(path).unwrap_or_else(|e| panic!("{e}"));
    let mut frames = BTreeMap::new();
    while let Some(frame) = reader.next_frame().unwrap_or_else(|e| panic!("{e}")) {
        *frames.entry(frame.data.to_vec()).or_default() += 1;
    }
    frames
}

#[test]
fn captures_what_tcpdump_captures() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let points = [("n1", "eth0"), ("n1", "flannel.1"), ("n1", "cni0"), ("n1p1", "eth0")];
    let mut running = Vec::new();
    for (place, device) in points {
        let (ours, theirs) = (
            lab.file(&format!("{place}-{device}.pcapng")),
            lab.file(&format!("{place}-{device}.pcap")),
        );
        let vxdump = lab.vxdump(place, &["-i", device, "-w", &ours]);
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &lab.netns(place),
            "tcpdump",
            "-Z",
            "root",
            "-i",
            device,
            "-w",
            &theirs,
        ]);
        let tcpdump = Running::start(command, 1);
        running.push((ours, theirs, vxdump, tcpdump));
    }
    lab.command(&["traffic", "ping", "http", "udp", "dns"]);
    for (ours, theirs, vxdump, tcpdump) in running {
        let (status, _, said) = vxdump.end("TERM");
        assert!(status.success(), "{said}");
        assert!(said.contains("0 packets dropped by kernel"), "{said}");
        tcpdump.end("TERM");
        let (ours_frames, theirs_frames) = (frames(&ours), frames(&theirs));
        assert!(ours_frames.len() > 20, "{ours}: {} frames", ours_frames.len());
        assert!(ours_frames == theirs_frames, "{ours}: not what tcpdump captured");
        let tshark = Command::new("tshark").args(["-r", &ours, "-q", "-z", "io,stat,0"]).output();
        let tshark = tshark.expect("tshark is needed");
        let complaints = String::from_utf8_lossy(&tshark.stderr).replace("Running as user", "");
        assert!(tshark.status.success() && !complaints.contains("appears"), "{complaints}");
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
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let mut running = Vec::new();
    for (number, selection) in SELECTIONS.iter().enumerate() {
        let [pushed, not] =
            ["pushed", "not"].map(|what| lab.file(&format!("{number}-{what}.pcapng")));
        // small buffers: there are many captures
        let common = ["-i", "eth0", "--map", "none", "-B", "4096"];
        let first = lab.vxdump("n1", &[&common, *selection, &["-w", &pushed]].concat());
        let second =
            lab.vxdump("n1", &[&common, *selection, &["--no-pushdown", "-w", &not]].concat());
        running.push((pushed, not, first, second));
    }
    lab.command(&["traffic", "ping", "http", "udp", "dns", "underlay"]);
    for ((pushed, not, first, second), selection) in running.into_iter().zip(SELECTIONS) {
        for capture in [first, second] {
            let (status, _, said) = capture.end("INT");
            assert!(status.success() && said.contains("0 packets dropped by kernel"), "{said}");
        }
        assert!(frames(&pushed) == frames(&not), "{selection:?} differs");
        let wanted_some = !selection.contains(&"2");
        assert_eq!(!frames(&pushed).is_empty(), wanted_some, "{selection:?}");
    }
}

#[test]
fn names_come_from_the_kernel() {
    if !is_root() {
        return;
    }
    // on a port and VNI that no default knows
    let lab = Lab::up(&["--port", "9999", "--vni", "77"]);
    let capture = lab.vxdump("n1", &["-i", "eth0", "-l", "--vni", "77"]);
    lab.command(&["traffic", "ping"]);
    let (status, lines, said) = capture.end("TERM");
    assert!(status.success(), "{said}");
    let ping = lines.lines().find(|l| l.contains("10.244.1.2 > 10.244.2.2: ICMP echo request"));
    let ping = ping.unwrap_or_else(|| panic!("{lines}"));
    assert!(ping.ends_with(" > 172.18.0.3 | vni 77 172.18.0.2 > 172.18.0.3"), "{ping}");
}

#[test]
fn a_killed_capture_leaves_a_file_that_can_be_read() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let file = lab.file("killed.pcapng");
    let capture = lab.vxdump("n1", &["-i", "eth0", "-w", &file]);
    lab.command(&["traffic", "ping"]);
    capture.end("KILL");
    assert!(frames(&file).len() > 20);
}

#[test]
fn a_full_disk_is_told_and_what_was_written_can_be_read() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let disk = lab.folder.join("disk");
    fs::create_dir(&disk).expect("a folder");
    let disk_name = disk.display().to_string();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=64k", "vxtest", &disk_name])
        .status();
    assert!(mounted.expect("mount").success());
    let file = disk.join("full.pcapng").display().to_string();
    let mut capture = lab.vxdump("n1", &["-i", "eth0", "-U", "-w", &file]);
    lab.command(&["traffic", "http", "tcp"]);
    let (status, _, said) = capture.ended();
    let read = frames(&file);
    let _ = Command::new("umount").arg(&disk_name).status();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("No space left") && said.contains("are whole"), "{said}");
    assert!(read.len() > 10, "{}", read.len());
}

#[test]
fn a_device_that_vanishes_ends_its_capture_and_not_the_others() {
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let file = lab.file("both.pcapng");
    let capture = lab.vxdump("n1", &["-i", "eth0", "-i", "flannel.1", "-w", &file]);
    lab.command(&["traffic", "ping"]);
    thread::sleep(Duration::from_millis(300));
    lab.command(&["exec", "n1", "ip", "link", "del", "flannel.1"]);
    thread::sleep(Duration::from_millis(300));
    let before = frames_on(&file, "eth0");
    lab.command(&["exec", "n1", "ping", "-c", "2", "-i", "0.2", "172.18.0.3"]);
    let (status, _, said) = capture.end("INT");
    assert_eq!(status.code(), Some(1), "{said}");
    // the kernel takes a device down before it removes it, and either may be seen
    assert!(said.contains("flannel.1: the device "), "{said}");
    assert!(frames_on(&file, "flannel.1") > 20);
    assert!(frames_on(&file, "eth0") >= before + 4);
}

/// How many frames of a device are in a file, in which devices are numbered as their first frames came.
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
    if !is_root() {
        return;
    }
    let lab = Lab::up(&[]);
    let file = lab.file("r.pcapng");
    let capture = lab.vxdump("n1", &["-i", "eth0", "-C", "16k", "-W", "50", "-w", &file]);
    lab.command(&["traffic", "ping", "http"]);
    let (status, _, said) = capture.end("TERM");
    assert!(status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    let rotated: Vec<usize> =
        (0..3).map(|number| frames(&format!("{file}{number:02}")).len()).collect();
    assert!(rotated.iter().all(|&count| count > 5), "{rotated:?}");
}
