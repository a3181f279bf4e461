//! What to capture, and how.

use std::sync::Arc;
use std::time::Duration;

use vxlan::LinkType;

#[cfg(target_os = "linux")]
use super::Netns;
use crate::filter::{MAX_SNAPLEN, Program};

/// What captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Backend {
    /// The kernel's ring on Linux, libpcap elsewhere.
    #[default]
    Native,
    /// libpcap, loaded when the capture is opened.
    Pcap,
}

/// Which frames are wanted, by their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Directions {
    /// All.
    #[default]
    Both,
    /// What the device received (`-Q in`).
    In,
    /// What the host sent through it (`-Q out`).
    Out,
}

/// Several captures of one device share its frames: each gets a part, so that several threads can work.
/// Linux only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fanout {
    /// The group; captures of one device and network namespace with the same number share, whatever process they are of. `None`:
    /// a number that no other has, which [`Capture::fanout_group`](super::Capture::fanout_group) tells for those that join.
    pub group: Option<u16>,
    /// Who gets a frame.
    pub mode: FanoutMode,
}

/// How the captures of a [`Fanout`] share.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FanoutMode {
    /// By the kernel's hash of the frame's outermost flow, both directions of it together. All frames between two
    /// tunnel endpoints that use one source port go to one capture.
    Hash,
    /// In turn.
    RoundRobin,
    /// By the CPU that the frame came through.
    Cpu,
    /// By the number that a program returns, divided by how many captures share: the rest says whose it is. The kernel runs it
    /// on received frames from the network header on, on sent ones from the link-layer header on;
    /// [`by_inner_ends`](crate::filter::pushdown::by_inner_ends) makes one.
    Program(Arc<Program>),
}

/// What to capture, and how; [`Options::new`] has tcpdump's defaults, but for a greater buffer.
#[derive(Clone, Debug)]
pub struct Options {
    /// The device's name, or [`ANY`](super::ANY).
    pub device: String,
    /// At most this many bytes of a frame are captured; 0 stands for [`MAX_SNAPLEN`].
    pub snaplen: u32,
    /// Size of the buffer between kernel and reader, in bytes; it must hold what arrives while the
    /// reader does something else.
    pub buffer: usize,
    /// Whether the device shall receive frames to other stations too.
    pub promiscuous: bool,
    /// The longest time that a frame waits in a block that is not full yet, before the reader sees it.
    pub latency: Duration,
    /// What frames shall begin with: one of the device's [link types](super::Device::link_types). By default its first.
    pub link_type: Option<LinkType>,
    /// Which frames, by their way.
    pub directions: Directions,
    /// Only frames that this program accepts, made for the link type. On Ethernet and raw IP devices the kernel runs it, which
    /// sees no VLAN tag in the frame; where frames have a cooked header, the kernel runs what
    /// [`pushdown::cooked`](crate::filter::pushdown::cooked) makes of it, and frames with a tag are decided in user space, on the
    /// frame as it is handed out. So are all where the kernel does not take the program.
    pub program: Option<Arc<Program>>,
    /// The same as pcap-filter(7) expression, for libpcap, which takes no programs. Without it, [`Self::program`] runs in user space
    /// there.
    pub expression: Option<String>,
    /// Share the device's frames with other captures.
    pub fanout: Option<Fanout>,
    /// The network namespace of the device, where it is not the caller's.
    #[cfg(target_os = "linux")]
    pub netns: Option<Arc<Netns>>,
    /// What captures.
    pub backend: Backend,
    /// What [`Frame::interface`](crate::Frame::interface) of the frames is.
    pub interface: u32,
}

/// 32 MiB: at 600,000 small frames a second a reader may be away for 0.2 s. libpcap's 2 MiB are 30 ms at half of that rate.
pub const DEFAULT_BUFFER: usize = 32 << 20;

/// Far below what a person sees as delay; fifty times a second is no load.
const DEFAULT_LATENCY: Duration = Duration::from_millis(20);

/// How late a timer of the kernel may be: two of its ticks, of up to 10 ms.
const TICKS: Duration = Duration::from_millis(20);

/// What [`Options::immediate`] sets: the least that the kernel counts.
const IMMEDIATE_LATENCY: Duration = Duration::from_millis(1);

impl Options {
    /// All frames of a device, promiscuously.
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

    /// The least delay, as `--immediate-mode`: frames wait two ticks of the kernel's timer at most, each of 1 to 10 ms.
    #[must_use]
    pub fn immediate(mut self) -> Self {
        self.latency = IMMEDIATE_LATENCY;
        self
    }

    /// A frame can be had this long after it came, at the latest.
    pub(super) fn longest_delay(&self) -> Duration {
        self.latency + TICKS
    }

    /// The snaplen with its default, and no more than that, as libpcap has it.
    pub(super) fn effective_snaplen(&self) -> u32 {
        if self.snaplen == 0 { MAX_SNAPLEN } else { self.snaplen.min(MAX_SNAPLEN) }
    }
}
