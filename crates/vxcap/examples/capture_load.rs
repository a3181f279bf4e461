//! Counts a device's frames for some seconds, and says what that took: `capture_load DEVICE SECONDS [--immediate] [--latency]`.
//!
//! Beside `benches/load`'s generator and tcpdump it shows what the ring costs by itself.

use std::fs::File;
use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use vxcap::live::{Capture, CaptureOptions, Error};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [device, seconds, ..] = arguments.as_slice() else {
        eprintln!("usage: capture_load DEVICE SECONDS [--immediate] [--latency]");
        return ExitCode::from(2);
    };
    let Ok(seconds) = seconds.parse() else {
        eprintln!("capture_load: SECONDS is a number, not {seconds}");
        return ExitCode::from(2);
    };
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let options = CaptureOptions::new(device);
    let options = if has("--immediate") { options.immediate() } else { options };
    match run(&options, Duration::from_secs(seconds), has("--latency")) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("capture_load: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &CaptureOptions, time: Duration, tell_latency: bool) -> Result<(), Error> {
    let mut capture = Capture::open(options)?;
    let (begin, mut bytes) = (Instant::now(), 0_u64);
    while begin.elapsed() < time {
        // one look at the clock for many frames
        for _ in 0..1000 {
            let Some(frame) = capture.next_frame(Duration::from_millis(100))? else { break };
            bytes += frame.data.len() as u64;
            if tell_latency {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                println!("{} us", (now.as_nanos() as i64 - frame.time.nanos()) / 1000);
            }
        }
    }
    let statistics = capture.statistics()?;
    println!("{} packets captured, {bytes} bytes", statistics.captured);
    println!("{} packets received by filter", statistics.received);
    println!("{} packets dropped by kernel", statistics.dropped);
    println!("{:?} dropped by interface", statistics.interface_dropped);
    println!("{:?} dropped before any capture", statistics.backlog_dropped);
    println!("{} CPU seconds", cpu_seconds().unwrap_or_default());
    Ok(())
}

/// User and system time of this process: fields 14 and 15 of `/proc/self/stat` (proc(5)), in hundredths of seconds.
fn cpu_seconds() -> Option<f64> {
    let stat = std::io::read_to_string(File::open("/proc/self/stat").ok()?).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<f64>().ok();
    Some((ticks()? + ticks()?) / 100.0)
}
