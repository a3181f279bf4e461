//! Which packets are wanted.

use podmap::{NodeId, Owner, PodId, PodMap};
use vxcap::Frame;
use vxcap::filter::Filter;
use vxlan::{Decoder, Packet, Vni};

use super::cli::SelectArgs;
use super::failure::Failure;
use crate::{Error, Select};

/// Selects packets: different conditions must all hold, of a condition that is repeated one.
#[derive(Debug)]
pub(crate) struct Selection<'m> {
    map: &'m PodMap,
    outer: Option<Filter>,
    inner: Option<Filter>,
    vnis: Vec<Vni>,
    nodes: Vec<NodeId>,
    pods: Vec<PodId>,
}

impl<'m> Selection<'m> {
    pub(crate) fn new(args: &SelectArgs, map: &'m PodMap) -> Result<Self, Failure> {
        let filter = |expression: &str| -> Result<Option<Filter>, Failure> {
            let expression = expression.trim();
            if expression.is_empty() {
                return Ok(None);
            }
            Filter::new(expression).map(Some).map_err(Failure::usage)
        };
        Ok(Self {
            map,
            outer: filter(&args.expression.join(" "))?,
            inner: filter(args.inner.as_deref().unwrap_or_default())?,
            vnis: args.vni.iter().map(|&number| vni(number)).collect::<Result<_, _>>()?,
            nodes: args.node.iter().map(|name| node(map, name)).collect::<Result<_, _>>()?,
            pods: pods(map, &args.pod)?,
        })
    }

    /// Whether there is any condition.
    pub(crate) fn is_any(&self) -> bool {
        self.outer.is_some() || self.inner.is_some() || !self.vnis.is_empty() || self.names_ends()
    }

    /// Whether nodes or pods are asked for.
    fn names_ends(&self) -> bool {
        !(self.nodes.is_empty() && self.pods.is_empty())
    }

    fn has_vni(&self, packet: &Packet<'_>, decoder: &Decoder) -> bool {
        decoder
            .encapsulations(packet)
            .filter_map(|encapsulation| encapsulation.tunnel.vni())
            .any(|vni| self.vnis.contains(&vni))
    }

    fn has_end(&self, packet: &Packet<'_>) -> bool {
        let (Some(source), Some(destination)) = (packet.inner.source(), packet.inner.destination())
        else {
            return false;
        };
        let (source, destination) = (self.map.owner(source), self.map.owner(destination));
        let node = |owner: Owner<'_>| owner.node_id().is_some_and(|id| self.nodes.contains(&id));
        let pod = |owner: Owner<'_>| owner.pod_id().is_some_and(|id| self.pods.contains(&id));
        (self.nodes.is_empty() || node(source) || node(destination))
            && (self.pods.is_empty() || pod(source) || pod(destination))
    }
}

impl Select for Selection<'_> {
    fn wants_frame(&mut self, frame: &Frame<'_>) -> Result<bool, Error> {
        match &mut self.outer {
            Some(filter) => Ok(filter.matches(frame.link_type, frame.data, frame.orig_len)?),
            None => Ok(true),
        }
    }

    fn wants_packet(
        &mut self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        inner_len: u32,
    ) -> Result<bool, Error> {
        if !self.vnis.is_empty() && !self.has_vni(packet, decoder) {
            return Ok(false);
        }
        if self.names_ends() && !self.has_end(packet) {
            return Ok(false);
        }
        match &mut self.inner {
            Some(filter) => {
                let inner = &packet.inner;
                Ok(filter.matches(inner.link_type(), inner.bytes(), inner_len)?)
            }
            None => Ok(true),
        }
    }
}

fn vni(number: u32) -> Result<Vni, Failure> {
    Vni::new(number).ok_or_else(|| {
        Failure::usage(format_args!("--vni {number}: a VNI has 24 bits, {} at most", Vni::MAX))
    })
}

fn node(map: &PodMap, name: &str) -> Result<NodeId, Failure> {
    map.node_named(name).ok_or_else(|| {
        let known: Vec<&str> = map.nodes().take(20).collect();
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
            return Err(Failure::usage(format_args!(
                "--pod {name}: no such pod in the map: give one with --map (kubectl get pods -A -o json)"
            )));
        }
        ids.extend(found);
    }
    Ok(ids)
}
