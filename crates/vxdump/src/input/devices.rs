//! What there is to capture on, and what can be chosen there: the options that list, and those that
//! choose from the lists.

use std::env;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use vxcap::live::{self, Netns};
use vxcli::{Failure, Terminal};
use vxlan::LinkType;

use super::device_options::DeviceOptions;

/// libpcap's names of clocks (pcap-tstamp(7)). Of these we have the first.
const CLOCKS: [&str; 6] =
    ["host", "host_lowprec", "host_hiprec", "host_hiprec_unsynced", "adapter", "adapter_unsynced"];

/// `-D`: the devices, each with its number, kind, and for a VXLAN device VNI and port.
pub(crate) fn list(netns: Option<&Netns>, terminal: &mut Terminal) -> Result<(), Failure> {
    let devices = live::devices(netns).map_err(|error| failure(&error))?;
    let mut text = String::new();
    for (number, device) in devices.iter().enumerate() {
        let state = match (device.up, device.running) {
            (true, true) => "up, running",
            (true, false) => "up",
            _ => "down",
        };
        let _ = writeln!(text, "{}.{} ({}) [{state}]", number + 1, device.name, device.kind);
    }
    terminal.print(text.as_bytes())
}

/// Why a device cannot be captured on, with what helps.
pub(crate) fn failure(error: &live::Error) -> Failure {
    match error {
        live::Error::NoSuchDevice { .. } | live::Error::Unsupported { .. } => {
            Failure::usage(explained(error))
        }
        _ => Failure::error(explained(error)),
    }
}

/// An error with what the user can do about it.
pub(crate) fn explained(error: &live::Error) -> String {
    match error {
        live::Error::NotPermitted { .. } => {
            let program = env::current_exe().unwrap_or_else(|_| PathBuf::from("PROGRAM"));
            format!(
                "{error}: run as root (sudo), or give the program the right once: \
                 sudo setcap cap_net_raw+ep {}",
                program.display()
            )
        }
        live::Error::NoSuchDevice { .. } => format!("{error}; -D lists those that are there"),
        live::Error::Down { device } => format!("{error}; `ip link set {device} up` brings it up"),
        live::Error::Memory { .. } => format!("{error}; ask for a smaller one with -B"),
        live::Error::Netns { source, .. } => format!("{error}{}", netns_advice(source)),
        _ => error.to_string(),
    }
}

fn netns_advice(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => " (a name of `ip netns`, a path, or pid:N of a process inside)",
        io::ErrorKind::PermissionDenied => " (entering it needs CAP_SYS_ADMIN: run as root)",
        io::ErrorKind::InvalidInput => " (it is no network namespace)",
        _ => "",
    }
}

/// `-L` and `-J` of devices.
pub(crate) fn list_choices(
    options: &DeviceOptions,
    netns: Option<&Netns>,
    link_types: bool,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let devices = live::devices(netns).map_err(|error| failure(&error))?;
    let mut text = String::new();
    for name in options.names_among(&devices) {
        let Some(device) = devices.iter().find(|device| device.name == name) else {
            return Err(failure(&live::Error::NoSuchDevice { device: name }));
        };
        if link_types {
            let _ = writeln!(text, "Data link types for {name} (use option -y to set):");
            for (short, long) in device.link_types().iter().filter_map(|link| link.name()) {
                let _ = writeln!(text, "  {short} ({long})");
            }
        } else {
            let _ = writeln!(text, "Time stamp types for {name} (use option -j to set):");
            text.push_str("  host (Host)\n");
        }
    }
    terminal.print(text.as_bytes())
}

/// `-y`: the link type of this name, whose case does not count.
pub(crate) fn link_type(name: &str) -> Result<LinkType, Failure> {
    let known = [LinkType::ETHERNET, LinkType::RAW, LinkType::LINUX_SLL, LinkType::LINUX_SLL2];
    let is_it = |link: &LinkType| link.name().is_some_and(|(n, _)| n.eq_ignore_ascii_case(name));
    known.into_iter().find(is_it).ok_or_else(|| {
        Failure::usage(format_args!(
            "-y {name}: no device has this link type (-L lists those there are)"
        ))
    })
}

/// `-j`: as with tcpdump, a clock that the device does not have is a warning, and one that does not
/// exist an error.
pub(crate) fn check_clock(clock: Option<&str>, terminal: &mut Terminal) -> Result<(), Failure> {
    match clock {
        None | Some("host") => Ok(()),
        Some(clock) if CLOCKS.contains(&clock) => {
            terminal.tell(format_args!(
                "warning: -j {clock}: the host's clock stamps the frames, there is no other"
            ));
            Ok(())
        }
        Some(clock) => Err(Failure::usage(format_args!(
            "-j {clock}: no such clock; there are {}",
            CLOCKS.join(", ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_capture_is_told_the_option_that_helps() {
        let error = live::Error::NoSuchDevice { device: "eth7".to_owned() };
        let told = failure(&error);
        assert_eq!(told.status(), 2);
        assert_eq!(
            told.to_string(),
            "eth7: there is no such network device; -D lists those that are there"
        );
        let error = live::Error::Memory { device: "eth0".to_owned(), bytes: 1 << 30 };
        let told = failure(&error).to_string();
        assert!(told.ends_with("1048576 KiB; ask for a smaller one with -B"), "{told}");
        let told = explained(&live::Error::NotPermitted { device: "eth0".to_owned() });
        let start = "eth0: no permission to capture on it: run as root (sudo), or give the program \
                     the right once: sudo setcap cap_net_raw+ep /";
        assert!(told.starts_with(start), "{told}");
        let told = explained(&live::Error::Down { device: "eth0".to_owned() });
        assert_eq!(told, "eth0: the device is down; `ip link set eth0 up` brings it up");
    }

    #[test]
    fn a_namespace_that_is_not_there_is_refused_with_what_can_be_named() {
        let told = explained(&Netns::open("no-such-namespace").unwrap_err());
        assert!(told.starts_with("network namespace no-such-namespace: "), "{told}");
        assert!(
            told.ends_with(" (a name of `ip netns`, a path, or pid:N of a process inside)"),
            "{told}"
        );
    }
}
