//! A packet as a row of comma-separated values (RFC 4180).

use podmap::PodMap;
use vxcap::Timestamp;
use vxlan::{Decoder, MacAddr};

use super::seen::{Seen, length};
use crate::out::csv::field;
use crate::out::put;
use crate::out::time_utc::Utc;

/// The columns in their order, and what they are, as the manual page says it. Of a tunnel in a
/// tunnel they are those of the inner one.
pub(crate) const COLUMNS: [(&str, &str); 26] = [
    ("time", "when the packet was captured"),
    ("number", "its number in the input, from 1"),
    ("len", "bytes of the frame on the wire"),
    ("caplen", "bytes of it that were captured"),
    ("interface", "the device that it was captured on"),
    ("encap", "the tunnel's protocol: vxlan, vxlan-gbp, vxlan-gpe, geneve, udp"),
    ("vni", "the tunnel's VNI"),
    ("vtep_src", "outer source address"),
    ("vtep_dst", "outer destination address"),
    ("src_mac", "inner source MAC address"),
    ("dst_mac", "inner destination MAC address"),
    ("src", "inner source address"),
    ("sport", "inner source port"),
    ("dst", "inner destination address"),
    ("dport", "inner destination port"),
    ("protocol", "inner protocol: tcp, udp, icmp, arp ..., or a number"),
    ("ttl", "inner TTL or hop limit"),
    ("tcp_flags", "TCP flags in tcpdump's letters"),
    ("seq", "TCP sequence number"),
    ("ack", "TCP acknowledgement number"),
    ("length", "bytes of payload of TCP and UDP; of other protocols, bytes behind the IP header"),
    ("src_name", "name of the source, as in the second part of a line"),
    ("dst_name", "name of the destination"),
    ("src_node", "node of the source"),
    ("dst_node", "node of the destination"),
    ("error", "why decoding stopped early"),
];

/// Appends the line with the names of the columns.
pub(crate) fn write_names(out: &mut Vec<u8>) {
    for (at, (name, _)) in COLUMNS.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put::text(out, name);
    }
    out.push(b'\n');
}

/// Appends the first columns: when the packet came, and its number in the input, from 1.
pub(crate) fn write_head(utc: &mut Utc, out: &mut Vec<u8>, time: Timestamp, number: u64) {
    utc.write(out, time);
    next(out, Some(number), put::decimal);
}

/// Appends the rest of the row and a newline.
pub(crate) fn write_rest(out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder, map: &PodMap) {
    let Seen { frame, origin, packet, .. } = *seen;
    next(out, Some(u64::from(frame.orig_len)), put::decimal);
    next(out, Some(frame.data.len() as u64), put::decimal);
    next(out, origin.interface, field);
    let carrier = decoder.encapsulations(packet).last();
    let tunnel = carrier.map(|c| c.tunnel);
    next(out, tunnel.map(|t| t.protocol().name()), put::text);
    next(out, tunnel.and_then(vxlan::Tunnel::vni).map(|v| v.number().into()), put::decimal);
    next(out, carrier.and_then(|c| c.headers.source()), put::address);
    next(out, carrier.and_then(|c| c.headers.destination()), put::address);
    let inner = &packet.inner;
    next(out, inner.source_mac(), |out, MacAddr(mac)| put::mac(out, mac));
    next(out, inner.destination_mac(), |out, MacAddr(mac)| put::mac(out, mac));
    let ports = inner.ports();
    next(out, inner.source(), put::address);
    next(out, ports.map(|p| p.0.into()), put::decimal);
    next(out, inner.destination(), put::address);
    next(out, ports.map(|p| p.1.into()), put::decimal);
    match (inner.protocol(), inner.arp()) {
        (Some(protocol), _) => match protocol.name() {
            Some(name) => next(out, Some(name), put::text),
            None => next(out, Some(protocol.0.into()), put::decimal),
        },
        (_, Some(_)) => next(out, Some("arp"), put::text),
        _ => next(out, None, put::text),
    }
    next(out, inner.ttl().map(u64::from), put::decimal);
    let tcp = inner.tcp();
    next(out, tcp.map(vxlan::TcpHeader::flags), put::tcp_flags);
    next(out, tcp.map(|t| t.sequence().into()), put::decimal);
    next(out, tcp.map(|t| t.acknowledgement().into()), put::decimal);
    next(out, length(inner).map(u64::from), put::decimal);
    let ends = vxcli::ends(map, inner);
    next(out, ends.map(|e| e.0.label()), field);
    next(out, ends.map(|e| e.1.label()), field);
    next(out, ends.and_then(|e| e.0.node()), field);
    next(out, ends.and_then(|e| e.1.node()), field);
    next(out, packet.stop(), |out, stop| field(out, &stop.to_string()));
    out.push(b'\n');
}

/// A comma, and the value if there is one.
fn next<T>(out: &mut Vec<u8>, value: Option<T>, write: impl FnOnce(&mut Vec<u8>, T)) {
    out.push(b',');
    if let Some(value) = value {
        write(out, value);
    }
}
