//! What this project's decoder says of a frame, under the names and in the notation of tshark's
//! fields.

use std::collections::BTreeMap;
use std::fmt::Display;

use vxlan::{Checksum, Decoder, Headers, IpProtocol, LinkType, Packet, Protocol};

/// The values of each field, outermost first.
pub(crate) type Fields = BTreeMap<&'static str, Vec<String>>;

/// What was decoded of one frame.
pub(crate) struct Decoded {
    pub(crate) fields: Fields,
    /// Why decoding ended early, if it did.
    pub(crate) stop: Option<String>,
    /// Is a level of the frame a fragment? tshark takes what a first fragment holds for all that
    /// there is.
    pub(crate) fragmented: bool,
    /// The states of each kind of checksum, outermost first: `udp.checksum.status` and the like.
    pub(crate) checksums: BTreeMap<&'static str, Vec<Checksum>>,
}

/// Decodes a frame with the default ports.
pub(crate) fn decode(data: &[u8], link_type: LinkType, wire_len: u32) -> Decoded {
    let by = Decoder::default().max_depth(8);
    let packet = by.decode_captured(data, link_type, wire_len);
    let mut decoded = Decoded {
        fields: Fields::new(),
        stop: packet.stop().map(|stop| stop.to_string()),
        fragmented: false,
        checksums: BTreeMap::new(),
    };
    for level in by.encapsulations(&packet) {
        decoded.headers(&level.headers);
        decoded.tunnel(&level.tunnel);
        decoded.checksums.entry("udp.checksum.status").or_default().push(level.checksum());
    }
    decoded.headers(&packet.inner);
    decoded.inner_checksum(&packet);
    decoded
}

impl Decoded {
    fn add(&mut self, field: &'static str, value: &dyn Display) {
        self.fields.entry(field).or_default().push(value.to_string());
    }

    fn headers(&mut self, headers: &Headers<'_>) {
        self.fragmented |= headers.fragment().is_some();
        if let Some(ethernet) = headers.ethernet() {
            self.add("eth.dst", &ethernet.destination());
            self.add("eth.src", &ethernet.source());
            if ethernet.type_field() > 1500 {
                self.add("eth.type", &format!("{:#06x}", ethernet.type_field()));
            }
        }
        for tag in headers.vlan_tags() {
            self.add("vlan.id", &tag.id());
        }
        if let Some(ip) = headers.ipv4() {
            self.add("ip.src", &ip.source());
            self.add("ip.dst", &ip.destination());
            self.add("ip.ttl", &ip.ttl());
            self.add("ip.id", &format!("{:#06x}", ip.identification()));
            // tshark, too, takes the frame's length where the field is 0
            let total = u32::from(ip.total_length());
            self.add("ip.len", &if total == 0 { headers.network_wire_len() } else { total });
            self.add("ip.hdr_len", &ip.header_len());
            self.add("ip.proto", &ip.protocol().0);
            self.add("ip.frag_offset", &(ip.fragment_offset() / 8));
            self.add("ip.flags.mf", &u8::from(ip.more_fragments()));
            assert_eq!(headers.source(), Some(ip.source().into()));
            assert_eq!(headers.destination(), Some(ip.destination().into()));
        }
        if let Some(ip) = headers.ipv6() {
            self.add("ipv6.src", &ip.source());
            self.add("ipv6.dst", &ip.destination());
            self.add("ipv6.hlim", &ip.hop_limit());
            self.add("ipv6.plen", &ip.payload_length());
            self.add("ipv6.nxt", &ip.next_header().0);
            assert_eq!(headers.source(), Some(ip.source().into()));
            assert_eq!(headers.destination(), Some(ip.destination().into()));
        }
        if let Some(arp) = headers.arp() {
            self.add("arp.opcode", &arp.operation());
            if let (Some(sender), Some(target)) = (arp.sender_ip(), arp.target_ip()) {
                self.add("arp.src.proto_ipv4", &sender);
                self.add("arp.dst.proto_ipv4", &target);
            }
        }
        self.transport(headers);
    }

    fn transport(&mut self, headers: &Headers<'_>) {
        if let Some(udp) = headers.udp() {
            self.add("udp.srcport", &udp.source_port());
            self.add("udp.dstport", &udp.destination_port());
            self.add("udp.length", &udp.length());
        }
        if let Some(tcp) = headers.tcp() {
            self.add("tcp.srcport", &tcp.source_port());
            self.add("tcp.dstport", &tcp.destination_port());
            self.add("tcp.seq_raw", &tcp.sequence());
            self.add("tcp.ack_raw", &tcp.acknowledgement());
            self.add("tcp.hdr_len", &tcp.header_len());
            self.add("tcp.flags", &format!("{:#06x}", tcp.flags().0));
            self.add("tcp.window_size_value", &tcp.window());
            if headers.stop().is_none() && !self.fragmented {
                self.add("tcp.len", &headers.payload_wire_len());
            }
        }
        if let Some(icmp) = headers.icmp() {
            self.add("icmp.type", &icmp.icmp_type());
            self.add("icmp.code", &icmp.code());
        }
        if let Some(icmp) = headers.icmpv6() {
            self.add("icmpv6.type", &icmp.icmp_type());
            self.add("icmpv6.code", &icmp.code());
        }
        if let Some(sctp) = headers.sctp() {
            self.add("sctp.srcport", &sctp.source_port());
            self.add("sctp.dstport", &sctp.destination_port());
        }
        if let Some(igmp) = headers.igmp() {
            self.add("igmp.type", &format!("{:#04x}", igmp.igmp_type()));
        }
    }

    fn tunnel(&mut self, tunnel: &vxlan::Tunnel<'_>) {
        let vni = tunnel.vni().map(u32::from);
        match tunnel.protocol() {
            Protocol::Geneve => {
                self.add("geneve.vni", &format!("{:#08x}", vni.unwrap_or(0)));
                self.add("geneve.proto_type", &format!("{:#06x}", tunnel.inner_type().0));
                for option in tunnel.options() {
                    self.add("geneve.option.class", &format!("{:#06x}", option.class));
                    self.add("geneve.option.type", &format!("{:#04x}", option.option_type));
                }
            }
            Protocol::Vxlan | Protocol::VxlanGbp | Protocol::VxlanGpe => {
                self.add("vxlan.vni", &vni.unwrap_or(0));
                if let Some(policy) = tunnel.group_policy() {
                    self.add("vxlan.gbp", &policy.id);
                }
                if let Some(next) = tunnel.next_protocol() {
                    self.add("vxlan.next_proto", &next);
                }
            }
            _ => {}
        }
    }

    fn inner_checksum(&mut self, packet: &Packet<'_>) {
        let field = match packet.inner.protocol() {
            Some(IpProtocol::UDP) => "udp.checksum.status",
            Some(IpProtocol::TCP) => "tcp.checksum.status",
            Some(IpProtocol::ICMP) => "icmp.checksum.status",
            Some(IpProtocol::ICMPV6) => "icmpv6.checksum.status",
            Some(IpProtocol::SCTP) => "sctp.checksum.status",
            Some(IpProtocol::IGMP) => "igmp.checksum.status",
            _ => return,
        };
        self.checksums.entry(field).or_default().push(packet.inner_checksum());
    }
}
