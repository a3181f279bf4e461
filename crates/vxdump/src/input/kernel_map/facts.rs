//! What the kernel's tables say of a cluster: a pure function of them.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use podmap::{Builder, Cidr, NodeRef, SourceId, VtepRecord};
use vxcap::live::{Device, DeviceKind, Tables};

use super::tunnel::{Endpoint, Tunnel};

/// The part of the tables that names hang on. Much else in them changes all the time, and changes
/// nothing here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Facts {
    pub(super) tunnels: Vec<Tunnel>,
    /// Which nodes have which pods.
    pod_cidrs: Vec<(NodeRef, Cidr)>,
    node_addresses: Vec<IpAddr>,
    /// Nodes that are reached without a tunnel.
    direct: Vec<IpAddr>,
}

impl Facts {
    /// `pod_networks`: what is known otherwise of where pods are.
    pub(super) fn of(tables: &Tables, pod_networks: &[Cidr]) -> Self {
        let mut facts = Self {
            tunnels: tables.devices.iter().filter_map(|device| tunnel(device, tables)).collect(),
            ..Self::default()
        };
        facts.read_routes(tables);
        facts.read_direct_routes(tables, pod_networks);
        facts.read_node_addresses(tables);
        facts
    }

    /// What this node itself has: the tunnels' own outer addresses, and those of its devices, the
    /// bridge of its pods among them. Not the tunnel devices', which are VTEPs, and not what is
    /// kept on loopback and dummy devices: there kube-proxy's IPVS has all services.
    fn read_node_addresses(&mut self, tables: &Tables) {
        let of_devices = tables.addresses.iter().filter(|row| {
            let devices = &tables.devices;
            let at = devices.binary_search_by_key(&row.device, |device| device.index);
            let kind = at.ok().and_then(|at| devices.get(at)).map(|device| &device.kind);
            let is_other = matches!(
                kind,
                Some(DeviceKind::Vxlan(_) | DeviceKind::Loopback | DeviceKind::Dummy)
            );
            !is_other && !is_link_local(row.address)
        });
        let own = self.tunnels.iter().filter_map(|tunnel| tunnel.local);
        self.node_addresses = own.chain(of_devices.map(|row| row.address)).collect();
        self.node_addresses.sort_unstable();
        self.node_addresses.dedup();
    }

    /// A route through a tunnel's gateway leads to the pods of the node whose endpoint that is. The
    /// pods of this node are where the network is whose first address the tunnel's device has.
    fn read_routes(&mut self, tables: &Tables) {
        let gateways: HashMap<(u32, IpAddr), IpAddr> = self
            .tunnels
            .iter()
            .flat_map(|tunnel| {
                let known = tunnel.endpoints.iter();
                known.filter_map(|end| Some(((tunnel.device, end.address?), end.underlay)))
            })
            .collect();
        let own: Vec<IpAddr> =
            self.tunnels.iter().flat_map(|tunnel| tunnel.addresses.iter().copied()).collect();
        for route in &tables.routes {
            let Ok(cidr) = Cidr::around(route.destination, route.prefix_len) else { continue };
            if cidr.prefix_len() == 0 || cidr.is_host() || is_link_local(cidr.address()) {
                continue;
            }
            match (route.device, route.gateway) {
                (Some(device), Some(gateway)) => {
                    if let Some(underlay) = gateways.get(&(device, gateway)) {
                        self.pod_cidrs.push((NodeRef::Address(*underlay), cidr));
                    }
                }
                (Some(_), None) if own.contains(&cidr.address()) => {
                    self.pod_cidrs.push((NodeRef::Local, cidr));
                }
                (_, None) if route.blackhole && own.contains(&cidr.address()) => {
                    self.pod_cidrs.push((NodeRef::Local, cidr));
                }
                _ => {}
            }
        }
        self.pod_cidrs.sort_unstable();
        self.pod_cidrs.dedup();
    }

    /// Routes to other nodes' pods without a tunnel (flannel's host-gw and `DirectRouting`,
    /// Calico's routes within a subnet) have the node itself as their gateway. Any other network
    /// behind a router looks the same: only what lies where pods are is taken.
    fn read_direct_routes(&mut self, tables: &Tables, pod_networks: &[Cidr]) {
        let own: Vec<Cidr> = self
            .pod_cidrs
            .iter()
            .filter(|(node, _)| *node == NodeRef::Local)
            .map(|(_, cidr)| *cidr)
            .collect();
        let is_of_pods = |cidr: Cidr| {
            let within = |network: &Cidr| {
                network.contains(cidr.address()) && network.prefix_len() <= cidr.prefix_len()
            };
            pod_networks.iter().any(within) || own.iter().any(|own| are_siblings(*own, cidr))
        };
        for route in &tables.routes {
            let (Some(device), Some(gateway)) = (route.device, route.gateway) else { continue };
            let Ok(cidr) = Cidr::around(route.destination, route.prefix_len) else { continue };
            let is_tunnel = self.tunnels.iter().any(|tunnel| tunnel.device == device);
            if is_tunnel || is_link_local(gateway) || cidr.is_host() || !is_of_pods(cidr) {
                continue;
            }
            self.pod_cidrs.push((NodeRef::Address(gateway), cidr));
            self.direct.push(gateway);
        }
        self.pod_cidrs.sort_unstable();
        self.pod_cidrs.dedup();
        self.direct.sort_unstable();
        self.direct.dedup();
    }

    /// Puts it all into a builder. Other nodes are known by their underlay addresses; a file that
    /// knows their names has the same addresses.
    pub(super) fn fill(&self, builder: &mut Builder, source: SourceId) {
        for address in &self.node_addresses {
            builder.add_node_address(source, NodeRef::Local, *address);
        }
        for tunnel in &self.tunnels {
            let vni = tunnel.vni;
            // a device without an address of its own still has a MAC address
            let addresses = tunnel.addresses.iter().copied().map(Some);
            let addresses = addresses.chain(tunnel.addresses.is_empty().then_some(None));
            for address in addresses {
                let vtep = VtepRecord { underlay: tunnel.local, address, mac: tunnel.mac, vni };
                builder.add_vtep(source, NodeRef::Local, vtep);
            }
            for end in &tunnel.endpoints {
                let (underlay, address) = (Some(end.underlay), end.address);
                let vtep = VtepRecord { underlay, address, mac: Some(end.mac), vni };
                builder.add_vtep(source, NodeRef::Address(end.underlay), vtep);
                builder.add_node_address(source, NodeRef::Address(end.underlay), end.underlay);
            }
        }
        for address in &self.direct {
            builder.add_node_address(source, NodeRef::Address(*address), *address);
        }
        for (node, cidr) in &self.pod_cidrs {
            builder.add_pod_cidr(source, node.clone(), *cidr);
        }
    }
}

/// A VXLAN device with what its forwarding database and its neighbours say of other nodes.
fn tunnel(device: &Device, tables: &Tables) -> Option<Tunnel> {
    let DeviceKind::Vxlan(vxlan) = &device.kind else { return None };
    let neighbours = tables.neighbours.iter().filter(|row| row.device == device.index);
    let mut addresses: HashMap<[u8; 6], BTreeSet<(bool, IpAddr)>> = HashMap::new();
    for row in neighbours.filter(|row| !is_link_local(row.address)) {
        addresses.entry(row.mac).or_default().insert((row.permanent, row.address));
    }
    let rows = tables.forwarding.iter().filter(|row| row.device == device.index);
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for row in rows.filter(|row| is_unicast(row.mac)) {
        let Some(underlay) = row.remote else { continue };
        let end = |address| Endpoint { mac: row.mac, underlay, address };
        match addresses.get(&row.mac) {
            Some(known) => {
                endpoints.extend(of_endpoint(known).map(|address| end(Some(address))));
            }
            None => endpoints.push(end(None)),
        }
    }
    endpoints.sort_unstable();
    endpoints.dedup();
    let own = tables.addresses.iter().filter(|row| row.device == device.index);
    let mut addresses: Vec<IpAddr> =
        own.map(|row| row.address).filter(|address| !is_link_local(*address)).collect();
    addresses.sort_unstable();
    Some(Tunnel {
        device: device.index,
        name: device.name.clone(),
        vni: vxlan.vni,
        port: vxlan.port,
        gpe: vxlan.gpe,
        local: vxlan.local,
        underlay: vxlan.underlay.filter(|_| device.lower_netns.is_none()),
        mac: device.mac,
        addresses,
        endpoints,
    })
}

/// Which of a MAC address's neighbours, permanent ones and learned ones, are an endpoint's own: in
/// each family all that were set by hand, for a device may carry IPv4 and IPv6 whatever its
/// underlay is; without such the last one that was learned, as a device that takes over from
/// another may have two.
fn of_endpoint(known: &BTreeSet<(bool, IpAddr)>) -> impl Iterator<Item = IpAddr> {
    [true, false].into_iter().flat_map(move |v4| {
        let of_family = move || known.iter().rev().filter(move |(_, a)| a.is_ipv4() == v4);
        let has_permanent = of_family().any(|(permanent, _)| *permanent);
        let count = if has_permanent { usize::MAX } else { 1 };
        let counting = of_family().filter(move |(permanent, _)| *permanent == has_permanent);
        counting.take(count).map(|(_, address)| *address)
    })
}

/// Whether two networks look like two nodes' parts of one cluster's: of equal size, in one /16
/// (IPv6: /48), which is how large clusters' networks usually are at least.
fn are_siblings(a: Cidr, b: Cidr) -> bool {
    let (whole, longest) = if a.address().is_ipv4() { (16, 32) } else { (48, 128) };
    let around = Cidr::around(a.address(), whole);
    a.prefix_len() == b.prefix_len()
        && (whole + 1..longest).contains(&a.prefix_len())
        && around.is_ok_and(|around| around.contains(b.address()))
}

/// Not to a group, and not the row of zeros for what has none.
fn is_unicast(mac: [u8; 6]) -> bool {
    let [first, ..] = mac;
    first & 1 == 0 && mac != [0; 6]
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || address.is_loopback(),
        IpAddr::V6(address) => address.is_unicast_link_local() || address.is_loopback(),
    }
}
