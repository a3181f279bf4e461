//! A packet as a row of comma-separated values (RFC 4180).

use podmap::PodMap;
use vxcap::{Frame, Timestamp};
use vxlan::{Decoder, MacAddr, Packet};

use super::json::{self, Origin};
use crate::out::csv::field;
use crate::out::put;
use crate::out::time_utc::Utc;

/// The columns, in order. Of a tunnel in a tunnel the innermost is told.
pub(crate) const COLUMNS: &str = "time,number,len,caplen,interface,encap,vni,vtep_src,vtep_dst,src_mac,dst_mac,\
src,sport,dst,dport,protocol,ttl,tcp_flags,seq,ack,length,src_name,dst_name,src_node,dst_node,error\n";

/// Appends the first columns: when the packet came, and its number in the input, from 1.
pub(crate) fn write_head(utc: &mut Utc, out: &mut Vec<u8>, time: Timestamp, number: u64) {
    utc.write(out, time);
    next(out, Some(number), put::decimal);
}

/// Appends the rest of the row and a newline.
pub(crate) fn write_rest(
    out: &mut Vec<u8>,
    frame: &Frame<'_>,
    origin: &Origin<'_>,
    packet: &Packet<'_>,
    decoder: &Decoder,
    map: &PodMap,
) {
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
    next(out, json::length(inner).map(u64::from), put::decimal);
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
