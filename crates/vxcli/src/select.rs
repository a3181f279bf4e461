//! Which packets are wanted.

use std::collections::BTreeSet;

use podmap::{Kind, NodeId, Owner, PodId, PodMap};
use vxcap::Frame;
use vxcap::filter::pushdown::{self, Overlay, Prefix, Pushed};
use vxcap::filter::{self, Filter, Program};
use vxlan::{Decoder, Headers, LinkType, Packet, Ports, Vni};

use crate::args::SelectArgs;
use crate::failure::Failure;

/// Selects packets. All options must match; of an option that is repeated, one value must match.
#[derive(Debug, Default)]
pub struct Selection {
    outer: Option<Filter>,
    inner: Option<Filter>,
    vnis: Vec<Vni>,
    node_names: Vec<String>,
    pod_names: Vec<String>,
    /// Overlay traffic only, on these interfaces.
    overlay: Option<(Overlay, Vec<bool>)>,
    /// The numbers in the map of what is named.
    nodes: Vec<NodeId>,
    pods: Vec<PodId>,
}

impl Selection {
    /// # Errors
    ///
    /// [`Failure::Usage`] where an expression, VNI, node or pod makes no sense.
    pub fn new(args: &SelectArgs, map: &PodMap) -> Result<Self, Failure> {
        let expression = args.expression.join(" ");
        let filter = |expression: &str| -> Result<Option<Filter>, Failure> {
            let expression = expression.trim();
            if expression.is_empty() {
                return Ok(None);
            }
            Filter::new(expression).map(Some).map_err(Failure::usage)
        };
        Ok(Self {
            outer: filter(&expression)?,
            inner: filter(args.inner.as_deref().unwrap_or_default())?,
            vnis: args.vni.iter().map(|&number| vni(number)).collect::<Result<_, _>>()?,
            nodes: args.node.iter().map(|name| node(map, name)).collect::<Result<_, _>>()?,
            pods: pods(map, &args.pod)?,
            node_names: args.node.clone(),
            pod_names: args.pod.clone(),
            overlay: None,
        })
    }

    /// The map is another one now: numbers of nodes and pods are looked up again. A node or pod
    /// that is gone matches nothing, until it is back.
    pub fn map_changed(&mut self, map: &PodMap) {
        self.nodes = self.node_names.iter().filter_map(|name| map.node_named(name)).collect();
        self.pods = self.pod_names.iter().flat_map(|name| map.pods_named(name)).collect();
    }

    /// Compiles the expressions for these link types now: later the process may have no right to
    /// load libpcap. One that makes no sense for a link type is told when a frame of it comes.
    pub fn prepare(&mut self, link_types: &[LinkType]) {
        for filter in [&mut self.outer, &mut self.inner].into_iter().flatten() {
            for &link_type in link_types {
                let _ = filter.program(link_type);
            }
        }
    }

    /// The pods' addresses that count as overlay traffic are these now.
    pub fn pods_changed(&mut self, pods: Vec<Prefix>) {
        if let Some((overlay, _)) = &mut self.overlay {
            overlay.pods = pods;
        }
    }

    /// Overlay traffic only, on the interfaces whose flag is set.
    pub fn only_overlay(&mut self, overlay: Overlay, interfaces: Vec<bool>) {
        self.overlay = Some((overlay, interfaces));
    }

    /// The program that decides in the kernel, as far as it can, for a device whose frames begin
    /// so; and what it leaves to user space. `overlay`: only overlay traffic on this device.
    ///
    /// # Errors
    ///
    /// [`Failure::Usage`] where an expression makes no sense for the link type, or the inner one
    /// for Ethernet.
    pub fn kernel_program(
        &mut self,
        link_type: LinkType,
        ports: &Ports,
        map: &PodMap,
        overlay: bool,
    ) -> Result<Pushed, Failure> {
        let compiled = |filter: &mut Option<Filter>, link_type| match filter {
            Some(filter) => {
                filter.program(link_type).map(|p| Some(p.clone())).map_err(Failure::usage)
            }
            None => Ok(None),
        };
        let expression = compiled(&mut self.outer, link_type)?;
        let inner = compiled(&mut self.inner, LinkType::ETHERNET)?;
        // an expression about Ethernet is true of no packet without an Ethernet header
        let inner_cooked = compiled(&mut self.inner, link_type).ok().flatten();
        let ends = self.ends(map);
        let selection = pushdown::KernelSelection::new(link_type)
            .ports(ports.clone())
            .overlay(self.overlay.as_ref().filter(|_| overlay).map(|(overlay, _)| overlay))
            .expression(expression.as_ref())
            .inner(inner.as_ref())
            .inner_cooked(inner_cooked.as_ref())
            .vnis(&self.vnis)
            .ends(&ends);
        Ok(selection.program())
    }

    /// All addresses that the wanted nodes or pods may have, and maybe more. Empty: any.
    fn ends(&self, map: &PodMap) -> Vec<Prefix> {
        let wanted = |row: &podmap::Row<'_>| {
            if self.pod_names.is_empty() {
                row.node.is_some_and(|node| self.node_names.iter().any(|name| name == node))
            } else {
                // by the pod's number: a name may leave out its namespace
                map.owner(row.cidr.address()).pod_id().is_some_and(|id| self.pods.contains(&id))
            }
        };
        if self.node_names.is_empty() && self.pod_names.is_empty() {
            return Vec::new();
        }
        let prefix = |row: podmap::Row<'_>| Prefix::new(row.cidr.address(), row.cidr.prefix_len());
        map.rows().filter(wanted).filter_map(prefix).collect()
    }

    /// Is there any condition?
    pub fn is_any(&self) -> bool {
        self.outer.is_some() || self.looks_inside()
    }

    /// Does it ask for more than the frame as captured?
    #[inline]
    pub fn looks_inside(&self) -> bool {
        self.inner.is_some()
            || self.overlay.is_some()
            || !(self.vnis.is_empty() && self.node_names.is_empty() && self.pod_names.is_empty())
    }

    /// Does the frame as captured match EXPRESSION?
    ///
    /// # Errors
    ///
    /// Where it makes no sense for the frame's link type.
    #[inline]
    pub fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, filter::Error> {
        match &mut self.outer {
            Some(filter) => filter.matches(frame.link_type, frame.data, frame.orig_len),
            None => Ok(true),
        }
    }

    /// Does the decoded packet match everything else? `inner_len`: length of its innermost frame on
    /// the wire.
    ///
    /// # Errors
    ///
    /// Where the inner expression makes no sense for the inner link type.
    #[inline]
    pub fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        map: &PodMap,
        inner_len: u32,
        interface: u32,
    ) -> Result<bool, filter::Error> {
        if let Some((overlay, interfaces)) = &self.overlay {
            let applies = interfaces.get(interface as usize).copied().unwrap_or(false);
            if applies && !overlay.contains(packet) {
                return Ok(false);
            }
        }
        if !self.vnis.is_empty() && !self.has_vni(packet, decoder) {
            return Ok(false);
        }
        if !(self.node_names.is_empty() && self.pod_names.is_empty()) {
            let of =
                |headers: &Headers<'_>| ends(map, headers).is_some_and(|ends| self.has_end(ends));
            if !of(&packet.inner)
                && !tunnel_packet_quoted_by(packet, decoder).is_some_and(|q| of(&q))
            {
                return Ok(false);
            }
        }
        match &mut self.inner {
            Some(filter) => {
                let inner = &packet.inner;
                match filter.matches(inner.link_type(), inner.bytes(), inner_len) {
                    // an expression about Ethernet is true of no packet without an Ethernet header
                    Err(_) if inner.link_type() != LinkType::ETHERNET => Ok(false),
                    result => result,
                }
            }
            None => Ok(true),
        }
    }

    /// EXPRESSION compiled for frames of this link type; `None` where there is none.
    ///
    /// # Errors
    ///
    /// [`Failure::Error`] where it makes no sense for it.
    pub fn program(&mut self, link_type: LinkType) -> Result<Option<&Program>, Failure> {
        match &mut self.outer {
            Some(filter) => filter.program(link_type).map(Some).map_err(Failure::error),
            None => Ok(None),
        }
    }

    fn has_vni(&self, packet: &Packet<'_>, decoder: &Decoder) -> bool {
        decoder
            .encapsulations(packet)
            .filter_map(|encapsulation| encapsulation.tunnel.vni())
            .any(|vni| self.vnis.contains(&vni))
    }

    fn has_end(&self, (source, destination): (Owner<'_>, Owner<'_>)) -> bool {
        let node = |owner: Owner<'_>| owner.node_id().is_some_and(|id| self.nodes.contains(&id));
        let pod = |owner: Owner<'_>| owner.pod_id().is_some_and(|id| self.pods.contains(&id));
        (self.node_names.is_empty() || node(source) || node(destination))
            && (self.pod_names.is_empty() || pod(source) || pod(destination))
    }
}

/// The inner headers of the tunnel packet that a packet between nodes, an ICMP error, is about.
fn tunnel_packet_quoted_by<'a>(packet: &Packet<'a>, decoder: &Decoder) -> Option<Headers<'a>> {
    if packet.tunnel.is_some() {
        return None;
    }
    let quoted = decoder.decode_quote(&packet.inner)?;
    quoted.tunnel.map(|_| quoted.inner)
}

/// The owners of a packet's ends; `None` where it has no addresses.
#[inline]
pub fn ends<'m>(map: &'m PodMap, headers: &Headers<'_>) -> Option<(Owner<'m>, Owner<'m>)> {
    Some((map.owner(headers.source()?), map.owner(headers.destination()?)))
}

fn vni(number: u32) -> Result<Vni, Failure> {
    Vni::new(number).ok_or_else(|| {
        Failure::usage(format_args!("--vni {number}: a VNI has 24 bits, {} at most", Vni::MAX))
    })
}

/// How many names of a map are listed where one is not found.
const MOST_LISTED: usize = 20;

fn node(map: &PodMap, name: &str) -> Result<NodeId, Failure> {
    map.node_named(name).ok_or_else(|| {
        let known: Vec<&str> = map.nodes().take(MOST_LISTED).collect();
        if known.is_empty() {
            Failure::usage(format_args!(
                "--node {name}: no node is known: give a map with --map or --pod-cidr"
            ))
        } else {
            Failure::usage(format_args!(
                "--node {name}: no such node in the map; it has {}",
                known.join(", ")
            ))
        }
    })
}

fn pods(map: &PodMap, names: &[String]) -> Result<Vec<PodId>, Failure> {
    let mut ids = Vec::new();
    for name in names {
        let found = map.pods_named(name);
        if found.is_empty() {
            // a pod has a row for each of its addresses
            let known: BTreeSet<String> = map
                .rows()
                .filter(|row| row.kind == Kind::Pod)
                .filter_map(|row| Some(format!("{}/{}", row.namespace?, row.name?)))
                .collect();
            return Err(Failure::usage(if known.is_empty() {
                format!(
                    "--pod {name}: no pod is known: give a map with --map (kubectl get pods -A -o json)"
                )
            } else {
                let more = if known.len() > MOST_LISTED { " …" } else { "" };
                let known: Vec<String> = known.into_iter().take(MOST_LISTED).collect();
                format!(
                    "--pod {name}: no pod of that name has an address of its own in the map (one in its host's network is found by --node); it has {}{more}",
                    known.join(", ")
                )
            }));
        }
        ids.extend(found);
    }
    Ok(ids)
}
