//! The devices of a host or a network namespace.

use vxlan::LinkType;

use super::device::{ANY, Device};
#[cfg(not(target_os = "linux"))]
use super::device::{ARPHRD_VOID, DeviceKind};
#[cfg(target_os = "linux")]
use super::netns::Netns;
#[cfg(target_os = "linux")]
use super::tables::TableReader;
use super::{CaptureOptions, Error};

/// The devices of a network namespace, in the order of their indices, and [`ANY`] last. `None` is
/// the namespace of the calling thread.
///
/// It needs no privilege, except to enter another namespace.
///
/// ```
/// let devices = vxcap::live::devices(None)?;
/// assert!(devices.iter().any(|device| device.name == "any"));
/// # Ok::<(), vxcap::live::Error>(())
/// ```
///
/// # Errors
///
/// [`Error::System`] where the kernel cannot be asked, [`Error::Netns`] where the namespace cannot
/// be entered.
#[cfg(target_os = "linux")]
pub fn devices(netns: Option<&Netns>) -> Result<Vec<Device>, Error> {
    let mut reader = TableReader::open_in(netns)?;
    let mut devices = reader.devices()?;
    for address in reader.addresses()? {
        if let Some(device) = devices.iter_mut().find(|device| device.index == address.device) {
            device.addresses.push(address.address);
        }
    }
    devices.push(Device::any());
    Ok(devices)
}

/// The devices of this host, in the order of their indices.
///
/// # Errors
///
/// None: the result is the same type as on Linux, where there are some.
#[cfg(not(target_os = "linux"))]
pub fn devices() -> Result<Vec<Device>, Error> {
    let known = pnet::datalink::interfaces().into_iter().map(|interface| Device {
        index: interface.index,
        kind: if interface.is_loopback() { DeviceKind::Loopback } else { DeviceKind::Physical },
        up: interface.is_up(),
        running: interface.is_running(),
        mac: interface.mac.map(|mac| mac.octets()),
        hardware: ARPHRD_VOID,
        addresses: interface.ips.iter().map(|network| network.ip()).collect(),
        name: interface.name,
        ..Device::any()
    });
    Ok(known.collect())
}

/// The device of this name in the calling thread's network namespace, which must be up.
pub(super) fn find(name: &str) -> Result<Device, Error> {
    if name == ANY {
        return Ok(Device::any());
    }
    #[cfg(target_os = "linux")]
    let devices = TableReader::open()?.devices()?;
    #[cfg(not(target_os = "linux"))]
    let devices = devices()?;
    let found = devices.into_iter().find(|device| device.name == name);
    let device = found.ok_or_else(|| Error::NoSuchDevice { device: name.to_owned() })?;
    if device.up { Ok(device) } else { Err(Error::Down { device: device.name }) }
}

/// The link type of captured frames: the one that was asked for, if the device has it.
pub(super) fn link_type_of(device: &Device, options: &CaptureOptions) -> Result<LinkType, Error> {
    match options.link_type {
        None => Ok(device.link_type()),
        Some(wanted) if device.link_types().contains(&wanted) => Ok(wanted),
        Some(_) => Err(Error::Unsupported {
            device: device.name.clone(),
            what: "the device does not have this link type",
        }),
    }
}
