//! Pods, services and their endpoints.

use std::net::IpAddr;

use super::tree::Spot;
use super::{Sink, field, node};
use crate::error::Fault;
use crate::{NodeRef, PodClaim, ServiceClaim};

/// Namespace and name of an object. A manifest without a namespace means `default`.
fn names_of(object: &Spot<'_>) -> Result<(String, String), Fault> {
    let name = node::name_of(object)?;
    let namespace = match object.key("metadata")? {
        Some(metadata) => {
            field::optional(&metadata, "namespace", |spot| Ok(field::name(spot)?.to_owned()))?
        }
        None => None,
    };
    Ok((namespace.unwrap_or_else(|| "default".to_owned()), name))
}

/// Reads a Pod. One with its node's network (`hostNetwork`) names no pod, but its node's address.
pub(super) fn pod(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let (namespace, name) = names_of(object)?;
    let (mut node, mut host_network) = (None, false);
    if let Some(spec) = object.key("spec")? {
        node = field::optional(&spec, "nodeName", |spot| Ok(NodeRef::from(field::name(spot)?)))?;
        host_network = spec.is_true("hostNetwork")?;
    }
    let Some(status) = object.key("status")? else { return Ok(()) };

    let mut hosts: Vec<IpAddr> = Vec::new();
    hosts.extend(field::optional(&status, "hostIP", field::address)?);
    status.list("hostIPs", |entry| {
        hosts.extend(field::optional(&entry, "ip", field::address)?);
        Ok(())
    })?;
    let mut own: Vec<IpAddr> = Vec::new();
    own.extend(field::optional(&status, "podIP", field::address)?);
    status.list("podIPs", |entry| {
        own.extend(field::optional(&entry, "ip", field::address)?);
        Ok(())
    })?;
    own.sort_unstable();
    own.dedup();

    let source = sink.source;
    if host_network {
        hosts.extend(own.iter().copied());
    }
    hosts.sort_unstable();
    hosts.dedup();
    if let Some(node) = &node {
        for address in &hosts {
            if sink.hosts.insert((node.clone(), *address)) {
                sink.builder.add_node_address(source, node.clone(), *address);
            }
        }
    }
    if host_network {
        return Ok(());
    }
    // the API server keeps the address of a pod that has ended, though it is free again
    let claim = match status.text_at("phase")? {
        Some("Succeeded" | "Failed") => PodClaim::Ended,
        _ => PodClaim::Status,
    };
    for address in own.into_iter().filter(|address| !hosts.contains(address)) {
        sink.builder.add_pod(source, (&namespace, &name), address, node.clone(), claim);
    }
    Ok(())
}

/// Reads a Service. A headless one (`clusterIP: None`) has no address.
pub(super) fn service(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let (namespace, name) = names_of(object)?;
    let source = sink.source;
    let mut add = |spot: &Spot<'_>, claim: ServiceClaim| -> Result<(), Fault> {
        if !matches!(spot.text()?, "None" | "") {
            let address = field::address(spot)?;
            sink.builder.add_service(source, (&namespace, &name), address, claim);
        }
        Ok(())
    };
    if let Some(spec) = object.key("spec")? {
        if let Some(spot) = spec.key("clusterIP")? {
            add(&spot, ServiceClaim::Cluster)?;
        }
        spec.list("clusterIPs", |spot| add(&spot, ServiceClaim::Cluster))?;
        spec.list("externalIPs", |spot| add(&spot, ServiceClaim::External))?;
    }
    if let Some(status) = object.key("status")?
        && let Some(balancer) = status.key("loadBalancer")?
    {
        balancer.list("ingress", |entry| match entry.key("ip")? {
            Some(spot) => add(&spot, ServiceClaim::External),
            None => Ok(()),
        })?;
    }
    if let Some(spec) = object.key("spec")? {
        let ports = field::ports(&spec)?;
        if !ports.is_empty() {
            sink.builder.add_service_ports(source, (&namespace, &name), ports);
        }
    }
    Ok(())
}

/// Reads a `ServiceCIDR`: the ranges of service addresses.
pub(super) fn service_cidr(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    let Some(spec) = object.key("spec")? else { return Ok(()) };
    spec.list("cidrs", |spot| {
        sink.builder.add_service_cidr(sink.source, field::cidr(&spot)?);
        Ok(())
    })
}

/// Reads an `EndpointSlice`: which pods have which addresses, and which service they serve at which
/// ports. Endpoints that are no pods say nothing of whose an address is; slices of host names
/// (`addressType: FQDN`) have none.
pub(super) fn endpoint_slice(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    if object.text_at("addressType")? == Some("FQDN") {
        return Ok(());
    }
    let mut all = Vec::new();
    object.list("endpoints", |endpoint| {
        let pod = target(&endpoint)?;
        endpoint.list("addresses", |spot| {
            let address = match field::address(&spot) {
                Err(_) if pod.is_none() => return Ok(()),
                address => address?,
            };
            all.push(address);
            if let Some((pod, node)) = &pod {
                let names = (pod.0.as_str(), pod.1.as_str());
                let (source, node) = (sink.source, node.clone());
                sink.builder.add_pod(source, names, address, node, PodClaim::Endpoint);
            }
            Ok(())
        })
    })?;
    if let Some(service) = service_of(object)?
        && !all.is_empty()
    {
        let (namespace, _) = names_of(object)?;
        let ports = field::ports(object)?;
        sink.builder.add_backends(sink.source, (&namespace, &service), all, ports);
    }
    Ok(())
}

/// The service that a slice belongs to, as its controller labels it.
fn service_of(object: &Spot<'_>) -> Result<Option<String>, Fault> {
    let Some(metadata) = object.key("metadata")? else { return Ok(None) };
    let Some(labels) = metadata.key("labels")? else { return Ok(None) };
    field::optional(&labels, "kubernetes.io/service-name", |spot| Ok(field::name(spot)?.to_owned()))
}

/// Reads Endpoints, the older form of endpoint slices, named as their service.
pub(super) fn endpoints(sink: &mut Sink<'_>, object: &Spot<'_>) -> Result<(), Fault> {
    object.list("subsets", |subset| {
        let mut all = Vec::new();
        for key in ["addresses", "notReadyAddresses"] {
            subset.list(key, |endpoint| {
                let pod = target(&endpoint)?;
                let address = match endpoint.key("ip")? {
                    Some(spot) => field::address(&spot),
                    None => Err(endpoint.lacks("ip")),
                };
                let address = match address {
                    Err(_) if pod.is_none() => return Ok(()),
                    address => address?,
                };
                all.push(address);
                if let Some((pod, node)) = pod {
                    let names = (pod.0.as_str(), pod.1.as_str());
                    sink.builder.add_pod(sink.source, names, address, node, PodClaim::Endpoint);
                }
                Ok(())
            })?;
        }
        if !all.is_empty() {
            let (namespace, name) = names_of(object)?;
            let ports = field::ports(&subset)?;
            sink.builder.add_backends(sink.source, (&namespace, &name), all, ports);
        }
        Ok(())
    })
}

/// Namespace and name of a pod, and its node if known.
type Target = ((String, String), Option<NodeRef>);

/// The pod that an endpoint leads to, if it is one.
fn target(endpoint: &Spot<'_>) -> Result<Option<Target>, Fault> {
    let Some(target) = endpoint.key("targetRef")? else { return Ok(None) };
    if target.text_at("kind")? != Some("Pod") {
        return Ok(None);
    }
    let Some(name) = target.key("name")? else { return Err(target.lacks("name")) };
    let Some(namespace) = target.key("namespace")? else { return Err(target.lacks("namespace")) };
    let pod = (field::name(&namespace)?.to_owned(), field::name(&name)?.to_owned());
    let node = field::optional(endpoint, "nodeName", |spot| Ok(NodeRef::from(field::name(spot)?)))?;
    Ok(Some((pod, node)))
}
