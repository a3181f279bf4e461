//! The answer to "whose address is this".

use std::fmt;

use crate::map::{PodMap, Record};
use crate::ranges::NONE;
use crate::{Cidr, NodeId, PodId};

/// What the owner of an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A pod; which one is known only where pods or endpoints are in the map.
    Pod,
    /// A service.
    Service,
    /// A node, by its address in the underlay.
    Node,
    /// A node's tunnel device: the inner address of what the node itself sends through the tunnel.
    Vtep,
    /// Nobody in the map.
    External,
    /// There is no map, or none that would know: see [`Builder::mark_partial`](crate::Builder::mark_partial).
    Unknown,
}

impl Kind {
    /// The kind's name in JSON and CSV: `pod`, `service`, `node`, `vtep`, `external`, `unknown`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "pod",
            Self::Service => "service",
            Self::Node => "node",
            Self::Vtep => "vtep",
            Self::External => "external",
            Self::Unknown => "unknown",
        }
    }
}

/// Who has an address, borrowed from the map: two words, `Copy`, and asking it allocates nothing.
#[derive(Clone, Copy)]
pub struct Owner<'m> {
    pub(crate) map: &'m PodMap,
    pub(crate) record: &'m Record,
}

impl<'m> Owner<'m> {
    /// What the owner is.
    #[inline]
    pub fn kind(self) -> Kind {
        self.record.kind
    }

    /// The range that tells the owner: the podCIDR of a pod or VTEP, the range of services or nodes.
    /// `None` where only the address itself is in the map, or nothing is.
    pub fn cidr(self) -> Option<Cidr> {
        self.map.range_of(self.record)
    }

    /// The node: of a pod where it runs, else the owner itself.
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

    /// The owner as one word of text, made when the map was built:
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
    /// | `?` | not known: there is no map, or it sees a part of the cluster only |
    #[inline]
    pub fn label(self) -> &'m str {
        self.map.texts.text(self.record.label)
    }

    /// The name of the pod or service.
    pub(crate) fn name(self) -> Option<&'m str> {
        self.named().then(|| self.map.texts.text(self.record.name))
    }

    fn named(self) -> bool {
        self.record.name != crate::text::Text::default()
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
