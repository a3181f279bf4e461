//! Every reference capture as tshark reads it: times to the nanosecond, lengths, interfaces, and
//! whether the file is whole. Differences stand in `tests/exceptions.txt`, each with its reason.
//! The many plain files of the lab are judged together, behind one another: tshark takes a quarter
//! of a second to start.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use vxcap::file::Reader;
use vxtest::{Folder, command, has_tools, output};

use crate::references;
use crate::sample::{self, Packet};

/// A packet as tshark tells it.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    nanos: i64,
    len: u32,
    captured: usize,
    interface: u32,
}

#[test]
fn reads_what_tshark_reads() {
    let Some(folder) = references_and_tools() else { return };
    let files = references::captures(&folder);
    let files: Vec<_> = files.iter().filter(|path| !is_plain(path)).collect();
    let exceptions = exceptions();
    let next = Mutex::new(files.iter());
    let differences = Mutex::new(BTreeMap::new());
    let threads = thread::available_parallelism().map_or(1, usize::from).min(4);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let Some(path) = next.lock().unwrap().next() else { break };
                    let name = path.strip_prefix(&folder).unwrap().to_string_lossy().into_owned();
                    for (what, text) in compare(path) {
                        differences.lock().unwrap().insert((name.clone(), what), text);
                    }
                }
            });
        }
    });
    let differences = differences.into_inner().unwrap();
    for ((name, what), text) in &differences {
        assert!(exceptions.contains(&(name.clone(), (*what).to_owned())), "{name} {what}: {text}");
    }
    for (name, what) in &exceptions {
        let found = differences.keys().any(|key| key.0 == *name && key.1 == what);
        assert!(found, "an exception that is none: {name} {what}");
    }
}

/// The reference captures, where Wireshark's tools are there too.
fn references_and_tools() -> Option<PathBuf> {
    vxtest::references("").filter(|_| has_tools(&["tshark", "mergecap"]))
}

/// A whole pcap file with microseconds, as tcpdump wrote it: all of the lab's, but its variants.
fn is_plain(path: &Path) -> bool {
    let is_of = |folder| path.components().any(|part| part.as_os_str() == folder);
    is_of("lab") && !is_of("variants") && path.extension().is_some_and(|it| it == "pcap")
}

#[test]
fn reads_what_tshark_reads_of_the_lab() {
    let Some(folder) = references_and_tools() else { return };
    let mut files = references::captures(&folder);
    files.retain(|path| is_plain(path));
    let made = Folder::new();
    let together = made.file("lab.pcapng");
    let mut mergecap = command("mergecap");
    let merged = output(mergecap.args(["-a", "-F", "pcapng", "-w"]).arg(&together).args(&files));
    assert!(merged.status.success());
    let (told, whole) = tshark(&together);
    assert!(whole && files.len() > 100);
    let mut told = told.into_iter();
    for path in files {
        let (packets, error) = sample::read_all(Reader::open(&path).unwrap());
        assert!(error.is_none(), "{error:?}");
        for packet in packets {
            let told = told.next().expect("as many packets as tshark has");
            let read = (packet.nanos, packet.orig_len, packet.data.len(), packet.interface);
            assert_eq!(read, (told.nanos, told.len, told.captured, 0), "{}", path.display());
        }
    }
    assert_eq!(told.count(), 0, "tshark has more packets");
}

/// What differs in a file: `packets`, `time`, `length`, `interface` or `end`, with a description.
fn compare(path: &Path) -> Vec<(&'static str, String)> {
    let (told, whole) = tshark(path);
    let (read, error) = match Reader::open(path) {
        Ok(mut reader) => {
            let (mut read, error) = sample::read_all_of(&mut reader);
            // tshark counts the interfaces in each section
            for packet in &mut read {
                let interfaces = reader.interfaces();
                let section = interfaces[packet.interface as usize].section;
                let first = interfaces.iter().position(|it| it.section == section);
                packet.interface -= first.unwrap_or_default() as u32;
            }
            (read, error)
        }
        Err(error) => (Vec::new(), Some(error)),
    };
    let mut differences = Vec::new();
    if told.len() != read.len() {
        differences.push(("packets", format!("{} read, {} by tshark", read.len(), told.len())));
    }
    if whole != error.is_none() {
        differences.push(("end", format!("{error:?}, but tshark finds it whole: {whole}")));
    }
    let pairs = || read.iter().zip(&told).enumerate();
    let mut differs = |what, differ: fn(&Packet, &Told) -> bool| {
        if let Some((number, (read, told))) = pairs().find(|(_, (read, told))| differ(read, told)) {
            let read = Told {
                nanos: read.nanos,
                len: read.orig_len,
                captured: read.data.len(),
                interface: read.interface,
            };
            differences.push((what, format!("packet {}: {read:?}, tshark {told:?}", number + 1)));
        }
    };
    differs("time", |read, told| read.nanos != told.nanos);
    differs("length", |read, told| read.orig_len != told.len || read.data.len() != told.captured);
    differs("interface", |read, told| read.interface != told.interface);
    differences
}

/// The packets of a file, and whether it is whole, in tshark's opinion.
fn tshark(path: &Path) -> (Vec<Told>, bool) {
    let mut tshark = command("tshark");
    tshark.args(["-n", "-T", "fields", "-e", "frame.encap_type", "-e", "frame.time_epoch"]);
    tshark.args(["-e", "frame.len", "-e", "frame.cap_len", "-e", "frame.interface_id", "-r"]);
    let output = output(tshark.arg(path));
    let packets = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut fields = line.split('\t');
            let mut field = || fields.next().unwrap_or_default();
            // custom blocks and system calls are records without a link type, and no packets
            let link_type = field();
            (!link_type.is_empty()).then(|| Told {
                nanos: nanos(field()),
                len: field().parse().unwrap_or_default(),
                captured: field().parse().unwrap_or_default(),
                interface: field().parse().unwrap_or_default(),
            })
        })
        .collect();
    (packets, output.status.success())
}

/// Nanoseconds of a time like `1700000000.123456789`.
fn nanos(time: &str) -> i64 {
    let (sign, time) = time.strip_prefix('-').map_or((1, time), |time| (-1, time));
    let (seconds, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let seconds: i64 = seconds.parse().unwrap_or_default();
    let fraction: i64 = fraction.parse().unwrap_or_default();
    sign * seconds.saturating_mul(1_000_000_000).saturating_add(fraction)
}

/// The exceptions: file and difference. Each must have its reason.
fn exceptions() -> BTreeSet<(String, String)> {
    include_str!("../exceptions.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, ' ');
            let mut part = || parts.next().unwrap_or_default().trim().to_owned();
            let (name, what, reason) = (part(), part(), part());
            assert!(reason.len() > 10, "an exception without its reason: {line}");
            (name, what)
        })
        .collect()
}
