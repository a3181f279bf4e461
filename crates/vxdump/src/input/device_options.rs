//! Which devices are captured on, and how, as plain values.

use vxcap::live::{Backend, Device, Directions};
use vxlan::LinkType;

/// What was asked for.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // flags, each on its own
pub(crate) struct DeviceOptions {
    /// Names, or numbers of `-D`.
    pub(crate) names: Vec<String>,
    /// `--all`: everything on an underlay device, not only overlay traffic.
    pub(crate) all: bool,
    /// `-y`: what frames shall begin with.
    pub(crate) link_type: Option<LinkType>,
    /// `-j`: whose clock shall stamp frames.
    pub(crate) clock: Option<String>,
    /// Is the selection decided in the kernel where that is possible?
    pub(crate) pushdown: bool,
    /// `-s`: the most bytes of a frame; 0 for all.
    pub(crate) snaplen: u32,
    /// `-B`: bytes of the buffer between kernel and reader, where the user chose.
    pub(crate) buffer: Option<usize>,
    /// `--immediate-mode`: frames as soon as the kernel can hand them out.
    pub(crate) is_immediate: bool,
    /// Shall the device receive frames to other stations too?
    pub(crate) promiscuous: bool,
    pub(crate) directions: Directions,
    pub(crate) backend: Backend,
}

impl DeviceOptions {
    /// Is only overlay traffic wanted of this device?
    pub(crate) fn only_overlay(&self, device: Option<&Device>) -> bool {
        !self.all && device.is_some_and(|device| device.kind.is_underlay())
    }

    /// The names of the devices to capture on: where there is no device of a name, it may be a
    /// number of `-D`.
    pub(crate) fn names_among(&self, devices: &[Device]) -> Vec<String> {
        let name = |given: &String| {
            let by_number = || {
                let place = given.parse::<usize>().ok()?.checked_sub(1)?;
                devices.get(place).map(|device| device.name.clone())
            };
            let is_there = devices.iter().any(|device| device.name == *given);
            if is_there { given.clone() } else { by_number().unwrap_or_else(|| given.clone()) }
        };
        self.names.iter().map(name).collect()
    }
}
