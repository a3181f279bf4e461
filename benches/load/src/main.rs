//! `vxload`: sends small VXLAN frames on a device, at a rate or as fast as it goes, bounded in
//! number and time.
//!
//! It is the sending half of `compare.sh` and for virtual devices in network namespaces of one's
//! own: a load, not a tool for networks.

mod arguments;
mod frames;
mod packet_socket;

use std::io::Write;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use arguments::{Arguments, Command};
use packet_socket::PacketSocket;

/// Frames handed to the kernel in one system call: 0.3 ms at 100,000 a second, far less than a ring
/// holds.
const BATCH: usize = 32;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(Command::Send(arguments)) => arguments,
        Ok(Command::Help) => {
            // A closed stdout is no reason to complain.
            let _ = std::io::stdout().write_all(arguments::USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Err(message) => {
            eprintln!("vxload: {message}; see vxload --help");
            return ExitCode::from(2);
        }
    };
    match load(&arguments) {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("vxload: {}: {error}", arguments.device);
            ExitCode::FAILURE
        }
    }
}

/// Sends until the count or the time is reached, whichever comes first.
fn load(arguments: &Arguments) -> std::io::Result<String> {
    let frames = frames::all(&arguments.shape);
    let socket = PacketSocket::open(&arguments.device)?;
    let mut batches = packet_socket::Batches::new(&frames, BATCH);

    let started = Instant::now();
    let end = started + arguments.duration;
    let (mut sent, mut refused) = (0_u64, 0_u64);
    while sent + refused < arguments.count {
        // Beyond 18 billion frames this would saturate; 600 seconds end it long before.
        let due = arguments.rate.map_or(started, |rate| {
            started + Duration::from_nanos((sent + refused).saturating_mul(1_000_000_000) / rate)
        });
        if !wait_until(due.min(end)) && Instant::now() >= end {
            break;
        }
        let left = usize::try_from(arguments.count - sent - refused).unwrap_or(BATCH).min(BATCH);
        let outcome = batches.send(&socket, left)?;
        sent += outcome.sent;
        refused += outcome.refused;
    }
    let micros = started.elapsed().as_micros().max(1);
    let rate = u128::from(sent) * 1_000_000 / micros;
    Ok(format!("{sent} frames sent, {refused} refused, {} ms, {rate} a second", micros / 1000))
}

/// Waits, by sleeping where there is time for it and by spinning for the rest; false where `due` is
/// past already.
fn wait_until(due: Instant) -> bool {
    let mut waited = false;
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return waited;
        }
        waited = true;
        if left > Duration::from_millis(2) {
            thread::sleep(left.saturating_sub(Duration::from_millis(1)));
        } else {
            std::hint::spin_loop();
        }
    }
}
