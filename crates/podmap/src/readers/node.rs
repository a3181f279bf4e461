//! Node objects: podCIDRs, addresses, and the annotations of flannel, Calico and Cilium.

use std::net::IpAddr;

use super::tree::Spot;
use super::{Sink, cni, field, flannel};
use crate::error::Fault;
use crate::{Cidr, NodeRef, VtepRecord};

/// The name of a cluster-wide object.
pub(super) fn name_of(object: &Spot<'_>) -> Result<String, Fault> {
    let Some(metadata) = object.key("metadata")? else { return Err(object.lacks("metadata")) };
    let Some(name) = metadata.key("name")? else { return Err(metadata.lacks("name")) };
    Ok(field::name(&name)?.to_owned())
}

/// Reads a Node.
pub(super) fn node(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let name = name_of(object)?;
    let source = sink.source;

    let mut cidrs: Vec<Cidr> = Vec::new();
    if let Some(spec) = object.key("spec")? {
        // both fields stand there, `podCIDRs` with the other family too
        cidrs.extend(field::optional(&spec, "podCIDR", field::cidr)?);
        spec.list("podCIDRs", |spot| {
            let cidr = field::cidr(&spot)?;
            if !cidrs.contains(&cidr) {
                cidrs.push(cidr);
            }
            Ok(())
        })?;
    }
    for cidr in &cidrs {
        sink.builder.add_spec_pod_cidr(source, name.as_str(), *cidr);
    }

    if let Some(status) = object.key("status")? {
        addresses(sink, &name, &status, "address")?;
    }

    if let Some(metadata) = object.key("metadata")?
        && let Some(annotations) = metadata.key("annotations")?
    {
        flannel_annotations(sink, &name, &cidrs, &annotations)?;
        cni::calico_annotations(sink, &name, &annotations)?;
        cni::cilium_annotations(sink, &name, &annotations)?;
    }
    Ok(())
}

/// Reads a list of `{type, address}`: `at` is `address` in a Node and `ip` in a `CiliumNode`. Types
/// that hold names (`Hostname`, `InternalDNS`) are passed over.
pub(super) fn addresses(
    sink: &mut Sink<'_>,
    node: &str,
    holder: &Spot<'_>,
    at: &'static str,
) -> Result<(), Fault> {
    holder.list("addresses", |entry| {
        let kind = entry.text_at("type")?.unwrap_or("");
        let Some(spot) = entry.key(at)? else { return Ok(()) };
        match kind {
            "InternalIP" | "ExternalIP" | "CalicoNodeIP" => {
                sink.builder.add_node_address(sink.source, node, field::address(&spot)?);
            }
            // the address of cilium_host: the source of what the node sends to pods
            "CiliumInternalIP" => {
                let vtep =
                    VtepRecord { address: Some(field::address(&spot)?), ..VtepRecord::default() };
                sink.builder.add_vtep(sink.source, node, vtep);
            }
            _ => {}
        }
        Ok(())
    })
}

/// Flannel's annotations, one set per family: the underlay address, and what the backend needs to
/// reach the node.
fn flannel_annotations(
    sink: &mut Sink<'_>,
    node: &str,
    cidrs: &[Cidr],
    annotations: &Spot<'_>,
) -> Result<(), Fault> {
    let is_vxlan = annotations.text_at("flannel.alpha.coreos.com/backend-type")? == Some("vxlan");
    let families = [
        (
            "flannel.alpha.coreos.com/public-ip",
            "flannel.alpha.coreos.com/public-ip-overwrite",
            "flannel.alpha.coreos.com/backend-data",
            IpAddr::is_ipv4 as fn(&IpAddr) -> bool,
        ),
        (
            "flannel.alpha.coreos.com/public-ipv6",
            "flannel.alpha.coreos.com/public-ipv6-overwrite",
            "flannel.alpha.coreos.com/backend-v6-data",
            IpAddr::is_ipv6,
        ),
    ];
    for (public, overwrite, data, of_family) in families {
        let public = field::optional(annotations, public, field::address)?;
        let overwrite = field::optional(annotations, overwrite, field::address)?;
        for address in [public, overwrite].into_iter().flatten() {
            sink.builder.add_node_address(sink.source, node, address);
        }
        let Some(data) = annotations.key(data)? else { continue };
        if !is_vxlan {
            continue;
        }
        let backend = flannel::backend_data(data.text()?)
            .map_err(|reason| data.is_no("flannel's backend data", reason))?;
        if let Some(backend) = backend {
            // flannel gives its device the first address of the node's subnet
            let address = cidrs.iter().map(Cidr::address).find(of_family);
            let vtep = VtepRecord {
                underlay: overwrite.or(public),
                address,
                mac: backend.mac,
                vni: backend.vni,
            };
            sink.builder.add_vtep(sink.source, NodeRef::from(node), vtep);
        }
    }
    Ok(())
}
