//! Network namespaces to capture in, tcpdump beside, and what both captured.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vxcap::LinkType;
use vxcap::file::Reader;
use vxcap::live::{Capture, CaptureOptions, Netns};

/// Whether namespaces can be made here; says so where not.
pub(crate) fn is_root() -> bool {
    let uid = fs::read_to_string("/proc/self/status").expect("a process has a status");
    let root = uid.lines().any(|line| line.starts_with("Uid:\t0\t"));
    if !root {
        eprintln!("skipped: live capture is tested in network namespaces, which needs root");
    }
    root
}

/// A name that no other test has, also of another run beside this one.
fn unique(what: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{what}{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Runs a command, which must succeed, and gives what it prints.
pub(crate) fn run(program: impl AsRef<Path>, arguments: &[&str]) -> String {
    let program = program.as_ref();
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{} is needed: {e}", program.display()));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} {arguments:?}: {said}", program.display());
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// flannel's topology, removed at the end.
pub(crate) struct Lab(String);

impl Lab {
    pub(crate) fn up(options: &[&str]) -> Self {
        let lab = Self(unique("vxt"));
        lab.command(&[&["up"], options].concat());
        lab
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/lab/flannel-lab");
        run(script, &[&["--prefix", &self.0], arguments].concat())
    }

    /// The namespace of a node or pod.
    pub(crate) fn netns(&self, place: &str) -> String {
        format!("{}-{place}", self.0)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.command(&["down"]);
    }
}

/// A namespace with one end of a virtual cable, `c0`, whose other end `g0` is in a second one; both up, without
/// addresses and noise.
pub(crate) struct Cable {
    pub(crate) here: String,
    pub(crate) there: String,
}

impl Cable {
    pub(crate) fn lay() -> Self {
        let name = unique("vxc");
        let cable = Self { here: format!("{name}-c"), there: format!("{name}-g") };
        for netns in [&cable.here, &cable.there] {
            run("ip", &["netns", "add", netns]);
            for each in ["all", "default"] {
                let key = format!("net.ipv6.conf.{each}.disable_ipv6=1");
                run("ip", &["netns", "exec", netns, "sysctl", "-qw", &key]);
            }
        }
        let (here, there) = (&cable.here, &cable.there);
        run(
            "ip",
            &[
                "-n", there, "link", "add", "g0", "arp", "off", "type", "veth", "peer", "name",
                "c0", "arp", "off", "netns", here,
            ],
        );
        cable.ip_there("link set g0 up");
        cable.ip_here("link set c0 up");
        cable
    }

    pub(crate) fn ip_here(&self, command: &str) -> String {
        run("ip", &[&["-n", &self.here], &*command.split(' ').collect::<Vec<_>>()].concat())
    }

    pub(crate) fn ip_there(&self, command: &str) -> String {
        run("ip", &[&["-n", &self.there], &*command.split(' ').collect::<Vec<_>>()].concat())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for netns in [&self.here, &self.there] {
            let _ = Command::new("ip").args(["netns", "del", netns]).stderr(Stdio::null()).status();
        }
    }
}

/// Options for a device in a namespace.
pub(crate) fn in_netns(netns: &str, device: &str) -> CaptureOptions {
    let netns = Netns::open(netns).expect("the namespace is there");
    CaptureOptions::new(device).netns(Arc::new(netns))
}

/// tcpdump, writing what it captures to a file.
pub(crate) struct Tcpdump {
    child: Child,
    said: BufReader<ChildStderr>,
    file: PathBuf,
}

impl Tcpdump {
    /// Returns once it captures.
    pub(crate) fn start(netns: &str, device: &str, more: &[&str]) -> Self {
        let file = std::env::temp_dir().join(unique("vxcap-live"));
        let mut child = Command::new("ip")
            .args(["netns", "exec", netns, "tcpdump", "-B", "32768", "-Z", "root", "-n"])
            .args(["--time-stamp-precision=nano", "-i", device, "-w"])
            .arg(&file)
            .args(more)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ip and tcpdump are needed");
        let mut said = BufReader::new(child.stderr.take().expect("it was asked for"));
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            let read = said.read_line(&mut line).expect("tcpdump says what it does");
            assert!(read > 0, "tcpdump is needed, and ended without capturing");
        }
        Self { child, said, file }
    }

    /// Ends it, and gives what it captured.
    pub(crate) fn stop(mut self) -> Vec<Record> {
        // Not in immediate mode, where a few hundred frames fill its buffer: what waits in the kernel comes
        // after a second, and would be lost by a signal before.
        thread::sleep(Duration::from_millis(1200));
        run("kill", &["-INT", &self.child.id().to_string()]);
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.said, &mut rest).expect("tcpdump ends");
        self.child.wait().expect("tcpdump ends");
        assert!(rest.contains("\n0 packets dropped by kernel"), "tcpdump lost packets: {rest}");
        let mut reader = Reader::open(&self.file).expect("tcpdump wrote a file");
        let mut records = Vec::new();
        while let Some(frame) = reader.next_frame().expect("tcpdump's file is whole") {
            let mut record = Record::of(&frame);
            if record.link_type == LinkType::LINUX_SLL2 {
                // libpcap hands out what lay there in the rest of the address field
                let address_len = usize::from(record.data[11].min(8));
                record.data[12 + address_len..20].fill(0);
            }
            records.push(record);
        }
        records
    }
}

impl Drop for Tcpdump {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(&self.file);
    }
}

/// A captured frame, kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) nanos: i64,
    pub(crate) link_type: LinkType,
    pub(crate) orig_len: u32,
    pub(crate) data: Vec<u8>,
    pub(crate) flags: vxcap::FrameFlags,
}

impl Record {
    pub(crate) fn of(frame: &vxcap::Frame<'_>) -> Self {
        Self {
            nanos: frame.time.nanos(),
            link_type: frame.link_type,
            orig_len: frame.orig_len,
            data: frame.data.to_vec(),
            flags: frame.flags,
        }
    }
}

/// Takes frames until none comes for a fifth of a second.
pub(crate) fn drain(capture: &mut Capture) -> Vec<Record> {
    let mut records = Vec::new();
    let mut last = Instant::now();
    while last.elapsed() < Duration::from_millis(200) {
        if let Some(frame) = capture.next_frame(Duration::from_millis(50)).expect("capture goes on")
        {
            records.push(Record::of(&frame));
            last = Instant::now();
        }
    }
    records
}

/// A capture that is read in a thread of its own, so that its buffer stays empty.
pub(crate) struct Running {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Record>, Capture)>,
}

impl Running {
    /// Returns once it captures.
    pub(crate) fn start(options: &CaptureOptions) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&stop);
        let mut capture = Capture::open(options).expect("the device can be opened");
        let thread = thread::spawn(move || {
            let mut records = Vec::new();
            while !told.load(Ordering::Relaxed) {
                if let Some(frame) = capture.next_frame(Duration::from_millis(50)).expect("no end")
                {
                    records.push(Record::of(&frame));
                }
            }
            records.extend(drain(&mut capture));
            (records, capture)
        });
        Self { stop, thread }
    }

    pub(crate) fn stop(self) -> (Vec<Record>, Capture) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the thread ends")
    }
}

/// Both captured the same packets: bytes, lengths, link type, and times within a millisecond. Packets that came through two
/// CPUs at once can be in either order.
pub(crate) fn assert_same(ours: &[Record], tcpdumps: &[Record], place: &str) {
    let sorted = |records: &[Record]| {
        let mut records = records.to_vec();
        records.sort_by(|a, b| (&a.data, a.nanos).cmp(&(&b.data, b.nanos)));
        records
    };
    assert!(!tcpdumps.is_empty(), "{place}: there was traffic");
    let (ours_sorted, theirs) = (sorted(ours), sorted(tcpdumps));
    let (only_ours, only_theirs) = (missing(&ours_sorted, &theirs), missing(&theirs, &ours_sorted));
    assert!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "{place}: only here {only_ours:#?}\nonly tcpdump {only_theirs:#?}"
    );
    for (a, b) in ours_sorted.iter().zip(&theirs) {
        assert_eq!(
            (a.orig_len, a.link_type),
            (b.orig_len, b.link_type),
            "{place}: {}",
            hex(&a.data)
        );
        let apart = (a.nanos - b.nanos).abs();
        assert!(apart < 1_000_000, "{place}: {apart} ns apart: {}", hex(&a.data));
    }
    // and ours are in the order of their times, but for what two CPUs did at once
    assert!(ours.is_sorted_by(|a, b| a.nanos < b.nanos + 1_000_000), "{place}: order");
}

/// What of the first is not in the second, as text; both are sorted.
fn missing(records: &[Record], others: &[Record]) -> Vec<String> {
    let mut others = others.iter().peekable();
    let mut missing = Vec::new();
    for record in records {
        while others.next_if(|other| other.data < record.data).is_some() {}
        if others.next_if(|other| other.data == record.data).is_none() {
            missing.push(format!("{} {} {}", record.nanos, record.orig_len, hex(&record.data)));
        }
    }
    missing
}

/// The first bytes, for a message.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(100).fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}
