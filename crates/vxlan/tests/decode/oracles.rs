//! Every field of every header against two independent readers, etherparse and `pnet_packet`, over
//! frames of random values that etherparse builds.

use etherparse::{LinkSlice, NetSlice, PacketBuilder, SlicedPacket, TransportSlice};
use pnet_packet::Packet as _;
use pnet_packet::ethernet::EthernetPacket;
use pnet_packet::icmp::IcmpPacket;
use pnet_packet::ipv4::Ipv4Packet;
use pnet_packet::ipv6::Ipv6Packet;
use pnet_packet::tcp::TcpPacket;
use pnet_packet::udp::UdpPacket;
use proptest::prelude::*;
use vxlan::{Checksum, Headers, LinkType, TcpOption};

use crate::frames::{VXLAN, in_tunnel};

/// What a frame is made of.
#[derive(Clone, Debug)]
struct Made {
    macs: ([u8; 6], [u8; 6]),
    tags: Vec<u16>,
    four: Option<([u8; 4], [u8; 4])>,
    six: ([u8; 16], [u8; 16]),
    ttl: u8,
    ports: (u16, u16),
    numbers: (u32, u32),
    window: u16,
    flags: u8,
    options: bool,
    kind: u8,
    payload: Vec<u8>,
}

fn made() -> impl Strategy<Value = Made> {
    let addresses =
        (any::<(([u8; 6], [u8; 6]), Option<([u8; 4], [u8; 4])>, ([u8; 16], [u8; 16]))>(),);
    let tags = proptest::collection::vec(0_u16..4096, 0..3);
    // away from the tunnel ports
    let transport = (any::<(u8, u32, u32, u16, u8, bool)>(), 10_000_u16..20_000, 0_u8..4);
    let payload = proptest::collection::vec(any::<u8>(), 0..100);
    (addresses, tags, transport, payload).prop_map(
        |(((macs, four, six),), tags, transport, payload)| {
            let ((ttl, sequence, acknowledgement, window, flags, options), port, kind) = transport;
            Made {
                macs,
                tags,
                four,
                six,
                ttl,
                ports: (window | 1, port),
                numbers: (sequence, acknowledgement),
                window,
                flags,
                options,
                kind,
                payload,
            }
        },
    )
}

impl Made {
    fn build(&self) -> Vec<u8> {
        let ethernet = PacketBuilder::ethernet2(self.macs.0, self.macs.1);
        let id = |tag: u16| tag.try_into().expect("12 bits");
        macro_rules! on_ip {
            ($link:expr) => {
                match self.four {
                    Some((from, to)) => self.transport($link.ipv4(from, to, self.ttl)),
                    None => self.transport($link.ipv6(self.six.0, self.six.1, self.ttl)),
                }
            };
        }
        match *self.tags {
            [] => on_ip!(ethernet),
            [one] => on_ip!(ethernet.single_vlan(id(one))),
            [outer, inner, ..] => on_ip!(ethernet.double_vlan(id(outer), id(inner))),
        }
    }

    fn transport(&self, ip: etherparse::PacketBuilderStep<etherparse::IpHeaders>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let (first, second) = self.ports;
        let done = match (self.kind, self.four) {
            (0, _) => ip.udp(first, second).write(&mut bytes, &self.payload),
            (1, Some(_)) => ip.icmpv4_echo_request(first, second).write(&mut bytes, &self.payload),
            (1, None) => ip.icmpv6_echo_request(first, second).write(&mut bytes, &self.payload),
            _ => {
                let mut tcp = ip.tcp(first, second, self.numbers.0, self.window);
                if self.flags & 1 != 0 {
                    tcp = tcp.syn();
                }
                if self.flags & 2 != 0 {
                    tcp = tcp.ack(self.numbers.1);
                }
                if self.flags & 4 != 0 {
                    tcp = tcp.fin().psh();
                }
                if self.flags & 8 != 0 {
                    tcp = tcp.urg(self.window).ece().cwr();
                }
                if self.options {
                    let options = [
                        etherparse::TcpOptionElement::MaximumSegmentSize(self.window),
                        etherparse::TcpOptionElement::Timestamp(self.numbers.0, self.numbers.1),
                        etherparse::TcpOptionElement::WindowScale(self.flags),
                    ];
                    tcp = tcp.options(&options).expect("options that fit");
                }
                tcp.write(&mut bytes, &self.payload)
            }
        };
        done.expect("etherparse writes to memory");
        bytes
    }
}

/// The headers against etherparse's slices.
fn against_etherparse(headers: &Headers<'_>, frame: &[u8]) {
    let sliced = SlicedPacket::from_ethernet(frame).expect("etherparse reads what it built");
    let Some(LinkSlice::Ethernet2(link)) = sliced.link.clone() else { panic!("no Ethernet") };
    let ethernet = headers.ethernet().unwrap();
    assert_eq!(ethernet.destination().0, link.destination());
    assert_eq!(ethernet.source().0, link.source());
    assert_eq!(ethernet.type_field(), link.ether_type().0);
    let tags: Vec<u16> = headers.vlan_tags().map(vxlan::VlanTag::id).collect();
    let theirs: Vec<u16> = sliced.vlan_ids().iter().map(|id| id.value()).collect();
    assert_eq!(tags, theirs);
    match sliced.net {
        Some(NetSlice::Ipv4(four)) => {
            let (ip, four) = (headers.ipv4().unwrap(), four.header());
            assert_eq!(
                (ip.source(), ip.destination()),
                (four.source_addr(), four.destination_addr())
            );
            assert_eq!((ip.ttl(), ip.protocol().0), (four.ttl(), four.protocol().0));
            assert_eq!(
                (ip.total_length(), ip.identification()),
                (four.total_len(), four.identification())
            );
            assert_eq!(
                (ip.dont_fragment(), ip.more_fragments()),
                (four.dont_fragment(), four.more_fragments())
            );
            assert_eq!(ip.fragment_offset(), four.fragments_offset().value() * 8);
            assert_eq!((ip.checksum(), ip.options()), (four.header_checksum(), four.options()));
            assert_eq!(ip.tos() >> 2, four.dcp().value());
        }
        Some(NetSlice::Ipv6(six)) => {
            let (ip, six) = (headers.ipv6().unwrap(), six.header());
            assert_eq!(
                (ip.source(), ip.destination()),
                (six.source_addr(), six.destination_addr())
            );
            assert_eq!(
                (ip.hop_limit(), ip.next_header().0),
                (six.hop_limit(), six.next_header().0)
            );
            assert_eq!(
                (ip.payload_length(), ip.traffic_class()),
                (six.payload_length(), six.traffic_class())
            );
            assert_eq!(ip.flow_label(), six.flow_label().value());
        }
        other => panic!("{other:?}"),
    }
    match sliced.transport {
        Some(TransportSlice::Udp(theirs)) => {
            let udp = headers.udp().unwrap();
            assert_eq!(udp.source_port(), theirs.source_port());
            assert_eq!(udp.destination_port(), theirs.destination_port());
            assert_eq!((udp.length(), udp.checksum()), (theirs.length(), theirs.checksum()));
            assert_eq!(headers.payload(), theirs.payload());
        }
        Some(TransportSlice::Tcp(theirs)) => {
            let tcp = headers.tcp().unwrap();
            assert_eq!(tcp.source_port(), theirs.source_port());
            assert_eq!(tcp.destination_port(), theirs.destination_port());
            assert_eq!(
                (tcp.sequence(), tcp.acknowledgement()),
                (theirs.sequence_number(), theirs.acknowledgment_number())
            );
            assert_eq!((tcp.window(), tcp.checksum()), (theirs.window_size(), theirs.checksum()));
            assert_eq!(
                (tcp.urgent_pointer(), tcp.options_bytes()),
                (theirs.urgent_pointer(), theirs.options())
            );
            assert_eq!(tcp.header_len(), usize::from(theirs.data_offset()) * 4);
            let flags = [
                theirs.fin(),
                theirs.syn(),
                theirs.rst(),
                theirs.psh(),
                theirs.ack(),
                theirs.urg(),
                theirs.ece(),
                theirs.cwr(),
                theirs.ns(),
            ];
            let number = flags.iter().rev().fold(0, |number, &flag| number << 1 | u16::from(flag));
            assert_eq!(tcp.flags().0, number);
            assert_eq!(headers.payload(), theirs.payload());
            options(tcp.options(), theirs.options_iterator());
        }
        Some(TransportSlice::Icmpv4(theirs)) => {
            let icmp = headers.icmp().unwrap();
            assert_eq!((icmp.icmp_type(), icmp.code()), (theirs.type_u8(), theirs.code_u8()));
            assert_eq!(icmp.checksum(), theirs.checksum());
            assert_eq!(headers.payload(), theirs.payload());
        }
        Some(TransportSlice::Icmpv6(theirs)) => {
            let icmp = headers.icmpv6().unwrap();
            assert_eq!((icmp.icmp_type(), icmp.code()), (theirs.type_u8(), theirs.code_u8()));
            assert_eq!(icmp.checksum(), theirs.checksum());
            assert_eq!(headers.payload(), theirs.payload());
        }
        other => panic!("{other:?}"),
    }
}

fn options(ours: vxlan::TcpOptions<'_>, theirs: etherparse::TcpOptionsIterator<'_>) {
    use etherparse::TcpOptionElement;
    let ours = ours.filter(|option| *option != TcpOption::EndOfOptions);
    for (mine, theirs) in ours.zip(theirs) {
        let same = match (mine, theirs.expect("a whole option")) {
            (TcpOption::MaximumSegmentSize(a), TcpOptionElement::MaximumSegmentSize(b)) => a == b,
            (TcpOption::WindowScale(a), TcpOptionElement::WindowScale(b)) => a == b,
            (TcpOption::Timestamps(a, b), TcpOptionElement::Timestamp(c, d)) => (a, b) == (c, d),
            (TcpOption::NoOperation, TcpOptionElement::Noop) => true,
            _ => false,
        };
        assert!(same, "{mine:?}");
    }
}

/// The headers against pnet's views, chained by hand.
fn against_pnet(headers: &Headers<'_>, frame: &[u8]) {
    let ethernet = EthernetPacket::new(frame).unwrap();
    assert_eq!(headers.source_mac().unwrap().to_string(), ethernet.get_source().to_string());
    let tags = headers.vlan_tags().count();
    let rest = &frame[14 + tags * 4..];
    if let Some(ip) = headers.ipv4() {
        let theirs = Ipv4Packet::new(rest).unwrap();
        assert_eq!(
            (ip.source(), ip.destination()),
            (theirs.get_source(), theirs.get_destination())
        );
        assert_eq!(
            (ip.ttl(), ip.identification()),
            (theirs.get_ttl(), theirs.get_identification())
        );
        assert_eq!(ip.checksum(), pnet_packet::ipv4::checksum(&theirs));
        transport_against_pnet(headers, theirs.payload());
    } else {
        let (ip, theirs) = (headers.ipv6().unwrap(), Ipv6Packet::new(rest).unwrap());
        assert_eq!(
            (ip.source(), ip.destination()),
            (theirs.get_source(), theirs.get_destination())
        );
        assert_eq!(
            (ip.hop_limit(), ip.payload_length()),
            (theirs.get_hop_limit(), theirs.get_payload_length())
        );
        transport_against_pnet(headers, theirs.payload());
    }
}

fn transport_against_pnet(headers: &Headers<'_>, bytes: &[u8]) {
    if let Some(udp) = headers.udp() {
        let theirs = UdpPacket::new(bytes).unwrap();
        assert_eq!(
            (udp.source_port(), udp.destination_port()),
            (theirs.get_source(), theirs.get_destination())
        );
        assert_eq!((udp.length(), udp.checksum()), (theirs.get_length(), theirs.get_checksum()));
        assert_eq!(headers.payload(), theirs.payload());
    }
    if let Some(tcp) = headers.tcp() {
        let theirs = TcpPacket::new(bytes).unwrap();
        assert_eq!(
            (tcp.sequence(), tcp.acknowledgement()),
            (theirs.get_sequence(), theirs.get_acknowledgement())
        );
        assert_eq!(
            (tcp.window(), tcp.urgent_pointer()),
            (theirs.get_window(), theirs.get_urgent_ptr())
        );
        assert_eq!(tcp.flags().0, u16::from(theirs.get_flags()));
        assert_eq!(headers.payload(), theirs.payload());
    }
    if let Some(icmp) = headers.icmp() {
        let theirs = IcmpPacket::new(bytes).unwrap();
        assert_eq!(icmp.icmp_type(), theirs.get_icmp_type().0);
        assert_eq!(icmp.checksum(), pnet_packet::icmp::checksum(&theirs));
    }
}

proptest! {
    #[test]
    fn headers_are_as_the_oracles_say(made in made()) {
        let frame = made.build();
        let packet = vxlan::decode(&frame, LinkType::ETHERNET);
        prop_assert!(packet.tunnel.is_none() && packet.stop().is_none());
        against_etherparse(&packet.inner, &frame);
        against_pnet(&packet.inner, &frame);
        prop_assert_eq!(packet.inner_checksum(), Checksum::Ok);
        prop_assert_eq!(packet.outer_checksum(), Checksum::Ok);
    }

    #[test]
    fn so_are_the_inner_and_the_outer_ones(made in made(), vni in 0_u32..1 << 24, padding in 0_usize..20) {
        let inner = made.build();
        let mut header = VXLAN;
        header[4..7].copy_from_slice(&vni.to_be_bytes()[1..]);
        let mut frame = in_tunnel(4789, &header, &inner);
        frame.extend(vec![0xee; padding]);
        let packet = vxlan::decode(&frame, LinkType::ETHERNET);
        prop_assert_eq!(packet.tunnel.unwrap().vni().unwrap().number(), vni);
        prop_assert_eq!(packet.tunnel.unwrap().payload(), &inner[..]);
        prop_assert_eq!(packet.outer.padding().len(), padding);
        against_etherparse(&packet.outer, &frame);
        against_etherparse(&packet.inner, &inner);
        against_pnet(&packet.inner, &inner);
        prop_assert_eq!(packet.inner_checksum(), Checksum::Ok);
        prop_assert_eq!(packet.outer_checksum(), Checksum::Ok);
    }

    /// One flipped bit behind the transport header is one bad checksum, outside and inside.
    #[test]
    fn a_flipped_bit_is_a_bad_checksum(made in made(), bit in any::<proptest::sample::Index>()) {
        prop_assume!(!made.payload.is_empty());
        let mut frame = in_tunnel(4789, &VXLAN, &made.build());
        let bit = bit.index(made.payload.len() * 8);
        let at = frame.len() - made.payload.len() + bit / 8;
        frame[at] ^= 1 << (bit % 8);
        let packet = vxlan::decode(&frame, LinkType::ETHERNET);
        prop_assert_eq!(packet.inner_checksum(), Checksum::Bad);
        prop_assert_eq!(packet.outer_checksum(), Checksum::Bad);
    }
}
