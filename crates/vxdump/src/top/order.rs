//! Columns that rows are sorted by.

use std::cmp::Ordering;

use clap::ValueEnum;

use super::rates::{Row, sum};

/// Columns to sort by.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// Bytes a second.
    #[default]
    Bytes,
    /// Packets a second.
    Packets,
    /// Flows that failed: without answer, rejected, or ended by a reset.
    Failed,
    /// Retransmissions.
    Retransmits,
    /// Round-trip time.
    Rtt,
    /// Names of the ends.
    Name,
}

impl Order {
    /// The order in which rows come first to last: what is most first, names from A to Z.
    pub(super) fn compare(self, a: &Row, b: &Row) -> Ordering {
        let names = || a.ends.cmp(&b.ends);
        let most = match self {
            Self::Bytes => sum(b.bytes).cmp(&sum(a.bytes)),
            Self::Packets => b.packets.cmp(&a.packets),
            Self::Failed => b.failed.cmp(&a.failed),
            Self::Retransmits => b.retransmits.cmp(&a.retransmits),
            Self::Rtt => b.rtt.cmp(&a.rtt),
            Self::Name => return names(),
        };
        // pairs of equal rates stay where they are from one refresh to the next
        most.then_with(|| b.total_bytes.cmp(&a.total_bytes)).then_with(names)
    }
}
