//! What Calico and Cilium keep of their own: address blocks, pools, and a node's tunnel addresses.

use std::net::IpAddr;

use super::node::{addresses, name_of};
use super::tree::Spot;
use super::{Sink, field};
use crate::calico::calico_vtep_mac;
use crate::error::Fault;
use crate::text::check_name;
use crate::{Cidr, CidrError, VtepRecord};

/// The annotation or field names of one address family: the node's address, the VXLAN device's
/// address, and its MAC address.
type CalicoKeys = (&'static str, &'static str, &'static str);

const ANNOTATIONS: [CalicoKeys; 2] = [
    (
        "projectcalico.org/IPv4Address",
        "projectcalico.org/IPv4VXLANTunnelAddr",
        "projectcalico.org/VXLANTunnelMACAddr",
    ),
    (
        "projectcalico.org/IPv6Address",
        "projectcalico.org/IPv6VXLANTunnelAddr",
        "projectcalico.org/VXLANTunnelMACAddrV6",
    ),
];

const TUNNEL_FIELDS: [CalicoKeys; 2] = [
    ("ipv4Address", "ipv4VXLANTunnelAddr", "vxlanTunnelMACAddr"),
    ("ipv6Address", "ipv6VXLANTunnelAddr", "vxlanTunnelMACAddrV6"),
];

/// Calico's annotations of a Node.
pub(super) fn calico_annotations(
    sink: &mut Sink<'_>,
    node: &str,
    annotations: &Spot<'_>,
) -> Result<(), Fault> {
    for (ipv6, (address, tunnel, mac)) in [false, true].into_iter().zip(ANNOTATIONS) {
        let underlay = field::optional(annotations, address, interface)?;
        calico_vtep(sink, node, ipv6, underlay, annotations, tunnel, mac)?;
    }
    Ok(())
}

/// Reads a node of Calico's own datastore (projectcalico.org/v3 Node).
pub(super) fn calico_node(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let node = name_of(object)?;
    let Some(spec) = object.key("spec")? else { return Ok(()) };
    let bgp = spec.key("bgp")?;
    for (ipv6, (address, tunnel, mac)) in [false, true].into_iter().zip(TUNNEL_FIELDS) {
        let underlay = match &bgp {
            Some(bgp) => field::optional(bgp, address, interface)?,
            None => None,
        };
        calico_vtep(sink, &node, ipv6, underlay, &spec, tunnel, mac)?;
    }
    addresses_of_calico(sink, &node, &spec)
}

/// A Calico node lists addresses as `{address, type}` where the address may have a prefix length.
fn addresses_of_calico(sink: &mut Sink<'_>, node: &str, spec: &Spot<'_>) -> Result<(), Fault> {
    spec.list("addresses", |entry| {
        if let Some(address) = field::optional(&entry, "address", interface)? {
            sink.builder.add_node_address(sink.source, node, address);
        }
        Ok(())
    })
}

/// One family's address of the node, and its VXLAN device where it has one.
fn calico_vtep(
    sink: &mut Sink<'_>,
    node: &str,
    ipv6: bool,
    underlay: Option<IpAddr>,
    holder: &Spot<'_>,
    tunnel: &'static str,
    mac: &'static str,
) -> Result<(), Fault> {
    if let Some(address) = underlay {
        sink.builder.add_node_address(sink.source, node, address);
    }
    let mac = field::optional(holder, mac, field::mac)?;
    if let Some(address) = field::optional(holder, tunnel, field::address)? {
        let mac = Some(mac.unwrap_or_else(|| calico_vtep_mac(node, ipv6)));
        let vtep = VtepRecord { underlay, address: Some(address), mac, vni: None };
        sink.builder.add_vtep(sink.source, node, vtep);
    }
    Ok(())
}

/// The address of `172.18.0.2/16` or `172.18.0.2`.
fn interface(spot: &Spot<'_>) -> Result<IpAddr, Fault> {
    let text = spot.text()?;
    if !text.contains('/') {
        return field::address(spot);
    }
    let (address, _) = Cidr::parse_interface(text)
        .map_err(|reason: CidrError| spot.is_no("an interface's address", reason))?;
    Ok(address)
}

/// Reads an `IPAMBlock`: a range of pod addresses, and the host it is affine to (`host:NAME`;
/// blocks of other affinities, and without one, are pods' but no node's).
pub(super) fn ipam_block(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let Some(spec) = object.key("spec")? else { return Err(object.lacks("spec")) };
    let Some(cidr) = spec.key("cidr")? else { return Err(spec.lacks("cidr")) };
    let cidr = field::cidr(&cidr)?;
    if spec.is_true("deleted")? {
        return Ok(());
    }
    let affinity = spec.key("affinity")?;
    let host = match &affinity {
        Some(spot) => spot.text()?.strip_prefix("host:").map(|host| (spot, host)),
        None => None,
    };
    match host {
        Some((spot, host)) => {
            check_name(host).map_err(|reason| spot.is_no("a host's affinity", reason))?;
            sink.builder.add_pod_block(sink.source, host, cidr);
        }
        None => sink.builder.add_pod_network(sink.source, cidr),
    }
    Ok(())
}

/// Reads a `BlockAffinity`: which node a block belongs to.
pub(super) fn block_affinity(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let Some(spec) = object.key("spec")? else { return Err(object.lacks("spec")) };
    let Some(cidr) = spec.key("cidr")? else { return Err(spec.lacks("cidr")) };
    let cidr = field::cidr(&cidr)?;
    // `deleted` is a text here and a boolean in an IPAMBlock (Calico's own API)
    let gone = spec.text_at("deleted")? == Some("true")
        || spec.text_at("state")? == Some("pendingDeletion")
        || spec.text_at("type")? == Some("virtual");
    if gone {
        return Ok(());
    }
    let Some(node) = spec.key("node")? else { return Err(spec.lacks("node")) };
    sink.builder.add_pod_block(sink.source, field::name(&node)?, cidr);
    Ok(())
}

/// Reads an `IPPool`: a range of pod addresses of all nodes.
pub(super) fn ip_pool(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let Some(spec) = object.key("spec")? else { return Err(object.lacks("spec")) };
    let Some(cidr) = spec.key("cidr")? else { return Err(spec.lacks("cidr")) };
    sink.builder.add_pod_network(sink.source, field::cidr(&cidr)?);
    Ok(())
}

/// Reads a `CiliumNode`: its podCIDRs and addresses.
pub(super) fn cilium_node(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let node = name_of(object)?;
    let Some(spec) = object.key("spec")? else { return Ok(()) };
    if let Some(ipam) = spec.key("ipam")? {
        ipam.list("podCIDRs", |spot| {
            sink.builder.add_pod_block(sink.source, node.as_str(), field::cidr(&spot)?);
            Ok(())
        })?;
    }
    addresses(sink, &node, &spec, "ip")
}

/// Cilium's annotations of a Node, by their present and their former names.
pub(super) fn cilium_annotations(
    sink: &mut Sink<'_>,
    node: &str,
    annotations: &Spot<'_>,
) -> Result<(), Fault> {
    for key in [
        "network.cilium.io/ipv4-pod-cidr",
        "network.cilium.io/ipv6-pod-cidr",
        "io.cilium.network.ipv4-pod-cidr",
        "io.cilium.network.ipv6-pod-cidr",
    ] {
        if let Some(cidr) = field::optional(annotations, key, field::cidr)? {
            sink.builder.add_pod_block(sink.source, node, cidr);
        }
    }
    for key in [
        "network.cilium.io/ipv4-cilium-host",
        "network.cilium.io/ipv6-cilium-host",
        "io.cilium.network.ipv4-cilium-host",
        "io.cilium.network.ipv6-cilium-host",
    ] {
        if let Some(address) = field::optional(annotations, key, field::address)? {
            let vtep = VtepRecord { address: Some(address), ..VtepRecord::default() };
            sink.builder.add_vtep(sink.source, node, vtep);
        }
    }
    Ok(())
}
