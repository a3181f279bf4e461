//! What a map's sources say that cannot all be true, or help nobody.

use std::fmt;
use std::net::IpAddr;

use crate::{Cidr, Kind};

/// Something a user should know about a map that could be built nevertheless.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Two nodes have the same podCIDR, or one that lies in the other's: their pods cannot be told
    /// apart, or packets go to the wrong node. For an address in both, the longer prefix counts,
    /// and of equal ones the later source.
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
    /// One address is given to two owners of one kind; the later one counts.
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
    /// Calico's or Cilium's own address blocks are known, so that the nodes' `spec.podCIDR`,
    /// which those do not use then, was left out where it says something else.
    PodCidrsSetAside {
        /// How many podCIDRs were left out.
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
                    "{kind} address {address} belongs to {other_label} ({other_source}) and to \
                     {label} ({source}); the first counts"
                )
            }
            Self::PodCidrsSetAside { count } => write!(
                f,
                "spec.podCIDR of nodes was left out {count} times, since the address blocks of \
                 Calico or Cilium are known"
            ),
            Self::NothingIn { source } => {
                write!(f, "{source}: nothing in it says whose an address is")
            }
        }
    }
}
