//! Kinds of pairs that the screen shows.

use clap::ValueEnum;

use crate::flows::ends::By;

/// Kinds of pairs.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Group {
    /// Pairs of pods; addresses where the map has no pod.
    #[default]
    #[value(name = "pod")]
    Pods,
    /// Pairs of nodes; VTEPs where the map has no node.
    #[value(name = "node")]
    Nodes,
    /// Networks.
    #[value(name = "vni")]
    Vnis,
    /// Clients, and the service or server that they talk to.
    #[value(name = "service")]
    Services,
}

impl Group {
    /// All of them, in the order of [`super::state::Snapshot::rows`].
    pub(super) const ALL: [Self; 4] = [Self::Pods, Self::Nodes, Self::Vnis, Self::Services];

    /// What flows are summed by.
    pub(super) const fn by(self) -> By {
        match self {
            Self::Pods => By::Pod,
            Self::Nodes => By::Node,
            Self::Vnis => By::Vni,
            Self::Services => By::Service,
        }
    }

    /// What the rows are called.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Pods => "pairs of pods",
            Self::Nodes => "pairs of nodes",
            Self::Vnis => "VNIs",
            Self::Services => "clients and services",
        }
    }
}
