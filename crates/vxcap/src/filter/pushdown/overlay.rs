//! Overlay traffic: the packets of tunnels and pods among all packets of an underlay device.

use std::net::IpAddr;

use vxlan::{Decoder, Headers, IpProtocol, Packet, Ports};

use super::assembler::{Assembler, Label, NEXT};
use super::fields::{
    ETHER_TYPE, ICMP_ERRORS, ICMPV6_ERRORS, ether_type, ipv4, ipv6, length, protocol,
};
use super::link::Link;
use super::ports::PortTest;
use super::prefixes::{At, Prefix, PrefixSet};
use crate::filter::instruction::Op;

/// Overlay traffic: the packets of tunnels and pods, over IPv4 and IPv6, with VLAN tags or without.
///
/// It consists of:
///
/// - packets to a tunnel port,
/// - later fragments of UDP, which do not contain their ports,
/// - ICMP and `ICMPv6` errors that quote one of these,
/// - packets in no tunnel from or to a pod's address.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Overlay {
    /// The ports that carry tunnels.
    pub ports: Ports,
    /// The podCIDRs: where packets are not encapsulated, the underlay carries them as pods send
    /// them.
    pub pods: Vec<Prefix>,
}

impl Overlay {
    /// Overlay traffic on these tunnel ports, and of these podCIDRs.
    pub fn new(ports: Ports, pods: impl IntoIterator<Item = Prefix>) -> Self {
        Self { ports, pods: pods.into_iter().collect() }
    }

    /// Whether a decoded packet is overlay traffic. This decision is exact; the program in the
    /// kernel accepts some packets more.
    pub fn contains(&self, packet: &Packet<'_>) -> bool {
        let headers = &packet.outer;
        let is_ip = headers.ipv4().is_some() || headers.ipv6().is_some();
        let is_pod = |address: Option<IpAddr>| {
            address.is_some_and(|address| self.pods.iter().any(|pods| pods.contains(address)))
        };
        let quotes_one = || {
            let quote = Decoder::default().max_depth(0).decode_quote(headers);
            quote.is_some_and(|quote| self.is_tunnel(&quote.outer))
        };
        is_ip && (is_pod(headers.source()) || is_pod(headers.destination()))
            || self.is_tunnel(headers)
            || quotes_one()
    }

    /// Whether the packet goes to a tunnel port, or is a fragment of UDP that does not contain its
    /// ports.
    fn is_tunnel(&self, headers: &Headers<'_>) -> bool {
        if headers.protocol() != Some(IpProtocol::UDP) {
            return false;
        }
        match headers.fragment() {
            Some(fragment) if !fragment.is_first() => true,
            _ => headers.ports().is_some_and(|(source, destination)| {
                self.ports.kind(source, destination).is_some()
            }),
        }
    }

    /// Puts the decision. Where a load is outside of the packet, `contains` does not see the field
    /// either.
    pub(super) fn put(&self, asm: &mut Assembler, link: Link, accept: Label, reject: Label) {
        let pods = PrefixSet::new(&self.pods);
        let ports = PortTest::new(&self.ports);
        let (is_ipv4, is_ipv6) = (asm.label(), asm.label());
        put_link(asm, link, [is_ipv4, is_ipv6], accept, reject);
        // From here on X is the length of the tags, and all offsets are those of a frame without
        // tags.
        let network = link.network;
        asm.bind(is_ipv4);
        put_ipv4(asm, network, &pods, &ports, accept, reject);
        asm.bind(is_ipv6);
        put_ipv6(asm, network, &pods, &ports, accept, reject);
    }
}

/// Skips up to two VLAN tags, and makes X their length. Usually the kernel has taken the outer tag
/// out of the frame, so that it is not seen here.
fn put_link(
    asm: &mut Assembler,
    link: Link,
    [is_ipv4, is_ipv6]: [Label; 2],
    accept: Label,
    reject: Label,
) {
    asm.put(Op::LoadXConstant, 0);
    asm.put(Op::LoadHalf, link.ether_type);
    if link.is_cooked() {
        asm.if_any([ether_type::IPV4], is_ipv4);
        asm.if_any([ether_type::IPV6], is_ipv6);
        // IP can also follow tags, labels, and LLC, which has a small number here
        asm.if_any(ether_type::VLAN, accept);
        asm.if_any(ether_type::MPLS, accept);
        asm.branch(Op::JumpGreater, ether_type::LONGEST_802_3, reject, accept);
        return;
    }
    let (one, two, known) = (asm.label(), asm.label(), asm.label());
    asm.if_any(ether_type::VLAN, one);
    asm.goto(known);
    asm.bind(one);
    asm.put(Op::LoadXConstant, length::VLAN_TAG);
    asm.put(Op::LoadHalf, ETHER_TYPE + length::VLAN_TAG);
    asm.if_any(ether_type::VLAN, two);
    asm.goto(known);
    asm.bind(two);
    asm.put(Op::LoadXConstant, 2 * length::VLAN_TAG);
    asm.put(Op::LoadHalf, ETHER_TYPE + 2 * length::VLAN_TAG);
    // three tags or more: user space decides
    asm.if_any(ether_type::VLAN, accept);
    asm.bind(known);
    asm.if_any([ether_type::IPV4], is_ipv4);
    asm.if_any([ether_type::IPV6], is_ipv6);
    // IP can follow labels and SNAP too
    asm.if_any(ether_type::MPLS, accept);
    asm.branch(Op::JumpGreater, ether_type::LONGEST_802_3, reject, NEXT);
    asm.put(Op::LoadWordIndexed, link.network);
    // LLC of SNAP, and the first byte of the organisation code 0 (RFC 1042)
    asm.branch(Op::JumpEqual, 0xaaaa_0300, accept, reject);
}

fn put_ipv4(
    asm: &mut Assembler,
    network: u32,
    pods: &PrefixSet,
    ports: &PortTest,
    accept: Label,
    reject: Label,
) {
    pods.if_v4(asm, At::Indexed(network + ipv4::SOURCE), accept);
    pods.if_v4(asm, At::Indexed(network + ipv4::DESTINATION), accept);
    asm.put(Op::LoadByteIndexed, network + ipv4::PROTOCOL);
    let (is_udp, is_icmp) = (asm.label(), asm.label());
    asm.if_any([protocol::UDP], is_udp);
    asm.if_any([protocol::ICMP], is_icmp);
    // UDP can follow the first; the second is not part of IPv4, but decoded as well
    asm.if_any([protocol::AUTHENTICATION, protocol::ICMPV6], accept);
    asm.goto(reject);

    asm.bind(is_udp);
    put_udp_in_ipv4(asm, network, ports, accept);
    asm.goto(reject);

    asm.bind(is_icmp);
    asm.put(Op::LoadHalfIndexed, network + ipv4::FRAGMENT);
    asm.branch(Op::JumpSet, ipv4::OFFSET_MASK, reject, NEXT);
    put_header_length(asm, network);
    asm.put(Op::LoadByteIndexed, network);
    let is_error = asm.label();
    asm.if_any(ICMP_ERRORS, is_error);
    asm.goto(reject);
    asm.bind(is_error);
    let quote = network + length::ICMP_ERROR;
    asm.put(Op::LoadByteIndexed, quote + ipv4::PROTOCOL);
    asm.if_any([protocol::AUTHENTICATION], accept);
    asm.unless(protocol::UDP, reject);
    put_udp_in_ipv4(asm, quote, ports, accept);
    asm.goto(reject);
}

/// Tests UDP after the IPv4 header at X + `at`. Accepts a tunnel port and later fragments, and goes
/// to the next item otherwise.
fn put_udp_in_ipv4(asm: &mut Assembler, at: u32, ports: &PortTest, accept: Label) {
    asm.put(Op::LoadHalfIndexed, at + ipv4::FRAGMENT);
    asm.branch(Op::JumpSet, ipv4::OFFSET_MASK, accept, NEXT);
    put_header_length(asm, at);
    ports.put(asm, At::Indexed(at), accept);
}

/// Adds the length of the IPv4 header at X + `at` to X.
fn put_header_length(asm: &mut Assembler, at: u32) {
    asm.put(Op::LoadByteIndexed, at);
    asm.put(Op::And, 0xf);
    asm.put(Op::ShiftLeft, 2);
    asm.put(Op::AddX, 0);
    asm.put(Op::CopyAToX, 0);
}

fn put_ipv6(
    asm: &mut Assembler,
    network: u32,
    pods: &PrefixSet,
    ports: &PortTest,
    accept: Label,
    reject: Label,
) {
    pods.if_v6(asm, At::Indexed(network + ipv6::SOURCE), accept);
    pods.if_v6(asm, At::Indexed(network + ipv6::DESTINATION), accept);
    asm.put(Op::LoadByteIndexed, network + ipv6::NEXT_HEADER);
    let is_error = asm.label();
    put_ipv6_payload(asm, network, ports, is_error, accept, reject);

    // An ICMPv6 message
    asm.bind(is_error);
    let message = network + length::IPV6;
    asm.put(Op::LoadByteIndexed, message);
    let quotes = asm.label();
    asm.if_any(ICMPV6_ERRORS, quotes);
    asm.goto(reject);
    asm.bind(quotes);
    let quote = message + length::ICMP_ERROR;
    asm.put(Op::LoadByteIndexed, quote + ipv6::NEXT_HEADER);
    put_ipv6_payload(asm, quote, ports, reject, accept, reject);
}

/// Tests what follows the IPv6 header at X + `at`. A is its next header.
fn put_ipv6_payload(
    asm: &mut Assembler,
    at: u32,
    ports: &PortTest,
    is_icmp: Label,
    accept: Label,
    reject: Label,
) {
    let payload = at + length::IPV6;
    let (is_udp, is_fragment) = (asm.label(), asm.label());
    asm.if_any([protocol::UDP], is_udp);
    asm.if_any([protocol::ICMPV6], is_icmp);
    asm.if_any([protocol::FRAGMENT], is_fragment);
    // user space walks over other extension headers, and decodes what is not part of IPv6
    asm.if_any(protocol::EXTENSIONS, accept);
    asm.if_any([protocol::ICMP], accept);
    asm.goto(reject);

    asm.bind(is_udp);
    ports.put(asm, At::Indexed(payload), accept);
    asm.goto(reject);

    asm.bind(is_fragment);
    asm.put(Op::LoadByteIndexed, payload);
    let of_udp = asm.label();
    asm.if_any([protocol::UDP], of_udp);
    asm.if_any([protocol::ICMPV6], accept);
    asm.if_any(protocol::EXTENSIONS, accept);
    asm.goto(reject);
    asm.bind(of_udp);
    asm.put(Op::LoadHalfIndexed, payload + ipv6::FRAGMENT);
    asm.branch(Op::JumpSet, ipv6::OFFSET_MASK, accept, NEXT);
    ports.put(asm, At::Indexed(payload + ipv6::FRAGMENT_LENGTH), accept);
    asm.goto(reject);
}
