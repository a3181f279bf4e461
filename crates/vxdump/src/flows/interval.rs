//! Flows with what they sent since the last table.

use std::collections::HashMap;

use foldhash::fast::RandomState;
use vxflow::{Counts, Ends, FlowKey, FlowRecord, TableCounts};

/// What earlier tables have already counted of flows that continue, so that nothing is counted
/// twice.
#[derive(Debug)]
pub(super) struct Interval {
    /// `--once`: a packet inside and outside a tunnel counts once
    once: bool,
    told: HashMap<FlowKey, Told, RandomState>,
    counts: TableCounts,
    /// tables so far
    number: u32,
}

/// What a flow had sent at the last table. Of two numbers the first is the lower end's.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    packets: [u64; 2],
    bytes: [u64; 2],
    retransmits: [u32; 2],
    /// the number of that table
    number: u32,
}

impl Interval {
    /// Starts with no table printed. `once`: a flow outside tunnels may later turn out to belong to
    /// a network.
    pub(super) fn new(once: bool) -> Self {
        Self { once, told: HashMap::default(), counts: TableCounts::default(), number: 0 }
    }

    /// A flow that has ended, with what it sent since the last table; `None` if that is nothing.
    pub(super) fn of_ended(&mut self, flow: FlowRecord) -> Option<FlowRecord> {
        let told = self.take(&flow);
        since(flow, told)
    }

    /// The same as [`Self::of_ended`] for a flow that continues; remembers what it has sent.
    pub(super) fn of_live(&mut self, flow: FlowRecord) -> Option<FlowRecord> {
        let before = self.take(&flow);
        let (key, swapped) = unordered(&flow.key);
        let mut sides = [&flow.forward, &flow.reverse];
        if swapped {
            sides.swap(0, 1);
        }
        let told = Told {
            packets: sides.map(|counts| counts.packets),
            bytes: sides.map(|counts| counts.bytes),
            retransmits: sides.map(|counts| counts.retransmits),
            number: self.number,
        };
        self.told.insert(key, told);
        since(flow, before)
    }

    /// Ends the interval; returns what was counted since the last one ended.
    pub(super) fn end(&mut self, counts: &TableCounts) -> TableCounts {
        // entries that this table did not renew belong to flows that have ended
        let number = self.number;
        self.told.retain(|_, told| told.number == number);
        self.number = self.number.wrapping_add(1);
        let before = std::mem::replace(&mut self.counts, *counts);
        let mut since = *counts;
        since.packets = counts.packets.saturating_sub(before.packets);
        since.not_ip = counts.not_ip.saturating_sub(before.not_ip);
        since.cut = counts.cut.saturating_sub(before.cut);
        since.tunnel_fragments = counts.tunnel_fragments.saturating_sub(before.tunnel_fragments);
        since.flows = counts.flows.saturating_sub(before.flows);
        since.evicted = counts.evicted.saturating_sub(before.evicted);
        since.late = counts.late.saturating_sub(before.late);
        since
    }

    fn take(&mut self, flow: &FlowRecord) -> Option<Told> {
        let (key, _) = unordered(&flow.key);
        let plain = FlowKey { vni: None, ..key };
        let told = self.told.remove(&key);
        told.or_else(|| if self.once { self.told.remove(&plain) } else { None })
    }
}

/// The flow with what it sent beyond `told`; `None` if that is nothing.
fn since(mut flow: FlowRecord, told: Option<Told>) -> Option<FlowRecord> {
    if let Some(told) = told {
        let (_, swapped) = unordered(&flow.key);
        let sides = if swapped { [1, 0] } else { [0, 1] };
        for (counts, side) in [&mut flow.forward, &mut flow.reverse].into_iter().zip(sides) {
            let Counts { packets, bytes, retransmits, .. } = counts;
            *packets = packets.saturating_sub(told.packets[side]);
            *bytes = bytes.saturating_sub(told.bytes[side]);
            *retransmits = retransmits.saturating_sub(told.retransmits[side]);
        }
    }
    (flow.forward.packets + flow.reverse.packets > 0).then_some(flow)
}

/// The key with the lower end first, and whether the ends were swapped. Which end opened the flow
/// may change when a late SYN comes.
fn unordered(key: &FlowKey) -> (FlowKey, bool) {
    let [source, destination] =
        [(key.source, key.source_port()), (key.destination, key.destination_port())];
    let swapped = match key.ends {
        Ends::Ports { .. } => source > destination,
        _ => key.source > key.destination,
    };
    if !swapped {
        return (*key, false);
    }
    let ends = match key.ends {
        Ends::Ports { source, destination } => {
            Ends::Ports { source: destination, destination: source }
        }
        other => other,
    };
    (FlowKey { source: key.destination, destination: key.source, ends, ..*key }, true)
}

#[cfg(test)]
mod tests {
    use vxflow::{Config, FlowTable, Seen};
    use vxlan::{LinkType, TcpFlags};

    use super::*;

    /// Offsets in the example's frame: inner IP addresses, inner ports, sequence number, flags.
    const SOURCE: usize = 76;
    const PORT: usize = 84;
    const FLAGS: usize = 97;

    /// A packet between port 1 of the lower address and this port of the higher one.
    fn push(table: &mut FlowTable, port: u8, back: bool, flags: u16, time: i64) {
        let mut frame = vxlan::example::SYN.to_vec();
        let mut ends = [([10, 0, 0, 1], [0, 1]), ([10, 0, 0, 2], [0, port])];
        if back {
            ends.swap(0, 1);
        }
        for (side, (address, port)) in ends.into_iter().enumerate() {
            frame[SOURCE + 4 * side..][..4].copy_from_slice(&address);
            frame[PORT + 2 * side..][..2].copy_from_slice(&port);
        }
        frame[FLAGS] = flags as u8;
        let seen = Seen { time, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(&frame, LinkType::ETHERNET), seen);
    }

    /// Port, packets of both ends, and packets of all, of each flow that a table shows.
    fn shown(interval: &mut Interval, table: &mut FlowTable) -> (Vec<(u16, u64, u64)>, u64) {
        let ended: Vec<_> = table.ended().collect();
        let mut flows: Vec<_> =
            ended.into_iter().filter_map(|flow| interval.of_ended(flow)).collect();
        flows.extend(table.iter().filter_map(|flow| interval.of_live(flow)));
        let mut rows: Vec<_> = flows
            .iter()
            .map(|flow| {
                // the end with port 1 is the lower one
                let opened_by_lower = flow.key.source_port() == Some(1);
                let (port, [there, back]) = if opened_by_lower {
                    (flow.key.destination_port(), [&flow.forward, &flow.reverse])
                } else {
                    (flow.key.source_port(), [&flow.reverse, &flow.forward])
                };
                assert_eq!(there.bytes, 74 * there.packets);
                (port.unwrap(), there.packets, back.packets)
            })
            .collect();
        rows.sort_unstable();
        (rows, interval.end(&table.counts()).packets)
    }

    #[test]
    fn each_packet_is_told_once() {
        const SECOND: i64 = 1_000_000_000;
        const ACK: u16 = TcpFlags::ACK;
        let config = Config::default().idle_timeout(Some(10 * SECOND));
        let mut table = FlowTable::new(config);
        let mut interval = Interval::new(false);
        push(&mut table, 80, true, ACK, 0);
        push(&mut table, 80, false, ACK, 0);
        push(&mut table, 81, false, ACK, 0);
        push(&mut table, 82, false, ACK, 0);
        assert_eq!(shown(&mut interval, &mut table), (vec![(80, 1, 1), (81, 1, 0), (82, 1, 0)], 4));
        // a late SYN shows who opened, one flow ends after another packet, one is quiet
        push(&mut table, 80, false, TcpFlags::SYN, SECOND);
        push(&mut table, 80, true, ACK, SECOND);
        push(&mut table, 80, true, ACK, SECOND);
        push(&mut table, 81, true, ACK, SECOND);
        table.expire(11 * SECOND);
        assert_eq!(table.len(), 2);
        let (rows, packets) = shown(&mut interval, &mut table);
        assert_eq!(rows.iter().map(|(_, there, back)| there + back).sum::<u64>(), packets);
        assert!(rows.contains(&(81, 0, 1)), "{rows:?}");
        assert!(rows.iter().all(|(port, ..)| *port != 82), "{rows:?}");
        // only time passes: what ends now was counted before
        table.expire(100 * SECOND);
        assert!(table.is_empty());
        assert_eq!(shown(&mut interval, &mut table), (vec![], 0));
        assert!(interval.told.is_empty());
        // the same ends again
        push(&mut table, 82, false, ACK, 101 * SECOND);
        assert_eq!(shown(&mut interval, &mut table), (vec![(82, 1, 0)], 1));
    }

    /// With `--once` a flow may later join a network.
    #[test]
    fn a_flow_that_joins_a_network_is_told_once() {
        let config = Config::default().count_copies(false);
        let mut table = FlowTable::new(config);
        let mut interval = Interval::new(true);
        let frame = vxlan::example::SYN;
        // its inner packet before it enters the tunnel, and then itself
        let seen = Seen { time: 0, interface: 0, wire_len: frame.len() as u32 - 50 };
        table.push(&vxlan::decode(&frame[50..], LinkType::ETHERNET), seen);
        let flow = table.iter().next().unwrap();
        assert_eq!((flow.key.vni, interval.of_live(flow).is_some()), (None, true));
        interval.end(&table.counts());
        let seen = Seen { time: 0, interface: 1, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, LinkType::ETHERNET), seen);
        let flow = table.iter().next().unwrap();
        assert!(flow.key.vni.is_some());
        assert_eq!(interval.of_live(flow), None);
    }
}
