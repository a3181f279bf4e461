//! The network namespace of a pod's node, where the other end of the pod's cable is.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::netns::NAMED_FOLDERS;
use super::{Device, DeviceKind, Error, Netns, TableReader};

/// Whether a network namespace is a pod's, and which one is that of its node. A pod's kernel tables
/// contain little more than a default route; those of its node contain the cluster.
#[derive(Debug)]
#[non_exhaustive]
pub enum NodeNetns {
    /// It is not a pod's.
    Same,
    /// It is a pod's, and this is its node's.
    Around(Netns),
    /// It is a pod's. That of its node cannot be seen from here. If there is an error, it can be
    /// seen, but not entered.
    Hidden(Option<Error>),
}

impl NodeNetns {
    /// Examines the namespace of a capture. `None` is that of the calling thread.
    ///
    /// A pod's namespace has devices whose other ends (veth, netkit) or parents (macvlan, ipvlan)
    /// are all in one other namespace. It has no bridge and no VXLAN device. The kernel knows the
    /// other namespace by a number (`IFLA_LINK_NETNSID` of `linux/if_link.h`), and tells the number
    /// of each namespace that can be seen from here (`RTM_GETNSID`).
    ///
    /// # Errors
    ///
    /// Those of [`TableReader::open_in`] and [`TableReader::read`].
    pub fn find(capture: Option<&Netns>) -> Result<Self, Error> {
        let mut reader = TableReader::open_in(capture)?;
        let Some(wanted) = outside(&reader.devices()?) else { return Ok(Self::Same) };
        let mut seen = HashSet::new();
        for path in candidates(capture.is_some()) {
            // opening a file that is not a namespace may block, as a pipe does
            let Ok(found) = fs::metadata(&path) else { continue };
            if !found.is_file() || !seen.insert((found.dev(), found.ino())) {
                continue;
            }
            let Ok(netns) = Netns::open(&path.display().to_string()) else { continue };
            if reader.netns_number(netns.as_fd()) == Some(wanted) {
                return Ok(match netns.run(|| Ok(())) {
                    Ok(()) => Self::Around(netns),
                    Err(error) => Self::Hidden(Some(error)),
                });
            }
        }
        Ok(Self::Hidden(None))
    }
}

/// The number of the other namespace that all devices of a pod lead to. `None` if they are not a
/// pod's.
fn outside(devices: &[Device]) -> Option<i32> {
    if devices.iter().any(|device| matches!(device.kind, DeviceKind::Vxlan(_) | DeviceKind::Bridge))
    {
        return None;
    }
    let mut numbers = devices.iter().filter_map(|device| device.lower_netns);
    let first = numbers.next()?;
    // a node's cables lead to many pods
    (first >= 0 && numbers.all(|number| number == first)).then_some(first)
}

/// The namespaces that can be seen, the likely ones first: the program's, the host's, those with
/// names, and those of processes.
fn candidates(elsewhere: bool) -> impl Iterator<Item = PathBuf> {
    let own = elsewhere.then(|| PathBuf::from("/proc/self/ns/net"));
    let likely = own.into_iter().chain([PathBuf::from("/proc/1/ns/net")]);
    let named = NAMED_FOLDERS.into_iter().flat_map(|folder| entries(Path::new(folder)));
    let is_process = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let processes = std::iter::once(Path::new("/proc")).flat_map(entries).filter(is_process);
    likely.chain(named).chain(processes.map(|process| process.join("ns/net")))
}

fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: DeviceKind, lower_netns: Option<i32>) -> Device {
        Device { kind, lower_netns, ..Device::any() }
    }

    #[test]
    fn a_pods_devices_lead_to_one_other_namespace() {
        let lo = || device(DeviceKind::Loopback, None);
        assert_eq!(outside(&[lo(), device(DeviceKind::Veth, Some(3))]), Some(3));
        let two = [
            device(DeviceKind::Veth, Some(0)),
            device(DeviceKind::Other("macvlan".into()), Some(0)),
        ];
        assert_eq!(outside(&two), Some(0));
        // a container that is a node, with its own cable outside and those of its pods
        assert_eq!(
            outside(&[device(DeviceKind::Veth, Some(0)), device(DeviceKind::Veth, Some(1))]),
            None
        );
        assert_eq!(
            outside(&[device(DeviceKind::Veth, Some(0)), device(DeviceKind::Bridge, None)]),
            None
        );
        let vxlan = device(DeviceKind::Vxlan(super::super::Vxlan::default()), None);
        assert_eq!(outside(&[device(DeviceKind::Veth, Some(0)), vxlan]), None);
        assert_eq!(
            outside(&[lo(), device(DeviceKind::Physical, None), device(DeviceKind::Veth, None)]),
            None
        );
        // what the kernel has no number for
        assert_eq!(outside(&[device(DeviceKind::Veth, Some(-1))]), None);
    }
}
