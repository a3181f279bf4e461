//! Annotation: names and comments for Wireshark.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::net::IpAddr;

use podmap::{Kind, PodMap, Row};
use vxcap::file::{ByteOrder, block_type};
use vxlan::{Decoder, Encapsulation, Packet};

use crate::output::{Preface, append_block, push_option};

/// Records of name resolution blocks (draft-ietf-opsawg-pcapng, section 4.5): `nrb_record_ipv4`,
/// `nrb_record_ipv6`.
const RECORD_IPV4: u16 = 1;
const RECORD_IPV6: u16 = 2;
/// `nrb_record_end`, with its length.
const RECORDS_END: [u8; 4] = [0; 4];
/// A block ends at about this length, and another one begins. Own choice, far below the limits of
/// readers.
const BLOCK_LEN: usize = 256 << 10;
/// Names are cut at this length (RFC 1035 section 2.3.4).
const MOST_NAME: usize = 255;

/// The map's names of addresses, as name resolution blocks in both byte orders.
pub(crate) fn name_blocks(map: &PodMap) -> Preface {
    let names = names(map);
    Preface::new(|order| blocks(&names, order))
}

/// The names of addresses: of pods, services, nodes and tunnel endpoints.
fn names(map: &PodMap) -> Vec<(IpAddr, String)> {
    let mut seen = HashSet::new();
    let mut names = Vec::new();
    for row in map.rows() {
        if row.cidr.is_host()
            && let Some(name) = name(&row)
            && seen.insert(row.cidr.address())
        {
            names.push((row.cidr.address(), name));
        }
    }
    for vtep in map.vteps() {
        for (address, suffix) in [(vtep.record.underlay, ""), (vtep.record.address, ".vtep")] {
            if let Some(address) = address
                && !vtep.node.is_empty()
                && seen.insert(address)
            {
                names.push((address, valid(&format!("{}{suffix}", vtep.node))));
            }
        }
    }
    names
}

/// `web-0.shop.pod`, `web.shop.svc`, `worker`, `worker.vtep`.
fn name(row: &Row<'_>) -> Option<String> {
    let in_namespace = |suffix: &str| {
        let name = row.name?;
        Some(match row.namespace {
            Some(namespace) => format!("{name}.{namespace}.{suffix}"),
            None => format!("{name}.{suffix}"),
        })
    };
    let name = match row.kind {
        Kind::Pod => in_namespace("pod")?,
        Kind::Service => in_namespace("svc")?,
        Kind::Node => row.node?.to_owned(),
        Kind::Vtep => format!("{}.vtep", row.node?),
        _ => return None,
    };
    Some(valid(&name))
}

/// The name with only the characters of host names. Wireshark accepts others, but display filters
/// on such names need quotes.
fn valid(name: &str) -> String {
    name.chars()
        .take(MOST_NAME)
        .map(|c| if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_') { c } else { '-' })
        .collect()
}

fn blocks(names: &[(IpAddr, String)], order: ByteOrder) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = names.iter().peekable();
    while rest.peek().is_some() {
        append_block(&mut out, order, block_type::NAME_RESOLUTION, |out| {
            let start = out.len();
            let mut value = Vec::new();
            while out.len() - start < BLOCK_LEN {
                let Some((address, name)) = rest.next() else { break };
                value.clear();
                let code = match address {
                    IpAddr::V4(address) => {
                        value.extend(address.octets());
                        RECORD_IPV4
                    }
                    IpAddr::V6(address) => {
                        value.extend(address.octets());
                        RECORD_IPV6
                    }
                };
                value.extend_from_slice(name.as_bytes());
                value.push(0);
                push_option(out, order, code, &value);
            }
            out.extend(RECORDS_END);
        });
    }
    out
}

/// Writes the comment of a packet: `shop/web-0@worker > worker2 | vni 1 172.18.0.3 > 172.18.0.4`.
/// It is empty for a packet that has no addresses and is in no tunnel.
pub(crate) fn comment(into: &mut String, map: &PodMap, packet: &Packet<'_>, decoder: &Decoder) {
    into.clear();
    if let (Some(source), Some(destination)) = (packet.inner.source(), packet.inner.destination()) {
        let (source, destination) = (map.owner(source), map.owner(destination));
        let _ = write!(into, "{} > {}", source.label(), destination.label());
    }
    for (level, encapsulation) in decoder.encapsulations(packet).enumerate() {
        let before = match (level, into.is_empty()) {
            (0, true) => "",
            (0, false) => " | ",
            _ => ", ",
        };
        into.push_str(before);
        carriage(into, map, &encapsulation);
    }
}

/// `vni 1 172.18.0.3 > 172.18.0.4 (worker > worker2)`
fn carriage(into: &mut String, map: &PodMap, level: &Encapsulation<'_>) {
    // writing to a String cannot fail
    let protocol = level.tunnel.protocol().name();
    let _ = match level.tunnel.vni() {
        Some(vni) => write!(into, "vni {vni}"),
        None => write!(into, "{protocol}"),
    };
    if let (Some(from), Some(to)) = (level.headers.source(), level.headers.destination()) {
        let _ = write!(into, " {from} > {to}");
        let nodes = (map.node_by_vtep(from), map.node_by_vtep(to));
        if nodes != (None, None) {
            let _ = write!(into, " ({} > {})", nodes.0.unwrap_or("?"), nodes.1.unwrap_or("?"));
        }
    }
    if level.tunnel.vni().is_some() && protocol != "vxlan" {
        let _ = write!(into, " {protocol}");
    }
}
