//! Where packets come from: files and devices, opened and asked for frames, and the names of their
//! addresses.

pub(crate) mod args;
pub(crate) mod capture;
pub(crate) mod carriages;
pub(crate) mod clock;
pub(crate) mod device_names;
pub(crate) mod device_options;
pub(crate) mod devices;
pub(crate) mod files;
pub(crate) mod following;
pub(crate) mod host;
pub mod kernel_map;
pub(crate) mod open;
mod order;
pub(crate) mod report;
pub(crate) mod rights;
#[cfg(target_os = "linux")]
pub mod sandbox;
pub(crate) mod signals;
pub(crate) mod taps;
pub(crate) mod wanted;
