//! Frames from network devices, as they arrive.

mod blocks;
mod capture;
mod departure;
mod device;
mod error;
mod header;
mod headroom;
mod link;
mod netlink;
mod netns;
mod options;
mod ring;
mod setup;
mod statistics;
mod sys;
mod tables;

pub use capture::Capture;
pub use device::{ANY, Device, Kind, Vxlan, devices};
pub use error::Error;
pub use netns::Netns;
pub use options::{Backend, DEFAULT_BUFFER, Directions, Fanout, FanoutMode, Options};
pub use statistics::Statistics;
pub use tables::{Address, Forwarding, Neighbour, Route, TableReader, TableWatch, Tables};
