//! The part of a command line that says where packets come from, and which are wanted: the same for
//! all commands that read packets.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use vxcap::live::{self, Directions, Netns};
use vxcli::Failure;
use vxcli::args::{MapArgs, ReadArgs, SelectArgs};

use super::device_options::DeviceOptions;
use super::devices;
use super::rights::Rights;

/// Where packets come from.
#[derive(Args, Debug)]
#[command(next_help_heading = "Input")]
pub(crate) struct InputArgs {
    #[command(flatten)]
    pub(crate) files: ReadArgs,

    /// Use at most N bytes of each frame; 0 means all.
    #[arg(short = 's', long = "snapshot-length", value_name = "N")]
    pub(crate) snaplen: Option<u32>,

    /// Read EXPRESSION from FILE, and ignore the one on the command line.
    #[arg(short = 'F', value_name = "FILE")]
    pub(crate) expression_file: Option<PathBuf>,

    /// Stop after N packets.
    #[arg(short = 'c', value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) count: Option<u64>,

    #[command(flatten)]
    pub(crate) live: LiveArgs,

    #[command(flatten)]
    pub(crate) select: SelectArgs,

    #[command(flatten)]
    pub(crate) map: MapArgs,
}

impl InputArgs {
    /// Are packets captured live?
    pub(crate) fn is_live(&self) -> bool {
        !self.live.interface.is_empty()
    }

    /// The packets that are wanted at the most.
    pub(crate) fn most_packets(&self) -> u64 {
        self.count.unwrap_or(u64::MAX)
    }

    /// Which devices are captured on, and how.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where no device can have the link type of `-y`.
    pub(crate) fn devices(&self) -> Result<DeviceOptions, Failure> {
        let live = &self.live;
        Ok(DeviceOptions {
            names: live.interface.clone(),
            all: live.all,
            link_type: live.link_type.as_deref().map(devices::link_type).transpose()?,
            clock: live.time_stamp_type.clone(),
            pushdown: !live.no_pushdown,
            snaplen: self.snaplen.unwrap_or(0),
            buffer: live.buffer.map(|kib| kib as usize * 1024),
            is_immediate: live.immediate_mode,
            promiscuous: !live.no_promiscuous,
            directions: match live.direction {
                Some(Direction::In) => Directions::In,
                Some(Direction::Out) => Directions::Out,
                Some(Direction::Inout) | None => Directions::Both,
            },
            backend: match live.backend {
                Backend::Ring => live::Backend::Native,
                Backend::Pcap => live::Backend::Pcap,
            },
        })
    }

    /// All files that are read.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.read.iter().chain(self.map.files()).chain(&self.expression_file);
        files.map(PathBuf::as_path)
    }

    /// The selection, with EXPRESSION of a file where `-F` names one.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where that file cannot be read.
    pub(crate) fn selection(&self) -> Result<SelectArgs, Failure> {
        let mut select = self.select.clone();
        if let Some(path) = &self.expression_file {
            let text = std::fs::read_to_string(path).map_err(|e| {
                Failure::usage(format_args!(
                    "cannot read the expression file {}: {e}",
                    path.display()
                ))
            })?;
            select.expression = vec![text];
        }
        Ok(select)
    }
}

impl LiveArgs {
    /// The network namespace to capture in; `None`: that of the process.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where there is none of that name, or it may not be entered.
    pub(crate) fn netns(&self) -> Result<Option<Netns>, Failure> {
        self.netns
            .as_deref()
            .map(Netns::open)
            .transpose()
            .map_err(|e| Failure::usage(devices::explained(&e)))
    }

    /// What is given up once everything is open.
    pub(crate) fn rights(&self) -> Rights {
        Rights { user: self.user.clone(), is_sandboxed: !self.no_sandbox }
    }
}

/// Capturing live.
#[derive(Args, Debug)]
#[command(next_help_heading = "Live capture")]
#[allow(clippy::struct_excessive_bools)] // tcpdump's flags
pub(crate) struct LiveArgs {
    /// Capture live on device IF: a name, or a number of -D; `any` is all devices. May be repeated.
    /// On an underlay (physical) device only overlay traffic is shown, unless --all is given.
    #[arg(short = 'i', long = "interface", value_name = "IF", conflicts_with = "read")]
    pub(crate) interface: Vec<String>,

    /// Capture inside this network namespace: a name of `ip netns`, a path, or pid:N for that of a
    /// process, such as a pod's pause process.
    #[arg(long, value_name = "NAME|PATH|pid:N", conflicts_with = "read")]
    pub(crate) netns: Option<String>,

    /// On an underlay device, show all traffic, not only overlay traffic.
    #[arg(long)]
    pub(crate) all: bool,

    /// Size of the capture buffer in KiB (default: 32768, with -w 16384).
    #[arg(short = 'B', long = "buffer-size", value_name = "KIB", value_parser = clap::value_parser!(u32).range(1..=2_097_151))]
    pub(crate) buffer: Option<u32>,

    /// Capture only frames that the device received, or that it sent (default: both).
    #[arg(short = 'Q', long = "direction", value_enum, value_name = "DIRECTION")]
    pub(crate) direction: Option<Direction>,

    /// Do not put the device into promiscuous mode.
    #[arg(short = 'p', long = "no-promiscuous-mode")]
    pub(crate) no_promiscuous: bool,

    /// The link type of the frames, on a device that offers several (-L lists them).
    #[arg(short = 'y', long = "linktype", value_name = "TYPE")]
    pub(crate) link_type: Option<String>,

    /// The clock that stamps the frames; there is only the host's (-J lists it).
    #[arg(short = 'j', long = "time-stamp-type", value_name = "TYPE")]
    pub(crate) time_stamp_type: Option<String>,

    /// Show each frame within a millisecond or two of its arrival, at a cost in CPU time.
    #[arg(long)]
    pub(crate) immediate_mode: bool,

    /// How to capture: vxdump's own ring buffer, or libpcap.
    #[arg(long, value_enum, default_value_t = Backend::Ring)]
    pub(crate) backend: Backend,

    /// Switch to USER once the devices and the first output file are open.
    #[arg(short = 'Z', long = "relinquish-privileges", value_name = "USER")]
    pub(crate) user: Option<String>,

    /// Do not give up the rights, files and system calls that a capture does not need.
    #[arg(long)]
    pub(crate) no_sandbox: bool,

    /// Select frames in user space only, not in the kernel. The result is the same.
    #[arg(long)]
    pub(crate) no_pushdown: bool,
}

/// The direction of frames.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Received frames.
    In,
    /// Sent frames.
    Out,
    /// Both.
    Inout,
}

/// What captures.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// vxdump's own ring buffer (Linux).
    Ring,
    /// libpcap.
    Pcap,
}
