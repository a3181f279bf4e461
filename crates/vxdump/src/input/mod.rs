//! Where packets come from: files and devices, opened and asked for frames, and the names of their addresses.

pub(crate) mod carriages;
pub(crate) mod device_names;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod following;
pub mod kernel_map;
pub(crate) mod open;
pub(crate) mod order;
#[cfg(target_os = "linux")]
pub mod sandbox;
pub(crate) mod signals;
pub(crate) mod taps;
