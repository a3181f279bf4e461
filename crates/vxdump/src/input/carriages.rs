//! How frames on the node's VXLAN devices are carried, as the devices and their forwarding
//! databases say.

use std::net::IpAddr;
use std::sync::Arc;

use super::kernel_map::{KernelMap, Remotes};

/// The tunnel of a frame that was captured on a VXLAN device: what it has there no header for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Carriage {
    /// The device's network identifier.
    pub(crate) vni: Option<u32>,
    /// Outer source address.
    pub(crate) source: IpAddr,
    /// Outer destination address.
    pub(crate) destination: IpAddr,
}

/// What is known of the node's tunnels, at one time; a new one is made when that changes.
#[derive(Debug, Default)]
pub(crate) struct Carriages {
    /// VXLAN devices by their indices, with the network identifier.
    devices: Vec<(u32, Option<u32>)>,
    remotes: Arc<Remotes>,
}

impl Carriages {
    /// As the kernel has it; none where it is not asked.
    pub(crate) fn of(kernel: Option<&KernelMap>) -> Self {
        let Some(kernel) = kernel else { return Self::default() };
        let devices = kernel.tunnels().iter().map(|tunnel| (tunnel.device, tunnel.vni));
        Self { devices: devices.collect(), remotes: kernel.remotes() }
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
