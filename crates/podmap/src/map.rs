//! The map itself: immutable, and shared between threads.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;

use crate::backends::{Backends, Service};
use crate::cidr::Cidr;
use crate::fact::VtepRecord;
use crate::kind::Kind;
use crate::ranges::Ranges;
use crate::text::{Text, Texts};
use crate::warning::Warning;

/// A node's number in one [`PodMap`]. Numbers of two maps have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) u32);

/// A pod's number in one [`PodMap`]. Numbers of two maps have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodId(pub(crate) u32);

/// One owner: of a range, or of a single address.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    /// What it owns.
    pub(crate) key: Cidr,
    /// Whether it was given as an address, not as a range that may be a single address wide.
    pub(crate) single: bool,
    /// For a single address, the range around it: an index of [`PodMap::records`], or
    /// [`NONE`](crate::ranges::NONE).
    pub(crate) within: u32,
    pub(crate) node: u32,
    pub(crate) pod: u32,
    pub(crate) namespace: Text,
    pub(crate) name: Text,
    pub(crate) label: Text,
    pub(crate) source: u32,
}

/// A node's tunnel endpoint as the map keeps it.
#[derive(Debug)]
pub(crate) struct VtepEntry {
    pub(crate) node: u32,
    pub(crate) vtep: VtepRecord,
    pub(crate) source: u32,
}

/// Whose address is this: made by a [`Builder`](crate::Builder), never changed after.
///
/// # Which owner counts
/// A row for the single address counts before any range. If several rows claim the address, the
/// first of this list counts:
///
/// 1. a pod, by its own status
/// 2. a service, by its cluster IP
/// 3. a tunnel device
/// 4. a node
/// 5. a pod, by an endpointslice
/// 6. a service, by an external or load-balancer address
/// 7. a pod that has ended
///
/// Otherwise the range with the longest prefix counts; of equal ranges a podCIDR before a service
/// CIDR before a node CIDR.
///
/// Within one rank the later source counts, and a [`Warning`] says so.
/// Addresses are not converted: `::ffff:10.244.1.5` is an IPv6 address.
#[derive(Debug)]
pub struct PodMap {
    pub(crate) texts: Texts,
    /// Who has an address that no row has: external, or unknown in an empty map.
    pub(crate) nobody: Record,
    /// The same for addresses that may be the cluster's, in a map that sees a part of it only.
    pub(crate) somebody: Option<Record>,
    pub(crate) records: Vec<Record>,
    pub(crate) addresses4: HashMap<u32, u32, RandomState>,
    pub(crate) addresses6: HashMap<u128, u32, RandomState>,
    pub(crate) ranges4: Ranges<u32>,
    pub(crate) ranges6: Ranges<u128>,
    pub(crate) nodes: Vec<Text>,
    pub(crate) node_ids: HashMap<String, u32>,
    pub(crate) underlays: HashMap<IpAddr, u32, RandomState>,
    pub(crate) macs: HashMap<[u8; 6], u32, RandomState>,
    pub(crate) vteps: Vec<VtepEntry>,
    /// The identifiers of the tunnel endpoints, sorted; `None` where those of some are not known.
    pub(crate) vnis: Option<Vec<u32>>,
    pub(crate) backends: Backends,
    pub(crate) sources: Vec<String>,
    pub(crate) warnings: Vec<Warning>,
}

/// One tunnel endpoint of the map, for printing it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vtep<'m> {
    /// Its node.
    pub node: &'m str,
    /// What is known of it.
    pub record: VtepRecord,
    /// The source that first named it.
    pub source: &'m str,
}

impl PodMap {
    /// The service that has a backend at this address and port, as endpointslices say. kube-proxy
    /// replaces a service's address with a backend's, so this gives the service back. `protocol` is
    /// the number in the IP header. Of several services, one that names the port counts before one
    /// that has any port, then one with a cluster IP before others, then the first by namespace and
    /// name. At most 64 slices of an address count.
    #[inline]
    pub fn service_behind(&self, address: IpAddr, protocol: u8, port: u16) -> Option<Service<'_>> {
        self.backends.find(address, protocol, port, &self.texts)
    }

    /// The node with this address in the underlay, which is the outer address of its tunnel
    /// packets.
    #[inline]
    pub fn node_by_vtep(&self, outer: IpAddr) -> Option<&str> {
        self.underlays.get(&outer).and_then(|&id| self.node_name(id))
    }

    /// The number of the node with this address in the underlay.
    #[inline]
    pub fn node_id_by_vtep(&self, outer: IpAddr) -> Option<NodeId> {
        self.underlays.get(&outer).map(|&id| NodeId(id))
    }

    /// The node whose tunnel device has this MAC address.
    #[inline]
    pub fn node_by_vtep_mac(&self, mac: [u8; 6]) -> Option<&str> {
        self.vtep_by_mac(mac).map(|vtep| vtep.node)
    }

    /// Whether a node's tunnel device has this MAC address.
    #[inline]
    pub fn is_vtep_mac(&self, mac: [u8; 6]) -> bool {
        self.macs.contains_key(&mac)
    }

    /// The tunnel endpoint whose device has this MAC address.
    pub fn vtep_by_mac(&self, mac: [u8; 6]) -> Option<Vtep<'_>> {
        let entry = self.vteps.get(*self.macs.get(&mac)? as usize)?;
        Some(self.vtep(entry))
    }

    /// Whether the map has tunnel endpoints with their MAC addresses.
    #[inline]
    pub fn has_vteps(&self) -> bool {
        !self.macs.is_empty()
    }

    /// Whether a tunnel endpoint has this network identifier; `None` where the identifiers of some
    /// endpoints are not known.
    #[inline]
    pub fn has_vni(&self, vni: u32) -> Option<bool> {
        self.vnis.as_ref().map(|vnis| vnis.binary_search(&vni).is_ok())
    }

    /// The node of this name, for selecting by [`Owner::node_id`](crate::Owner::node_id).
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        self.node_ids.get(name).map(|&id| NodeId(id))
    }

    /// The names of all nodes, in the order in which the sources named them first.
    pub fn nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes.iter().map(|name| self.texts.text(*name))
    }

    /// All tunnel endpoints, in the order in which the sources first named them.
    pub fn vteps(&self) -> impl Iterator<Item = Vtep<'_>> {
        self.vteps.iter().map(|entry| self.vtep(entry))
    }

    /// Whether the map has no rows, so that every owner is [`Kind::Unknown`].
    pub fn is_empty(&self) -> bool {
        self.nobody.kind == Kind::Unknown
    }

    /// What is odd about the sources: contradictions, and files that say nothing.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// The range that a record's owner is known by: its own, or, of a single address, the range of
    /// the same kind around it.
    pub(crate) fn range_of(&self, record: &Record) -> Option<Cidr> {
        if matches!(record.kind, Kind::External | Kind::Unknown) {
            return None;
        }
        if !record.single {
            return Some(record.key);
        }
        let around = self.records.get(record.within as usize)?;
        let of_kind = if record.kind == Kind::Vtep { Kind::Pod } else { record.kind };
        (around.kind == of_kind).then_some(around.key)
    }

    #[inline]
    pub(crate) fn node_name(&self, id: u32) -> Option<&str> {
        self.nodes.get(id as usize).map(|name| self.texts.text(*name))
    }

    pub(crate) fn source_label(&self, source: u32) -> &str {
        self.sources.get(source as usize).map_or("", String::as_str)
    }

    fn vtep<'m>(&'m self, entry: &'m VtepEntry) -> Vtep<'m> {
        Vtep {
            node: self.node_name(entry.node).unwrap_or(""),
            record: entry.vtep,
            source: self.source_label(entry.source),
        }
    }
}
