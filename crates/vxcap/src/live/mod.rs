//! Capturing frames from network devices, as they arrive.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use vxcap::live::{Capture, CaptureOptions};
//!
//! let mut capture = Capture::open(&CaptureOptions::new("eth0"))?;
//! // until no frame arrives for a second
//! while let Some(frame) = capture.next_frame(Duration::from_secs(1))? {
//!     println!("{} bytes, {:?}", frame.orig_len, frame.flags.direction);
//! }
//! println!("{} frames lost", capture.statistics()?.dropped);
//! # Ok::<(), vxcap::live::Error>(())
//! ```
//!
//! | you want to … | use |
//! |---|---|
//! | list the devices | [`devices`] |
//! | capture | [`Capture::open`], [`Capture::next_frame`] |
//! | capture from several devices in one thread | [`Capture::wait_for_any`]; in the order of time, [`Capture::next_time`] |
//! | share a device's frames among threads | [`Fanout`] |
//! | capture in a pod | [`Netns`] |
//! | find the network namespace of a pod's node | [`NodeNetns`] |
//! | give up root's rights once the devices are open | [`User`] |
//! | read and follow the kernel's routes, neighbours and forwarding databases | [`TableReader`], [`TableWatch`] |
//!
//! # On Linux
//!
//! The kernel writes frames into a ring of blocks, where they are read in place: a frame costs no
//! system call and no copy (`TPACKET_V3` of packet(7)). This needs `CAP_NET_RAW`.
//!
//! Frames are as they were on the wire: a VLAN tag that the device or the kernel took out of the
//! frame is put back. Frames of `any`, and of devices with an unusual link-layer header, begin with
//! a cooked header. [`Frame::flags`](crate::Frame::flags) has what the kernel knows of checksums,
//! segmentation and direction.
//!
//! # Elsewhere
//!
//! libpcap captures. It is loaded by the first capture. [`Backend::Pcap`] selects it on Linux too.
//! Its frames have no direction and no checksum state.

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
