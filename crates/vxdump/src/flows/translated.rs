//! Pairs the two flows of a connection through kube-proxy. kube-proxy replaces the service's
//! address with a pod's, and a capture may have packets from before and from behind it.
//!
//! Two flows are one connection if the client's address and port are the same, and the
//! endpointslices say that the pod of one serves the service of the other. Two connections hardly
//! ever look like that: if both would reach one pod from the same port, the kernel changes the port
//! of one. All flows that may be parts wait, and are paired in order of time at the end, because
//! which flow ends first depends on the threads.

use std::net::IpAddr;

use vxflow::{ConnState, FlowRecord};
use vxlan::{IpProtocol, TcpFlags};

use super::ends::{End, Side};
use super::outcome::Trouble;
use super::traffic::{SECOND, Traffic};

/// The longest time for a packet to pass kube-proxy, in nanoseconds. `--once` looks for copies that
/// long.
const SOON: i64 = SECOND / 10;
/// The longest time for an answer, in nanoseconds: that of DNS resolvers.
const ANSWER: i64 = 5 * SECOND;
/// How many parts of the same port, before and after one, are candidates for its other part.
const LOOK: usize = 32;

/// A flow to a service that may be a part of a connection. Parts are sorted by service, client and
/// time. The further fields make the order total: equal parts are identical.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part {
    service: End,
    source: IpAddr,
    port: u16,
    traffic: Traffic,
    client: End,
    side: Side,
    protocol: IpProtocol,
    state: ConnState,
    trouble: Option<Trouble>,
    /// the TCP flags that each end sent
    flags: [u16; 2],
}

/// A connection: one part, or two that were paired.
#[derive(Clone, Copy, Debug)]
pub(super) struct Connection<'a> {
    pub(super) part: &'a Part,
    /// The part with the packets of the other direction.
    pub(super) half: Option<&'a Part>,
    /// The part with copies of the same packets, which do not count.
    pub(super) copy: Option<&'a Part>,
    pub(super) state: ConnState,
    pub(super) trouble: Option<Trouble>,
}

/// The flows that wait.
#[derive(Clone, Debug)]
pub(super) struct Translated {
    /// Packets that were seen on both sides count once.
    once: bool,
    parts: Vec<Part>,
    most: usize,
}

impl Translated {
    /// Starts without flows. Halves of connections are paired; with `once`, so are two flows with
    /// the same packets. At most `most` flows wait.
    pub(super) const fn new(once: bool, most: usize) -> Self {
        Self { once, parts: Vec::new(), most }
    }

    /// Keeps a flow of this pair, whose second end is the service, if it may be a part of a
    /// connection and there is room. Returns whether it does.
    pub(super) fn keeps(&mut self, pair: &[End; 2], side: Side, flow: &FlowRecord) -> bool {
        let Some(port) = flow.key.source_port() else { return false };
        let traffic = Traffic::of(flow);
        if !self.once && !traffic.packets.contains(&0) || self.parts.len() >= self.most {
            return false;
        }
        let [client, service] = pair.clone();
        self.parts.push(Part {
            service,
            source: flow.key.source,
            port,
            traffic,
            client,
            side,
            protocol: flow.key.protocol,
            state: flow.state,
            trouble: Trouble::of(flow),
            flags: [flow.forward.tcp_flags.0, flow.reverse.tcp_flags.0],
        });
        true
    }

    /// Hands all connections to `tell`, once no more flows come.
    pub(super) fn settle(&mut self, mut tell: impl FnMut(&Connection<'_>)) {
        let mut parts = std::mem::take(&mut self.parts);
        parts.sort_unstable();
        let mut taken = Vec::new();
        for parts in parts.chunk_by(Part::is_of_one_port) {
            self.tell_port(parts, &mut taken, &mut tell);
        }
    }

    /// Hands on the connections from one port of a client to one service.
    fn tell_port(
        &self,
        parts: &[Part],
        taken: &mut Vec<bool>,
        tell: &mut impl FnMut(&Connection<'_>),
    ) {
        taken.clear();
        taken.resize(parts.len(), false);
        for (at, part) in parts.iter().enumerate() {
            if self.once
                && part.side == Side::Before
                && let Some(copy) = take(parts, taken, at, Part::is_copy)
            {
                let rank = |part: &Part| (!part.is_half(), part.side == Side::Behind);
                let [part, copy] =
                    if rank(copy) > rank(part) { [copy, part] } else { [part, copy] };
                tell(&Connection { copy: Some(copy), ..Connection::of(part) });
            }
        }
        for (at, answers) in parts.iter().enumerate() {
            if answers.is_back()
                && !taken[at]
                && let Some(requests) = take(parts, taken, at, Part::answers)
            {
                tell(&Connection {
                    half: Some(answers),
                    ..Connection::answered(requests, answers)
                });
            }
        }
        // on each side, the answers that last longest
        let mut latest: [Option<&Part>; 2] = [None; 2];
        let mut begun = parts.iter().peekable();
        for (part, _) in parts.iter().zip(taken).filter(|(_, taken)| !**taken) {
            let soon = part.traffic.first.saturating_add(SOON);
            while let Some(other) = begun.next_if(|other| other.traffic.first <= soon) {
                let latest = &mut latest[other.side as usize];
                if other.is_back() && latest.is_none_or(|l| l.traffic.last < other.traffic.last) {
                    *latest = Some(other);
                }
            }
            let answers = latest[1 - part.side as usize]
                .filter(|answers| part.is_there() && answers.traffic.last >= part.traffic.first);
            tell(&match answers {
                Some(answers) if part.trouble == Some(Trouble::Unanswered) => {
                    Connection::answered(part, answers)
                }
                _ => Connection::of(part),
            });
        }
    }
}

/// Pairs the part `at` with the one that fits it and is nearest in time, and marks both as taken.
fn take<'a>(
    parts: &'a [Part],
    taken: &mut [bool],
    at: usize,
    fits: fn(&Part, &Part) -> bool,
) -> Option<&'a Part> {
    let part = parts.get(at)?;
    let apart = |other: &Part| {
        let (a, b) = (&part.traffic, &other.traffic);
        (a.first.abs_diff(b.first), a.last.abs_diff(b.last))
    };
    let from = at.saturating_sub(LOOK);
    let near = parts.iter().enumerate().skip(from).take(at - from + 1 + LOOK);
    let free = near.filter(|(other, _)| !taken[*other]);
    let fitting = free.filter(|(_, other)| other.side != part.side && fits(part, other));
    let (nearest, other) = fitting.min_by_key(|(_, other)| apart(other))?;
    (taken[at], taken[nearest]) = (true, true);
    Some(other)
}

impl Part {
    /// The client and the service.
    pub(super) fn pair(&self) -> [End; 2] {
        [self.client.clone(), self.service.clone()]
    }

    pub(super) const fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    fn is_of_one_port(&self, other: &Self) -> bool {
        self.port == other.port && self.source == other.source && self.service == other.service
    }

    /// Was only one direction seen?
    fn is_half(&self) -> bool {
        self.traffic.packets.contains(&0)
    }

    /// Was only the client seen?
    const fn is_there(&self) -> bool {
        matches!(self.traffic.packets, [1..=u64::MAX, 0])
    }

    /// Were only answers seen?
    const fn is_back(&self) -> bool {
        matches!(self.traffic.packets, [0, 1..=u64::MAX])
    }

    /// Has it the same packets?
    fn is_copy(&self, other: &Self) -> bool {
        let (a, b) = (&self.traffic, &other.traffic);
        let is_soon = |a: i64, b: i64| a.abs_diff(b) <= SOON.unsigned_abs();
        let mut packets = a.packets.iter().zip(&b.packets);
        is_soon(a.first, b.first)
            && is_soon(a.last, b.last)
            && packets.any(|(&a, &b)| a == b && a > 0)
    }

    /// Are these the answers to those requests?
    fn answers(&self, requests: &Self) -> bool {
        let Traffic { first, last, .. } = requests.traffic;
        let time = first.saturating_sub(SOON)..=last.saturating_add(ANSWER);
        self.is_back() && requests.is_there() && time.contains(&self.traffic.first)
    }
}

impl<'a> Connection<'a> {
    /// A flow by itself.
    const fn of(part: &'a Part) -> Self {
        Self { part, half: None, copy: None, state: part.state, trouble: part.trouble }
    }

    /// Requests with their answers.
    fn answered(requests: &'a Part, answers: &Part) -> Self {
        let flags = [requests, answers].map(|half| half.flags);
        let [there, back] = [0, 1].map(|end| TcpFlags(flags[0][end] | flags[1][end]));
        let (state, trouble) = outcome(requests.protocol, there, back);
        Self { state, trouble, ..Self::of(requests) }
    }
}

/// The state of a connection if both ends' flags are known, but not their order.
fn outcome(protocol: IpProtocol, there: TcpFlags, back: TcpFlags) -> (ConnState, Option<Trouble>) {
    if protocol != IpProtocol::TCP {
        let is_udp = protocol == IpProtocol::UDP;
        return (if is_udp { ConnState::SF } else { ConnState::Oth }, None);
    }
    let both = |flag| [there.has(flag), back.has(flag)];
    match (both(TcpFlags::RST), both(TcpFlags::FIN), both(TcpFlags::SYN)) {
        ([_, true], _, [true, false]) => (ConnState::Rej, Some(Trouble::Rejected)),
        ([true, _], ..) => (ConnState::Rsto, Some(Trouble::Reset)),
        ([_, true], ..) => (ConnState::Rstr, Some(Trouble::Reset)),
        (_, [true, true], _) => (ConnState::SF, None),
        (_, [true, false], [true, _]) => (ConnState::S2, None),
        (_, [false, true], [true, _]) => (ConnState::S3, None),
        (_, [false, false], [true, true]) => (ConnState::S1, None),
        _ => (ConnState::Oth, None),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vxflow::{FlowTable, Seen};

    use super::*;

    /// A flow that began at `first`, with this many packets each way.
    fn flow(first: i64, [there, back]: [u64; 2]) -> FlowRecord {
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: first, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        let mut flow = table.finish().next().unwrap();
        (flow.forward.packets, flow.reverse.packets) = (there, back);
        flow.last = first + SECOND;
        flow.state = match (there, back) {
            (_, 0) => ConnState::S0,
            (0, _) => ConnState::Shr,
            _ => ConnState::SF,
        };
        flow.forward.tcp_flags = TcpFlags(if there > 0 { TcpFlags::SYN } else { 0 });
        flow.reverse.tcp_flags = TcpFlags(if back > 0 { TcpFlags::SYN } else { 0 });
        flow
    }

    fn pair(service: &str) -> [End; 2] {
        let server = End::Service(Arc::from(service), IpProtocol::TCP, Some(80));
        [End::Name(Arc::from("client")), server]
    }

    /// A connection as it was handed on.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Told {
        part: Part,
        half: Option<Part>,
        copy: Option<Part>,
        state: ConnState,
        trouble: Option<Trouble>,
    }

    /// The connections of these flows to a service.
    fn told(once: bool, flows: &[(Side, &str, &FlowRecord)]) -> Vec<Told> {
        let mut translated = Translated::new(once, usize::MAX);
        let mut told = Vec::new();
        for &(side, service, flow) in flows {
            translated.keeps(&pair(service), side, flow);
        }
        translated.settle(|&Connection { part, half, copy, state, trouble }| {
            let (part, half, copy) = (part.clone(), half.cloned(), copy.cloned());
            told.push(Told { part, half, copy, state, trouble });
        });
        told
    }

    /// Are two flows of these sides one connection, whichever comes first?
    fn are_one(once: bool, before: &FlowRecord, behind: &FlowRecord) -> bool {
        let flows = [(Side::Before, "web", before), (Side::Behind, "web", behind)];
        let there = told(once, &flows);
        assert_eq!(there, told(once, &[flows[1], flows[0]]));
        if let [Told { part, copy: Some(_), .. }] = there.as_slice() {
            // the one behind kube-proxy counts, where it has both directions
            let is_half = |flow: &FlowRecord| flow.forward.packets.min(flow.reverse.packets) == 0;
            let is_before = is_half(behind) && !is_half(before);
            assert_eq!(part.side == Side::Before, is_before);
        }
        there.iter().any(|told| told.half.is_some() || told.copy.is_some())
    }

    #[test]
    fn halves_are_one_connection_while_an_answer_may_come() {
        let there = flow(0, [6, 0]);
        for once in [false, true] {
            assert!(are_one(once, &flow(1000, [0, 6]), &there));
            assert!(are_one(once, &there, &flow(1000, [0, 6])));
            assert!(are_one(once, &flow(SECOND + ANSWER, [0, 1]), &there));
            assert!(!are_one(once, &flow(SECOND + ANSWER + 1, [0, 1]), &there));
            assert!(!are_one(once, &flow(-SOON - 1, [0, 1]), &there));
        }
        // both have the client's packets
        assert!(!are_one(false, &flow(1, [6, 0]), &there));
    }

    #[test]
    fn flows_with_the_same_packets_are_one_only_where_these_count_once() {
        let before = flow(0, [6, 6]);
        for packets in [[6, 6], [5, 6], [6, 0], [0, 6]] {
            assert!(are_one(true, &before, &flow(SOON, packets)));
            assert!(!are_one(false, &before, &flow(SOON, packets)));
            assert!(!are_one(true, &before, &flow(SOON + 1, packets)));
            let mut longer = flow(0, packets);
            longer.last = SECOND + SOON + 1;
            assert!(!are_one(true, &before, &longer));
        }
        assert!(!are_one(true, &before, &flow(0, [5, 7])));
    }

    #[test]
    fn other_clients_ports_and_services_are_other_connections() {
        let before = flow(0, [6, 6]);
        let mut client = before.clone();
        client.key.source = [10, 0, 0, 9].into();
        for (service, behind, count) in
            [("web", &before, 1), ("api", &before, 2), ("web", &client, 2)]
        {
            let flows = [(Side::Before, "web", &before), (Side::Behind, service, behind)];
            assert_eq!(told(true, &flows).len(), count, "{service}");
        }
        // nor are two flows of the same side
        assert_eq!(told(true, &[(Side::Before, "web", &before); 2]).len(), 2);
    }

    /// Flows of one port in many orders: unanswered requests 7 seconds before answered ones, both
    /// sides of kube-proxy, halves, and identical flows.
    #[test]
    fn the_order_in_which_flows_end_changes_nothing() {
        let mut flows = Vec::new();
        for number in 0..30 {
            let time = number * 20 * SECOND;
            flows.push((Side::Behind, flow(time, [6, 0])));
            flows.push((Side::Behind, flow(time + 6 * SECOND, [6, 0])));
            flows.push((Side::Before, flow(time + 6 * SECOND + 300, [0, 6])));
            let time = time + 12 * SECOND;
            flows.push((Side::Before, flow(time, [6, 6])));
            flows.push((Side::Behind, flow(time + 30, [6, 6])));
            flows.push((Side::Behind, flow(time + 30, [6, 6])));
        }
        for once in [false, true] {
            let mut flows: Vec<_> = flows.iter().map(|(side, flow)| (*side, "web", flow)).collect();
            let first = told(once, &flows);
            let count = |is: fn(&Told) -> bool| first.iter().filter(|told| is(told)).count();
            assert_eq!(count(|told| told.half.is_some()), 30);
            assert_eq!(count(|told| told.copy.is_some()), if once { 30 } else { 0 });
            let unanswered = |told: &&Told| told.trouble == Some(Trouble::Unanswered);
            assert!(first.iter().filter(unanswered).all(|told| {
                told.part.traffic.first % (20 * SECOND) == 0 && told.half.is_none()
            }));
            assert_eq!(first.iter().filter(unanswered).count(), 30);
            let mut random = 1_u64;
            for _ in 0..100 {
                for at in 1..flows.len() {
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    flows.swap(at, (random >> 33) as usize % (at + 1));
                }
                assert_eq!(told(once, &flows), first);
            }
        }
    }

    /// Answers with SYN-ACKs only are one flow when the port is used again, and their requests are
    /// several.
    #[test]
    fn requests_within_one_flow_of_answers_were_answered() {
        let requests = [0, 20, 40, 90].map(|second| flow(second * SECOND, [6, 0]));
        let mut answers = flow(300, [0, 18]);
        answers.last = 41 * SECOND;
        let mut flows = vec![(Side::Before, "web", &answers)];
        flows.extend(requests.iter().map(|flow| (Side::Behind, "web", flow)));
        let told = told(false, &flows);
        assert_eq!(told.len(), 4);
        assert_eq!(told.iter().filter(|told| told.half.is_some()).count(), 1);
        let unanswered = told.iter().filter(|told| told.trouble.is_some());
        let unanswered: Vec<_> = unanswered.map(|told| told.part.traffic.first).collect();
        assert_eq!(unanswered, [90 * SECOND]);
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut translated = Translated::new(true, 20);
        let kept =
            (0..100).filter(|&n| translated.keeps(&pair("web"), Side::Before, &flow(n, [1, 1])));
        assert_eq!(kept.count(), 20);
        let mut count = 0;
        translated.settle(|_| count += 1);
        assert_eq!(count, 20);
        assert!(translated.parts.is_empty());
        // as the help of --max-flows says
        assert!(size_of::<Part>() <= 160, "{}", size_of::<Part>());
    }

    #[test]
    fn what_became_of_a_connection_is_told_of_both_halves() {
        let (syn, fin, rst) = (TcpFlags::SYN, TcpFlags::FIN, TcpFlags::RST);
        let (rejected, reset) = (Some(Trouble::Rejected), Some(Trouble::Reset));
        for (there, back, wanted) in [
            (syn, syn, (ConnState::S1, None)),
            (syn | fin, syn | fin, (ConnState::SF, None)),
            (syn | fin, syn, (ConnState::S2, None)),
            (syn, syn | fin, (ConnState::S3, None)),
            (syn, rst, (ConnState::Rej, rejected)),
            (syn, syn | rst, (ConnState::Rstr, reset)),
            (syn | rst, syn, (ConnState::Rsto, reset)),
            (0, 0, (ConnState::Oth, None)),
        ] {
            let [mut requests, mut answers] = [flow(0, [6, 0]), flow(0, [0, 6])];
            requests.forward.tcp_flags = TcpFlags(there);
            answers.reverse.tcp_flags = TcpFlags(back);
            let flows = [(Side::Behind, "web", &requests), (Side::Before, "web", &answers)];
            let told = told(false, &flows);
            let told: Vec<_> = told.iter().map(|told| (told.state, told.trouble)).collect();
            assert_eq!(told, [wanted]);
        }
        let none = TcpFlags(0);
        assert_eq!(outcome(IpProtocol::UDP, none, none), (ConnState::SF, None));
    }
}
