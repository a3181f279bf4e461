//! The two ends that a flow is summed under: pods, nodes, VTEPs, or a client and its service; or
//! one network.

use std::borrow::Cow;
use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::Arc;

use clap::ValueEnum;
use foldhash::fast::RandomState;
use podmap::{Kind, PodMap};
use vxflow::FlowRecord;
use vxlan::{IpProtocol, Vni};

/// What flows are summed by.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// No sums: each flow by itself.
    Flow,
    /// Pairs of pods; addresses where the map has no pod.
    Pod,
    /// Pairs of nodes; VTEPs where the map has no node.
    Node,
    /// Networks.
    Vni,
    /// Pairs of VTEPs.
    Vtep,
    /// Clients, and the service or server that they talk to. With endpointslices mapped (and
    /// services, for their ports), packets to a pod count for the service that the pod serves. If
    /// it serves several, one with a cluster IP comes first, and then the first by namespace and
    /// name. The halves of a connection before and behind kube-proxy are one flow; with --once, so
    /// are two flows with the same packets.
    Service,
}

/// One end of a pair. Names are stored once, in [`Names`], and stay when the map changes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum End {
    /// A name of the map, as [`podmap::Owner::label`] or a node's.
    Name(Arc<str>),
    /// An address that the map has no name for.
    Address(IpAddr),
    /// A service, or else a pod or node that serves: its label, and the protocol and port that it
    /// has.
    Service(Arc<str>, IpProtocol, Option<u16>),
    /// A server that the map has no name for.
    Server(IpAddr, IpProtocol, Option<u16>),
    /// A network.
    Vni(Vni),
    /// No tunnel, or one without a network identifier.
    NoTunnel,
    /// All pairs for which there was no room.
    Other,
}

/// The side of kube-proxy on which a flow was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// With the service's address.
    Before,
    /// With a pod's address.
    Behind,
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

/// The pair that a flow belongs to.
pub(super) struct Pair {
    pub(super) ends: [End; 2],
    /// The ends were swapped to put them in order, because a pair is the same whichever end opened
    /// the flow. A client and its service are never swapped.
    pub(super) swapped: bool,
    /// Set if the flow belongs to a service of the cluster: on which side of kube-proxy it was
    /// seen.
    pub(super) side: Option<Side>,
}

/// The pair that a flow belongs to, where it is summed so.
pub(super) fn pair(by: By, flow: &FlowRecord, map: &PodMap, names: &mut Names) -> Pair {
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

/// The service or else the server that a flow goes to, and on which side of kube-proxy it was seen.
fn server(flow: &FlowRecord, map: &PodMap, names: &mut Names) -> (End, Option<Side>) {
    let key = &flow.key;
    let port = key.destination_port();
    let owner = map.owner(key.destination);
    let is_service = owner.kind() == Kind::Service;
    // behind kube-proxy the destination is a pod of the service
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
        // each address outside the cluster is a server of its own
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

/// The pod's name if it is known, or another name of the map, or the address.
fn pod(map: &PodMap, address: IpAddr, names: &mut Names) -> End {
    let owner = map.owner(address);
    match owner.kind() {
        Kind::Unknown => End::Address(address),
        // of this pod only the node is known
        Kind::Pod if owner.pod_id().is_none() => End::Address(address),
        _ => names.end(owner.label()),
    }
}

/// The node of an address, or else the node that carried its packets.
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
    /// As it is printed: `default/web-0@worker`, `10.244.1.5`, `svc:shop/api tcp/80`, `1`, `-`,
    /// `(others)`.
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
