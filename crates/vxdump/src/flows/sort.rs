//! What flows and their sums are sorted by.

use std::cmp::Ordering;

use clap::ValueEnum;

/// What flows are sorted by.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Bytes of both ends, the most first.
    Bytes,
    /// Packets of both ends, the most first.
    Packets,
    /// How long they lasted, the longest first.
    Duration,
    /// Round-trip time, the longest first.
    Rtt,
    /// TCP segments sent again by both ends, the most first.
    Retransmits,
    /// When they began, the earliest first.
    First,
    /// Flows in a sum, the most first.
    Flows,
    /// Flows that failed (not answered, rejected, or reset), the most first.
    Failed,
}

/// What can be sorted.
pub(crate) trait Sorted {
    /// Which of two comes first; never equal for two rows of one run.
    fn compare(&self, other: &Self, sort: Sort) -> Ordering;
}
