//! How frames on the node's VXLAN devices are carried, as the devices and their forwarding databases say.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::json::Carriage;
use crate::kernel_map::KernelMap;

/// What is known of the node's tunnels, at one time; a new one is made when that changes.
#[derive(Debug, Default)]
pub(crate) struct Carriages {
    /// VXLAN devices by their indices, with the network identifier.
    devices: Vec<(u32, Option<u32>)>,
    /// Outer addresses by device and MAC address: those of other nodes, and this node's own.
    remotes: HashMap<(u32, [u8; 6]), IpAddr>,
}

impl Carriages {
    /// As the kernel has it; none where it is not asked.
    pub(crate) fn of(kernel: Option<&KernelMap>) -> Self {
        let mut carriages = Self::default();
        for tunnel in kernel.iter().flat_map(|kernel| kernel.tunnels()) {
            carriages.devices.push((tunnel.device, tunnel.vni));
            let ends = tunnel.endpoints.iter().map(|end| (end.mac, end.underlay));
            for (mac, address) in ends.chain(tunnel.mac.zip(tunnel.local)) {
                carriages.remotes.insert((tunnel.device, mac), address);
            }
        }
        carriages
    }

    /// How this frame of a device is carried.
    #[inline]
    pub(crate) fn find(&self, device: u32, frame: &[u8]) -> Option<Carriage> {
        let &(_, vni) = self.devices.iter().find(|(known, _)| *known == device)?;
        let (to, rest) = frame.split_first_chunk::<6>()?;
        let remote = |mac: &[u8; 6]| self.remotes.get(&(device, *mac)).copied();
        Some(Carriage { vni, source: remote(rest.first_chunk()?)?, destination: remote(to)? })
    }
}
