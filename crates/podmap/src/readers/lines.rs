//! Plain lines: `CIDR NAME` and their few relatives, listed at
//! [`Builder::read_file`](crate::Builder::read_file).

use std::net::IpAddr;

use super::{Sink, checked};
use crate::error::{Fault, quoted};
use crate::text::parse_mac;
use crate::{Cidr, NodeRef, PodClaim, ServiceClaim, VtepRecord};

/// Reads the lines.
pub(super) fn read(sink: &mut Sink<'_>, text: &str) -> Result<(), Fault> {
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let Some(range) = words.next() else { continue };
        let fault = |message: String| Fault::line(index + 1, message);
        let name = words
            .next()
            .ok_or_else(|| fault(format!("a name is needed after {}", quoted(range))))?;
        let mac = match (name.starts_with("vtep:"), words.next()) {
            (true, Some(word)) => Some(
                parse_mac(word)
                    .ok_or_else(|| fault(format!("{} is not a MAC address", quoted(word))))?,
            ),
            (_, None) => None,
            (false, Some(word)) => {
                let more = quoted(word);
                return Err(fault(format!("{more} after the name: a line is CIDR NAME")));
            }
        };
        if let Some(more) = words.next() {
            return Err(fault(format!("{} after the MAC address", quoted(more))));
        }
        if let Ok(address) = range.parse::<IpAddr>() {
            address_line(sink, address, name, mac).map_err(fault)?;
        } else {
            let cidr = range.parse::<Cidr>().map_err(|reason| {
                fault(format!("{} is not a CIDR or an address: {reason}", quoted(range)))
            })?;
            range_line(sink, cidr, name).map_err(fault)?;
        }
    }
    Ok(())
}

/// A range: of a node's pods, or of a kind.
fn range_line(sink: &mut Sink<'_>, cidr: Cidr, name: &str) -> Result<(), String> {
    let source = sink.source;
    match name {
        "pod" => sink.builder.add_pod_network(source, cidr),
        "svc" => sink.builder.add_service_cidr(source, cidr),
        "node" => sink.builder.add_node_cidr(source, cidr),
        _ if name.contains(['/', ':']) => {
            let name = quoted(name);
            return Err(format!(
                "{name} names one owner, who has an address, not a range such as {cidr}"
            ));
        }
        _ => sink.builder.add_pod_cidr(source, checked(name)?, cidr),
    }
    Ok(())
}

/// An address: of a node, its tunnel device, a pod or a service.
fn address_line(
    sink: &mut Sink<'_>,
    address: IpAddr,
    name: &str,
    mac: Option<[u8; 6]>,
) -> Result<(), String> {
    let source = sink.source;
    if let Some(service) = name.strip_prefix("svc:") {
        let names = namespaced(service)?;
        sink.builder.add_service(source, names, address, ServiceClaim::Cluster);
    } else if let Some(node) = name.strip_prefix("vtep:") {
        let vtep = VtepRecord { address: Some(address), mac, ..VtepRecord::default() };
        sink.builder.add_vtep(source, checked(node)?, vtep);
    } else if let Some(node) = name.strip_prefix("node:") {
        sink.builder.add_node_address(source, checked(node)?, address);
    } else if name.contains('/') {
        let (pod, node) = match name.split_once('@') {
            Some((pod, node)) => (pod, Some(NodeRef::from(checked(node)?))),
            None => (name, None),
        };
        sink.builder.add_pod(source, namespaced(pod)?, address, node, PodClaim::Status);
    } else {
        sink.builder.add_node_address(source, checked(name)?, address);
    }
    Ok(())
}

/// `NS/NAME` as its parts.
fn namespaced(text: &str) -> Result<(&str, &str), String> {
    let (namespace, name) = text
        .split_once('/')
        .ok_or_else(|| format!("{} has no namespace: NAMESPACE/NAME is needed", quoted(text)))?;
    Ok((checked(namespace)?, checked(name)?))
}
