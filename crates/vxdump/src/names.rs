//! The two parts of a line behind the packet: where it goes in the map, and how it was carried.

use std::net::IpAddr;

use podmap::PodMap;
use vxlan::{Decoder, Encapsulation, Packet, Protocol};

use crate::text::put;

/// Writes ends and carriage.
pub(crate) struct Names {
    pub(crate) colors: Colors,
    /// State of checksums and reserved bits too.
    pub(crate) verbose: bool,
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
    /// ` | worker > worker2 | vni 1 172.18.0.3 > 172.18.0.4`
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        packet: &Packet<'_>,
        decoder: &Decoder,
        map: &PodMap,
    ) {
        let Colors { ends: ends_color, carriage, reset } = self.colors;
        put::text(out, " | ");
        put::text(out, ends_color);
        match vxcli::ends(map, &packet.inner) {
            Some((source, destination)) => {
                put::text(out, source.label());
                put::text(out, " > ");
                put::text(out, destination.label());
            }
            // frames without addresses: spanning tree, LLDP …
            None => put::text(out, "- > -"),
        }
        put::text(out, reset);
        if packet.tunnel.is_some() {
            put::text(out, " | ");
            put::text(out, carriage);
            for (level, encapsulation) in decoder.encapsulations(packet).enumerate() {
                if level > 0 {
                    put::text(out, ", ");
                }
                self.carriage(out, &encapsulation, map);
            }
            put::text(out, reset);
        }
    }

    fn carriage(&self, out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>, map: &PodMap) {
        let Encapsulation { headers, tunnel, .. } = encapsulation;
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
        if self.verbose {
            details(out, encapsulation, map);
        }
    }
}

/// What `-v` adds: TTL, checksum states, reserved bits that are set.
fn details(out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>, map: &PodMap) {
    let Encapsulation { headers, tunnel, inner } = encapsulation;
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
