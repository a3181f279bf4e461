//! Which device a frame of all devices together came from: its cooked header has the device's
//! index.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use vxcap::live::{Device, Netns, TableReader};

/// The names of a network namespace's devices by their indices.
pub(crate) struct DeviceNames {
    names: HashMap<u32, String>,
    /// Open while the process may still open one: devices come while it runs.
    reader: Option<TableReader>,
    not_before: Instant,
}

/// Devices are read anew at most so often.
const PAUSE: Duration = Duration::from_secs(1);

impl DeviceNames {
    /// Those that there are, in the namespace that they are of.
    pub(crate) fn new(devices: &[Device], netns: Option<&Netns>) -> Self {
        Self {
            names: names(devices),
            // without it, devices that come later have no names
            reader: TableReader::open_in(netns).ok(),
            not_before: Instant::now(),
        }
    }

    /// The name of a device, of one that went away too.
    pub(crate) fn name(&mut self, index: u32) -> Option<&str> {
        if !self.names.contains_key(&index) && Instant::now() >= self.not_before {
            let tables = self.reader.as_mut().and_then(|reader| reader.read().ok());
            self.names.extend(tables.map(|tables| names(&tables.devices)).unwrap_or_default());
            self.not_before = Instant::now() + PAUSE;
        }
        self.names.get(&index).map(String::as_str)
    }
}

fn names(devices: &[Device]) -> HashMap<u32, String> {
    devices.iter().map(|device| (device.index, device.name.clone())).collect()
}
