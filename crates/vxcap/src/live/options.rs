//! What to capture, and how.

use std::sync::Arc;
use std::time::Duration;

use vxlan::LinkType;

#[cfg(target_os = "linux")]
use super::Netns;
use crate::filter::{MAX_SNAPLEN, Program};

/// What captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Backend {
    /// The kernel's ring on Linux, libpcap elsewhere.
    #[default]
    Native,
    /// libpcap, loaded when the capture is opened.
    Pcap,
}

/// Which frames are captured, by the way they go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Directions {
    /// Received and sent frames.
    #[default]
    Both,
    /// Frames that the device received.
    In,
    /// Frames that the host sent through it.
    Out,
}

/// Several captures that share one device's frames: each gets a part of them, so that several
/// threads can work on them (`PACKET_FANOUT` of packet(7)). Linux only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fanout {
    pub(super) group: Option<u16>,
    pub(super) mode: FanoutMode,
}

impl Fanout {
    /// Begins a group of its own, whose number
    /// [`Capture::fanout_group`](super::Capture::fanout_group) tells for the others to join.
    pub fn new(mode: FanoutMode) -> Self {
        Self { group: None, mode }
    }

    /// Joins the group of this number. All captures of one device and network namespace with the
    /// same number share its frames, in whichever processes they are.
    #[must_use]
    pub fn group(mut self, group: impl Into<Option<u16>>) -> Self {
        self.group = group.into();
        self
    }
}

/// How the captures of a [`Fanout`] share frames.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FanoutMode {
    /// By the kernel's hash of the frame's outermost flow, the same for both directions. All frames
    /// between two tunnel endpoints that use one source port go to one capture.
    Hash,
    /// In turn.
    RoundRobin,
    /// By the CPU that handled the frame.
    Cpu,
    /// By the number that a program returns, modulo the number of captures. The kernel runs the
    /// program on received frames from the network header on, and on sent frames from the
    /// link-layer header on. [`by_inner_ends`](crate::filter::pushdown::by_inner_ends) makes one.
    Program(Arc<Program>),
}

/// What to capture, and how: made by [`Self::new`], and changed by one method an option.
///
/// ```
/// use vxcap::live::{CaptureOptions, Directions};
///
/// let options = CaptureOptions::new("eth0").snaplen(128).directions(Directions::In).immediate();
/// # let _ = options;
/// ```
#[derive(Clone, Debug)]
pub struct CaptureOptions {
    pub(super) device: String,
    pub(super) snaplen: u32,
    pub(super) buffer: usize,
    pub(super) promiscuous: bool,
    pub(super) latency: Duration,
    pub(super) link_type: Option<LinkType>,
    pub(super) directions: Directions,
    pub(super) program: Option<Arc<Program>>,
    pub(super) expression: Option<String>,
    pub(super) fanout: Option<Fanout>,
    #[cfg(target_os = "linux")]
    pub(super) netns: Option<Arc<Netns>>,
    pub(super) backend: Backend,
    pub(super) interface: u32,
}

/// The default size of the buffer between kernel and reader, in bytes: 32 MiB.
///
/// At 600,000 small frames a second, a reader may be away for 0.2 s. The 2 MiB of libpcap are full
/// after 30 ms at half of that rate.
pub const DEFAULT_BUFFER: usize = 32 << 20;

/// Far below what a person sees as delay; fifty times a second is no load.
const DEFAULT_LATENCY: Duration = Duration::from_millis(20);

/// How late a timer of the kernel may be: two of its ticks, of up to 10 ms.
const TICKS: Duration = Duration::from_millis(20);

/// What [`CaptureOptions::immediate`] sets: the shortest time that the kernel can count.
const IMMEDIATE_LATENCY: Duration = Duration::from_millis(1);

impl CaptureOptions {
    /// All frames of a device, which is given by its name or as [`ANY`](super::ANY). The defaults
    /// are those of tcpdump, but for a larger buffer.
    pub fn new(device: impl Into<String>) -> Self {
        Self {
            device: device.into(),
            snaplen: MAX_SNAPLEN,
            buffer: DEFAULT_BUFFER,
            promiscuous: true,
            latency: DEFAULT_LATENCY,
            link_type: None,
            directions: Directions::Both,
            program: None,
            expression: None,
            fanout: None,
            #[cfg(target_os = "linux")]
            netns: None,
            backend: Backend::Native,
            interface: 0,
        }
    }

    /// At most this many bytes of a frame are captured. 0 stands for the default, [`MAX_SNAPLEN`].
    #[must_use]
    pub fn snaplen(mut self, bytes: u32) -> Self {
        self.snaplen = bytes;
        self
    }

    /// The size in bytes of the buffer between kernel and reader, [`DEFAULT_BUFFER`] by default. It
    /// must hold what arrives while the reader does something else.
    #[must_use]
    pub fn buffer(mut self, bytes: usize) -> Self {
        self.buffer = bytes;
        self
    }

    /// Whether the device also receives frames that are addressed to other stations: by default it
    /// does.
    #[must_use]
    pub fn promiscuous(mut self, promiscuous: bool) -> Self {
        self.promiscuous = promiscuous;
        self
    }

    /// The longest time that a frame waits in a block that is not full yet: by default 20 ms.
    #[must_use]
    pub fn latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    /// The least delay, as tcpdump's immediate mode: a frame waits at most two ticks of the
    /// kernel's timer, each of 1 to 10 ms.
    #[must_use]
    pub fn immediate(self) -> Self {
        self.latency(IMMEDIATE_LATENCY)
    }

    /// What frames begin with: one of the device's [link types](super::Device::link_types). By
    /// default, or with `None`, it is the first of them.
    #[must_use]
    pub fn link_type(mut self, link_type: impl Into<Option<LinkType>>) -> Self {
        self.link_type = link_type.into();
        self
    }

    /// Only frames that went this way: by default [`Directions::Both`].
    #[must_use]
    pub fn directions(mut self, directions: Directions) -> Self {
        self.directions = directions;
        self
    }

    /// Only frames that this program accepts. It must be made for the capture's link type.
    ///
    /// On Ethernet and raw IP devices the kernel runs it; there it sees no VLAN tag in the frame.
    /// Where frames have a cooked header, the kernel runs what
    /// [`pushdown::cooked`](crate::filter::pushdown::cooked) makes of it, and user space decides
    /// about frames with a VLAN tag. User space decides about all frames where the kernel does not
    /// take the program.
    #[must_use]
    pub fn program(mut self, program: impl Into<Option<Arc<Program>>>) -> Self {
        self.program = program.into();
        self
    }

    /// A pcap-filter(7) expression for [`Backend::Pcap`]: libpcap takes no programs. Without it,
    /// [`Self::program`] runs in user space there.
    #[must_use]
    pub fn expression(mut self, expression: impl Into<Option<String>>) -> Self {
        self.expression = expression.into();
        self
    }

    /// Shares the device's frames with other captures.
    #[must_use]
    pub fn fanout(mut self, fanout: impl Into<Option<Fanout>>) -> Self {
        self.fanout = fanout.into();
        self
    }

    /// The network namespace of the device: by default, or with `None`, the caller's.
    #[cfg(target_os = "linux")]
    #[must_use]
    pub fn netns(mut self, netns: impl Into<Option<Arc<Netns>>>) -> Self {
        self.netns = netns.into();
        self
    }

    /// What captures: by default [`Backend::Native`].
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = backend;
        self
    }

    /// The number that frames have as their [interface](crate::Frame::interface): by default 0. It
    /// tells several captures apart.
    #[must_use]
    pub fn interface(mut self, number: u32) -> Self {
        self.interface = number;
        self
    }

    /// The longest time between the arrival of a frame and the moment when it can be read.
    pub(super) fn longest_delay(&self) -> Duration {
        self.latency + TICKS
    }

    /// The snaplen with its default, and no more than that, as libpcap has it.
    pub(super) fn effective_snaplen(&self) -> u32 {
        if self.snaplen == 0 { MAX_SNAPLEN } else { self.snaplen.min(MAX_SNAPLEN) }
    }
}
