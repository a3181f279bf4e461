//! The network namespace around a pod's: its node's, where the other end of the pod's cable is.

use std::collections::HashSet;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::netns::NAMED_FOLDERS;
use super::{Device, DeviceKind, Error, Netns, TableReader};

/// Whose network namespace a capture is in, and where its node's is: a pod's kernel tables know little more than
/// the way out, its node's know the cluster.
#[derive(Debug)]
pub enum NodeNetns {
    /// It is no pod's.
    Same,
    /// It is a pod's, and this is its node's.
    Around(Netns),
    /// It is a pod's. Its node's is not among those that are seen from here, or, where there is an error, may not be
    /// entered.
    Hidden(Option<Error>),
}

impl NodeNetns {
    /// Looks from `capture`, or from the namespace of the calling thread.
    ///
    /// A pod's namespace is one whose devices have their other ends (veth, netkit) or their parents (macvlan, ipvlan)
    /// in one other namespace, and that has no bridge and no VXLAN device. Which of the namespaces that are seen from
    /// here that is, the kernel says: it numbers them (`RTM_GETNSID`, and `IFLA_LINK_NETNSID` of `linux/if_link.h`).
    ///
    /// # Errors
    ///
    /// Those of [`TableReader::open_in`] and [`TableReader::read`].
    pub fn find(capture: Option<&Netns>) -> Result<Self, Error> {
        let mut reader = TableReader::open_in(capture)?;
        let Some(wanted) = outside(&reader.devices()?) else { return Ok(Self::Same) };
        let mut seen = HashSet::new();
        for path in candidates(capture.is_some()) {
            // what is no namespace may be one to wait for, as a pipe
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

/// The number of the one other namespace that a pod's devices lead to; `None` where they are not a pod's.
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

/// The likely ones first: where the program was started, the host's, those with names, and those of processes.
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
