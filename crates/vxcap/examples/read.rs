//! Prints one line for each packet of capture files, in the order of time: `read FILE...`.

use std::io::{self, Write};
use std::process::ExitCode;

use vxcap::file::Merge;

fn main() -> ExitCode {
    match read(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("read: {error}");
            ExitCode::FAILURE
        }
    }
}

fn read(files: impl Iterator<Item = std::ffi::OsString>) -> Result<(), Box<dyn std::error::Error>> {
    let mut out = io::stdout().lock();
    let mut merge = Merge::open(files)?;
    while let Some(packet) = merge.next_frame()? {
        let frame = packet.frame;
        let device = packet.interface.and_then(|interface| interface.name.as_deref());
        writeln!(
            out,
            "{}.{:09} {} {} of {} bytes",
            frame.time.seconds(),
            frame.time.subsec_nanos(),
            device.unwrap_or("-"),
            frame.data.len(),
            frame.orig_len
        )?;
    }
    Ok(())
}
