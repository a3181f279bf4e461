//! The answer to "whose address is this".

use std::fmt;
use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::kind::Kind;
use crate::map::{NodeId, PodId, PodMap, Record};
use crate::ranges::NONE;
use crate::text::Text;

/// Who has an address: two references into the map. Its methods allocate nothing.
#[derive(Clone, Copy)]
pub struct Owner<'m> {
    pub(crate) map: &'m PodMap,
    pub(crate) record: &'m Record,
}

impl PodMap {
    /// Who has `address`. There is always an answer: the owner of an address without a row is
    /// [external](Kind::External), and in an empty map [unknown](Kind::Unknown). In a map of
    /// [partial](crate::Builder::mark_partial) sources alone, owners of private addresses without a
    /// row are unknown too.
    #[inline]
    pub fn owner(&self, address: IpAddr) -> Owner<'_> {
        let id = match address {
            IpAddr::V4(a) => {
                let a = a.to_bits();
                match self.addresses4.get(&a) {
                    Some(id) => *id,
                    None => self.ranges4.find(a),
                }
            }
            IpAddr::V6(a) => {
                let a = a.to_bits();
                match self.addresses6.get(&a) {
                    Some(id) => *id,
                    None => self.ranges6.find(a),
                }
            }
        };
        let record = self.records.get(id as usize).unwrap_or_else(|| self.without_row(address));
        Owner { map: self, record }
    }

    /// The owner of an address without a row.
    fn without_row(&self, address: IpAddr) -> &Record {
        self.somebody.as_ref().filter(|_| !is_public(address)).unwrap_or(&self.nobody)
    }

    /// The pods that `NAME` (in any namespace) or `NS/NAME` means, sorted; for selecting by
    /// [`Owner::pod_id`].
    pub fn pods_named(&self, name: &str) -> Vec<PodId> {
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        let mut pods: Vec<PodId> = self
            .records
            .iter()
            .map(|record| Owner { map: self, record })
            .filter(|owner| owner.pod() == Some(name))
            .filter(|owner| namespace.is_none() || owner.namespace() == namespace)
            .filter_map(Owner::pod_id)
            .collect();
        pods.sort_unstable();
        pods.dedup();
        pods
    }
}

impl<'m> Owner<'m> {
    /// What the owner is.
    #[inline]
    pub fn kind(self) -> Kind {
        self.record.kind
    }

    /// The range that the address lies in: the podCIDR of a pod or VTEP, the range of services or
    /// of nodes. `None` where the map has only the address itself, or nothing.
    pub fn cidr(self) -> Option<Cidr> {
        self.map.range_of(self.record)
    }

    /// The node: the one on which a pod runs, or the owner itself.
    #[inline]
    pub fn node(self) -> Option<&'m str> {
        self.map.node_name(self.record.node)
    }

    /// The node's number in this map, for comparing without strings.
    #[inline]
    pub fn node_id(self) -> Option<NodeId> {
        (self.record.node != NONE).then_some(NodeId(self.record.node))
    }

    /// The namespace of the pod or service.
    pub fn namespace(self) -> Option<&'m str> {
        self.named().then(|| self.map.texts.text(self.record.namespace))
    }

    /// The name of the pod.
    pub fn pod(self) -> Option<&'m str> {
        (self.record.kind == Kind::Pod).then(|| self.name()).flatten()
    }

    /// The pod's number in this map, one for all its addresses.
    #[inline]
    pub fn pod_id(self) -> Option<PodId> {
        (self.record.pod != NONE).then_some(PodId(self.record.pod))
    }

    /// The name of the service.
    pub fn service(self) -> Option<&'m str> {
        (self.record.kind == Kind::Service).then(|| self.name()).flatten()
    }

    /// The owner as one word of text:
    ///
    /// | text | whose address |
    /// |---|---|
    /// | `NODE` | a pod on that node |
    /// | `NS/POD@NODE`, `NS/POD` | that pod, with its node if known |
    /// | `pod` | a pod; which and where is not known |
    /// | `svc:NS/NAME`, `svc` | that service, some service |
    /// | `node:NODE`, `node` | that node, some node |
    /// | `vtep:NODE` | that node's tunnel device (`x.y.z.0` of `flannel.1`) |
    /// | `external` | nobody's in the map |
    /// | `?` | not known: the map is empty, or sees only a part of the cluster |
    #[inline]
    pub fn label(self) -> &'m str {
        self.map.texts.text(self.record.label)
    }

    /// The name of the pod or service.
    pub(crate) fn name(self) -> Option<&'m str> {
        self.named().then(|| self.map.texts.text(self.record.name))
    }

    fn named(self) -> bool {
        self.record.name != Text::default()
    }
}

impl fmt::Display for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

impl fmt::Debug for Owner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("kind", &self.kind())
            .field("cidr", &self.cidr())
            .field("node", &self.node())
            .field("namespace", &self.namespace())
            .field("name", &self.name())
            .finish()
    }
}

/// Whether an address is one of the internet's, which a cluster seldom gives to pods and services:
/// not private, shared, local or special (RFC 6890, and the ranges of multicast and of the future),
/// of IPv6 a global unicast one.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            !(matches!(first, 0 | 127 | 224..)
                || address.is_private()
                || address.is_link_local()
                || address.is_documentation()
                // RFC 6598 and RFC 2544
                || (first == 100 && second & 0xc0 == 64)
                || (first == 198 && second & 0xfe == 18))
        }
        // RFC 4291 section 2.4, without RFC 3849's for documentation
        IpAddr::V6(address) => {
            let [first, second, ..] = address.segments();
            first & 0xe000 == 0x2000 && (first, second) != (0x2001, 0x0db8)
        }
    }
}
