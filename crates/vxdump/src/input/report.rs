//! What a capture tells on stderr while it goes on, and at its end.

use std::fmt;
use std::io::Write;

use vxcap::live::{Error, Statistics};
use vxcli::Failure;

use super::devices;
use super::taps::Taps;

/// Writes messages to stderr, after the program's name.
pub(crate) struct Report<'e> {
    err: &'e mut dyn Write,
    /// Devices that went away.
    lost: usize,
}

impl<'e> Report<'e> {
    pub(crate) fn new(err: &'e mut dyn Write) -> Self {
        Self { err, lost: 0 }
    }

    pub(crate) fn tell(&mut self, message: impl fmt::Display) {
        let _ = writeln!(self.err, "vxdump: {message}");
    }

    /// A device went away.
    pub(crate) fn lost(&mut self, error: &Error) {
        self.tell(devices::explained(error));
        self.lost += 1;
    }

    /// As tcpdump's, and what was lost before the capture could see it. `captured`: packets
    /// selected.
    pub(crate) fn statistics(&mut self, sum: &Statistics, captured: u64) {
        let lines = [
            (Some(captured), "captured", true),
            (Some(sum.received), "received by filter", true),
            (Some(sum.dropped), "dropped by kernel", true),
            (sum.interface_dropped, "dropped by interface", false),
            (sum.backlog_dropped, "dropped by the kernel's input queue, of any device", false),
        ];
        for (number, what, always) in lines {
            if let Some(number) = number.filter(|&n| always || n > 0) {
                let plural = if number == 1 { "" } else { "s" };
                let _ = writeln!(self.err, "{number} packet{plural} {what}");
            }
        }
    }

    /// # Errors
    ///
    /// [`Failure::Error`] where devices went away before the end of the capture.
    pub(crate) fn result(&self, taps: &Taps) -> Result<(), Failure> {
        let (lost, all) = (self.lost, taps.all.len());
        if lost == 0 {
            return Ok(());
        }
        Err(Failure::error(format_args!("the capture on {lost} of {all} devices ended early")))
    }
}
