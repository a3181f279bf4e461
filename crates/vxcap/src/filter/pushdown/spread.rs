//! Sharing frames among threads: a number for each packet, the same for all packets between two
//! inner ends.

use vxlan::{Ports, TunnelKind};

use super::assembler::{Assembler, Label, NEXT};
use super::fields::{
    ICMP_ERRORS, ICMPV6_ERRORS, arp, ether_type, ipv4, ipv6, length, protocol, udp,
};
use super::not_pushed::NotPushed;
use super::ports::PortTest;
use super::prefixes::At;
use crate::filter::Program;
use crate::filter::instruction::{HARDWARE, Op, PACKET_TYPE, PROTOCOL};

/// `PACKET_OUTGOING` of `linux/if_packet.h`.
const OUTGOING: u32 = 4;
/// Hardware with Ethernet headers: `ARPHRD_ETHER` and `ARPHRD_LOOPBACK` of `linux/if_arp.h`.
const ETHERNET_HARDWARE: [u32; 2] = [1, 772];
/// Words of scratch memory: the offset of the outer network header, the offset of the header whose
/// addresses count, a sum so far, the first address.
const OUTER: u32 = 0;
const HEADER: u32 = 1;
const SUM: u32 = 2;
const FIRST: u32 = 3;
/// 2 to the 32nd divided by the golden ratio, and odd: a product with it spreads a difference of
/// few bits over the upper bits.
const GOLDEN: u32 = 0x9e37_79b1;

/// A program for `PACKET_FANOUT_CBPF` of packet(7): its number depends only on two addresses, in
/// either order. So both directions of all flows between them, their fragments and the ICMP errors
/// about them go to one socket of a group.
///
/// The addresses are those of the packet in the tunnel, if it goes to one of these `ports`. A
/// packet in no tunnel has its own addresses, an ICMP error those of the packet that it quotes. All
/// fragments of a tunnel's datagrams have the outer addresses, since later ones contain no others.
/// The number of packets that are neither IP nor ARP is 0.
///
/// The kernel runs the program on received packets from the network header on, and on sent packets
/// from the link-layer header on; the program finds out which from what the kernel knows
/// ([`Ancillary`](super::super::Ancillary)). It uses only loads that reach all parts of a packet.
///
/// # Errors
///
/// [`NotPushed::TooLong`] where there are too many ports.
pub fn by_inner_ends(ports: &Ports) -> Result<Program, NotPushed> {
    let mut asm = Assembler::default();
    let ends = Ends::new(&mut asm);
    put_outer(&mut asm, &PortTest::new(ports), &ends);
    ends.put(&mut asm);
    asm.finish()
}

/// The labels to go to when X is the offset of the header whose addresses count.
struct Ends {
    ipv4: Label,
    ipv6: Label,
    arp: Label,
    /// For the outer header, whose offset was stored.
    outer_ipv4: Label,
    outer_ipv6: Label,
    /// For packets without addresses.
    none: Label,
}

fn put_outer(asm: &mut Assembler, ports: &PortTest, ends: &Ends) {
    let (sent, network) = (asm.label(), asm.label());
    asm.put(Op::LoadXConstant, 0);
    asm.put(Op::LoadWord, PACKET_TYPE);
    asm.branch(Op::JumpEqual, OUTGOING, sent, network);
    asm.bind(sent);
    asm.put(Op::LoadWord, HARDWARE);
    let ethernet = asm.label();
    asm.if_any(ETHERNET_HARDWARE, ethernet);
    asm.goto(network);
    asm.bind(ethernet);
    asm.put(Op::LoadXConstant, length::ETHERNET);
    asm.bind(network);
    asm.put(Op::StoreX, OUTER);
    let (is_ipv4, is_ipv6) = (asm.label(), asm.label());
    asm.put(Op::LoadWord, PROTOCOL);
    asm.if_any([ether_type::IPV4], is_ipv4);
    asm.if_any([ether_type::IPV6], is_ipv6);
    asm.branch(Op::JumpEqual, ether_type::ARP, ends.arp, ends.none);

    asm.bind(is_ipv4);
    asm.put(Op::LoadByteIndexed, ipv4::PROTOCOL);
    asm.unless(protocol::UDP, ends.ipv4);
    asm.put(Op::LoadHalfIndexed, ipv4::FRAGMENT);
    asm.branch(Op::JumpSet, ipv4::FRAGMENT_MASK, ends.ipv4, NEXT);
    put_over_ipv4(asm);
    put_tunnel(asm, ports, ends.outer_ipv4, ends);

    asm.bind(is_ipv6);
    asm.put(Op::LoadByteIndexed, ipv6::NEXT_HEADER);
    asm.unless(protocol::UDP, ends.ipv6);
    put_forward(asm, length::IPV6);
    put_tunnel(asm, ports, ends.outer_ipv6, ends);
}

/// Tests the UDP header at X. Goes to the code for the packet in the tunnel, or to `plain` if there
/// is no tunnel.
fn put_tunnel(asm: &mut Assembler, ports: &PortTest, plain: Label, ends: &Ends) {
    const HEADER: u32 = length::UDP;
    let kinds = [TunnelKind::Vxlan, TunnelKind::Gpe, TunnelKind::Geneve, TunnelKind::Udp]
        .map(|kind| (kind, asm.label()));
    let known = |of| kinds.iter().find(|(kind, _)| *kind == of).map_or(plain, |&(_, label)| label);
    asm.put(Op::LoadHalfIndexed, udp::DESTINATION);
    for &(port, kind) in &ports.destinations {
        asm.if_any([port.into()], known(kind));
    }
    for &(port, kind) in &ports.destinations {
        ports.put_source(asm, At::Indexed(0), port, known(kind));
    }
    asm.goto(plain);

    let (frame, packet) = (asm.label(), asm.label());
    asm.bind(known(TunnelKind::Vxlan));
    asm.put(Op::LoadWordIndexed, HEADER);
    // I (RFC 7348 section 5)
    asm.branch(Op::JumpSet, 0x0800_0000, NEXT, plain);
    put_forward(asm, HEADER + length::TUNNEL);
    asm.goto(frame);

    asm.bind(known(TunnelKind::Gpe));
    asm.put(Op::LoadWordIndexed, HEADER);
    asm.branch(Op::JumpSet, 0x0800_0000, NEXT, plain);
    // P, and next protocol 1 or 2: IP (draft-ietf-nvo3-vxlan-gpe section 3)
    let (names_next, ethernet, ip) = (asm.label(), asm.label(), asm.label());
    asm.branch(Op::JumpSet, 0x0400_0000, names_next, ethernet);
    asm.bind(names_next);
    asm.put(Op::And, 0xff);
    asm.if_any([1, 2], ip);
    asm.branch(Op::JumpEqual, 3, ethernet, plain);
    asm.bind(ethernet);
    put_forward(asm, HEADER + length::TUNNEL);
    asm.goto(frame);
    asm.bind(ip);
    put_forward(asm, HEADER + length::TUNNEL);
    asm.goto(packet);

    // options of so many words, and what follows (RFC 8926 section 3.4)
    asm.bind(known(TunnelKind::Geneve));
    asm.put(Op::LoadHalfIndexed, HEADER + 2);
    asm.put(Op::Store, SUM);
    asm.put(Op::LoadByteIndexed, HEADER);
    asm.put(Op::And, 0x3f);
    asm.put(Op::ShiftLeft, 2);
    asm.put(Op::AddX, 0);
    asm.put(Op::CopyAToX, 0);
    put_forward(asm, HEADER + length::TUNNEL);
    asm.put(Op::LoadScratch, SUM);
    asm.if_any([ether_type::IPV4, ether_type::IPV6], packet);
    // transparent Ethernet bridging
    asm.branch(Op::JumpEqual, 0x6558, frame, plain);

    asm.bind(known(TunnelKind::Udp));
    put_forward(asm, HEADER);
    asm.bind(packet);
    asm.put(Op::LoadByteIndexed, 0);
    asm.put(Op::ShiftRight, 4);
    asm.if_any([4], ends.ipv4);
    asm.branch(Op::JumpEqual, 6, ends.ipv6, plain);

    asm.bind(frame);
    let (one, two, known) = (asm.label(), asm.label(), asm.label());
    asm.put(Op::LoadHalfIndexed, length::ETHERNET - 2);
    asm.if_any(ether_type::VLAN, one);
    asm.goto(known);
    for tag in [one, two] {
        asm.bind(tag);
        put_forward(asm, length::VLAN_TAG);
        asm.put(Op::LoadHalfIndexed, length::ETHERNET - 2);
        if tag == one {
            asm.if_any(ether_type::VLAN, two);
            asm.goto(known);
        }
    }
    asm.bind(known);
    asm.put(Op::Store, SUM);
    put_forward(asm, length::ETHERNET);
    asm.put(Op::LoadScratch, SUM);
    asm.if_any([ether_type::IPV4], ends.ipv4);
    asm.if_any([ether_type::IPV6], ends.ipv6);
    asm.branch(Op::JumpEqual, ether_type::ARP, ends.arp, plain);
}

impl Ends {
    fn new(asm: &mut Assembler) -> Self {
        let mut label = || asm.label();
        Self {
            ipv4: label(),
            ipv6: label(),
            arp: label(),
            outer_ipv4: label(),
            outer_ipv6: label(),
            none: label(),
        }
    }

    fn put(&self, asm: &mut Assembler) {
        let addresses = asm.label();
        asm.bind(self.ipv4);
        asm.put(Op::StoreX, HEADER);
        asm.put(Op::LoadByteIndexed, ipv4::PROTOCOL);
        asm.unless(protocol::ICMP, addresses);
        asm.put(Op::LoadHalfIndexed, ipv4::FRAGMENT);
        asm.branch(Op::JumpSet, ipv4::OFFSET_MASK, addresses, NEXT);
        put_over_ipv4(asm);
        let (quote, own) = (asm.label(), asm.label());
        asm.put(Op::LoadByteIndexed, 0);
        asm.if_any(ICMP_ERRORS, quote);
        asm.goto(own);
        asm.bind(quote);
        put_forward(asm, length::ICMP_ERROR);
        asm.goto(addresses);
        asm.bind(own);
        asm.put(Op::LoadXScratch, HEADER);
        asm.goto(addresses);
        asm.bind(self.outer_ipv4);
        asm.put(Op::LoadXScratch, OUTER);
        asm.bind(addresses);
        put_product(asm, [ipv4::SOURCE, ipv4::DESTINATION], 1);

        let addresses = asm.label();
        asm.bind(self.ipv6);
        asm.put(Op::LoadByteIndexed, ipv6::NEXT_HEADER);
        asm.unless(protocol::ICMPV6, addresses);
        asm.put(Op::LoadByteIndexed, length::IPV6);
        let quote = asm.label();
        asm.if_any(ICMPV6_ERRORS, quote);
        asm.goto(addresses);
        asm.bind(quote);
        put_forward(asm, length::IPV6 + length::ICMP_ERROR);
        asm.goto(addresses);
        asm.bind(self.outer_ipv6);
        asm.put(Op::LoadXScratch, OUTER);
        asm.bind(addresses);
        put_product(asm, [ipv6::SOURCE, ipv6::DESTINATION], 4);

        asm.bind(self.arp);
        put_product(asm, [arp::SENDER, arp::TARGET], 1);

        asm.bind(self.none);
        asm.put(Op::Return, 0);
    }
}

/// Adds to X.
fn put_forward(asm: &mut Assembler, bytes: u32) {
    asm.put(Op::CopyXToA, 0);
    asm.put(Op::Add, bytes);
    asm.put(Op::CopyAToX, 0);
}

/// Adds the length of the IPv4 header at X to X.
fn put_over_ipv4(asm: &mut Assembler) {
    asm.put(Op::LoadByteIndexed, 0);
    asm.put(Op::And, 0xf);
    asm.put(Op::ShiftLeft, 2);
    asm.put(Op::AddX, 0);
    asm.put(Op::CopyAToX, 0);
}

/// Returns a number of two addresses, the same in either order: the product of two odd numbers, one
/// made of each. Of the product it takes the bits in the middle, which depend on all bits of the
/// addresses.
fn put_product(asm: &mut Assembler, addresses: [u32; 2], words: u32) {
    asm.put(Op::StoreX, HEADER);
    for (address, number) in addresses.into_iter().zip(0_u32..) {
        for word in 0..words {
            asm.put(Op::LoadXScratch, HEADER);
            asm.put(Op::LoadWordIndexed, address + 4 * word);
            if word > 0 {
                asm.put(Op::LoadXScratch, SUM);
                asm.put(Op::AddX, 0);
            }
            if word + 1 < words {
                asm.put(Op::Multiply, GOLDEN);
                asm.put(Op::Store, SUM);
            }
        }
        asm.put(Op::ShiftLeft, 1);
        asm.put(Op::Or, 1);
        if number == 0 {
            asm.put(Op::Store, FIRST);
        }
    }
    asm.put(Op::LoadXScratch, FIRST);
    asm.put(Op::MultiplyX, 0);
    asm.put(Op::Multiply, GOLDEN);
    asm.put(Op::ShiftRight, 16);
    asm.put(Op::ReturnA, 0);
}
