//! How many frames were captured, and how many were lost where.

#[cfg(target_os = "linux")]
use std::fs::File;
#[cfg(target_os = "linux")]
use std::io::{Read, Seek};

/// What happened to a device's frames since the capture began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Statistics {
    /// Frames that the reader was given.
    pub captured: u64,
    /// Frames that passed the kernel's filter, including those that were lost: tcpdump's "received
    /// by filter".
    pub received: u64,
    /// Frames that were lost because the buffer was full: tcpdump's "dropped by kernel".
    pub dropped: u64,
    /// Frames that the device lost before a capture could see them: tcpdump's "dropped by
    /// interface". Not known for all devices together.
    pub interface_dropped: Option<u64>,
    /// Frames of any device of the host that the kernel lost because its input queue was full,
    /// before a capture could see them (second column of `/proc/net/softnet_stat`). Known on Linux
    /// only.
    pub backlog_dropped: Option<u64>,
}

/// The kernel's input queues, one for each CPU. The file stays open, since a process in a sandbox
/// cannot open files.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub(super) struct Backlog {
    file: File,
    text: String,
    at_start: u64,
}

#[cfg(target_os = "linux")]
impl Backlog {
    pub(super) fn open() -> Option<Self> {
        let file = File::open("/proc/net/softnet_stat").ok()?;
        let mut backlog = Self { file, text: String::new(), at_start: 0 };
        backlog.at_start = backlog.total()?;
        Some(backlog)
    }

    /// How many frames were lost since it was opened.
    pub(super) fn dropped(&mut self) -> Option<u64> {
        Some(self.total()?.saturating_sub(self.at_start))
    }

    fn total(&mut self) -> Option<u64> {
        self.text.clear();
        self.file.rewind().ok()?;
        self.file.read_to_string(&mut self.text).ok()?;
        total(&self.text)
    }
}

/// The sum of the second columns, which are hexadecimal (`softnet_seq_show` of the kernel's
/// net/core/net-procfs.c).
#[cfg(target_os = "linux")]
fn total(text: &str) -> Option<u64> {
    text.lines().map(|line| u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()).sum()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn dropped_frames_of_all_cpus_are_added() {
        let text = "0001fb4c 0000000a 00000005 0 0\n00036a86 00000010 00000003 0 0\n";
        assert_eq!(total(text), Some(26));
        assert_eq!(total("junk"), None);
        assert_eq!(Backlog::open().unwrap().dropped().map(|_| ()), Some(()));
    }
}
