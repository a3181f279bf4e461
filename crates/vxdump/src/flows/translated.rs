//! Connections to services that are two flows: kube-proxy replaces the service's address by a pod's on the way, and a capture
//! may have packets from before and from behind it.
//!
//! Two flows are one connection where the client's address and port are the same, and by endpointslices the one's pod
//! serves the other's service. Hardly ever are they two: where both would reach one pod from one port, the kernel gives one of
//! them another port.

use std::collections::HashMap;
use std::net::IpAddr;

use foldhash::fast::RandomState;
use vxflow::FlowRecord;
use vxlan::TcpFlags;

use super::SECOND;
use super::outcome::Trouble;
use super::sums::End;

/// A packet is on the other side of kube-proxy after so long, in nanoseconds: `--once` looks for copies as long.
const SOON: i64 = SECOND / 10;
/// Answers may take so long, in nanoseconds: resolvers wait as long.
const ANSWER: i64 = 5 * SECOND;
/// The most flows that wait for another one, some 100 MB. Those beyond are counted for themselves.
const MOST: usize = 250_000;

/// The most of them from one port of a client to one service, all of which are looked at.
const MOST_OF_ONE: usize = 8;

/// The side of kube-proxy on which a flow was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// With the service's address.
    Before,
    /// With a pod's address.
    Behind,
}

/// A flow to a service that may be a part of a connection.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// The client and the service.
    pub(super) pair: [End; 2],
    pub(super) flow: FlowRecord,
    side: Side,
}

/// What a flow is.
pub(super) enum Known {
    /// A connection of its own.
    Alone,
    /// Perhaps a part of one: it waits for the other part.
    Waits,
    /// A connection together with this one, which has the packets of the other direction.
    Half(Box<Part>),
    /// The same connection as this one; `true`: this one is to be counted rather.
    Same(Box<Part>, bool),
}

/// The flows that wait.
#[derive(Clone, Debug)]
pub(super) struct Translated {
    /// What was seen on both sides counts once.
    once: bool,
    /// By service, and the client's address and port.
    waiting: HashMap<(End, IpAddr, u16), Vec<Part>, RandomState>,
    count: usize,
    most: usize,
}

impl Translated {
    /// No flows yet. Halves of connections are put together; `once`: and of two flows with the same packets one counts.
    pub(super) fn new(once: bool) -> Self {
        Self { once, waiting: HashMap::default(), count: 0, most: MOST }
    }

    /// Takes in a flow of this pair, whose second end is the service.
    pub(super) fn take(&mut self, pair: &[End; 2], side: Side, flow: &FlowRecord) -> Known {
        let Some(port) = flow.key.source_port() else { return Known::Alone };
        if !self.once && !is_half(flow) {
            return Known::Alone;
        }
        let [_, service] = pair;
        let key = (service.clone(), flow.key.source, port);
        if let Some(parts) = self.waiting.get_mut(&key) {
            let fits = |other: &Part| other.side != side && is_one(flow, &other.flow, self.once);
            if let Some(at) = parts.iter().position(fits) {
                let other = Box::new(parts.swap_remove(at));
                self.count -= 1;
                if parts.is_empty() {
                    self.waiting.remove(&key);
                }
                if halves(flow, &other.flow).is_some() {
                    return Known::Half(other);
                }
                let rank = |flow: &FlowRecord, side: Side| (!is_half(flow), side == Side::Behind);
                let is_better = rank(&other.flow, other.side) > rank(flow, side);
                return Known::Same(other, is_better);
            }
            if parts.len() == MOST_OF_ONE {
                return Known::Alone;
            }
        }
        if self.count == self.most {
            return Known::Alone;
        }
        self.count += 1;
        let waits = Part { pair: pair.clone(), flow: flow.clone(), side };
        self.waiting.entry(key).or_default().push(waits);
        Known::Waits
    }

    /// Those that wait: no others come.
    pub(super) fn give_up(&mut self) -> impl Iterator<Item = Part> + use<> {
        self.count = 0;
        std::mem::take(&mut self.waiting).into_values().flatten()
    }
}

/// Was only one direction seen?
const fn is_half(flow: &FlowRecord) -> bool {
    flow.forward.packets == 0 || flow.reverse.packets == 0
}

/// Are they one connection? `once`: flows with the same packets too.
fn is_one(a: &FlowRecord, b: &FlowRecord, once: bool) -> bool {
    let same = once && a.first.abs_diff(b.first) <= SOON.unsigned_abs();
    same || halves(a, b).is_some()
}

/// The flow of the client's packets and that of the answers, if these two are that.
fn halves<'a>(a: &'a FlowRecord, b: &'a FlowRecord) -> Option<[&'a FlowRecord; 2]> {
    let is_there = |flow: &FlowRecord| flow.forward.packets > 0 && flow.reverse.packets == 0;
    let is_back = |flow: &FlowRecord| flow.forward.packets == 0 && flow.reverse.packets > 0;
    let [there, back] = match () {
        () if is_there(a) && is_back(b) => [a, b],
        () if is_there(b) && is_back(a) => [b, a],
        () => return None,
    };
    let answers = there.first.saturating_sub(SOON)..=there.last.saturating_add(ANSWER);
    answers.contains(&back.first).then_some([there, back])
}

/// What went wrong with the connection that two flows are halves of.
pub(super) fn trouble(a: &FlowRecord, b: &FlowRecord) -> Option<Trouble> {
    let [there, back] = halves(a, b)?;
    match (there.forward.resets > 0, back.reverse.resets > 0) {
        (_, true) if !back.reverse.tcp_flags.has(TcpFlags::SYN) => Some(Trouble::Rejected),
        (false, false) => None,
        _ => Some(Trouble::Reset),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use vxflow::{ConnState, FlowTable, Seen};
    use vxlan::IpProtocol;

    use super::*;

    /// A connection's flow that began then, with so many packets each way.
    fn flow(first: i64, [there, back]: [u64; 2]) -> FlowRecord {
        let frame = vxlan::example::SYN;
        let mut table = FlowTable::default();
        let seen = Seen { time: first, interface: 0, wire_len: frame.len() as u32 };
        table.push(&vxlan::decode(frame, vxlan::LinkType::ETHERNET), seen);
        let mut flow = table.finish().next().unwrap();
        (flow.forward.packets, flow.reverse.packets) = (there, back);
        (flow.last, flow.state) = (first + SECOND, ConnState::SF);
        flow
    }

    fn pair(service: &str) -> [End; 2] {
        let server = End::Service(Arc::from(service), IpProtocol::TCP, Some(80));
        [End::Name(Arc::from("client")), server]
    }

    /// What two flows of these sides are, whichever comes first: one connection?
    fn are_one(once: bool, before: &FlowRecord, behind: &FlowRecord) -> bool {
        let flows = [(Side::Before, before), (Side::Behind, behind)];
        let told = [flows, [flows[1], flows[0]]].map(|[first, second]| {
            let mut translated = Translated::new(once);
            let waits = matches!(translated.take(&pair("web"), first.0, first.1), Known::Waits);
            let known = translated.take(&pair("web"), second.0, second.1);
            let left = translated.give_up().count();
            match known {
                Known::Half(_) => assert!(waits && left == 0),
                // the one behind kube-proxy counts, where it has both directions
                Known::Same(other, is_better) => {
                    assert!(waits && left == 0);
                    let counted = if is_better { &other.flow } else { second.1 };
                    let wanted = if is_half(behind) && !is_half(before) { before } else { behind };
                    assert_eq!(counted, wanted);
                }
                Known::Alone | Known::Waits => return false,
            }
            true
        });
        assert_eq!(told[0], told[1]);
        told[0]
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
        // both tell of the client
        assert!(!are_one(false, &flow(1, [6, 0]), &there));
    }

    #[test]
    fn flows_with_the_same_packets_are_one_only_where_these_count_once() {
        let before = flow(0, [6, 6]);
        for packets in [[6, 6], [5, 6], [6, 0], [0, 6]] {
            assert!(are_one(true, &before, &flow(SOON, packets)));
            assert!(!are_one(false, &before, &flow(SOON, packets)));
            assert!(!are_one(true, &before, &flow(SOON + 1, packets)));
        }
    }

    #[test]
    fn other_clients_ports_and_services_are_other_connections() {
        let before = flow(0, [6, 6]);
        let mut client = before.clone();
        client.key.source = [10, 0, 0, 9].into();
        for (service, behind, is_one) in
            [("web", &before, true), ("api", &before, false), ("web", &client, false)]
        {
            let mut translated = Translated::new(true);
            translated.take(&pair("web"), Side::Before, &before);
            let known = translated.take(&pair(service), Side::Behind, behind);
            assert_eq!(matches!(known, Known::Same(..)), is_one, "{service}");
        }
        // nor are two of one side
        let mut translated = Translated::new(true);
        for _ in 0..2 {
            let known = translated.take(&pair("web"), Side::Before, &before);
            assert!(matches!(known, Known::Waits));
        }
    }

    #[test]
    fn no_more_wait_than_there_is_room_for() {
        let mut translated = Translated { most: 20, ..Translated::new(true) };
        let mut waits = |service: &str| {
            let known = translated.take(&pair(service), Side::Before, &flow(0, [1, 1]));
            matches!(known, Known::Waits)
        };
        let of_one = (0..100).filter(|_| waits("web")).count();
        assert_eq!(of_one, MOST_OF_ONE);
        let others = (0..100).filter(|n| waits(&n.to_string())).count();
        assert_eq!(others, 20 - MOST_OF_ONE);
        assert_eq!(translated.give_up().count(), 20);
        assert!(translated.waiting.is_empty() && translated.count == 0);
    }

    #[test]
    fn what_went_wrong_is_told_of_both_halves() {
        let (there, back) = (flow(0, [6, 0]), flow(0, [0, 6]));
        let reset = |mut flow: FlowRecord, flags| {
            flow.reverse.tcp_flags = TcpFlags(flags);
            (flow.forward.resets, flow.reverse.resets) =
                (u16::from(flow.forward.packets > 0), u16::from(flow.reverse.packets > 0));
            flow
        };
        let (rst, syn) = (TcpFlags::RST, TcpFlags::SYN);
        for (there, back, wanted) in [
            (there.clone(), back.clone(), None),
            (there.clone(), reset(back.clone(), rst), Some(Trouble::Rejected)),
            (there.clone(), reset(back.clone(), rst | syn), Some(Trouble::Reset)),
            (reset(there, 0), back, Some(Trouble::Reset)),
        ] {
            assert_eq!(trouble(&there, &back), wanted);
            assert_eq!(trouble(&back, &there), wanted);
        }
    }
}
