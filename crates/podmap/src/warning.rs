//! What is odd about a map's sources: contradictions, and files that say nothing.

use std::fmt;
use std::net::IpAddr;

use crate::cidr::Cidr;
use crate::kind::Kind;

/// Something that a user should know about a map. The map is built nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Two nodes have the same podCIDR, or one node's podCIDR lies in the other's. Then pods cannot
    /// be told apart, or packets go to the wrong node. For an address in both ranges the longer
    /// prefix counts; of equal ranges, the later source counts.
    OverlappingPodCidrs {
        /// The wider range, or the one that was given first.
        cidr: Cidr,
        /// Its node.
        node: String,
        /// Where it was read.
        source: String,
        /// The range inside it, or the equal one that was given later.
        other_cidr: Cidr,
        /// That one's node.
        other_node: String,
        /// Where that one was read.
        other_source: String,
    },
    /// Two owners of one kind claim an address. The later one counts.
    AddressTwice {
        /// The address.
        address: IpAddr,
        /// What both owners are.
        kind: Kind,
        /// The owner that does not count, as [`Owner::label`](crate::Owner::label) writes it.
        label: String,
        /// Where it was read.
        source: String,
        /// The owner that counts.
        other_label: String,
        /// Where that one was read.
        other_source: String,
    },
    /// Calico or Cilium give pods addresses of their own blocks, which the map has, and do not use
    /// `spec.podCIDR` of Node objects. So podCIDRs that say something else were set aside.
    PodCidrsSetAside {
        /// How many.
        count: usize,
    },
    /// A file was read, but the map takes nothing from it.
    NothingIn {
        /// The file.
        source: String,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OverlappingPodCidrs {
                cidr,
                node,
                source,
                other_cidr,
                other_node,
                other_source,
            } => write!(
                f,
                "podCIDR {other_cidr} of node {other_node} ({other_source}) overlaps {cidr} of \
                 node {node} ({source})"
            ),
            Self::AddressTwice { address, kind, label, source, other_label, other_source } => {
                let kind = kind.as_str();
                write!(
                    f,
                    "{kind} address {address} is claimed by {other_label} ({other_source}) and by \
                     {label} ({source}); {other_label} is used"
                )
            }
            Self::PodCidrsSetAside { count } => write!(
                f,
                "spec.podCIDR of Node objects is not used ({count} times): Calico or Cilium give pods \
                 addresses of their own blocks"
            ),
            Self::NothingIn { source } => {
                write!(f, "{source}: it says nothing about addresses")
            }
        }
    }
}
