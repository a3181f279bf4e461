//! A packet as a JSON object, one a line.
//!
//! Written by hand: the shape is fixed, and serialising through a value or a derive costs several
//! times as much a packet.

use std::net::IpAddr;

use podmap::PodMap;
use vxcap::Timestamp;
use vxlan::{
    Decoder, Encapsulation, EtherType, Headers, IpProtocol, MacAddr, Packet, Protocol, VlanTags,
};

use super::faults;
use super::seen::{Seen, length};
use crate::out::json::{key_of, member, owner, string};
use crate::out::put;
use crate::out::time_utc::Utc;

/// Appends the object's beginning: when the packet came, and its number in the input, from 1.
pub(crate) fn write_head(utc: &mut Utc, out: &mut Vec<u8>, time: Timestamp, number: u64) {
    put::text(out, "{\"time\":\"");
    utc.write(out, time);
    put::text(out, "\",\"frame\":{\"number\":");
    put::decimal(out, number);
}

/// Appends the rest of the object and a newline.
pub(crate) fn write_rest(out: &mut Vec<u8>, seen: &Seen<'_>, decoder: &Decoder, map: &PodMap) {
    let Seen { frame, origin, packet, .. } = *seen;
    put::text(out, ",\"len\":");
    put::decimal(out, frame.orig_len.into());
    put::text(out, ",\"caplen\":");
    put::decimal(out, frame.data.len() as u64);
    if let Some(name) = origin.interface {
        put::text(out, ",\"interface\":");
        string(out, name);
    }
    if let Some(name) = origin.file {
        put::text(out, ",\"file\":");
        string(out, name);
    }
    if frame.flags.gso {
        put::text(out, ",\"gso\":true");
    }
    out.push(b'}');
    if let Some(carriage) = origin.carriage {
        put::text(out, ",\"carriage\":{\"src\":\"");
        put::address(out, carriage.source);
        put::text(out, "\",\"dst\":\"");
        put::address(out, carriage.destination);
        out.push(b'"');
        if let Some(vni) = carriage.vni {
            member(out, "vni", vni);
        }
        out.push(b'}');
    }
    whole(out, packet, decoder, map);
    if let Some(quote) = decoder.decode_quote(&packet.inner) {
        put::text(out, ",\"quoted\":{");
        let start = out.len();
        whole(out, &quote, decoder, map);
        out.remove(start); // the comma in front of the first member
        out.push(b'}');
    }
    if let Some(stop) = packet.stop() {
        put::text(out, ",\"error\":{\"layer\":\"");
        put::text(out, stop.layer.name());
        put::text(out, "\",\"message\":");
        string(out, &stop.to_string());
        out.push(b'}');
    }
    put::text(out, "}\n");
}

/// Encapsulation, innermost packet and its ends: of a packet, or of one that an ICMP error quotes.
fn whole(out: &mut Vec<u8>, packet: &Packet<'_>, decoder: &Decoder, map: &PodMap) {
    put::text(out, ",\"encap\":[");
    for (level, encapsulation) in decoder.encapsulations(packet).enumerate() {
        if level > 0 {
            out.push(b',');
        }
        write_encapsulation(out, &encapsulation, map);
    }
    put::text(out, "],\"inner\":");
    inner(out, &packet.inner);
    if let Some((source, destination)) = vxcli::ends(map, &packet.inner) {
        put::text(out, ",\"src\":");
        owner(out, source);
        put::text(out, ",\"dst\":");
        owner(out, destination);
    }
}

/// One level of encapsulation.
fn write_encapsulation(out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>, map: &PodMap) {
    let Encapsulation { headers, tunnel, .. } = encapsulation;
    put::text(out, "{\"protocol\":\"");
    put::text(out, tunnel.protocol().name());
    out.push(b'"');
    if let Some(vni) = tunnel.vni() {
        member(out, "vni", vni.number());
    }
    if let Some(flags) = tunnel.flags() {
        member(out, "flags", flags);
    }
    if let Some(next) = tunnel.next_protocol() {
        member(out, "next_protocol", next);
    }
    if let Some(policy) = tunnel.group_policy() {
        put::text(out, ",\"gbp\":{\"id\":");
        put::decimal(out, policy.id.into());
        put::text(out, ",\"dont_learn\":");
        put::text(out, if policy.dont_learn { "true" } else { "false" });
        put::text(out, ",\"applied\":");
        put::text(out, if policy.applied { "true}" } else { "false}" });
    }
    if tunnel.protocol() == Protocol::Geneve {
        geneve_options(out, encapsulation);
    }
    if tunnel.reserved_bits() != 0 {
        put::text(out, ",\"reserved\":\"");
        put::hex_bytes(out, &tunnel.reserved_bits().to_be_bytes());
        out.push(b'"');
    }
    addresses(out, headers);
    macs(out, headers);
    vlan(out, headers.vlan_tags());
    if let Some(ttl) = headers.ttl() {
        member(out, "ttl", ttl);
    }
    put::text(out, ",\"checksum\":\"");
    put::text(out, encapsulation.checksum().name());
    out.push(b'"');
    fragment(out, headers);
    let node = |out: &mut Vec<u8>, key: &str, address: Option<IpAddr>| {
        if let Some(name) = address.and_then(|a| map.node_by_vtep(a)) {
            key_of(out, key);
            string(out, name);
        }
    };
    node(out, "src_node", headers.source());
    node(out, "dst_node", headers.destination());
    notes(out, encapsulation, map);
    out.push(b'}');
}

/// What contradicts the map.
fn notes(out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>, map: &PodMap) {
    let Encapsulation { headers, tunnel, inner, .. } = encapsulation;
    let mut none = true;
    for fault in faults::find(map, headers, tunnel, inner) {
        put::text(out, if none { ",\"notes\":[" } else { "," });
        string(out, &fault.to_string());
        none = false;
    }
    if !none {
        out.push(b']');
    }
}

/// The innermost headers. Members that do not apply are absent.
fn inner(out: &mut Vec<u8>, headers: &Headers<'_>) {
    // the comma in front of the first member is taken away again below
    let start = out.len();
    out.push(b'{');
    macs(out, headers);
    vlan(out, headers.vlan_tags());
    if let Some(ether_type) = headers.ether_type() {
        member(out, "ethertype", ether_type.0);
    }
    addresses_only(out, headers);
    if let Some(ttl) = headers.ttl() {
        member(out, "ttl", ttl);
    }
    if let Some(arp) = headers.arp() {
        let is_reverse = headers.ether_type() == Some(EtherType::RARP);
        put::text(out, if is_reverse { ",\"protocol\":\"rarp\"" } else { ",\"protocol\":\"arp\"" });
        member(out, "operation", arp.operation());
        member(out, "length", length(headers).unwrap_or(0));
    }
    if let Some(protocol) = headers.protocol() {
        put::text(out, ",\"protocol\":\"");
        match protocol.name() {
            Some(name) => put::text(out, name),
            None => put::decimal(out, protocol.0.into()),
        }
        out.push(b'"');
        transport(out, headers, protocol);
    }
    fragment(out, headers);
    if out.get(start + 1) == Some(&b',') {
        out.remove(start + 1);
    }
    out.push(b'}');
}

fn transport(out: &mut Vec<u8>, headers: &Headers<'_>, protocol: IpProtocol) {
    ports(out, headers);
    if let Some(tcp) = headers.tcp() {
        put::text(out, ",\"tcp_flags\":\"");
        put::tcp_flags(out, tcp.flags());
        out.push(b'"');
        member(out, "seq", tcp.sequence());
        member(out, "ack", tcp.acknowledgement());
        member(out, "window", tcp.window());
    } else if let Some(message) = headers.icmp() {
        icmp(out, message.icmp_type(), message.code(), message.echo());
    } else if let Some(message) = headers.icmpv6() {
        icmp(out, message.icmp_type(), message.code(), message.echo());
    } else if let Some(igmp) = headers.igmp() {
        member(out, "igmp_type", igmp.igmp_type());
    }
    if let Some(length) = length(headers) {
        member(out, "length", length);
    }
    let has_checksum = matches!(
        protocol,
        IpProtocol::TCP
            | IpProtocol::UDP
            | IpProtocol::ICMP
            | IpProtocol::ICMPV6
            | IpProtocol::SCTP
            | IpProtocol::IGMP
    );
    if has_checksum {
        put::text(out, ",\"checksum\":\"");
        put::text(out, headers.checksum().name());
        out.push(b'"');
    }
}

fn icmp(out: &mut Vec<u8>, icmp_type: u8, code: u8, echo: Option<(u16, u16)>) {
    member(out, "icmp_type", icmp_type);
    member(out, "icmp_code", code);
    if let Some((id, sequence)) = echo {
        member(out, "icmp_id", id);
        member(out, "icmp_seq", sequence);
    }
}

fn geneve_options(out: &mut Vec<u8>, encapsulation: &Encapsulation<'_>) {
    put::text(out, ",\"options\":[");
    for (at, option) in encapsulation.tunnel.options().enumerate() {
        put::text(out, if at > 0 { ",{\"class\":" } else { "{\"class\":" });
        put::decimal(out, option.class.into());
        member(out, "type", option.option_type);
        put::text(out, ",\"critical\":");
        put::text(out, if option.is_critical() { "true" } else { "false" });
        put::text(out, ",\"data\":\"");
        put::hex_bytes(out, option.data);
        put::text(out, "\"}");
    }
    out.push(b']');
}

fn addresses(out: &mut Vec<u8>, headers: &Headers<'_>) {
    addresses_only(out, headers);
    ports(out, headers);
}

fn addresses_only(out: &mut Vec<u8>, headers: &Headers<'_>) {
    for (key, address) in [("src", headers.source()), ("dst", headers.destination())] {
        if let Some(address) = address {
            key_of(out, key);
            out.push(b'"');
            put::address(out, address);
            out.push(b'"');
        }
    }
}

fn ports(out: &mut Vec<u8>, headers: &Headers<'_>) {
    if let Some((source, destination)) = headers.ports() {
        member(out, "sport", source);
        member(out, "dport", destination);
    }
}

fn macs(out: &mut Vec<u8>, headers: &Headers<'_>) {
    for (key, mac) in [("src_mac", headers.source_mac()), ("dst_mac", headers.destination_mac())] {
        if let Some(MacAddr(mac)) = mac {
            key_of(out, key);
            out.push(b'"');
            put::mac(out, mac);
            out.push(b'"');
        }
    }
}

fn vlan(out: &mut Vec<u8>, tags: VlanTags<'_>) {
    for (at, tag) in tags.clone().enumerate() {
        put::text(out, if at > 0 { "," } else { ",\"vlan\":[" });
        put::decimal(out, tag.id().into());
    }
    if tags.count() > 0 {
        out.push(b']');
    }
}

fn fragment(out: &mut Vec<u8>, headers: &Headers<'_>) {
    if let Some(fragment) = headers.fragment() {
        put::text(out, ",\"fragment\":{\"id\":");
        put::decimal(out, fragment.id.into());
        member(out, "offset", fragment.offset);
        put::text(out, ",\"more\":");
        put::text(out, if fragment.more { "true}" } else { "false}" });
    }
}
