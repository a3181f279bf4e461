//! Frames that cover every layer, built by etherparse where it can, and by hand where it cannot.

use etherparse::{PacketBuilder, PacketBuilderStep, TcpOptionElement};
use vxlan::LinkType;

/// A frame, and what it is.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) link_type: LinkType,
    pub(crate) bytes: Vec<u8>,
}

const MAC_A: [u8; 6] = [0x02, 0x42, 0xac, 0x12, 0, 3];
const MAC_B: [u8; 6] = [0x02, 0x42, 0xac, 0x12, 0, 4];
const NODE_A: [u8; 4] = [172, 18, 0, 3];
const NODE_B: [u8; 4] = [172, 18, 0, 4];
const POD_A: [u8; 4] = [10, 244, 1, 5];
const POD_B: [u8; 4] = [10, 244, 2, 7];
const SIX_A: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa];
const SIX_B: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];

/// A VXLAN header as RFC 7348 has it, VNI 1.
pub(crate) const VXLAN: [u8; 8] = [0x08, 0, 0, 0, 0, 0, 1, 0];

macro_rules! written {
    ($builder:expr, $payload:expr) => {{
        let mut bytes = Vec::new();
        $builder.write(&mut bytes, $payload).expect("etherparse writes to memory");
        bytes
    }};
}

fn ethernet() -> PacketBuilderStep<etherparse::Ethernet2Header> {
    PacketBuilder::ethernet2(MAC_A, MAC_B)
}

fn tcp_options() -> [TcpOptionElement; 5] {
    [
        TcpOptionElement::MaximumSegmentSize(1410),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Timestamp(1, 0),
        TcpOptionElement::Noop,
        TcpOptionElement::WindowScale(10),
    ]
}

/// A pod's TCP segment on Ethernet.
pub(crate) fn inner_tcp() -> Vec<u8> {
    let tcp = ethernet().ipv4(POD_A, POD_B, 63).tcp(43210, 80, 1000, 8192).syn();
    written!(tcp.options(&tcp_options()).expect("options that fit"), b"data")
}

fn inner_tcp6() -> Vec<u8> {
    written!(ethernet().ipv6(SIX_A, SIX_B, 63).tcp(43210, 80, 1000, 8192).ack(7), b"data")
}

/// The IP packet of a frame that begins with Ethernet without tags.
fn ip_of(frame: &[u8]) -> Vec<u8> {
    frame[14..].to_vec()
}

/// `payload` in UDP to `port`, over IPv4.
pub(crate) fn in_udp(port: u16, payload: &[u8]) -> Vec<u8> {
    written!(ethernet().ipv4(NODE_A, NODE_B, 64).udp(43513, port), payload)
}

/// A tunnel header and what it carries in UDP to `port`.
pub(crate) fn in_tunnel(port: u16, header: &[u8], inner: &[u8]) -> Vec<u8> {
    in_udp(port, &[header, inner].concat())
}

/// VXLAN with nothing out of the ordinary, over IPv4 or IPv6, with TCP over either inside.
pub(crate) fn in_vxlan(outer_six: bool, inner_six: bool) -> Vec<u8> {
    let inner = if inner_six { inner_tcp6() } else { inner_tcp() };
    let datagram = udp(8472, &[&VXLAN[..], &inner].concat());
    if outer_six {
        on_ethernet(0x86dd, &ipv6(17, &datagram))
    } else {
        on_ethernet(0x0800, &ipv4(17, 0x4000, &[], &datagram))
    }
}

/// Ethernet with a type and a body.
fn on_ethernet(ether_type: u16, body: &[u8]) -> Vec<u8> {
    [&MAC_B[..], &MAC_A, &ether_type.to_be_bytes(), body].concat()
}

fn arp() -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, 1];
    body.extend(MAC_A);
    body.extend(POD_A);
    body.extend([0; 6]);
    body.extend(POD_B);
    on_ethernet(0x0806, &body)
}

/// An IPv4 header with a right checksum, and a body.
pub(crate) fn ipv4(protocol: u8, fragment: u16, options: &[u8], body: &[u8]) -> Vec<u8> {
    let total = u16::try_from(20 + options.len() + body.len()).expect("a short packet");
    let version = 0x45 + u8::try_from(options.len() / 4).expect("40 bytes at most");
    let mut header = vec![version, 0];
    header.extend(total.to_be_bytes());
    header.extend([0x2b, 0x40]);
    header.extend(fragment.to_be_bytes());
    header.extend([64, protocol, 0, 0]);
    header.extend(NODE_A);
    header.extend(NODE_B);
    header.extend(options);
    let checksum = !sum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], body].concat()
}

/// The ones' complement sum of RFC 1071, word by word: slow and obvious.
pub(crate) fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("a folded sum")
}

fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(u16::try_from(body.len()).expect("a short packet").to_be_bytes());
    header.extend([next, 64]);
    header.extend(SIX_A);
    header.extend(SIX_B);
    [&header[..], body].concat()
}

/// A UDP header without a checksum, and a body.
fn udp(port: u16, body: &[u8]) -> Vec<u8> {
    let len = u16::try_from(8 + body.len()).expect("a short datagram");
    [&43513_u16.to_be_bytes()[..], &port.to_be_bytes(), &len.to_be_bytes(), &[0, 0], body].concat()
}

fn sample(name: &'static str, link_type: LinkType, bytes: Vec<u8>) -> Sample {
    Sample { name, link_type, bytes }
}

fn on_links() -> Vec<Sample> {
    let (four, six) = (ip_of(&inner_tcp()), ip_of(&inner_tcp6()));
    let sll = [&[0, 4, 0, 1, 0, 6], &MAC_A[..], &[0, 0, 8, 0]].concat();
    let sll2 = [&[0x86, 0xdd, 0, 0, 0, 0, 0, 7, 0, 1, 4, 6], &MAC_A[..], &[0, 0]].concat();
    let snap = [&[0xaa, 0xaa, 3, 0, 0, 0, 8, 0], &four[..]].concat();
    let length = u16::try_from(snap.len()).expect("a short frame");
    vec![
        sample("cooked", LinkType::LINUX_SLL, [&sll[..], &four].concat()),
        sample("cooked, version 2", LinkType::LINUX_SLL2, [&sll2[..], &six].concat()),
        sample("loopback", LinkType::NULL, [&[2, 0, 0, 0], &four[..]].concat()),
        sample("OpenBSD's loopback", LinkType::LOOP, [&[0, 0, 0, 24], &six[..]].concat()),
        sample("raw", LinkType::RAW, four.clone()),
        sample("raw IPv4", LinkType::IPV4, four.clone()),
        sample("raw IPv6", LinkType::IPV6, six),
        sample("802.3 with SNAP and padding", LinkType::ETHERNET, {
            [on_ethernet(length, &snap), vec![0; 6]].concat()
        }),
        sample("three MPLS labels", LinkType::ETHERNET, {
            let labels = [0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64];
            on_ethernet(0x8847, &[&labels, &four[..]].concat())
        }),
        sample("four tags", LinkType::ETHERNET, {
            let tags = [0, 1, 0x81, 0, 0, 2, 0x81, 0, 0xb0, 3, 0x91, 0, 0, 4, 8, 0];
            on_ethernet(0x88a8, &[&tags, &four[..]].concat())
        }),
    ]
}

fn transports() -> Vec<Sample> {
    let quote = ip_of(&in_tunnel(8472, &VXLAN, &inner_tcp()));
    let quote6 = ipv6(17, &udp(8472, &[&VXLAN[..], &inner_tcp6()].concat()));
    let unreachable = etherparse::Icmpv4Type::DestinationUnreachable(
        etherparse::icmpv4::DestUnreachableHeader::FragmentationNeeded { next_hop_mtu: 1400 },
    );
    let too_big = etherparse::Icmpv6Type::PacketTooBig { mtu: 1400 };
    let ethernet_sample = |name, bytes| sample(name, LinkType::ETHERNET, bytes);
    vec![
        ethernet_sample("TCP with options", inner_tcp()),
        ethernet_sample("TCP over IPv6, one tag", {
            let tagged = ethernet().single_vlan(100_u16.try_into().expect("12 bits"));
            written!(tagged.ipv6(SIX_A, SIX_B, 9).tcp(1, 2, 3, 4).fin(), b"x")
        }),
        ethernet_sample("UDP, two tags", {
            let tags =
                (200_u16.try_into().expect("12 bits"), 2001_u16.try_into().expect("12 bits"));
            let tagged = ethernet().double_vlan(tags.0, tags.1);
            written!(tagged.ipv4(POD_A, POD_B, 9).udp(53, 5353), b"payload")
        }),
        ethernet_sample("ARP", [arp(), vec![0; 18]].concat()),
        ethernet_sample("echo", {
            written!(ethernet().ipv4(POD_A, POD_B, 9).icmpv4_echo_request(7, 8), b"abcdefgh")
        }),
        ethernet_sample("echo, ICMPv6", {
            written!(ethernet().ipv6(SIX_A, SIX_B, 9).icmpv6_echo_reply(7, 8), b"abcdefgh")
        }),
        ethernet_sample("a tunnel packet quoted", {
            written!(ethernet().ipv4(NODE_B, NODE_A, 9).icmpv4(unreachable), &quote)
        }),
        ethernet_sample("a tunnel packet quoted, ICMPv6", {
            written!(ethernet().ipv6(SIX_B, SIX_A, 9).icmpv6(too_big), &quote6)
        }),
        ethernet_sample("SCTP", {
            let body = [0, 80, 0, 81, 1, 2, 3, 4, 0, 0, 0, 0, 1, 0, 0, 4];
            on_ethernet(0x0800, &ipv4(132, 0, &[], &body))
        }),
        ethernet_sample("IGMP behind a router alert", {
            let body = [0x16, 0, 0x08, 0xfa, 225, 1, 2, 3];
            on_ethernet(0x0800, &ipv4(2, 0, &[0x94, 4, 0, 0], &body))
        }),
        ethernet_sample("authentication header in IPv4", {
            let body =
                [&[17, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], &[9; 12][..], &udp(9, b"z")].concat();
            on_ethernet(0x0800, &ipv4(51, 0, &[], &body))
        }),
        ethernet_sample("a first fragment", {
            let inner = written!(ethernet().ipv4(POD_A, POD_B, 9).udp(53, 5353), &[7; 64]);
            let datagram = udp(8472, &[&VXLAN[..], &inner].concat());
            on_ethernet(0x0800, &ipv4(17, 0x2000, &[], &datagram[..72]))
        }),
        ethernet_sample("a last fragment", {
            on_ethernet(0x0800, &ipv4(17, 0x0009, &[], b"the end of a datagram"))
        }),
        ethernet_sample("IPv6 with extension headers and a first fragment", {
            let mut body = vec![60, 0, 5, 2, 0, 0, 1, 0]; // hop-by-hop: router alert
            body.extend([43, 0, 1, 4, 0, 0, 0, 0]); // destination options
            body.extend([44, 0, 0, 0, 0, 0, 0, 0]); // routing
            body.extend([17, 0, 0, 1, 0, 0, 0, 9]); // fragment
            body.extend(udp(53, b"0123456789abcdef"));
            on_ethernet(0x86dd, &ipv6(0, &body))
        }),
        ethernet_sample("IPv6, a last fragment", {
            let body = [&[17, 0, 0, 0x48, 0, 0, 0, 9], &b"the end"[..]].concat();
            on_ethernet(0x86dd, &ipv6(44, &body))
        }),
    ]
}

fn tunnels() -> Vec<Sample> {
    let geneve = [2, 0, 0x65, 0x58, 0, 0, 7, 0, 0x01, 0x4b, 0x81, 1, 1, 2, 3, 4];
    let nsh = [0, 0x46, 1, 3, 0, 0, 1, 255];
    let inner = inner_tcp();
    let ethernet_sample = |name, bytes| sample(name, LinkType::ETHERNET, bytes);
    vec![
        sample("TCP over IPv6 in VXLAN over IPv4", LinkType::ETHERNET, in_vxlan(false, true)),
        sample("TCP over IPv4 in VXLAN over IPv6", LinkType::ETHERNET, in_vxlan(true, false)),
        sample("TCP over IPv6 in VXLAN over IPv6", LinkType::ETHERNET, in_vxlan(true, true)),
        ethernet_sample("VXLAN", in_tunnel(8472, &VXLAN, &inner)),
        ethernet_sample("the example", vxlan::example::SYN.to_vec()),
        ethernet_sample("VXLAN over IPv6, IPv6 inside", {
            let payload = [&VXLAN[..], &inner_tcp6()].concat();
            written!(ethernet().ipv6(SIX_A, SIX_B, 64).udp(43513, 4789), &payload)
        }),
        ethernet_sample("VXLAN with ARP", in_tunnel(4789, &VXLAN, &arp())),
        ethernet_sample("group policy", {
            in_tunnel(4789, &[0x88, 0x48, 0, 100, 0, 0, 1, 0], &inner)
        }),
        ethernet_sample("reserved bits", {
            in_tunnel(4789, &[0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0xff], &inner)
        }),
        ethernet_sample("GPE with IPv4", {
            in_tunnel(4790, &[0x0c, 0, 0, 1, 0, 0, 1, 0], &ip_of(&inner))
        }),
        ethernet_sample("GPE with NSH", {
            let header = [&[0x0c, 0, 0, 4, 0, 0, 1, 0], &nsh[..], &[0; 16]].concat();
            in_tunnel(4790, &header, &inner)
        }),
        ethernet_sample("Geneve with an option", in_tunnel(6081, &geneve, &inner)),
        ethernet_sample("Geneve with IPv6", {
            in_tunnel(6081, &[0, 0, 0x86, 0xdd, 0, 0, 7, 0], &ip_of(&inner_tcp6()))
        }),
        ethernet_sample("flannel's UDP back end", in_udp(8285, &ip_of(&inner))),
        ethernet_sample("three tunnels", {
            let once = in_tunnel(8472, &VXLAN, &inner);
            in_tunnel(6081, &geneve, &in_tunnel(4789, &VXLAN, &once))
        }),
    ]
}

/// All of them.
pub(crate) fn all() -> Vec<Sample> {
    [on_links(), transports(), tunnels()].into_iter().flatten().collect()
}
