//! Frames from network devices, as they arrive.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use vxcap::live::{Capture, CaptureOptions};
//!
//! let mut capture = Capture::open(&CaptureOptions::new("eth0"))?;
//! while let Some(frame) = capture.next_frame(Duration::from_secs(1))? {
//!     println!("{} bytes, {:?}", frame.orig_len, frame.flags.direction);
//! }
//! println!("{} lost", capture.statistics()?.dropped);
//! # Ok::<(), vxcap::live::Error>(())
//! ```
//!
//! | to … | use |
//! |---|---|
//! | know what there is to capture from | [`devices`] |
//! | capture | [`Capture::open`], [`Capture::next_frame`] |
//! | capture from several devices in one thread | [`Capture::wait_for_any`], and in order [`Capture::next_time`] |
//! | share a device's frames among threads | [`Fanout`] |
//! | capture in a pod | [`Netns`] |
//! | find the namespace of a pod's node | [`NodeNetns`] |
//! | go on as another user | [`User`] |
//! | read and follow the kernel's routes, neighbours and forwarding databases | [`TableReader`], [`TableWatch`] |
//!
//! # On Linux
//!
//! Frames are read in place from a ring of blocks that the kernel fills (packet(7), `TPACKET_V3`): no system call and no copy
//! a frame. A VLAN tag that the device or the kernel took out of the frame is put back, so that frames are as they were on the
//! wire; of `any`, and of devices whose headers nobody decodes, frames begin with a cooked header, which is made in the
//! room before the packet. What the kernel knows of checksums, segmentation and direction is in
//! [`Frame::flags`](crate::Frame::flags). The right to do this is `CAP_NET_RAW`.
//!
//! # Elsewhere
//!
//! libpcap captures. It is loaded when it is needed, and on Linux too where [`Backend::Pcap`] is asked for. It tells no
//! directions and no checksum states.

mod capture;
mod device;
mod devices;
mod error;
mod libpcap;
mod options;
mod poll;
mod statistics;
mod user;

#[cfg(target_os = "linux")]
mod blocks;
#[cfg(target_os = "linux")]
mod departure;
#[cfg(target_os = "linux")]
mod header;
#[cfg(target_os = "linux")]
mod headroom;
#[cfg(target_os = "linux")]
mod link;
#[cfg(target_os = "linux")]
mod netlink;
#[cfg(target_os = "linux")]
mod netns;
#[cfg(target_os = "linux")]
mod node_netns;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod setup;
#[cfg(target_os = "linux")]
mod sys;
#[cfg(target_os = "linux")]
mod tables;

pub use capture::Capture;
pub use device::{ANY, Device, DeviceKind, Vxlan};
pub use devices::devices;
pub use error::Error;
pub use options::{Backend, CaptureOptions, DEFAULT_BUFFER, Directions, Fanout, FanoutMode};
pub use statistics::Statistics;
pub use user::User;

#[cfg(target_os = "linux")]
pub use netns::Netns;
#[cfg(target_os = "linux")]
pub use node_netns::NodeNetns;
#[cfg(target_os = "linux")]
pub use tables::{Address, Forwarding, Neighbour, Route, TableReader, TableWatch, Tables};
