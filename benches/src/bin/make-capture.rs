//! Writes a capture file of overlay traffic, for comparing programs:
//! `make-capture small|short|tiny|flows|random PACKETS FILE [FLOWS]`.
//!
//! About 1,000 pods; the time goes on by 10 microseconds a packet. 2,000,000 packets of `small` or
//! `short` are 0.8 GB, 5,000,000 of `tiny` 0.65 GB. Of `flows` each packet begins a flow. FILE may
//! be /dev/stdout.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use vxdump_benches::frames::Mix;

/// pcap's magic number for times in microseconds (draft-ietf-opsawg-pcap section 4).
const MAGIC: u32 = 0xa1b2_c3d4;
/// 2026-11-21T00:00:00Z.
const START: u64 = 1_795_219_200;

fn write(mix: &Mix, packets: u32, out: &mut impl Write) -> io::Result<()> {
    let mut header = Vec::new();
    for word in [MAGIC, 4 << 16 | 2, 0, 0, 262_144, 1] {
        header.extend(word.to_le_bytes());
    }
    out.write_all(&header)?;
    let mut frame = Vec::new();
    for n in 0..packets {
        mix.write_frame(n, &mut frame);
        let micros = START * 1_000_000 + u64::from(n) * 10;
        let len = frame.len() as u32;
        let mut record = [0; 16];
        let words = [(micros / 1_000_000) as u32, (micros % 1_000_000) as u32, len, len];
        for (place, word) in record.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        out.write_all(&record)?;
        out.write_all(&frame)?;
    }
    out.flush()
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ([mix, packets, path], flows) = (match &arguments[..] {
        [known @ .., flows] if known.len() == 3 => (known, Some(flows)),
        known => (known, None),
    }) else {
        eprintln!("usage: make-capture small|short|tiny|flows|random PACKETS FILE [FLOWS]");
        return ExitCode::from(2);
    };
    let mix = match mix.as_str() {
        "small" => Mix::SMALL,
        "short" => Mix::SHORT,
        "tiny" => Mix::TINY,
        "flows" => Mix::FLOWS,
        "random" => Mix::RANDOM,
        other => {
            eprintln!("make-capture: no mix {other:?}: small, short, tiny, flows or random");
            return ExitCode::from(2);
        }
    };
    let mix = match flows.map(|flows| flows.parse()) {
        None => mix,
        Some(Ok(flows)) => Mix { flows, ..mix },
        Some(Err(_)) => {
            eprintln!("make-capture: no number of flows");
            return ExitCode::from(2);
        }
    };
    let Ok(packets) = packets.parse() else {
        eprintln!("make-capture: {packets:?} is no number of packets");
        return ExitCode::from(2);
    };
    let made = File::create(path)
        .and_then(|file| write(&mix, packets, &mut BufWriter::with_capacity(1 << 20, file)));
    match made {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("make-capture: {path}: {error}");
            ExitCode::FAILURE
        }
    }
}
