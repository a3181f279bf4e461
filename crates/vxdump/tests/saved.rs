//! `-w` from files: times come out as they went in, and what does not fit is told.

use std::path::{Path, PathBuf};
use std::process::Output;

use vxcap::file::Reader;
use vxcap::write::{PacketOptions, PcapngWriter, Section};
use vxcap::{Frame, FrameFlags, Interface, LinkType, Resolution, Timestamp};
use vxtest::command;

/// The built program.
const VXDUMP: &str = env!("CARGO_BIN_EXE_vxdump");

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("saved-{name}"))
}

fn vxdump(inputs: &[&Path], output: &Path) -> Output {
    let mut command = command(VXDUMP);
    for input in inputs {
        command.arg("-r").arg(input);
    }
    vxtest::output(command.arg("-w").arg(output))
}

/// A pcapng file with one interface and frames at these times, and whatever blocks `more` writes
/// behind the first one.
fn capture(
    name: &str,
    link_type: LinkType,
    resolution: Resolution,
    ts_offset: i64,
    nanos: &[i64],
    more: impl Fn(&mut PcapngWriter<Vec<u8>>),
) -> PathBuf {
    let mut writer = PcapngWriter::new(Vec::new());
    writer.section(&Section::default()).unwrap();
    let interface =
        Interface::new(link_type, 65_535).with_resolution(resolution).with_ts_offset(ts_offset);
    writer.interface(&interface, &[]).unwrap();
    for (number, &nanos) in nanos.iter().enumerate() {
        let frame = Frame {
            time: Timestamp::from_nanos(nanos),
            link_type,
            interface: 0,
            orig_len: 60,
            data: &[0; 60],
            flags: FrameFlags::default(),
        };
        writer.packet(&frame, &PacketOptions::default()).unwrap();
        if number == 0 {
            more(&mut writer);
        }
    }
    let path = path(name);
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    path
}

fn times(path: &Path) -> Vec<i64> {
    let mut reader = Reader::open(path).unwrap();
    let mut times = Vec::new();
    while let Some(frame) = reader.next_frame().unwrap() {
        times.push(frame.time.nanos());
    }
    times
}

#[test]
fn times_of_binary_clocks() {
    for exponent in [0, 1, 10, 20, 29] {
        let resolution = Resolution(0x80 | exponent);
        let ticks = (1_700_000_000_u64 << exponent) + 1;
        let nanos = resolution.timestamp(ticks, 0).nanos();
        let name = format!("binary-{exponent}.pcapng");
        let input = capture(&name, LinkType::ETHERNET, resolution, 0, &[nanos], |_| {});
        let output = path(&format!("binary-{exponent}.out.pcapng"));
        assert!(vxdump(&[&input], &output).status.success());
        assert_eq!(times(&output), [nanos], "2^-{exponent}");
    }
}

/// Simple packet blocks have no time, and the interface's clock begins later than 1970.
#[test]
fn packets_without_a_time() {
    const SIMPLE_PACKET: u32 = 3;
    let at = 1_700_000_000_000_000_000;
    let name = "no-time.pcapng";
    let input = capture(name, LinkType::ETHERNET, Resolution::NANOS, 3600, &[at, at + 5], |w| {
        let body = [&60_u32.to_ne_bytes()[..], &[0; 60]].concat();
        w.block(SIMPLE_PACKET, &body, &[]).unwrap();
    });
    let output = path("no-time.out.pcapng");
    assert!(vxdump(&[&input], &output).status.success());
    assert_eq!(times(&output), [at, 3_600_000_000_000, at + 5]);
}

#[test]
fn what_a_pcap_file_cannot_hold_is_told() {
    let at = 1_700_000_000_000_000_000;
    let coarse = capture("coarse.pcapng", LinkType::ETHERNET, Resolution::MICROS, 0, &[at], |_| {});
    let fine =
        capture("fine.pcapng", LinkType::ETHERNET, Resolution::NANOS, 0, &[at + 1_001], |_| {});
    let raw = capture("raw.pcapng", LinkType::RAW, Resolution::MICROS, 0, &[at + 2_000], |_| {});
    let output = path("mixed.pcap");
    let run = vxdump(&[&coarse, &fine], &output);
    assert!(run.status.success());
    assert!(String::from_utf8_lossy(&run.stderr).contains("cut to microseconds"), "{run:?}");
    assert_eq!(times(&output), [at, at + 1_000]);

    let run = vxdump(&[&coarse, &raw], &output);
    assert_eq!(run.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&run.stderr).contains("the packets before it are there"));
    assert_eq!(times(&output), [at]);
}

/// Not the capture, nor a map, nor the expression's file.
#[test]
fn what_is_read_is_not_written_over() {
    let nanos = [1_000_000_000];
    let input = capture("read.pcapng", LinkType::ETHERNET, Resolution::NANOS, 0, &nanos, |_| ());
    let (map, expression) = (path("read-map.txt"), path("read-expression.txt"));
    std::fs::write(&map, "10.244.1.0/24 worker\n").unwrap();
    std::fs::write(&expression, "ip\n").unwrap();
    for file in [&input, &map, &expression] {
        let before = std::fs::read(file).unwrap();
        let mut command = command(VXDUMP);
        for (option, value) in [("-r", &input), ("--map", &map), ("-F", &expression), ("-w", file)]
        {
            command.arg(option).arg(value);
        }
        let output = vxtest::output(&mut command);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains("read and written at the same time"), "{stderr}");
        assert!(std::fs::read(file).unwrap() == before, "{}", file.display());
    }
}

#[test]
fn a_name_that_promises_compression_is_refused() {
    let input = capture("promise", LinkType::ETHERNET, Resolution::NANOS, 0, &[1], |_| {});
    for ending in ["gz", "ZST", "xz"] {
        let output = path(&format!("promise.pcap.{ending}"));
        let run = vxdump(&[&input], &output);
        let said = String::from_utf8_lossy(&run.stderr);
        assert_eq!(run.status.code(), Some(2), "{said}");
        assert!(said.contains(&format!("does not compress (.{ending})")), "{said}");
        assert!(!output.exists());
    }
}
