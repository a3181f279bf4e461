//! Sums of flows over pairs: of pods, nodes, VTEPs, clients and services, or by network.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use clap::ValueEnum;
use foldhash::fast::RandomState;
use podmap::{Kind, PodMap};
use vxflow::{ConnState, FlowRecord};
use vxlan::{IpProtocol, Vni};

use super::outcome::Trouble;
use super::translated::{Connection, Side, Translated};

/// The most pairs that are told apart; what comes beyond is summed as one pair of [`End::Other`].
const MOST_PAIRS: usize = 1_000_000;

/// What flows are summed by.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Not at all: each flow by itself.
    Flow,
    /// Pairs of pods; of addresses where the map has no pod.
    Pod,
    /// Pairs of nodes; of VTEPs where the map has no node.
    Node,
    /// Networks.
    Vni,
    /// Pairs of VTEPs.
    Vtep,
    /// Clients, and the service or server that they talk to. With endpointslices mapped (and services, for their ports),
    /// what reaches a pod where it serves a service counts for the service; of several for one with a cluster IP, and the
    /// first by namespace and name. Halves of a connection before and behind kube-proxy are one flow, and with --once so are
    /// two flows with the same packets.
    Service,
}

/// One end of a pair. Names are kept once, by [`Sums`], so that the map may change meanwhile.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    /// A name of the map, as [`podmap::Owner::label`] or a node's.
    Name(Arc<str>),
    /// An address that the map has no name for.
    Address(IpAddr),
    /// A service, or else a pod or node that serves: its label, and the protocol and port that it has.
    Service(Arc<str>, IpProtocol, Option<u16>),
    /// A server that the map has no name for.
    Server(IpAddr, IpProtocol, Option<u16>),
    /// A network.
    Vni(Vni),
    /// Packets in no tunnel, or in one without network identifier.
    NoTunnel,
    /// All pairs for which there was no room.
    Other,
}

/// What flows of one pair come to. Of the two numbers the first is what the pair's first end sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum {
    /// Flows.
    pub(crate) flows: u64,
    /// Packets each way.
    pub(crate) packets: [u64; 2],
    /// Bytes of inner frames each way.
    pub(crate) bytes: [u64; 2],
    /// TCP segments sent again, each way.
    pub(crate) retransmits: [u64; 2],
    /// Flows that were not answered.
    pub(crate) unanswered: u64,
    /// Flows that were rejected.
    pub(crate) rejected: u64,
    /// Flows that a reset ended.
    pub(crate) resets: u64,
    /// Round-trip times of the flows that have one.
    pub(crate) rtt: Rtt,
    /// Who opened them.
    pub(crate) openers: Openers,
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub(crate) first: i64,
    /// Time of the latest packet, nanoseconds since the Unix epoch.
    pub(crate) last: i64,
}

/// What a flow's packets come to. Of two numbers the first is the opener's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Traffic {
    /// Time of the first packet, nanoseconds since the Unix epoch.
    pub(super) first: i64,
    /// Time of the latest packet, nanoseconds since the Unix epoch.
    pub(super) last: i64,
    /// Packets each way.
    pub(super) packets: [u64; 2],
    bytes: [u64; 2],
    retransmits: [u32; 2],
    rtt: Option<i64>,
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

/// How many flows of a pair each end opened, and when the first of them began, nanoseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Openers([(u64, i64); 2]);

impl Openers {
    /// The pair's first or second end opened `count` flows more.
    fn add(&mut self, side: usize, count: u64, first: i64) {
        let Some((opened, begun)) = self.0.get_mut(side).filter(|_| count > 0) else { return };
        *begun = if *opened == 0 { first } else { first.min(*begun) };
        *opened += count;
    }

    /// Those of other flows too.
    #[must_use]
    pub(crate) fn and(mut self, others: Self) -> Self {
        for (side, (count, first)) in others.0.into_iter().enumerate() {
            self.add(side, count, first);
        }
        self
    }

    /// Has the pair's second end opened more of the flows, or as many and the first of all?
    pub(crate) fn is_second_first(&self) -> bool {
        let [(first, begun), (second, begun_by_second)] = self.0;
        second > first || second == first && begun_by_second < begun
    }
}

/// Round-trip times of several flows, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rtt {
    /// How many flows had one.
    pub(crate) count: u64,
    /// All together.
    pub(crate) total: i128,
    /// The longest.
    pub(crate) longest: i64,
}

impl Rtt {
    /// Takes one in.
    pub(crate) fn add(&mut self, nanos: i64) {
        self.longest = if self.count == 0 { nanos } else { self.longest.max(nanos) };
        self.count += 1;
        self.total += i128::from(nanos);
    }

    /// Their mean; `None` where there is none.
    pub(crate) fn mean(&self) -> Option<i64> {
        let mean = self.total.checked_div(i128::from(self.count))?;
        i64::try_from(mean).ok()
    }
}

/// Sums over pairs.
#[derive(Clone, Debug)]
pub(crate) struct Sums {
    by: By,
    most: usize,
    pairs: HashMap<[End; 2], Sum, RandomState>,
    names: Names,
    /// connections to services that are two flows, where they are put together
    translated: Option<Translated>,
}

/// What was given and is not in the sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Flows that are parts of connections that were counted.
    pub(crate) flows: u64,
    /// Packets that were counted already.
    pub(crate) packets: u64,
    /// Connections in states that were not wanted.
    pub(crate) unwanted: u64,
}

/// Names, each kept once.
#[derive(Clone, Debug, Default)]
pub(super) struct Names(HashSet<Arc<str>, RandomState>);

impl Names {
    fn keep(&mut self, name: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(name) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = name.into();
        self.0.insert(Arc::clone(&kept));
        kept
    }

    fn end(&mut self, name: &str) -> End {
        End::Name(self.keep(name))
    }
}

impl Sums {
    /// No flows yet.
    pub(crate) fn new(by: By) -> Self {
        Self {
            by,
            most: MOST_PAIRS,
            pairs: HashMap::default(),
            names: Names::default(),
            translated: None,
        }
    }

    /// The same; by service, halves of a connection on both sides of kube-proxy count as one flow, and `once`: what was seen on
    /// both counts once. `most` flows wait for others. Then [`Sums::settle`] is needed.
    pub(crate) fn of_connections(by: By, once: bool, most: usize) -> Self {
        let translated = (by == By::Service).then(|| Translated::new(once, most));
        Self { translated, ..Self::new(by) }
    }

    /// The same, which tells `most` pairs apart.
    pub(crate) fn at_most(by: By, most: usize) -> Self {
        Self { most, ..Self::new(by) }
    }

    /// Adds a flow to its pair.
    pub(crate) fn add(&mut self, flow: &FlowRecord, map: &PodMap) {
        self.add_if(true, flow, map);
    }

    /// The same, if its state is wanted; also if it waits for others, and the state of all together is asked for later. Was
    /// it added?
    pub(crate) fn add_if(&mut self, wanted: bool, flow: &FlowRecord, map: &PodMap) -> bool {
        if !wanted && self.translated.is_none() {
            return false;
        }
        let Pair { ends, swapped, side } = pair(self.by, flow, map, &mut self.names);
        if let (Some(translated), Some(side)) = (&mut self.translated, side)
            && translated.keeps(&ends, side, flow)
        {
            return true;
        }
        if wanted {
            self.sum(ends).add(flow, swapped);
        }
        wanted
    }

    /// Adds what waited for others, in states that are wanted: no more flows come. Gives what was left out.
    pub(crate) fn settle(&mut self, wants: impl Fn(ConnState) -> bool) -> LeftOut {
        let mut left_out = LeftOut::default();
        let Some(mut translated) = self.translated.take() else { return left_out };
        translated.settle(|&Connection { part, half, copy, state, trouble }| {
            left_out.flows += u64::from(half.is_some()) + u64::from(copy.is_some());
            left_out.packets += copy.map_or(0, |copy| copy.traffic().packets.iter().sum());
            if !wants(state) {
                left_out.unwanted += 1;
                return;
            }
            let sum = self.sum(part.pair());
            sum.add_traffic(part.traffic(), false);
            if let Some(half) = half {
                sum.add_traffic(half.traffic(), false);
            }
            let begun = half.map_or(i64::MAX, |half| half.traffic().first);
            sum.add_flow(begun.min(part.traffic().first), trouble, false);
        });
        left_out
    }

    fn sum(&mut self, mut pair: [End; 2]) -> &mut Sum {
        if self.pairs.len() >= self.most && !self.pairs.contains_key(&pair) {
            pair = [End::Other, End::Other];
        }
        self.pairs.entry(pair).or_default()
    }

    /// The pairs and what they come to, in no particular order.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (&[End; 2], &Sum)> {
        self.pairs.iter()
    }
}

impl Sum {
    /// Flows that came to some [`Trouble`].
    pub(crate) const fn failed(&self) -> u64 {
        self.unanswered + self.rejected + self.resets
    }

    fn add(&mut self, flow: &FlowRecord, swapped: bool) {
        self.add_traffic(&Traffic::of(flow), swapped);
        self.add_flow(flow.first, Trouble::of(flow), swapped);
    }

    /// Adds the packets of a flow.
    fn add_traffic(&mut self, traffic: &Traffic, swapped: bool) {
        let Traffic { first, last, packets, bytes, retransmits, rtt } = *traffic;
        let is_first = self.flows == 0 && self.packets == [0, 0];
        self.first = if is_first { first } else { self.first.min(first) };
        self.last = if is_first { last } else { self.last.max(last) };
        for end in 0..2 {
            let side = if swapped { 1 - end } else { end };
            self.packets[side] += packets[end];
            self.bytes[side] += bytes[end];
            self.retransmits[side] += u64::from(retransmits[end]);
        }
        if let Some(rtt) = rtt {
            self.rtt.add(rtt);
        }
    }

    /// Adds a flow that began then.
    fn add_flow(&mut self, first: i64, trouble: Option<Trouble>, swapped: bool) {
        self.flows += 1;
        self.openers.add(usize::from(swapped), 1, first);
        match trouble {
            Some(Trouble::Unanswered) => self.unanswered += 1,
            Some(Trouble::Rejected) => self.rejected += 1,
            Some(Trouble::Reset) => self.resets += 1,
            None => {}
        }
    }

    /// The same with the pair's ends swapped.
    #[must_use]
    pub(crate) fn swapped(mut self) -> Self {
        for pair in [&mut self.packets, &mut self.bytes, &mut self.retransmits] {
            pair.swap(0, 1);
        }
        self.openers.0.swap(0, 1);
        self
    }

    /// From the first packet to the latest, in nanoseconds.
    pub(crate) const fn duration(&self) -> i64 {
        self.last.saturating_sub(self.first)
    }
}

/// The pair that a flow belongs to.
struct Pair {
    ends: [End; 2],
    /// But for clients and services, a pair is the same whoever opened the flow: its ends are in order, and swapped then.
    swapped: bool,
    /// Where the flow is one of a service of the cluster: with its address, or behind kube-proxy.
    side: Option<Side>,
}

fn pair(by: By, flow: &FlowRecord, map: &PodMap, names: &mut Names) -> Pair {
    let key = &flow.key;
    let [a, b] = match by {
        By::Flow | By::Pod => [key.source, key.destination].map(|address| pod(map, address, names)),
        By::Node => node_ends(flow, map, names),
        By::Vtep => vteps(flow).map(|vtep| vtep.map_or(End::NoTunnel, End::Address)),
        By::Vni => {
            let vni = key.vni.map_or(End::NoTunnel, End::Vni);
            return Pair { ends: [vni.clone(), vni], swapped: false, side: None };
        }
        By::Service => {
            let (server, side) = server(flow, map, names);
            return Pair { ends: [pod(map, key.source, names), server], swapped: false, side };
        }
    };
    let swapped = a > b;
    Pair { ends: if swapped { [b, a] } else { [a, b] }, swapped, side: None }
}

/// The service or else the server that a flow is opened to, and which side of kube-proxy it was seen on.
fn server(flow: &FlowRecord, map: &PodMap, names: &mut Names) -> (End, Option<Side>) {
    let key = &flow.key;
    let port = key.destination_port();
    let owner = map.owner(key.destination);
    let is_service = owner.kind() == Kind::Service;
    // behind kube-proxy a packet goes to a pod of the service
    let service = match port {
        Some(port) if !is_service => map.service_behind(key.destination, key.protocol.0, port),
        _ => None,
    };
    if let Some(service) = service {
        let name = names.keep(service.label);
        let server = End::Service(name, key.protocol, service.port.or(port));
        return (server, Some(Side::Behind));
    }
    let server = match (owner.kind(), pod(map, key.destination, names)) {
        // of addresses outside the cluster each is another server
        (Kind::External, _) => End::Server(key.destination, key.protocol, port),
        (_, End::Name(name)) => End::Service(name, key.protocol, port),
        _ => End::Server(key.destination, key.protocol, port),
    };
    (server, is_service.then_some(Side::Before))
}

/// The nodes of a flow's ends, the opener's first.
pub(super) fn node_ends(flow: &FlowRecord, map: &PodMap, names: &mut Names) -> [End; 2] {
    let ([from, to], key) = (vteps(flow), &flow.key);
    [node(map, key.source, from, names), node(map, key.destination, to, names)]
}

fn vteps(flow: &FlowRecord) -> [Option<IpAddr>; 2] {
    let (from, to) = flow.vteps.unzip();
    [from, to]
}

/// The pod if it is known, whatever else the map knows if not, and in the end the address.
fn pod(map: &PodMap, address: IpAddr, names: &mut Names) -> End {
    let owner = map.owner(address);
    match owner.kind() {
        Kind::Unknown => End::Address(address),
        // of this pod no more is known than its node
        Kind::Pod if owner.pod_id().is_none() => End::Address(address),
        _ => names.end(owner.label()),
    }
}

/// The node of an address, or else the one that carried it.
fn node(map: &PodMap, address: IpAddr, vtep: Option<IpAddr>, names: &mut Names) -> End {
    let owner = map.owner(address);
    let node = owner.node().or_else(|| vtep.and_then(|vtep| map.node_by_vtep(vtep)));
    match (node, vtep) {
        (Some(node), _) => names.end(node),
        (None, Some(vtep)) => End::Address(vtep),
        (None, None) => names.end(owner.label()),
    }
}

impl End {
    /// As it is printed: `default/web-0@worker`, `10.244.1.5`, `svc:shop/api tcp/80`, `1`, `-`, `(others)`.
    pub(crate) fn label(&self) -> Cow<'_, str> {
        match self {
            Self::Name(name) => Cow::Borrowed(name),
            Self::Address(address) => Cow::Owned(address.to_string()),
            Self::Service(name, protocol, port) => with_port(name, *protocol, *port),
            Self::Server(address, protocol, port) => {
                with_port(&address.to_string(), *protocol, *port)
            }
            Self::Vni(vni) => Cow::Owned(vni.number().to_string()),
            Self::NoTunnel => Cow::Borrowed("-"),
            Self::Other => Cow::Borrowed("(others)"),
        }
    }
}

fn with_port(name: &str, protocol: IpProtocol, port: Option<u16>) -> Cow<'static, str> {
    let protocol = protocol_name(protocol);
    Cow::Owned(match port {
        Some(port) => format!("{name} {protocol}/{port}"),
        None => format!("{name} {protocol}"),
    })
}

/// The protocol's name in lower case, or its number.
pub(crate) fn protocol_name(protocol: IpProtocol) -> Cow<'static, str> {
    protocol.name().map_or_else(|| Cow::Owned(protocol.0.to_string()), Cow::Borrowed)
}
