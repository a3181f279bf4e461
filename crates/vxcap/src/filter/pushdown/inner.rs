//! Selection by what is inside the tunnel.

use vxlan::{Ports, TunnelKind, Vni};

use super::assembler::{Assembler, Label, NEXT};
use super::fields::{
    ETHER_TYPE, ICMP_ERRORS, ICMPV6_ERRORS, arp, ether_type, ipv4, ipv6, length, protocol, udp,
};
use super::link::Link;
use super::not_pushed::NotPushed;
use super::ports::{PortTest, put_header};
use super::prefixes::{At, Prefix, PrefixSet};
use super::splice::{Base, splice, unless_longer};
use crate::filter::Program;
use crate::filter::instruction::{Op, VLAN_TAG_PRESENT};

/// The conditions for the innermost packet, which must all hold.
pub(super) struct Inner<'a> {
    pub(super) link: Link,
    pub(super) ports: &'a Ports,
    pub(super) vnis: &'a [Vni],
    pub(super) ends: &'a [Prefix],
    /// The program for a frame in a tunnel.
    pub(super) program: Option<&'a Program>,
    /// The program for a frame in no tunnel.
    pub(super) plain_program: Option<&'a Program>,
}

/// The labels that decisions go to.
#[derive(Clone, Copy)]
struct Ways {
    accept: Label,
    reject: Label,
    /// For packets that cannot be decided. It is the same as `accept`, and named after the reason.
    undecided: Label,
}

impl Inner<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.vnis.is_empty() && self.ends.is_empty() && self.program.is_none()
    }

    /// Puts the decision. Before each load it tests that the load is inside of the packet: one
    /// outside would reject a packet that is not decided.
    pub(super) fn put(
        &self,
        asm: &mut Assembler,
        accept: Label,
        reject: Label,
    ) -> Result<(), NotPushed> {
        let ways = Ways { accept, reject, undecided: accept };
        let ports = PortTest::new(self.ports);
        let ends = PrefixSet::new(self.ends);
        let (is_ipv4, is_ipv6, is_arp) = (asm.label(), asm.label(), asm.label());
        let plain = asm.label();
        unless_longer(asm, self.link.network, ways.undecided);
        asm.put(Op::LoadHalf, self.link.ether_type);
        asm.if_any([ether_type::IPV4], is_ipv4);
        asm.if_any([ether_type::IPV6], is_ipv6);
        asm.branch(Op::JumpEqual, ether_type::ARP, is_arp, ways.undecided);

        asm.bind(is_ipv4);
        self.put_outer_ipv4(asm, &ports, &ends, plain, ways)?;
        asm.bind(is_ipv6);
        self.put_outer_ipv6(asm, &ports, &ends, plain, ways)?;
        asm.bind(is_arp);
        self.put_plain(asm, Network::Arp, &ends, plain, ways);

        // In no tunnel, from or to one of the ends: the program is for the frame itself. User space
        // sees a tag that the kernel took out of the frame, so that the program can decide
        // otherwise there.
        asm.bind(plain);
        if let Some(program) = self.plain_program {
            put_unless_tagged(asm, ways.undecided);
            splice(asm, program, Base::Same, ways.accept, ways.reject)
        } else {
            asm.goto(ways.accept);
            Ok(())
        }
    }

    fn put_outer_ipv4(
        &self,
        asm: &mut Assembler,
        ports: &PortTest,
        ends: &PrefixSet,
        plain: Label,
        ways: Ways,
    ) -> Result<(), NotPushed> {
        let network = self.link.network;
        let datagram = network + length::IPV4;
        let no_tunnel = asm.label();
        unless_longer(asm, datagram, ways.undecided);
        asm.put(Op::LoadByte, network + ipv4::PROTOCOL);
        asm.if_any([protocol::AUTHENTICATION], ways.undecided);
        asm.unless(protocol::UDP, no_tunnel);
        asm.put(Op::LoadByte, network);
        asm.unless(ipv4::PLAIN_HEADER, ways.undecided);
        asm.put(Op::LoadHalf, network + ipv4::FRAGMENT);
        asm.branch(Op::JumpSet, ipv4::FRAGMENT_MASK, ways.undecided, NEXT);
        let length = |asm: &mut Assembler, undecided: Label| {
            // the IP packet ends where the frame does
            asm.put(Op::LoadHalf, network + ipv4::TOTAL_LENGTH);
            put_compare_length(asm, network, undecided);
        };
        self.put_datagram(asm, datagram, ports, ends, length, no_tunnel, ways)?;
        asm.bind(no_tunnel);
        self.put_plain(asm, Network::Ipv4, ends, plain, ways);
        Ok(())
    }

    fn put_outer_ipv6(
        &self,
        asm: &mut Assembler,
        ports: &PortTest,
        ends: &PrefixSet,
        plain: Label,
        ways: Ways,
    ) -> Result<(), NotPushed> {
        let network = self.link.network;
        let datagram = network + length::IPV6;
        let no_tunnel = asm.label();
        unless_longer(asm, datagram, ways.undecided);
        asm.put(Op::LoadByte, network + ipv6::NEXT_HEADER);
        asm.if_any(protocol::EXTENSIONS, ways.undecided);
        asm.unless(protocol::UDP, no_tunnel);
        asm.put(Op::LoadByte, network);
        asm.put(Op::And, 0xf0);
        asm.unless(0x60, ways.undecided);
        let length = |asm: &mut Assembler, undecided: Label| {
            asm.put(Op::LoadHalf, network + ipv6::PAYLOAD_LENGTH);
            put_compare_length(asm, datagram, undecided);
        };
        self.put_datagram(asm, datagram, ports, ends, length, no_tunnel, ways)?;
        asm.bind(no_tunnel);
        self.put_plain(asm, Network::Ipv6, ends, plain, ways);
        Ok(())
    }

    /// The UDP datagram at `datagram`, which is not a fragment.
    #[expect(
        clippy::too_many_arguments,
        reason = "the last step of a way that two outer headers go"
    )]
    fn put_datagram(
        &self,
        asm: &mut Assembler,
        datagram: u32,
        ports: &PortTest,
        ends: &PrefixSet,
        put_length: impl Fn(&mut Assembler, Label),
        no_tunnel: Label,
        ways: Ways,
    ) -> Result<(), NotPushed> {
        let header = datagram + length::UDP;
        let inner = header + length::TUNNEL;
        unless_longer(asm, header, ways.undecided);
        asm.put(Op::LoadHalf, datagram + udp::DESTINATION);
        let kinds = [TunnelKind::Vxlan, TunnelKind::Gpe, TunnelKind::Geneve]
            .map(|kind| (kind, asm.label()));
        for &(port, of) in &ports.destinations {
            let known = kinds.iter().find(|(kind, _)| *kind == of);
            asm.if_any([port.into()], known.map_or(ways.undecided, |&(_, label)| label));
        }
        ports.put_sources(asm, At::Fixed(datagram), ways.undecided);
        asm.goto(no_tunnel);

        let carries = asm.label();
        for (kind, label) in kinds {
            asm.bind(label);
            unless_longer(asm, inner, ways.undecided);
            put_length(asm, ways.undecided);
            asm.put(Op::LoadHalf, datagram + udp::LENGTH);
            put_compare_length(asm, datagram, ways.undecided);
            put_header(asm, kind, header, no_tunnel, ways.undecided);
            asm.goto(carries);
        }
        asm.bind(carries);
        self.put_carried(asm, inner, ports, ends, ways)
    }

    /// The Ethernet frame at `frame`, directly after the header of its tunnel.
    fn put_carried(
        &self,
        asm: &mut Assembler,
        frame: u32,
        ports: &PortTest,
        ends: &PrefixSet,
        ways: Ways,
    ) -> Result<(), NotPushed> {
        let network = frame + length::ETHERNET;
        let (is_ipv4, is_ipv6, is_arp) = (asm.label(), asm.label(), asm.label());
        let (whole, chosen) = (asm.label(), asm.label());
        unless_longer(asm, network, ways.undecided);
        asm.put(Op::LoadHalf, frame + ETHER_TYPE);
        asm.if_any([ether_type::IPV4], is_ipv4);
        asm.if_any([ether_type::IPV6], is_ipv6);
        asm.branch(Op::JumpEqual, ether_type::ARP, is_arp, ways.undecided);

        // User space decides about a tunnel in the tunnel.
        asm.bind(is_ipv4);
        let (datagram, single) = (network + length::IPV4, asm.label());
        unless_longer(asm, datagram, ways.undecided);
        asm.put(Op::LoadByte, network + ipv4::PROTOCOL);
        asm.if_any([protocol::AUTHENTICATION], ways.undecided);
        asm.unless(protocol::UDP, single);
        asm.put(Op::LoadHalf, network + ipv4::FRAGMENT);
        asm.branch(Op::JumpSet, ipv4::OFFSET_MASK, single, NEXT);
        asm.put(Op::LoadByte, network);
        asm.unless(ipv4::PLAIN_HEADER, ways.undecided);
        unless_longer(asm, datagram + length::UDP, ways.undecided);
        ports.put(asm, At::Fixed(datagram), ways.undecided);
        asm.bind(single);
        self.put_ends(asm, Network::Ipv4, network, ends, chosen, ways);

        asm.bind(is_ipv6);
        let (datagram, single) = (network + length::IPV6, asm.label());
        unless_longer(asm, datagram, ways.undecided);
        asm.put(Op::LoadByte, network + ipv6::NEXT_HEADER);
        asm.if_any(protocol::EXTENSIONS, ways.undecided);
        asm.unless(protocol::UDP, single);
        unless_longer(asm, datagram + length::UDP, ways.undecided);
        ports.put(asm, At::Fixed(datagram), ways.undecided);
        asm.bind(single);
        self.put_ends(asm, Network::Ipv6, network, ends, chosen, ways);

        asm.bind(is_arp);
        self.put_ends(asm, Network::Arp, network, ends, chosen, ways);

        asm.bind(chosen);
        if !self.vnis.is_empty() {
            // the identifier, and a reserved byte that is known to be 0
            asm.put(Op::LoadWord, frame - 4);
            asm.if_any(self.vnis.iter().map(|vni| vni.number() << 8), whole);
            asm.goto(ways.reject);
        }
        asm.bind(whole);
        if let Some(program) = self.program {
            splice(asm, program, Base::Behind(frame), ways.accept, ways.reject)
        } else {
            asm.goto(ways.accept);
            Ok(())
        }
    }

    /// A packet in no tunnel.
    fn put_plain(
        &self,
        asm: &mut Assembler,
        is: Network,
        ends: &PrefixSet,
        plain: Label,
        ways: Ways,
    ) {
        if !self.vnis.is_empty() {
            asm.goto(ways.reject);
            return;
        }
        let other = asm.label();
        let network = self.link.network;
        self.put_ends(asm, is, network, ends, plain, Ways { reject: other, ..ways });
        // an error about a tunnel packet quotes the ends of that one
        asm.bind(other);
        let (protocol, error, errors, message) = match is {
            Network::Ipv4 => {
                (network + ipv4::PROTOCOL, protocol::ICMP, &ICMP_ERRORS[..], network + length::IPV4)
            }
            Network::Ipv6 => (
                network + ipv6::NEXT_HEADER,
                protocol::ICMPV6,
                &ICMPV6_ERRORS[..],
                network + length::IPV6,
            ),
            Network::Arp => return asm.goto(ways.reject),
        };
        asm.put(Op::LoadByte, protocol);
        asm.unless(error, ways.reject);
        if matches!(is, Network::Ipv4) {
            asm.put(Op::LoadByte, network);
            asm.unless(ipv4::PLAIN_HEADER, ways.undecided);
        }
        unless_longer(asm, message + 1, ways.undecided);
        asm.put(Op::LoadByte, message);
        asm.if_any(errors.iter().copied(), ways.undecided);
        asm.goto(ways.reject);
    }

    /// Goes to `chosen` where the packet at `network` is from or to one of the ends, or where any
    /// end is wanted.
    fn put_ends(
        &self,
        asm: &mut Assembler,
        is: Network,
        network: u32,
        ends: &PrefixSet,
        chosen: Label,
        ways: Ways,
    ) {
        if self.ends.is_empty() {
            asm.goto(chosen);
            return;
        }
        match is {
            Network::Ipv4 => {
                ends.if_v4(asm, At::Fixed(network + ipv4::SOURCE), chosen);
                ends.if_v4(asm, At::Fixed(network + ipv4::DESTINATION), chosen);
            }
            Network::Ipv6 => {
                ends.if_v6(asm, At::Fixed(network + ipv6::SOURCE), chosen);
                ends.if_v6(asm, At::Fixed(network + ipv6::DESTINATION), chosen);
            }
            Network::Arp => {
                unless_longer(asm, network + arp::LENGTH, ways.undecided);
                asm.put(Op::LoadHalf, network + arp::LENGTHS);
                asm.unless(arp::ETHERNET_IPV4, ways.undecided);
                ends.if_v4(asm, At::Fixed(network + arp::SENDER), chosen);
                ends.if_v4(asm, At::Fixed(network + arp::TARGET), chosen);
            }
        }
        asm.goto(ways.reject);
    }
}

/// The kind of packet in an Ethernet frame.
#[derive(Clone, Copy)]
enum Network {
    Ipv4,
    Ipv6,
    Arp,
}

/// Goes to `label` where the kernel has taken a VLAN tag out of the frame.
pub(super) fn put_unless_tagged(asm: &mut Assembler, label: Label) {
    asm.put(Op::LoadByte, VLAN_TAG_PRESENT);
    asm.branch(Op::JumpEqual, 0, NEXT, label);
}

/// Goes to `undecided` unless A is the number of bytes from `start` to the end of the packet.
fn put_compare_length(asm: &mut Assembler, start: u32, undecided: Label) {
    asm.put(Op::CopyAToX, 0);
    asm.put(Op::LoadLength, 0);
    asm.put(Op::Subtract, start);
    asm.branch(Op::JumpEqualX, 0, NEXT, undecided);
}
