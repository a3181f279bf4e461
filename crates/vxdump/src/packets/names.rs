//! The two parts of a line behind the packet: where it goes in the map, and how it was carried.

use std::net::IpAddr;

use podmap::PodMap;
use vxlan::{Decoder, Encapsulation, Fragment, Headers, IpProtocol, Packet, Protocol, Tunnel};

use crate::out::put;
use crate::packets::faults;

/// Writes ends and carriage.
pub(crate) struct Names {
    colors: Colors,
    /// State of checksums and reserved bits too.
    verbose: bool,
}

/// Escape sequences around the parts of a line, empty where colour is off.
#[derive(Clone, Copy, Default)]
pub(crate) struct Colors {
    pub(crate) ends: &'static str,
    pub(crate) carriage: &'static str,
    pub(crate) reset: &'static str,
}

impl Colors {
    /// Cyan ends, dim carriage (ECMA-48 SGR).
    pub(crate) const ON: Self = Self { ends: "\x1b[36m", carriage: "\x1b[2m", reset: "\x1b[0m" };
}

impl Names {
    pub(crate) fn new(colors: Colors, verbose: bool) -> Self {
        Self { colors, verbose }
    }

    /// ` | worker > worker2 | vni 1 172.18.0.3 > 172.18.0.4`
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        packet: &Packet<'_>,
        decoder: &Decoder,
        map: &PodMap,
    ) {
        write_ends(out, &packet.inner, map, self.colors);
        if packet.tunnel.is_some() {
            write_carriages(out, packet, decoder, map, self.colors, self.verbose);
        } else {
            write_quoted(out, packet, decoder, map);
        }
        if let Some(fragment) = packet.outer.fragment() {
            write_outer_fragment(out, packet, fragment, map);
        }
    }
}

/// ` | worker > worker2`
fn write_ends(out: &mut Vec<u8>, inner: &Headers<'_>, map: &PodMap, colors: Colors) {
    put::text(out, " | ");
    put::text(out, colors.ends);
    match vxcli::ends(map, inner) {
        Some((source, destination)) => {
            put::text(out, source.label());
            put::text(out, " > ");
            put::text(out, destination.label());
        }
        // frames without addresses: spanning tree, LLDP …
        None => put::text(out, "- > -"),
    }
    put::text(out, colors.reset);
}

/// ` [quoted: vni 1 10.244.1.5 > 10.244.2.7, worker > worker2]`: the tunnel packet that an ICMP
/// error is about.
fn write_quoted(out: &mut Vec<u8>, packet: &Packet<'_>, decoder: &Decoder, map: &PodMap) {
    let quoted = decoder.decode_quote(&packet.inner);
    let Some((quoted, tunnel)) = quoted.and_then(|quoted| Some((quoted, quoted.tunnel?))) else {
        return;
    };
    put::text(out, " [quoted: ");
    match tunnel.vni() {
        Some(vni) => {
            put::text(out, "vni ");
            put::decimal(out, vni.number().into());
        }
        None => put::text(out, tunnel.protocol().name()),
    }
    let inner = &quoted.inner;
    if let (Some(from), Some(to)) = (inner.source(), inner.destination()) {
        put::text(out, " ");
        put::address(out, from);
        put::text(out, " > ");
        put::address(out, to);
        put::text(out, ", ");
        put::text(out, map.owner(from).label());
        put::text(out, " > ");
        put::text(out, map.owner(to).label());
    }
    put::text(out, "]");
}

/// ` [outer fragment, id 4711, offset 1480]`: of a tunnel packet; of UDP between nodes, which a
/// later fragment of one is.
fn write_outer_fragment(out: &mut Vec<u8>, packet: &Packet<'_>, fragment: Fragment, map: &PodMap) {
    let outer = &packet.outer;
    let is_later = || {
        let is_nodes = |address: IpAddr| map.node_id_by_vtep(address).is_some();
        !fragment.is_first()
            && outer.protocol() == Some(IpProtocol::UDP)
            && outer.source().is_some_and(is_nodes)
            && outer.destination().is_some_and(is_nodes)
    };
    if packet.tunnel.is_none() && !is_later() {
        return;
    }
    put::text(out, " [outer fragment, id ");
    put::decimal(out, fragment.id.into());
    put::text(out, ", offset ");
    put::decimal(out, fragment.offset.into());
    put::text(out, "]");
}

/// ` | vni 1 172.18.0.3 > 172.18.0.4`, of a tunnel in a tunnel the outer one first.
fn write_carriages(
    out: &mut Vec<u8>,
    packet: &Packet<'_>,
    decoder: &Decoder,
    map: &PodMap,
    colors: Colors,
    verbose: bool,
) {
    put::text(out, " | ");
    put::text(out, colors.carriage);
    // the most common case without the walk over all levels
    if let (1, false, Some(tunnel)) = (packet.depth(), verbose, &packet.tunnel) {
        carriage(out, &packet.outer, tunnel);
        notes(out, map, &packet.outer, tunnel, &packet.inner);
        return put::text(out, colors.reset);
    }
    for (level, encapsulation) in decoder.encapsulations(packet).enumerate() {
        if level > 0 {
            put::text(out, ", ");
        }
        carriage(out, &encapsulation.headers, &encapsulation.tunnel);
        if verbose {
            details(out, &encapsulation, map);
        }
        let Encapsulation { headers, tunnel, inner, .. } = &encapsulation;
        notes(out, map, headers, tunnel, inner);
    }
    put::text(out, colors.reset);
}

fn carriage(out: &mut Vec<u8>, headers: &Headers<'_>, tunnel: &Tunnel<'_>) {
    match tunnel.vni() {
        Some(vni) => {
            put::text(out, "vni ");
            put::decimal(out, vni.number().into());
        }
        None => put::text(out, tunnel.protocol().name()),
    }
    if let (Some(from), Some(to)) = (headers.source(), headers.destination()) {
        put::text(out, " ");
        put::address(out, from);
        put::text(out, " > ");
        put::address(out, to);
    }
    match tunnel.protocol() {
        Protocol::Vxlan | Protocol::Udp => {}
        Protocol::VxlanGbp => {
            if let Some(policy) = tunnel.group_policy() {
                put::text(out, " group ");
                put::decimal(out, policy.id.into());
                put::text(out, if policy.applied { " applied" } else { "" });
                put::text(out, if policy.dont_learn { " dont-learn" } else { "" });
            }
        }
        other => {
            put::text(out, " ");
            put::text(out, other.name());
        }
    }
}

/// ` [10.244.2.7 belongs to worker2, sent to worker3]`: what contradicts the map.
fn notes(
    out: &mut Vec<u8>,
    map: &PodMap,
    headers: &Headers<'_>,
    tunnel: &Tunnel<'_>,
    inner: &Headers<'_>,
) {
    for fault in faults::find(map, headers, tunnel, inner) {
        put::text(out, " [");
        put::text(out, &fault.to_string());
        put::text(out, "]");
    }
}

/// What `-v` adds: TTL, checksum states, reserved bits that are set.
fn details(out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>, map: &PodMap) {
    let Encapsulation { headers, tunnel, inner, .. } = encapsulation;
    put::text(out, " (");
    if let Some((source, _)) = headers.ports() {
        put::text(out, "sport ");
        put::decimal(out, source.into());
    }
    if let Some(ttl) = headers.ttl() {
        put::text(out, ", ttl ");
        put::decimal(out, ttl.into());
    }
    put::text(out, ", cksum ");
    put::text(out, encapsulation.checksum().name());
    put::text(out, ", inner cksum ");
    put::text(out, inner.checksum().name());
    if tunnel.reserved_bits() != 0 {
        put::text(out, ", reserved bits 0x");
        put::hex_bytes(out, &tunnel.reserved_bits().to_be_bytes());
    }
    for (address, word) in [(headers.source(), "from"), (headers.destination(), "to")] {
        if let Some(node) = address.and_then(|a: IpAddr| map.node_by_vtep(a)) {
            put::text(out, ", ");
            put::text(out, word);
            put::text(out, " ");
            put::text(out, node);
        }
    }
    put::text(out, ")");
}
