//! Captures some frames of a device into a pcapng file: `capture DEVICE FILE [FRAMES]`.

use std::error::Error;
use std::fs::File;
use std::process::ExitCode;
use std::time::Duration;

use vxcap::live::{Capture, CaptureOptions};
use vxcap::write::{PacketOptions, PcapngWriter, Section};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, file, frames @ ..] = arguments.as_slice() else {
        eprintln!("usage: capture DEVICE FILE [FRAMES]");
        return ExitCode::from(2);
    };
    let frames = frames.first().and_then(|frames| frames.parse().ok()).unwrap_or(10);
    match capture(device, file, frames) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("capture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn capture(device: &str, file: &str, frames: u64) -> Result<(), Box<dyn Error>> {
    let mut capture = Capture::open(&CaptureOptions::new(device))?;
    let mut writer = PcapngWriter::new(File::create(file)?);
    writer.section(&Section::default().application("vxcap's example"))?;
    writer.interface(capture.interface(), &[])?;
    let mut written = 0;
    while written < frames {
        // `None`: no frame arrived within a second
        if let Some(frame) = capture.next_frame(Duration::from_secs(1))? {
            writer.packet(&frame, &PacketOptions::default())?;
            written += 1;
        }
    }
    writer.finish()?;
    let statistics = capture.statistics()?;
    println!("{written} frames written, {} lost", statistics.dropped);
    Ok(())
}
