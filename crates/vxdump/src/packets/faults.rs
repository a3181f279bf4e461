//! What of a tunnel packet contradicts the map: a VTEP's MAC address that nobody has, a VNI that
//! nobody has, the wrong node.
//!
//! Only what routed pod traffic must have is looked at, and only where the map has the other side
//! of it: frames of bridged overlays carry pods' MAC addresses, and are passed over.

use std::fmt;
use std::net::IpAddr;

use podmap::{Kind, NodeId, Owner, PodMap, Vtep};
use vxlan::{Headers, MacAddr, Protocol, Tunnel, Vni};

/// One contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault<'m> {
    /// The inner frame comes from a MAC address that is no VTEP's, of a pod whose node's VTEP is
    /// known.
    SourceMac(MacAddr, u32),
    /// The same of where it goes.
    DestinationMac(MacAddr, u32),
    /// There are VTEPs, and none with this VNI.
    Vni(u32),
    /// The pod's node is not the one that the packet goes to.
    Elsewhere { address: IpAddr, owner: &'m str, receiver: &'m str },
}

impl fmt::Display for Fault<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SourceMac(mac, vni) => {
                write!(f, "inner source MAC {mac} is no VTEP's of vni {vni}")
            }
            Self::DestinationMac(mac, vni) => {
                write!(f, "inner destination MAC {mac} is no VTEP's of vni {vni}")
            }
            Self::Vni(vni) => write!(f, "no VTEP has vni {vni}"),
            Self::Elsewhere { address, owner, receiver } => {
                write!(f, "{address} belongs to {owner}, sent to {receiver}")
            }
        }
    }
}

/// The contradictions of one level of encapsulation.
pub(crate) fn find<'m>(
    map: &'m PodMap,
    outer: &Headers<'_>,
    tunnel: &Tunnel<'_>,
    inner: &Headers<'_>,
) -> impl Iterator<Item = Fault<'m>> {
    let suspect = vni_of(tunnel).filter(|vni| may_be_wrong(map, outer, inner, vni.number()));
    let faults = suspect.and_then(|vni| {
        let (source, destination) = (map.owner(inner.source()?), map.owner(inner.destination()?));
        let is_ip = inner.ipv4().is_some() || inner.ipv6().is_some();
        let ends = is_ip.then_some([source, destination])?;
        Some([
            mac(map, inner, ends, vni.number()),
            unknown_vni(map, outer, ends, vni.number()),
            elsewhere(map, outer, inner, destination),
        ])
    });
    faults.into_iter().flatten().flatten()
}

/// A glance that nearly all packets of a healthy cluster get no further than.
#[inline]
fn may_be_wrong(map: &PodMap, outer: &Headers<'_>, inner: &Headers<'_>, vni: u32) -> bool {
    let is_vtep = |mac: Option<MacAddr>| mac.is_some_and(|mac| map.is_vtep_mac(mac.0));
    let is_elsewhere = || {
        let receiver = outer.destination().and_then(|address| map.node_id_by_vtep(address));
        let owner = inner.destination().and_then(|address| map.owner(address).node_id());
        receiver.is_some() && receiver != owner
    };
    map.has_vteps()
        && (is_vtep(inner.source_mac()) != is_vtep(inner.destination_mac())
            || map.has_vni(vni) == Some(false)
            || is_elsewhere())
}

#[inline]
fn vni_of(tunnel: &Tunnel<'_>) -> Option<Vni> {
    matches!(tunnel.protocol(), Protocol::Vxlan | Protocol::VxlanGbp).then(|| tunnel.vni())?
}

/// Routed frames go from VTEP to VTEP: where one end is a VTEP's, the other has to be, if it is
/// known which that node has. Where neither is, it is another kind of overlay.
fn mac<'m>(
    map: &'m PodMap,
    inner: &Headers<'_>,
    [source, destination]: [Owner<'_>; 2],
    vni: u32,
) -> Option<Fault<'m>> {
    let (from, to) = (inner.source_mac()?, inner.destination_mac()?);
    match (map.vtep_by_mac(from.0), map.vtep_by_mac(to.0)) {
        (Some(_), None) if !to.is_multicast() => {
            routed_to(map, destination, vni).then_some(Fault::DestinationMac(to, vni))
        }
        (None, Some(_)) => routed_to(map, source, vni).then_some(Fault::SourceMac(from, vni)),
        _ => None,
    }
}

/// Whether this is an address behind a VTEP whose MAC address is known.
fn routed_to(map: &PodMap, owner: Owner<'_>, vni: u32) -> bool {
    node_behind_vtep(owner).is_some_and(|_| {
        let is_its = |vtep: &Vtep<'_>| {
            Some(vtep.node) == owner.node()
                && vtep.record.mac.is_some()
                && vtep.record.vni == Some(vni)
        };
        map.vteps().any(|vtep| is_its(&vtep))
    })
}

/// Not what other overlays have between the same nodes: both ends must be the cluster's. Where only
/// one is known to be, as when the kernel lost the row of the other, the outer addresses of two
/// VTEPs stand for it.
fn unknown_vni<'m>(
    map: &'m PodMap,
    outer: &Headers<'_>,
    ends: [Owner<'_>; 2],
    vni: u32,
) -> Option<Fault<'m>> {
    if map.has_vni(vni) != Some(false) {
        return None;
    }
    let between_vteps = || {
        let ends = [outer.source(), outer.destination()];
        ends.into_iter().all(|end| {
            end.is_some_and(|end| map.vteps().any(|vtep| vtep.record.underlay == Some(end)))
        })
    };
    let known = ends.into_iter().filter(|end| node_behind_vtep(*end).is_some()).count();
    (known == 2 || (known == 1 && between_vteps())).then_some(Fault::Vni(vni))
}

/// Flannel gives a node one range, whose first address is its VTEP's. Elsewhere a pod may have an
/// address out of another node's range; Calico's VTEPs, which can be told by their MAC addresses,
/// get such packets rightly.
fn elsewhere<'m>(
    map: &'m PodMap,
    outer: &Headers<'_>,
    inner: &Headers<'_>,
    owner: Owner<'m>,
) -> Option<Fault<'m>> {
    let address = outer.destination()?;
    let receiver = map.node_id_by_vtep(address)?;
    let node = node_behind_vtep(owner)?;
    if node == receiver {
        return None;
    }
    let vtep = map.owner(owner.cidr()?.address());
    let is_flannels = vtep.kind() == Kind::Vtep && vtep.node_id() == Some(node);
    let is_calicos = inner.destination_mac().is_some_and(|mac| mac.0[0] == CALICO);
    (is_flannels && (owner.pod().is_some() || !is_calicos)).then_some(Fault::Elsewhere {
        address: inner.destination()?,
        owner: owner.node()?,
        receiver: map.node_by_vtep(address)?,
    })
}

/// The first byte of Calico's VTEPs' MAC addresses (`felix/dataplane/linux/vxlan_mgr.go`).
const CALICO: u8 = 0x66;

/// The node of a pod or tunnel device.
fn node_behind_vtep(owner: Owner<'_>) -> Option<NodeId> {
    matches!(owner.kind(), Kind::Pod | Kind::Vtep).then(|| owner.node_id())?
}
