//! Where a map's rows are gathered before it is built.

use std::net::IpAddr;

use crate::text::fault_of_name;
use crate::{Cidr, PodMap};

/// Which file, flag or kernel table a row came from; made by [`Builder::source`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source(pub(crate) u32);

/// How a source names a node. Kubernetes has names; the kernel and flannel's store only know
/// addresses, and find the name where another source gives the same address or podCIDR.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NodeRef {
    /// The node of this name.
    Name(String),
    /// The node with this underlay address; named so where nothing gives its name.
    Address(IpAddr),
    /// The node that the source was read on: [`Builder::local_node`], else found as for an
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

/// What is known of a tunnel endpoint. What several sources say of one is put together.
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// Its name, the same of both; empty for the only port of a service that does not name it.
    pub name: String,
    /// Number of the protocol in the IP header: 6 TCP, 17 UDP, 132 SCTP.
    pub protocol: u8,
    /// The port; `None` of a backend: any.
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

/// How sure it is that a pod has an address now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PodClaim {
    /// The pod's own status says so.
    Status,
    /// An endpointslice says so; it also lists addresses of nodes.
    Endpoint,
    /// The pod had it and has ended (phase `Succeeded` or `Failed`): the address may be another
    /// pod's since.
    Ended,
}

/// How a service has an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ServiceClaim {
    /// As its cluster IP, which nobody else has.
    Cluster,
    /// As an external or load-balancer address, which is often a node's own (k3s' `ServiceLB`), and
    /// then names the node.
    External,
}

/// One row: what is said, and who said it.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) source: Source,
    pub(crate) fact: Fact,
}

/// Gathers rows from files, flags and the kernel, and makes a [`PodMap`] of them.
///
/// Later sources win over earlier ones where both name an owner for the same range or address, so
/// they are best added from the general to the particular: kernel, files, flags. A source that
/// changes is forgotten and filled again ([`Builder::forget`]), keeping its rank.
///
/// Names given to the `add_` methods are taken as they are. The readers check what they read; names
/// from elsewhere can be checked with [`Builder::check_name`].
///
/// ```
/// use podmap::{Builder, Kind};
///
/// let mut builder = Builder::new();
/// let kernel = builder.source("kernel");
/// builder.add_pod_cidr(kernel, "worker", "10.244.1.0/24".parse()?);
/// assert_eq!(builder.build().owner("10.244.1.5".parse()?).node(), Some("worker"));
///
/// // the route is gone: say anew what the kernel says, and build again
/// builder.forget(kernel);
/// builder.add_node_address(kernel, "worker", "172.18.0.3".parse()?);
/// let map = builder.build();
/// assert_eq!(map.owner("10.244.1.5".parse()?).kind(), Kind::External);
/// assert_eq!(map.owner("172.18.0.3".parse()?).label(), "node:worker");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Builder {
    pub(crate) sources: Vec<String>,
    pub(crate) rows: Vec<Entry>,
    pub(crate) local: Option<String>,
    /// Files that were read and gave no row.
    pub(crate) barren: Vec<Source>,
    /// Sources that see a part of the cluster only.
    pub(crate) partial: Vec<Source>,
}

impl Builder {
    /// A builder without rows; [`Builder::build`] makes a map of it that knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a source: `label` is what [`PodMap::rows`] and warnings call it.
    pub fn source(&mut self, label: impl Into<String>) -> Source {
        self.sources.push(label.into());
        Source((self.sources.len() - 1) as u32)
    }

    /// Drops all rows of a source, which stays usable and keeps its rank.
    pub fn forget(&mut self, source: Source) {
        self.rows.retain(|row| row.source != source);
        self.barren.retain(|barren| *barren != source);
    }

    /// Says that a source sees a part of the cluster only, as a node's kernel, which knows no services: in a map of
    /// nothing else, whoever has a private address that no row has is not known, where they would be external else.
    pub fn mark_partial(&mut self, source: Source) {
        self.partial.push(source);
    }

    /// Names the node that [`NodeRef::Local`] and flannel's subnet.env speak of.
    pub fn local_node(&mut self, name: impl Into<String>) {
        self.local = Some(name.into());
    }

    /// Says why `name` cannot be printed as a name: empty, too long, or with characters (spaces,
    /// control characters, `/`, `@`, `|`) that would make output ambiguous or disturb a terminal.
    ///
    /// # Errors
    ///
    /// The reason, as a phrase.
    pub fn check_name(name: &str) -> Result<(), &'static str> {
        fault_of_name(name).map_or(Ok(()), Err)
    }

    /// The pods of a node have addresses of this range.
    pub fn add_pod_cidr(&mut self, source: Source, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Given });
    }

    /// The Node object has this range as its `spec.podCIDR`: as [`Builder::add_pod_cidr`], but it
    /// does not count in a map that knows of [blocks](Builder::add_pod_block).
    pub fn add_spec_pod_cidr(&mut self, source: Source, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Spec });
    }

    /// An address manager of its own (Calico, Cilium) gave this range to a node. Where there is
    /// one such row in the map, the podCIDRs of Node objects no longer count: those managers do not
    /// use them.
    pub fn add_pod_block(&mut self, source: Source, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Block });
    }

    /// Pods have addresses of this range; on which node is not known.
    pub fn add_pod_network(&mut self, source: Source, cidr: Cidr) {
        self.add(source, Fact::PodNetwork(cidr));
    }

    /// Services have addresses of this range.
    pub fn add_service_cidr(&mut self, source: Source, cidr: Cidr) {
        self.add(source, Fact::ServiceCidr(cidr));
    }

    /// Nodes have addresses of this range.
    pub fn add_node_cidr(&mut self, source: Source, cidr: Cidr) {
        self.add(source, Fact::NodeCidr(cidr));
    }

    /// A node has this address in the underlay.
    pub fn add_node_address(&mut self, source: Source, node: impl Into<NodeRef>, address: IpAddr) {
        let (node, address) = (node.into(), address.to_canonical());
        self.add(source, Fact::NodeAddress { node, address });
    }

    /// A node has this tunnel endpoint.
    pub fn add_vtep(&mut self, source: Source, node: impl Into<NodeRef>, vtep: VtepRecord) {
        let vtep = VtepRecord {
            underlay: vtep.underlay.map(|address| address.to_canonical()),
            address: vtep.address.map(|address| address.to_canonical()),
            ..vtep
        };
        self.add(source, Fact::Vtep { node: node.into(), vtep });
    }

    /// A pod has this address; `node` is where it runs, if known. Pods with their node's network
    /// must not be added: their address is the node's.
    pub fn add_pod(
        &mut self,
        source: Source,
        (namespace, name): (&str, &str),
        address: IpAddr,
        node: Option<NodeRef>,
        claim: PodClaim,
    ) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let address = address.to_canonical();
        self.add(source, Fact::Pod { namespace, name, address, node, claim });
    }

    /// A service has this address.
    pub fn add_service(
        &mut self,
        source: Source,
        (namespace, name): (&str, &str),
        address: IpAddr,
        claim: ServiceClaim,
    ) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let address = address.to_canonical();
        self.add(source, Fact::Service { namespace, name, address, claim });
    }

    /// A service has these ports.
    pub fn add_service_ports(
        &mut self,
        source: Source,
        (namespace, name): (&str, &str),
        ports: Vec<ServicePort>,
    ) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.add(source, Fact::ServicePorts { namespace, name, ports });
    }

    /// What has one of these addresses serves a service at each of these ports; at any port where there are none. It says
    /// nothing of whose the addresses are.
    pub fn add_backends(
        &mut self,
        source: Source,
        (namespace, name): (&str, &str),
        mut addresses: Vec<IpAddr>,
        ports: Vec<ServicePort>,
    ) {
        for address in &mut addresses {
            *address = address.to_canonical();
        }
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.add(source, Fact::Backends { namespace, name, addresses, ports });
    }

    /// Makes the map. The builder stays as it is, for more rows and another map.
    pub fn build(&self) -> PodMap {
        crate::assemble::assemble(self)
    }

    fn add(&mut self, source: Source, fact: Fact) {
        self.rows.push(Entry { source, fact });
    }
}
