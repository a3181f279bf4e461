//! Every frame of the reference captures against the truth: stored tables of tshark's, and tshark
//! run live.
//!
//! Per frame and layer the VNI, VTEPs, MAC addresses, inner addresses, ports, protocols, lengths,
//! TCP fields and checksum states must be tshark's. `exceptions.txt` names the frames where they
//! are not, with the reason.
//!
//! Without the reference captures, or without tshark, the tests are skipped.

mod exceptions;
mod fields;
mod judge;
mod reassembled;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use vxcap::LinkType;
use vxcap::file::Reader;
use vxlan::Checksum;
use vxtest::{files_below, has_tools, references};

use exceptions::Exceptions;
use judge::{COMPARED, Row};

struct Frame {
    link_type: LinkType,
    wire_len: u32,
    nanos: i64,
    data: Vec<u8>,
}

/// All frames before the file's end or its damage.
fn frames(path: &Path) -> Vec<Frame> {
    let mut frames = Vec::new();
    let Ok(mut reader) = Reader::open(path) else { return frames };
    while let Ok(Some(frame)) = reader.next_frame() {
        frames.push(Frame {
            link_type: frame.link_type,
            wire_len: frame.orig_len,
            nanos: frame.time.nanos(),
            data: frame.data.to_vec(),
        });
    }
    frames
}

/// The capture files below a folder, as paths relative to `root`.
fn files(root: &Path, below: &str) -> Vec<String> {
    const TEXTS: [&str; 5] = ["tsv", "csv", "json", "jsonl", "md"];
    let mut files = files_below(&root.join(below), &[]);
    files.retain(|path| TEXTS.iter().all(|text| path.extension() != Some(text.as_ref())));
    let relative = |path: PathBuf| {
        path.strip_prefix(root).expect("a path below the root").to_string_lossy().into_owned()
    };
    files.into_iter().map(relative).collect()
}

/// What one frame's comparison found.
fn compare(frame: &Frame, row: &Row) -> Vec<String> {
    let ours = fields::decode(&frame.data, frame.link_type, frame.wire_len);
    let expected = row.expected();
    let mut differences = Vec::new();
    let none = Vec::new();
    let broken = ours.stop.is_some() || row.is_broken();
    for (field, _) in COMPARED {
        let (mine, theirs) =
            (ours.fields.get(field).unwrap_or(&none), expected.get(field).unwrap_or(&none));
        if !row.knows(field) {
            continue;
        }
        // of a layer that is cut, one side may tell more than the other; what both tell must be the
        // same
        let common = mine.len().min(theirs.len());
        let equal = if broken { mine[..common] == theirs[..common] } else { mine == theirs };
        if !equal {
            if *field == "tcp.len" && ours.fragmented {
                continue;
            }
            differences.push(format!("{field}: {mine:?}, tshark {theirs:?}"));
        }
    }
    for field in ["vxlan.gbp", "vxlan.next_proto", "geneve.option.class", "geneve.option.type"] {
        let mine = ours.fields.get(field).unwrap_or(&none);
        // tshark shows these also where no flag makes them valid
        if !mine.is_empty() && row.knows(field) && mine != row.all(field) {
            differences.push(format!("{field}: {mine:?}, tshark {:?}", row.all(field)));
        }
    }
    for (field, states) in &ours.checksums {
        for (index, state) in states.iter().enumerate() {
            let theirs = row.all(field).get(index).map_or("", String::as_str);
            // tshark: 0 bad, 1 good, 2 unverified, 3 not present
            let equal = match state {
                Checksum::Ok => matches!(theirs, "1" | ""),
                Checksum::Zero => matches!(theirs, "3" | ""),
                Checksum::Bad => matches!(theirs, "0" | ""),
                _ => true,
            };
            let verified_by_them_only = *state == Checksum::Unverified
                && matches!(theirs, "0" | "1")
                && !broken
                && !ours.fragmented;
            if !equal || verified_by_them_only {
                differences.push(format!("{field}: {}, tshark {theirs:?}", state.name()));
            }
        }
    }
    if let Some(stop) = &ours.stop
        && !differences.is_empty()
    {
        differences.push(format!("(stop: {stop})"));
    }
    differences
}

/// Runs `work` for each of `items` on the machine's cores and returns what it found, in order.
fn on_all_cores<T: Sync>(items: &[T], work: impl Fn(&T) -> String + Sync) -> String {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(vec![String::new(); items.len()]);
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(index) else { break };
                    let text = work(item);
                    found.lock().expect("no thread panicked")[index] = text;
                }
            });
        }
    });
    found.into_inner().expect("no thread panicked").concat()
}

/// Compares a file's frames with the rows that tell of them; frame numbers count from 1.
fn compare_file(
    file: &str,
    frames: &[Frame],
    rows: &[Row],
    live: bool,
    exceptions: &Exceptions,
) -> String {
    let mut report = String::new();
    for (index, row) in rows.iter().enumerate() {
        // a stored table has only some of a file's frames, and their numbers; a live one all, and
        // other records besides
        let number = if live { index + 1 } else { row.one("frame.number").parse().unwrap_or(0) };
        if exceptions.excuse(file, number) {
            continue;
        }
        let Some(frame) = number.checked_sub(1).and_then(|index| frames.get(index)) else {
            let _ = writeln!(report, "{file} {number}: not read, but tshark has it");
            continue;
        };
        for difference in compare(frame, row) {
            let _ =
                writeln!(report, "{file} {number}: {difference} [{}]", row.one("frame.protocols"));
        }
    }
    report
}

fn check(report: &str) {
    let shown: Vec<&str> = report.lines().take(60).collect();
    let count = report.lines().count();
    assert!(report.is_empty(), "{count} differences from tshark:\n{}", shown.join("\n"));
}

fn live(below: &str, least_frames: usize) {
    let Some(root) = references("").filter(|_| has_tools(&["tshark"])) else { return };
    let exceptions = Exceptions::read();
    let compared = AtomicUsize::new(0);
    let report = on_all_cores(&files(&root, below), |file| {
        let path = root.join(file);
        let (frames, mut rows) = (frames(&path), judge::run(&path));
        rows.retain(Row::is_packet);
        compared.fetch_add(rows.len(), Ordering::Relaxed);
        let mut report = compare_file(file, &frames, &rows, true, &exceptions);
        if frames.len() != rows.len() && !exceptions.excuse(file, 0) {
            let _ = writeln!(report, "{file}: {} frames, tshark {}", frames.len(), rows.len());
        }
        report.push_str(&times(file, &frames, &rows, &exceptions));
        report
    });
    check(&report);
    let compared = compared.into_inner();
    assert!(compared >= least_frames, "only {compared} frames were compared");
}

/// Time, length on the wire and captured length of each frame.
fn times(file: &str, frames: &[Frame], rows: &[Row], exceptions: &Exceptions) -> String {
    let mut report = String::new();
    if frames.len() != rows.len() {
        return report;
    }
    for (index, (frame, row)) in frames.iter().zip(rows).enumerate() {
        // tshark's lengths are signed
        let wire_len = frame.wire_len.min(i32::MAX as u32);
        let mine =
            [frame.nanos, i64::from(wire_len), i64::try_from(frame.data.len()).unwrap_or(-1)];
        let lengths =
            ["frame.len", "frame.cap_len"].map(|field| row.one(field).parse().unwrap_or(-1));
        let Some(time) = nanos(row.one("frame.time_epoch")) else { continue };
        let theirs = [time, lengths[0], lengths[1]];
        if mine != theirs && !exceptions.excuse(file, index + 1) {
            let _ = writeln!(report, "{file} {}: {mine:?}, tshark {theirs:?}", index + 1);
        }
    }
    report
}

/// tshark's time in nanoseconds, as far as they reach; a frame without a time has 0. `None` where
/// tshark's own numbers overflowed, which shows in a sign, or in more than nine digits of fraction.
fn nanos(text: &str) -> Option<i64> {
    if text.is_empty() {
        return Some(0);
    }
    let (seconds, fraction) = text.split_once('.')?;
    let seconds: i128 = seconds.parse().ok().filter(|&seconds| seconds >= 0)?;
    let fraction: i128 = fraction.parse().ok().filter(|_| fraction.len() == 9)?;
    Some(i64::try_from(seconds * 1_000_000_000 + fraction).unwrap_or(i64::MAX))
}

#[test]
fn lab_captures_are_decoded_as_tshark_does() {
    live("lab", 40_000);
}

#[test]
fn third_party_captures_are_decoded_as_tshark_does() {
    live("third-party", 20_000);
}

#[test]
fn third_party_captures_agree_with_the_stored_truth() {
    let Some(root) = references("") else { return };
    let root = root.join("third-party");
    let manifest =
        std::fs::read_to_string(root.join("manifest.csv")).expect("third-party/manifest.csv");
    let exceptions = Exceptions::read();
    let (mut report, mut rows_seen) = (String::new(), 0);
    for line in manifest.lines().skip(1) {
        let Some(truth) = line.split(',').find(|cell| cell.starts_with("truth/")) else { continue };
        let file = line.split(',').next().unwrap_or("");
        let text = std::fs::read_to_string(root.join(truth)).expect("a table of the truth");
        let rows = judge::table(&text);
        rows_seen += rows.len();
        report.push_str(&compare_file(
            &format!("third-party/{file}"),
            &frames(&root.join(file)),
            &rows,
            false,
            &exceptions,
        ));
    }
    check(&report);
    assert!(rows_seen >= 500, "only {rows_seen} rows of truth were found");
}

/// Clean traffic on virtual links, where no checksum is what it will be: none of them is called
/// bad.
#[test]
fn no_checksum_of_clean_traffic_is_bad() {
    let Some(root) = references("") else { return };
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    for file in files(&root, "lab") {
        for (index, frame) in frames(&root.join(&file)).iter().enumerate() {
            let decoded = fields::decode(&frame.data, frame.link_type, frame.wire_len);
            for state in decoded.checksums.values().flatten() {
                assert_ne!(*state, Checksum::Bad, "{file} {}", index + 1);
                *seen.entry(state.name()).or_default() += 1;
            }
        }
    }
    for name in ["ok", "zero", "partial", "lco", "unverified"] {
        let count = seen.get(name).copied().unwrap_or(0);
        assert!(count > 0 || name == "zero", "{name} was never seen: {seen:?}");
    }
}

/// Captures whose names say that their checksums are wrong. Those of the loopback device are not:
/// the field holds the sum of the pseudo header, which tshark calls bad.
#[test]
fn wrong_checksums_are_bad() {
    let Some(root) = references("") else { return };
    let root = root.join("third-party/malformed");
    let states = |file: &str| -> Vec<Checksum> {
        let decode = |frame: &Frame| fields::decode(&frame.data, frame.link_type, frame.wire_len);
        let decoded = frames(&root.join(file)).iter().map(decode).collect::<Vec<_>>();
        decoded.iter().flat_map(|decoded| decoded.checksums.values().flatten().copied()).collect()
    };
    assert_eq!(states("zeek__ip6-icmp6-bad-chksum.pcap"), [Checksum::Bad]);
    let local = states("zeek__localhost-bad-chksum.pcap");
    assert_eq!(local.len(), 10);
    assert!(local.iter().all(|state| matches!(state, Checksum::Ok | Checksum::Partial)));
}
