//! Counts and times of a flow's packets.

use vxflow::FlowRecord;

/// Nanoseconds in a second.
pub(super) const SECOND: i64 = 1_000_000_000;

/// Counts and times of a flow's packets. Of two numbers the first is the opener's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traffic {
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub(super) first: i64,
    /// Time of the latest packet, nanoseconds since the Unix epoch.
    pub(super) last: i64,
    /// Packets each way.
    pub(super) packets: [u64; 2],
    /// Bytes of inner frames each way.
    pub(super) bytes: [u64; 2],
    /// TCP segments sent again, each way.
    pub(super) retransmits: [u32; 2],
    /// Round-trip time, nanoseconds.
    pub(super) rtt: Option<i64>,
}

impl Traffic {
    pub(super) fn of(flow: &FlowRecord) -> Self {
        let sides = [&flow.forward, &flow.reverse];
        Self {
            first: flow.first,
            last: flow.last,
            packets: sides.map(|counts| counts.packets),
            bytes: sides.map(|counts| counts.bytes),
            retransmits: sides.map(|counts| counts.retransmits),
            rtt: flow.rtt(),
        }
    }
}
