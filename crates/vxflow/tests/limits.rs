//! Limits and timeouts, and the counts of random packets against a slow, obvious table.

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use vxflow::{Config, ConnState, EndReason, FlowRecord, FlowTable, Seen};
use vxlan::LinkType;

const SECOND: i64 = 1_000_000_000;

/// Offsets in the example's frame: VNI, inner IP addresses, inner ports, sequence number, flags.
const VNI: usize = 46;
const SOURCE: usize = 76;
const PORT: usize = 84;
const SEQUENCE: usize = 88;
const FLAGS: usize = 97;

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// A TCP packet in VXLAN: the ends are single bytes.
#[derive(Clone, Copy, Debug)]
struct Made {
    vni: u8,
    source: (u8, u8),
    destination: (u8, u8),
    sequence: u32,
    flags: u8,
}

impl Made {
    fn frame(self) -> Vec<u8> {
        let mut frame = vxlan::example::SYN.to_vec();
        frame[VNI + 2] = self.vni;
        frame[SOURCE..SOURCE + 8].copy_from_slice(&[
            10,
            0,
            0,
            self.source.0,
            10,
            0,
            0,
            self.destination.0,
        ]);
        frame[PORT..PORT + 4].copy_from_slice(&[0, self.source.1, 0, self.destination.1]);
        frame[SEQUENCE..SEQUENCE + 4].copy_from_slice(&self.sequence.to_be_bytes());
        frame[FLAGS] = self.flags;
        frame
    }
}

fn push(table: &mut FlowTable, made: Made, time: i64) {
    let frame = made.frame();
    let seen = Seen { time, interface: 0, wire_len: frame.len() as u32 };
    table.push(&vxlan::decode(&frame, LinkType::ETHERNET), seen);
}

/// A packet of flow number `flow`.
fn of(flow: u8, flags: u8) -> Made {
    Made { vni: 1, source: (flow, 1), destination: (255, 2), sequence: 1, flags }
}

fn ended(table: &mut FlowTable) -> Vec<(u8, EndReason)> {
    let number = |flow: &FlowRecord| match flow.key.source {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => 0,
    };
    table.ended().map(|flow| (number(&flow), flow.end)).collect()
}

#[test]
fn the_least_recently_seen_is_pushed_out() {
    let mut table = FlowTable::new(Config::without_timeouts().max_flows(4));
    for (time, flow) in (0..).zip([1, 2, 3, 4, 1, 3, 5, 6, 1, 7]) {
        push(&mut table, of(flow, ACK), time);
    }
    // at 5 it is 2's turn, at 6 it is 4's, at 7 that of 3, as 1 was seen since
    let evicted = EndReason::Evicted;
    assert_eq!(ended(&mut table), [(2, evicted), (4, evicted), (3, evicted)]);
    assert_eq!((table.len(), table.counts().evicted, table.counts().flows), (4, 3, 7));
}

#[test]
fn idle_flows_end_and_go_on_as_new_ones() {
    let mut table = FlowTable::new(Config::default().idle_timeout(Some(10 * SECOND)));
    push(&mut table, of(1, ACK), 0);
    push(&mut table, of(2, ACK), 5 * SECOND);
    push(&mut table, of(1, ACK), 10 * SECOND);
    assert_eq!(ended(&mut table), []);
    push(&mut table, of(1, ACK), 20 * SECOND + 1);
    assert_eq!(ended(&mut table), [(1, EndReason::Idle)]);
    table.expire(20 * SECOND + 2);
    assert_eq!(ended(&mut table), [(2, EndReason::Idle)]);
    let left: Vec<_> = table.finish().collect();
    assert_eq!(left.len(), 1);
    assert_eq!((left[0].first, left[0].forward.packets), (20 * SECOND + 1, 1));
    assert_eq!(left[0].end, EndReason::Finished);
}

#[test]
fn long_flows_are_handed_out_in_parts() {
    let mut table = FlowTable::new(Config::without_timeouts().active_timeout(Some(10 * SECOND)));
    push(&mut table, of(1, SYN), 0);
    for second in 1..=25 {
        push(&mut table, Made { sequence: 2, ..of(1, ACK) }, second * SECOND);
    }
    let parts: Vec<_> = table.finish().collect();
    let times: Vec<_> = parts.iter().map(|p| (p.first / SECOND, p.last / SECOND, p.end)).collect();
    assert_eq!(
        times,
        [(0, 10, EndReason::Active), (11, 21, EndReason::Active), (22, 25, EndReason::Finished)]
    );
    assert_eq!(parts.iter().map(|part| part.forward.packets).sum::<u64>(), 26);
    // the opener is still known, and nothing was sent again
    assert!(parts.iter().all(|part| part.key.source_port() == Some(1)));
    assert!(parts.iter().all(|part| part.forward.retransmits == 0));
}

#[test]
fn a_new_syn_begins_a_new_connection() {
    let mut table = FlowTable::new(Config::without_timeouts());
    push(&mut table, Made { sequence: 100, ..of(1, SYN) }, 0);
    push(&mut table, Made { sequence: 100, ..of(1, SYN) }, SECOND); // sent again
    push(&mut table, Made { sequence: 7000, ..of(1, SYN) }, 2 * SECOND);
    let flows: Vec<_> = table.finish().collect();
    let seen: Vec<_> = flows.iter().map(|f| (f.end, f.forward.packets, f.state)).collect();
    assert_eq!(
        seen,
        [(EndReason::Reused, 2, ConnState::S0), (EndReason::Finished, 1, ConnState::S0)]
    );
    assert_eq!(flows[0].forward.retransmits + flows[0].forward.copies, 1);
}

#[test]
fn a_syn_ack_shows_the_opener() {
    let mut table = FlowTable::new(Config::default());
    push(&mut table, of(1, SYN | ACK), 0);
    let flow = table.iter().next().unwrap();
    assert_eq!((flow.key.source_port(), flow.key.destination_port()), (Some(2), Some(1)));
    assert_eq!((flow.forward.packets, flow.reverse.packets), (0, 1));
    // outer addresses of the opener's direction
    assert_eq!(flow.vteps.unwrap().0.to_string(), "172.18.0.4");
}

#[test]
fn arp_is_no_flow() {
    let mut arp = vec![0xff; 42];
    arp[12..22].copy_from_slice(&[8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    let mut table = FlowTable::default();
    let seen = Seen { time: 0, interface: 0, wire_len: 42 };
    table.push(&vxlan::decode(&arp, LinkType::ETHERNET), seen);
    assert!(table.is_empty());
    assert_eq!((table.counts().not_ip, table.counts().packets), (1, 0));
}

/// Many flows in a small table: bounded memory, and each record is given once.
#[test]
fn memory_stays_bounded() {
    let config = Config::default().max_flows(1000);
    let mut table = FlowTable::new(config);
    let mut records = 0;
    for number in 0..200_000_u32 {
        let mut frame = vxlan::example::SYN.to_vec();
        frame[SOURCE..SOURCE + 4].copy_from_slice(&number.to_be_bytes());
        let seen = Seen { time: i64::from(number), interface: 0, wire_len: 124 };
        table.push(&vxlan::decode(&frame, LinkType::ETHERNET), seen);
        if number % 64 == 0 {
            records += table.ended().count();
        }
    }
    assert_eq!(table.len(), 1000);
    assert!(table.heap_bytes() < 1000 * 300 + 100_000, "{}", table.heap_bytes());
    assert_eq!(table.counts().evicted, 199_000);
    assert_eq!(records + table.finish().count(), 200_000);
}

fn made() -> impl Strategy<Value = Made> {
    let end = || (0u8..4, 0u8..3);
    let flags = prop::sample::select(vec![ACK, ACK, ACK, SYN, SYN | ACK, ACK | 1, 4]);
    (0u8..3, end(), end(), 0u32..4, flags).prop_map(
        |(vni, source, destination, sequence, flags)| Made {
            vni,
            source,
            destination,
            sequence: sequence * 50,
            flags,
        },
    )
}

type Ends = [(u8, u8); 2];
/// Packets and flags of each end, by VNI and pair of ends.
type Sums = HashMap<(u8, Ends), BTreeMap<(u8, u8), (u64, u16)>>;

proptest! {
    /// Packets, bytes, flags and times by VNI and pair of ends.
    #[test]
    fn counts_are_those_of_an_obvious_table(packets in prop::collection::vec((made(), 0i64..50), 1..300)) {
        let mut oracle: Sums = HashMap::new();
        let mut table = FlowTable::new(Config::without_timeouts());
        for (made, time) in &packets {
            push(&mut table, *made, *time);
            let mut ends = [made.source, made.destination];
            ends.sort_unstable();
            let sent = oracle.entry((made.vni, ends)).or_default().entry(made.source).or_default();
            sent.0 += 1;
            sent.1 |= u16::from(made.flags);
        }
        // flows of reused ports together
        let mut seen: Sums = HashMap::new();
        for flow in table.finish() {
            let byte = |ip| match ip {
                std::net::IpAddr::V4(ip) => ip.octets()[3],
                std::net::IpAddr::V6(_) => unreachable!("no IPv6 was sent"),
            };
            let source = (byte(flow.key.source), flow.key.source_port().unwrap() as u8);
            let destination =
                (byte(flow.key.destination), flow.key.destination_port().unwrap() as u8);
            let mut ends = [source, destination];
            ends.sort_unstable();
            let vni = u32::from(flow.key.vni.unwrap()) as u8;
            let sides = seen.entry((vni, ends)).or_default();
            for (end, counts) in [(source, flow.forward), (destination, flow.reverse)] {
                prop_assert_eq!(counts.bytes, counts.packets * 74);
                if counts.packets > 0 {
                    let sent = sides.entry(end).or_default();
                    sent.0 += counts.packets;
                    sent.1 |= counts.tcp_flags.0;
                }
            }
            prop_assert!(flow.first <= flow.last);
        }
        prop_assert_eq!(seen, oracle);
    }

    /// One packet at a time, or many together with short ways for the usual ones: the same records.
    #[test]
    fn together_as_one_at_a_time(
        packets in prop::collection::vec((made(), 0i64..50), 1..400),
        max_flows in 2usize..80,
        idle_timeout in prop::option::of(20i64..60),
        active_timeout in prop::option::of(20i64..60),
    ) {
        let config = Config::without_timeouts().max_flows(max_flows).idle_timeout(idle_timeout).active_timeout(active_timeout);
        let (mut one, mut all) = (FlowTable::new(config.clone()), FlowTable::new(config));
        let mut summarizer = all.summarizer();
        let mut summaries = Vec::new();
        for (made, time) in &packets {
            push(&mut one, *made, *time);
            let frame = made.frame();
            let seen = Seen { time: *time, interface: 0, wire_len: frame.len() as u32 };
            summarizer.summarize_frame(&frame, LinkType::ETHERNET, seen, |s| summaries.push(s));
        }
        all.add_all(&summaries);
        prop_assert_eq!(one.counts(), all.counts());
        let sorted = |table: FlowTable| {
            let mut records: Vec<_> = table.finish().collect();
            records.sort_by_key(|flow| (flow.key, flow.first, flow.last, flow.forward.packets));
            records
        };
        prop_assert_eq!(sorted(one), sorted(all));
    }

    /// Of the flows of the last 7/8 of `max_flows` packets none is pushed out.
    #[test]
    fn recent_flows_are_kept(flows in prop::collection::vec(0u8..60, 1..600)) {
        const MAX: usize = 32;
        let mut table = FlowTable::new(Config::without_timeouts().max_flows(MAX));
        for (at, &flow) in flows.iter().enumerate() {
            push(&mut table, of(flow, ACK), 0);
            let recent: HashSet<u8> =
                flows[..=at].iter().rev().take(MAX * 7 / 8).copied().collect();
            for (number, _) in ended(&mut table) {
                prop_assert!(!recent.contains(&number), "{} at {}", number, at);
            }
            prop_assert!(table.len() <= MAX);
        }
    }
}
