//! Network namespaces to capture in, tcpdump beside, and what both captured.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use vxcap::LinkType;
use vxcap::file::Reader;
use vxcap::live::{Capture, CaptureOptions, Netns};
use vxtest::{Folder, PATIENCE, Running, command, has_tools, is_root, run, tool, unique};

/// A namespace with one end of a virtual cable, `c0`, whose other end `g0` is in a second one; both
/// up, without addresses and noise.
pub(crate) struct Cable {
    pub(crate) here: String,
    pub(crate) there: String,
}

impl Cable {
    /// `None` where namespaces cannot be made; the test is then recorded as skipped.
    pub(crate) fn lay() -> Option<Self> {
        if !is_root() || !has_tools(&["ip", "python3"]) {
            return None;
        }
        let name = unique("vxc");
        let cable = Self { here: format!("{name}-c"), there: format!("{name}-g") };
        for netns in [&cable.here, &cable.there] {
            tool("ip", ["netns", "add", netns]);
            for each in ["all", "default"] {
                let key = format!("net.ipv6.conf.{each}.disable_ipv6=1");
                tool("ip", ["netns", "exec", netns, "sysctl", "-qw", &key]);
            }
        }
        let here = &cable.here;
        cable.ip_there(&format!("link add g0 arp off type veth peer name c0 arp off netns {here}"));
        cable.ip_there("link set g0 up");
        cable.ip_here("link set c0 up");
        Some(cable)
    }

    pub(crate) fn ip_here(&self, command: &str) -> String {
        tool("ip", [&["-n", &self.here], &*command.split(' ').collect::<Vec<_>>()].concat())
    }

    pub(crate) fn ip_there(&self, command: &str) -> String {
        tool("ip", [&["-n", &self.there], &*command.split(' ').collect::<Vec<_>>()].concat())
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        for netns in [&self.here, &self.there] {
            run("ip", ["netns", "del", netns]);
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
    running: Running,
    folder: Folder,
}

impl Tcpdump {
    /// Returns once it captures.
    pub(crate) fn start(netns: &str, device: &str, more: &[&str]) -> Self {
        let folder = Folder::new();
        let mut command = command("ip");
        command.args(["netns", "exec", netns, "tcpdump", "-B", "32768", "-Z", "root", "-n"]);
        command.args(["--time-stamp-precision=nano", "-i", device, "-w"]);
        command.arg(folder.file("tcpdump.pcap")).args(more);
        Self { running: Running::start(&mut command).listening(1), folder }
    }

    /// Ends it, and gives what it captured.
    pub(crate) fn stop(mut self) -> Vec<Record> {
        // Not in immediate mode, where a few hundred frames fill its buffer: what waits in the
        // kernel comes after a second, and would be lost by a signal before.
        thread::sleep(Duration::from_millis(1200));
        self.running.signal("INT");
        let (_, _, said) = self.running.ended();
        assert!(said.contains("\n0 packets dropped by kernel"), "tcpdump lost packets: {said}");
        let mut reader =
            Reader::open(self.folder.file("tcpdump.pcap")).expect("tcpdump wrote a file");
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
    let begin = Instant::now();
    let mut last = begin;
    while last.elapsed() < Duration::from_millis(200) {
        assert!(begin.elapsed() < PATIENCE, "frames come without an end");
        if let Some(frame) = capture.next_frame(Duration::from_millis(50)).expect("capture goes on")
        {
            records.push(Record::of(&frame));
            last = Instant::now();
        }
    }
    records
}

/// A capture that is read in a thread of its own, so that its buffer stays empty.
pub(crate) struct Capturing {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<(Vec<Record>, Capture)>,
}

impl Capturing {
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

/// Both captured the same packets: bytes, lengths, link type, and times within a millisecond.
/// Packets that came through two CPUs at once can be in either order.
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
