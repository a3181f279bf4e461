//! Flannel's `/run/flannel/subnet.env`: `KEY=VALUE` lines about the node it lies on (flannel,
//! pkg/trafficmngr and `WriteSubnetFile`).

use super::Sink;
use crate::error::{Fault, quoted};
use crate::{Cidr, NodeRef, VtepRecord};

/// Reads the file. The cluster's networks become ranges of pods, the node's subnet its podCIDR;
/// the node is [`NodeRef::Local`]. Other keys are passed over.
pub(super) fn read(sink: &mut Sink<'_>, text: &str) -> Result<(), Fault> {
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            let message = format!("KEY=VALUE is needed, not {}", quoted(line));
            return Err(Fault::line(index + 1, message));
        };
        let value = value.trim().trim_matches('"');
        // several networks stand with commas between them
        for value in value.split(',').filter(|value| !value.is_empty()) {
            entry(sink, key.trim(), value).map_err(|reason| {
                let message = format!("{key}={} is not a CIDR: {reason}", quoted(value));
                Fault::line(index + 1, message)
            })?;
        }
    }
    Ok(())
}

fn entry(sink: &mut Sink<'_>, key: &str, value: &str) -> Result<(), crate::CidrError> {
    let source = sink.source;
    match key {
        "FLANNEL_NETWORK" | "FLANNEL_IPV6_NETWORK" => {
            let cidr: Cidr = value.parse()?;
            // flannel writes the empty range for a family that is not used
            if cidr.prefix_len() > 0 {
                sink.builder.add_pod_network(source, cidr);
            }
        }
        "FLANNEL_SUBNET" | "FLANNEL_IPV6_SUBNET" => {
            // the gateway's address stands there, with the length of the subnet
            let (_, cidr) = Cidr::parse_interface(value)?;
            if cidr.prefix_len() > 0 {
                let vtep = VtepRecord { address: Some(cidr.address()), ..VtepRecord::default() };
                sink.builder.add_pod_cidr(source, NodeRef::Local, cidr);
                sink.builder.add_vtep(source, NodeRef::Local, vtep);
            }
        }
        _ => {}
    }
    Ok(())
}
