//! Where the rows of a map are gathered.

use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::fact::{
    Entry, Fact, Grant, NodeRef, PodClaim, ServiceClaim, ServicePort, SourceId, VtepRecord,
};
use crate::text::{NameError, check_name};

/// Gathers rows from files, a kernel and a user, and makes a [`PodMap`](crate::PodMap) of them.
///
/// Where two sources name different owners of a range or an address, the later source counts. So
/// add them from the general to the particular: the kernel, files, what the user says. A source
/// whose content changes is [forgotten](Builder::forget) and filled again; it keeps its rank.
///
/// The readers check the names that they read. The `add_` methods take names as they are: check
/// names from elsewhere with [`Builder::check_name`].
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
    pub(crate) barren: Vec<SourceId>,
    /// Sources that see a part of the cluster only.
    pub(crate) partial: Vec<SourceId>,
}

impl Builder {
    /// A builder without rows, whose map knows nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a source: `label` is what [`PodMap::rows`](crate::PodMap::rows) and
    /// warnings call it.
    pub fn source(&mut self, label: impl Into<String>) -> SourceId {
        self.sources.push(label.into());
        SourceId((self.sources.len() - 1) as u32)
    }

    /// Drops all rows of a source, which stays usable and keeps its rank.
    pub fn forget(&mut self, source: SourceId) {
        self.rows.retain(|row| row.source != source);
        self.barren.retain(|barren| *barren != source);
    }

    /// Marks a source that sees only a part of the cluster, such as a node's kernel, which knows no
    /// services.
    ///
    /// In a map of partial sources alone, the owner of a private address without a row is
    /// [unknown](crate::Kind::Unknown); in other maps it is [external](crate::Kind::External).
    pub fn mark_partial(&mut self, source: SourceId) {
        self.partial.push(source);
    }

    /// Names the node that [`NodeRef::Local`] and flannel's `subnet.env` are about.
    pub fn local_node(&mut self, name: impl Into<String>) {
        self.local = Some(name.into());
    }

    /// Checks that `name` can be printed as the name of a node, namespace, pod or service.
    ///
    /// # Errors
    ///
    /// A [`NameError`] where the name is empty or too long, or has characters (spaces, control
    /// characters, `/`, `@`, `|`) that would make output ambiguous or disturb a terminal.
    pub fn check_name(name: &str) -> Result<(), NameError> {
        check_name(name)
    }

    /// The pods of a node have addresses of this range.
    pub fn add_pod_cidr(&mut self, source: SourceId, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Given });
    }

    /// The Node object has this range as its `spec.podCIDR`: as [`Builder::add_pod_cidr`], but it
    /// does not count in a map that knows of [blocks](Builder::add_pod_block).
    pub fn add_spec_pod_cidr(&mut self, source: SourceId, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Spec });
    }

    /// An address manager of its own (Calico, Cilium) gave this range to a node. Where there is
    /// one such row in the map, the podCIDRs of Node objects no longer count: those managers do not
    /// use them.
    pub fn add_pod_block(&mut self, source: SourceId, node: impl Into<NodeRef>, cidr: Cidr) {
        self.add(source, Fact::PodCidr { node: node.into(), cidr, grant: Grant::Block });
    }

    /// Pods have addresses of this range; on which node is not known.
    pub fn add_pod_network(&mut self, source: SourceId, cidr: Cidr) {
        self.add(source, Fact::PodNetwork(cidr));
    }

    /// Services have addresses of this range.
    pub fn add_service_cidr(&mut self, source: SourceId, cidr: Cidr) {
        self.add(source, Fact::ServiceCidr(cidr));
    }

    /// Nodes have addresses of this range.
    pub fn add_node_cidr(&mut self, source: SourceId, cidr: Cidr) {
        self.add(source, Fact::NodeCidr(cidr));
    }

    /// A node has this address in the underlay.
    pub fn add_node_address(
        &mut self,
        source: SourceId,
        node: impl Into<NodeRef>,
        address: IpAddr,
    ) {
        let (node, address) = (node.into(), address.to_canonical());
        self.add(source, Fact::NodeAddress { node, address });
    }

    /// A node has this tunnel endpoint.
    pub fn add_vtep(&mut self, source: SourceId, node: impl Into<NodeRef>, vtep: VtepRecord) {
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
        source: SourceId,
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
        source: SourceId,
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
        source: SourceId,
        (namespace, name): (&str, &str),
        ports: Vec<ServicePort>,
    ) {
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        self.add(source, Fact::ServicePorts { namespace, name, ports });
    }

    /// These addresses serve a service, each at all of these ports; at any port where `ports` is
    /// empty. The row says nothing of who owns the addresses.
    pub fn add_backends(
        &mut self,
        source: SourceId,
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

    fn add(&mut self, source: SourceId, fact: Fact) {
        self.rows.push(Entry { source, fact });
    }
}
