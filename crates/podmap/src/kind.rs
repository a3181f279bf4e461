//! What owners of addresses there are.

use std::fmt;

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
    /// The map is empty, or sees only a part of the cluster: see
    /// [`Builder::mark_partial`](crate::Builder::mark_partial).
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

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
