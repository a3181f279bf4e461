//! Why capturing from a device fails.

use std::io;

/// Why a device cannot be captured from, or not any longer; or why the kernel's tables cannot be
/// read.
///
/// The texts say the cause. What the user can do about it is for the program to say, which knows
/// its own options.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The process does not have `CAP_NET_RAW` (packet(7)), or the right that libpcap needs.
    #[error("{device}: no permission to capture on it")]
    NotPermitted {
        /// The device.
        device: String,
    },
    /// There is no such device.
    #[error("{device}: there is no such network device")]
    NoSuchDevice {
        /// The name that the caller asked for.
        device: String,
    },
    /// The device is down, or went down. All frames before that have been given.
    #[error("{device}: the device is down")]
    Down {
        /// The device.
        device: String,
    },
    /// The device was removed. All frames before that have been given.
    #[error("{device}: the device was removed")]
    Removed {
        /// The device.
        device: String,
    },
    /// The device was moved to another network namespace. All frames before that have been given.
    #[error("{device}: the device was moved to another network namespace")]
    Moved {
        /// The device.
        device: String,
    },
    /// A network namespace cannot be found or entered. Entering one needs `CAP_SYS_ADMIN`
    /// (setns(2)), and [`io::ErrorKind::InvalidInput`] means that the file is no network namespace.
    #[error("network namespace {name}: {source}")]
    Netns {
        /// The namespace, as the caller named it.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// There is not enough memory for the ring.
    #[error("{device}: no memory for a capture buffer of {} KiB", bytes / 1024)]
    Memory {
        /// The device.
        device: String,
        /// The size that was asked for, in bytes.
        bytes: usize,
    },
    /// The kernel does not take the filter program.
    #[error(
        "{device}: the kernel does not take the filter program of {instructions} instructions: {source}"
    )]
    Program {
        /// The device.
        device: String,
        /// Its length.
        instructions: usize,
        /// What the system said.
        source: io::Error,
    },
    /// Options that contradict each other, or that the back end does not have.
    #[error("{device}: {what}")]
    Unsupported {
        /// The device.
        device: String,
        /// What does not work.
        what: &'static str,
    },
    /// Another failure of the system.
    #[error("{device}: cannot {doing}: {source}")]
    System {
        /// The device, or the kernel table.
        device: String,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// libpcap failed.
    #[error("{device}: libpcap: {message}")]
    Pcap {
        /// The device.
        device: String,
        /// libpcap's message.
        message: String,
    },
    /// libpcap is not installed. The text says what to install.
    #[error("{0}")]
    NoLibpcap(String),
}

impl Error {
    /// A failed system call on a device, by its cause.
    pub(super) fn system(device: &str, doing: &'static str, source: io::Error) -> Self {
        let device = device.to_owned();
        match source.kind() {
            io::ErrorKind::PermissionDenied => Self::NotPermitted { device },
            _ if source.raw_os_error() == Some(ENETDOWN) => Self::Down { device },
            _ if matches!(source.raw_os_error(), Some(ENODEV | ENXIO)) => {
                Self::NoSuchDevice { device }
            }
            _ => Self::System { device, doing, source },
        }
    }

    /// The device that the error is about, by the name that the caller gave. `None` if it is about
    /// a network namespace or libpcap as a whole. For [`Error::System`] it may be the name of a
    /// kernel table.
    pub fn device(&self) -> Option<&str> {
        match self {
            Self::NotPermitted { device, .. }
            | Self::NoSuchDevice { device }
            | Self::Down { device }
            | Self::Removed { device }
            | Self::Moved { device }
            | Self::Memory { device, .. }
            | Self::Program { device, .. }
            | Self::Unsupported { device, .. }
            | Self::System { device, .. }
            | Self::Pcap { device, .. } => Some(device),
            Self::Netns { .. } | Self::NoLibpcap(_) => None,
        }
    }

    /// Whether the device went away or down after the capture began. This ends the capture of this
    /// device; captures of others go on.
    pub fn is_loss_of_device(&self) -> bool {
        matches!(self, Self::Down { .. } | Self::Removed { .. } | Self::Moved { .. })
    }
}

/// errno(3): no such device or address; the same number on all Unix systems.
const ENXIO: i32 = 6;
/// errno(3): no such device; the same number on all Unix systems.
const ENODEV: i32 = 19;
/// errno(3): network is down.
const ENETDOWN: i32 = if cfg!(target_os = "linux") { 100 } else { 50 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_device_if_it_has_one() {
        let error = Error::Down { device: "eth0: a".to_owned() };
        assert_eq!(error.device(), Some("eth0: a"));
        let source = io::Error::from_raw_os_error(ENXIO);
        assert_eq!(Error::Netns { name: "blue".to_owned(), source }.device(), None);
    }
}
