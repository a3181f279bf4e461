//! A flow as a row.

use std::cmp::{Ordering, Reverse};
use std::net::IpAddr;

use podmap::PodMap;
use vxflow::{ConnState, Counts, FlowKey, FlowRecord};
use vxlan::{IpProtocol, TcpFlags};

use super::ends::protocol_name;
use super::outcome::Trouble;
use super::row::{Row, Value};
use super::sort::Sort;

/// What a row says of a flow, and what rows are sorted by: less than its record has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlowRow {
    pub(crate) key: FlowKey,
    /// Nanoseconds since the Unix epoch.
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) vteps: Option<(IpAddr, IpAddr)>,
    /// What the opener sent, and what the other end did.
    pub(crate) sent: [Sent; 2],
    pub(crate) state: ConnState,
    /// Nanoseconds.
    pub(crate) rtt: Option<i64>,
    /// It came to some [`Trouble`].
    pub(crate) has_failed: bool,
}

/// What one end sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) packets: u64,
    pub(crate) bytes: u64,
    pub(crate) tcp_flags: TcpFlags,
    pub(crate) retransmits: u32,
}

/// What comes first of two rows: the one that has more, or else began earlier.
pub(crate) type Rank = (Reverse<u64>, i64);

impl From<&FlowRecord> for FlowRow {
    fn from(flow: &FlowRecord) -> Self {
        let sent = |counts: &Counts| {
            let Counts { packets, bytes, tcp_flags, retransmits, .. } = *counts;
            Sent { packets, bytes, tcp_flags, retransmits }
        };
        Self {
            key: flow.key,
            first: flow.first,
            last: flow.last,
            vteps: flow.vteps,
            sent: [sent(&flow.forward), sent(&flow.reverse)],
            state: flow.state,
            rtt: flow.rtt(),
            has_failed: Trouble::of(flow).is_some(),
        }
    }
}

impl FlowRow {
    const fn duration(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }

    /// Where it is in the order; of equals it depends on key and last time.
    pub(crate) fn rank(&self, sort: Sort) -> Rank {
        let [f, r] = &self.sent;
        let measure = match sort {
            Sort::Bytes => f.bytes.saturating_add(r.bytes),
            Sort::Packets => f.packets.saturating_add(r.packets),
            Sort::Duration => ordered(self.duration()),
            Sort::Rtt => self.rtt.map_or(0, ordered),
            Sort::Retransmits => u64::from(f.retransmits) + u64::from(r.retransmits),
            Sort::Failed => self.has_failed.into(),
            Sort::First | Sort::Flows => 0,
        };
        (Reverse(measure), self.first)
    }
}

/// Numbers in the order of the signed ones.
const fn ordered(number: i64) -> u64 {
    number.cast_unsigned() ^ 1 << 63
}

impl Row for FlowRow {
    fn values<'a>(&'a self, map: &'a PodMap, into: &mut Vec<Value<'a>>) {
        let key = &self.key;
        let [source, destination] = [key.source, key.destination].map(|address| map.owner(address));
        let tcp = key.protocol == IpProtocol::TCP;
        let only_tcp = |value: Value<'a>| if tcp { value } else { Value::Absent };
        let vtep = |vtep: Option<IpAddr>| vtep.map_or(Value::Absent, Value::Address);
        let (vtep_source, vtep_destination) = self.vteps.unzip();
        let [forward, reverse] = &self.sent;
        into.extend([
            Value::Time(self.first),
            Value::Time(self.last),
            Value::Seconds(self.duration()),
            Value::number(key.vni.map(vxlan::Vni::number)),
            Value::Text(protocol_name(key.protocol)),
            Value::Address(key.source),
            Value::number(key.source_port()),
            Value::Address(key.destination),
            Value::number(key.destination_port()),
            Value::name(source.node()),
            Value::name(destination.node()),
            Value::name(Some(source.label())),
            Value::name(Some(destination.label())),
            vtep(vtep_source),
            vtep(vtep_destination),
            Value::Number(forward.packets),
            Value::Number(forward.bytes),
            Value::Number(reverse.packets),
            Value::Number(reverse.bytes),
            Value::name(Some(self.state.name())),
            only_tcp(Value::Flags(forward.tcp_flags)),
            only_tcp(Value::Flags(reverse.tcp_flags)),
            Value::millis(self.rtt),
            only_tcp(Value::Number(forward.retransmits.into())),
            only_tcp(Value::Number(reverse.retransmits.into())),
        ]);
    }

    fn compare(&self, other: &Self, sort: Sort) -> Ordering {
        let ends = |row: &Self| (row.key, row.last);
        self.rank(sort).cmp(&other.rank(sort)).then_with(|| ends(self).cmp(&ends(other)))
    }
}
