//! What a map is made of: rows, each of which says one thing about addresses.

use std::net::IpAddr;

use crate::cidr::Cidr;

/// The number of a file, a kernel table or whatever else rows come from, in one
/// [`Builder`](crate::Builder); made by [`Builder::source`](crate::Builder::source).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub(crate) u32);

/// How a source names a node. Kubernetes has names. The kernel and flannel's store have only
/// addresses; the name is found where another source has the same address or podCIDR.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NodeRef {
    /// The node of this name.
    Name(String),
    /// The node with this address in the underlay. Where no source gives its name, the address is
    /// its name.
    Address(IpAddr),
    /// The node that the source was read on: the name that
    /// [`Builder::local_node`](crate::Builder::local_node) gives, else one that is found as for an
    /// address, else `local`.
    Local,
}

impl From<&str> for NodeRef {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl From<String> for NodeRef {
    fn from(name: String) -> Self {
        Self::Name(name)
    }
}

impl From<IpAddr> for NodeRef {
    fn from(address: IpAddr) -> Self {
        Self::Address(address)
    }
}

/// What is known of a tunnel endpoint. Records of one endpoint from several sources are merged.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VtepRecord {
    /// The node's address in the underlay: the outer address of tunnel packets.
    pub underlay: Option<IpAddr>,
    /// The tunnel device's own address (`x.y.z.0` on `flannel.1`): the inner source of what the
    /// node itself sends to a remote pod.
    pub address: Option<IpAddr>,
    /// The tunnel device's MAC address: the inner destination MAC of what is sent to the node.
    pub mac: Option<[u8; 6]>,
    /// The VXLAN network identifier, 24 bits.
    pub vni: Option<u32>,
}

/// What a row says.
#[derive(Clone, Debug)]
pub(crate) enum Fact {
    /// A range of addresses of one node's pods.
    PodCidr {
        node: NodeRef,
        cidr: Cidr,
        grant: Grant,
    },
    /// A range of pod addresses of the whole cluster.
    PodNetwork(Cidr),
    ServiceCidr(Cidr),
    NodeCidr(Cidr),
    NodeAddress {
        node: NodeRef,
        address: IpAddr,
    },
    Vtep {
        node: NodeRef,
        vtep: VtepRecord,
    },
    Pod {
        namespace: String,
        name: String,
        address: IpAddr,
        node: Option<NodeRef>,
        claim: PodClaim,
    },
    Service {
        namespace: String,
        name: String,
        address: IpAddr,
        claim: ServiceClaim,
    },
    ServicePorts {
        namespace: String,
        name: String,
        ports: Vec<ServicePort>,
    },
    /// Each address has each of the ports.
    Backends {
        namespace: String,
        name: String,
        addresses: Vec<IpAddr>,
        ports: Vec<ServicePort>,
    },
}

/// A port of a service, or of a backend that serves it.
///
/// Callers build it, so a new field is a breaking change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its name, the same for the service's port and the backend's; empty where a service has one
    /// port without a name.
    pub name: String,
    /// Number of the protocol in the IP header: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// The port; `None` for a backend that serves any port.
    pub number: Option<u16>,
}

/// Who gave a node its range of pod addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// `spec.podCIDR` of the Node object, which counts only where no address manager is known.
    Spec,
    /// The user, or the kernel's routes.
    Given,
    /// Calico or Cilium.
    Block,
}

/// How certain it is that a pod has an address now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum PodClaim {
    /// The pod's own status says so.
    Status,
    /// An endpointslice says so. Slices also list addresses of nodes, for pods with their node's
    /// network.
    Endpoint,
    /// The pod had the address, and has ended (phase `Succeeded` or `Failed`): another pod may have
    /// the address by now.
    Ended,
}

/// How a service has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ServiceClaim {
    /// As its cluster IP, which nobody else has.
    Cluster,
    /// As an external or load-balancer address. Often that is a node's own address (`ServiceLB` of
    /// k3s); then the owner is the node.
    External,
}

/// One row: what is said, and who said it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) source: SourceId,
    pub(crate) fact: Fact,
}
