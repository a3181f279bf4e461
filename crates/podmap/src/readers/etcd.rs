//! Flannel's store in etcd, as `etcdctl get --prefix /coreos.com/network` prints it: a line with
//! the key, a line with the value.
//!
//! A subnet's key ends in `10.5.52.0-24`, or `10.5.52.0-24&fd00:10:5::-64` with both families
//! (flannel, pkg/subnet/etcd/registry.go and pkg/subnet/subnet.go). Nodes have no names there, only
//! their public address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

use super::Sink;
use super::flannel::BackendData;
use crate::error::{Fault, quoted};
use crate::{Cidr, NodeRef, VtepRecord};

/// The value of a subnet's key (flannel, pkg/lease/lease.go, `LeaseAttrs`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Lease {
    #[serde(rename = "PublicIP")]
    public_ip: Option<Ipv4Addr>,
    #[serde(rename = "PublicIPv6")]
    public_ipv6: Option<Ipv6Addr>,
    backend_type: Option<String>,
    backend_data: Option<serde_json::Value>,
    backend_v6_data: Option<serde_json::Value>,
}

/// The value of the key `config` (flannel, pkg/subnet/config.go, `Config`).
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "Network")]
    network: Option<String>,
    #[serde(rename = "IPv6Network")]
    ipv6_network: Option<String>,
}

/// Reads the store. Keys that are not flannel's own are passed over with their value.
pub(super) fn read(sink: &mut Sink<'_>, text: &str) -> Result<(), Fault> {
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line.trim()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    while let Some((number, key)) = lines.next() {
        if !key.starts_with('/') {
            return Err(Fault::line(number, format!("{} is not an etcd key", quoted(key))));
        }
        let Some((value_number, value)) = lines.next() else {
            return Err(Fault::line(number, "the key's value is missing: is the file whole?"));
        };
        if let Some((_, subnet)) = key.split_once("/subnets/") {
            let cidrs = subnet
                .split('&')
                .map(cidr)
                .collect::<Result<Vec<Cidr>, String>>()
                .map_err(|reason| Fault::line(number, reason))?;
            lease(sink, &cidrs, value).map_err(|reason| Fault::line(value_number, reason))?;
        } else if key.ends_with("/config") {
            config(sink, value).map_err(|reason| Fault::line(value_number, reason))?;
        }
    }
    Ok(())
}

/// `10.5.52.0-24` as a range.
fn cidr(text: &str) -> Result<Cidr, String> {
    let range = text.rsplit_once('-').map(|(address, len)| format!("{address}/{len}"));
    range
        .unwrap_or_default()
        .parse()
        .map_err(|reason| format!("{} is not a subnet of flannel: {reason}", quoted(text)))
}

fn lease(sink: &mut Sink<'_>, cidrs: &[Cidr], value: &str) -> Result<(), String> {
    let lease: Lease = serde_json::from_str(value)
        .map_err(|error| format!("this is not a lease of flannel: {error}"))?;
    let publics = [lease.public_ip.map(IpAddr::V4), lease.public_ipv6.map(IpAddr::V6)];
    let Some(node) = publics.iter().flatten().next().copied().map(NodeRef::Address) else {
        return Err("the lease has no PublicIP".to_owned());
    };
    for address in publics.into_iter().flatten() {
        sink.builder.add_node_address(sink.source, node.clone(), address);
    }
    for cidr in cidrs {
        sink.builder.add_pod_cidr(sink.source, node.clone(), *cidr);
    }
    if lease.backend_type.as_deref() != Some("vxlan") {
        return Ok(());
    }
    let families = [
        (publics[0], lease.backend_data, IpAddr::is_ipv4 as fn(&IpAddr) -> bool),
        (publics[1], lease.backend_v6_data, IpAddr::is_ipv6),
    ];
    for (underlay, data, of_family) in families {
        let Some(data) = data.filter(|data| !data.is_null()) else { continue };
        let backend = serde_json::from_value::<BackendData>(data)
            .map_err(|error| format!("this is not flannel's backend data: {error}"))?
            .check()?;
        let address = cidrs.iter().map(Cidr::address).find(of_family);
        let vtep = VtepRecord { underlay, address, mac: backend.mac, vni: backend.vni };
        sink.builder.add_vtep(sink.source, node.clone(), vtep);
    }
    Ok(())
}

fn config(sink: &mut Sink<'_>, value: &str) -> Result<(), String> {
    let config: Config = serde_json::from_str(value)
        .map_err(|error| format!("this is not flannel's configuration: {error}"))?;
    for network in [config.network, config.ipv6_network].into_iter().flatten() {
        // flannel leaves a family that is not used empty
        if network.is_empty() {
            continue;
        }
        let cidr = network
            .parse()
            .map_err(|reason| format!("{} is not a CIDR: {reason}", quoted(&network)))?;
        sink.builder.add_pod_network(sink.source, cidr);
    }
    Ok(())
}
