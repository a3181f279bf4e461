//! What must hold for every packet that the decoder gives, whatever the bytes were. The fuzz
//! targets use it, too.

use std::fmt::Write as _;
use std::ops::Range;

use vxlan::ordinary_vxlan::{IPV4, IPV6};
use vxlan::{Cause, Decoder, Headers, LinkType, Packet, TcpOption, Tunnel};

/// Where a view's bytes lie in the frame; panics where they lie outside.
fn place(frame: &[u8], view: &[u8]) -> Range<usize> {
    let (outer, inner) = (frame.as_ptr_range(), view.as_ptr_range());
    if view.is_empty() {
        return 0..0;
    }
    assert!(outer.start <= inner.start && inner.end <= outer.end, "a view outside of its frame");
    let start = inner.start as usize - outer.start as usize;
    start..start + view.len()
}

/// Calls everything that can be called on a decoded frame, and asserts what must hold between the
/// answers.
pub(crate) fn check(decoder: &Decoder, frame: &[u8], link_type: LinkType, wire_len: u32) {
    let packet = decoder.decode_captured(frame, link_type, wire_len);
    headers(frame, &packet.outer);
    headers(frame, &packet.inner);
    let _ = (packet.outer_checksum(), packet.inner_checksum());
    let mut levels = 0;
    let mut at = 0;
    for level in decoder.encapsulations(&packet) {
        levels += 1;
        headers(frame, &level.headers);
        headers(frame, &level.inner);
        tunnel(frame, &level.tunnel);
        let _ = level.checksum();
        assert!(level.headers.offset() >= at, "levels stand one behind the other");
        at = level.inner.offset();
        assert!(level.tunnel.offset() < at || level.tunnel.header().is_empty());
    }
    assert_eq!(levels, packet.depth());
    assert_eq!(packet.tunnel.is_some(), packet.depth() > 0);
    if packet.depth() == 0 {
        assert_eq!(packet.outer.stop(), packet.inner.stop());
    }
    stop(frame, &packet, wire_len);
    ordinary::<IPV4, IPV4>(decoder, frame, link_type, &packet);
    ordinary::<IPV4, IPV6>(decoder, frame, link_type, &packet);
    ordinary::<IPV6, IPV4>(decoder, frame, link_type, &packet);
    ordinary::<IPV6, IPV6>(decoder, frame, link_type, &packet);
    if let Some(quote) = decoder.decode_quote(&packet.inner) {
        headers(frame, &quote.outer);
        headers(frame, &quote.inner);
        let _ = (quote.outer_checksum(), quote.inner_checksum());
        let _ = decoder.encapsulations(&quote).count();
    }
}

/// What is read at fixed places is what the decoder says. Returns whether the frame is an ordinary
/// one.
pub(crate) fn ordinary<const OUTER_SIX: bool, const INNER_SIX: bool>(
    decoder: &Decoder,
    frame: &[u8],
    link_type: LinkType,
    packet: &Packet<'_>,
) -> bool {
    let Some(ordinary) = decoder.ordinary_vxlan::<OUTER_SIX, INNER_SIX>(frame, link_type) else {
        return false;
    };
    let (outer, inner) = (packet.outer, packet.inner);
    assert_eq!((packet.depth(), packet.stop()), (1, None));
    assert!(outer.fragment().is_none() && inner.fragment().is_none());
    assert_eq!((outer.vlan_tags().count(), inner.vlan_tags().count()), (0, 0));
    assert_eq!((outer.ipv6().is_some(), inner.ipv6().is_some()), (OUTER_SIX, INNER_SIX));
    let [ordinary_outer, ordinary_inner] = [
        (ordinary.outer_ipv4(), ordinary.outer_ipv6()),
        (ordinary.inner_ipv4(), ordinary.inner_ipv6()),
    ]
    .map(|(v4, v6)| format!("{v4:?} {v6:?}"));
    assert_eq!(ordinary_outer, format!("{:?} {:?}", outer.ipv4(), outer.ipv6()));
    assert_eq!(ordinary_inner, format!("{:?} {:?}", inner.ipv4(), inner.ipv6()));
    let tunnel = packet.tunnel.expect("a tunnel");
    assert_eq!(Some(ordinary.vni()), tunnel.vni());
    assert_eq!(ordinary.inner_wire_len(), tunnel.payload_wire_len());
    assert_eq!(Some(ordinary.ports()), inner.ports());
    assert_eq!(ordinary.tcp().is_some(), inner.udp().is_none());
    if let (Some(tcp), Some(expected)) = (ordinary.tcp(), inner.tcp()) {
        assert_eq!(tcp.source_port(), expected.source_port());
        assert_eq!(tcp.sequence(), expected.sequence());
        assert_eq!(tcp.acknowledgement(), expected.acknowledgement());
        assert_eq!((tcp.flags(), tcp.window()), (expected.flags(), expected.window()));
    }
    assert_eq!(ordinary.payload(), inner.payload());
    assert_eq!(ordinary.payload_len(), inner.payload_wire_len());
    true
}

fn stop(frame: &[u8], packet: &Packet<'_>, wire_len: u32) {
    let Some(stop) = packet.stop() else { return };
    let text = stop.to_string();
    assert!(!text.is_empty() && !stop.layer.name().is_empty());
    assert!(stop.offset as usize <= frame.len(), "{text} at {} of {}", stop.offset, frame.len());
    if stop.cause == Cause::Truncated {
        assert!(stop.available < stop.needed, "{text}");
        assert!(stop.offset as usize + stop.available as usize <= frame.len(), "{text}");
    }
    if stop.limit == vxlan::Limit::Snaplen {
        assert!(wire_len as usize > frame.len(), "{text}: nothing was cut by the capture");
    }
}

fn headers(frame: &[u8], headers: &Headers<'_>) {
    let all = headers.bytes();
    let base = headers.offset() as usize;
    if !all.is_empty() {
        assert_eq!(place(frame, all), base..base + all.len());
    }
    let (network, transport) = (headers.network_offset(), headers.transport_offset());
    let payload = headers.payload_offset();
    assert!(network <= transport && transport <= payload, "{network} {transport} {payload}");
    assert!(payload <= all.len(), "the payload begins at {payload} of {}", all.len());
    let view = headers.payload();
    assert!(payload + view.len() + headers.padding().len() == all.len());
    assert_eq!(headers.missing() as usize + view.len(), {
        (headers.payload_wire_len() as usize).max(view.len())
    });
    if !view.is_empty() {
        assert_eq!(place(frame, view).start, base + payload);
    }
    assert_eq!(headers.transport().len(), payload - transport);
    assert!(headers.network_packet().len() <= all.len());
    assert!(headers.network_wire_len() >= headers.transport_wire_len());
    for part in [headers.transport(), headers.network_packet(), headers.padding()] {
        place(frame, part);
    }
    let mut text = String::new();
    describe(headers, &mut text);
    let _ = write!(text, "{:?} {:?} {:?}", headers.stop(), headers.limit(), headers.source_mac());
}

fn tunnel(frame: &[u8], tunnel: &Tunnel<'_>) {
    place(frame, tunnel.header());
    place(frame, tunnel.payload());
    assert_eq!(tunnel.offset() as usize + tunnel.header().len(), tunnel.payload_offset() as usize);
    assert!(tunnel.payload().len() <= tunnel.payload_wire_len() as usize);
    let mut text = String::new();
    describe_tunnel(tunnel, &mut text);
}

/// Every fact about the headers that was decoded, in the order of the frame's bytes, one a line.
pub(crate) fn describe(headers: &Headers<'_>, text: &mut String) {
    if let Some(ethernet) = headers.ethernet() {
        let _ = writeln!(text, "{} {}", ethernet.destination(), ethernet.source());
        let _ = writeln!(text, "type {:04x}", ethernet.type_field());
    }
    if let Some(sll) = headers.sll() {
        let _ = writeln!(
            text,
            "cooked {} {} {:?} {:?} {:?}",
            sll.packet_type(),
            sll.hardware_type(),
            sll.interface_index(),
            sll.protocol(),
            sll.source()
        );
    }
    for tag in headers.vlan_tags() {
        let _ = writeln!(text, "{tag:?} {} {} {}", tag.id(), tag.priority(), tag.drop_eligible());
    }
    if let Some(ip) = headers.ipv4() {
        let _ = writeln!(text, "{:?}", ip.fixed());
        let _ = writeln!(
            text,
            "{:?} {:?} {:?}",
            headers.source(),
            headers.destination(),
            headers.ttl()
        );
        let _ = writeln!(text, "{:?}", headers.fragment());
    }
    if let Some(ip) = headers.ipv6() {
        let _ = writeln!(
            text,
            "{} {} {} {} {:?} {:?} {:?}",
            ip.traffic_class(),
            ip.flow_label(),
            ip.payload_length(),
            ip.hop_limit(),
            ip.next_header(),
            headers.source(),
            headers.destination()
        );
        for extension in headers.extension_headers() {
            let _ = writeln!(text, "{extension:?}");
        }
        if headers.fragment().is_some() {
            let _ = writeln!(text, "{:?}", headers.fragment());
        }
    }
    if let Some(arp) = headers.arp() {
        let _ = writeln!(
            text,
            "arp {} {:04x} {} {} {}",
            arp.hardware_type(),
            arp.protocol_type(),
            arp.hardware_len(),
            arp.protocol_len(),
            arp.operation()
        );
        let addresses = (arp.sender_mac(), arp.sender_ip(), arp.target_mac(), arp.target_ip());
        if headers.stop().is_none() {
            let _ = writeln!(text, "{addresses:?} {}", arp.packet_len());
        }
    }
    describe_transport(headers, text);
}

fn describe_transport(headers: &Headers<'_>, text: &mut String) {
    if let Some((source, destination)) = headers.ports() {
        let _ = writeln!(text, "ports {source} {destination}");
    }
    if let Some(udp) = headers.udp() {
        let _ = writeln!(text, "udp {} {:04x}", udp.length(), udp.checksum());
    }
    if let Some(tcp) = headers.tcp() {
        let _ = writeln!(
            text,
            "tcp {} {} {} {:?} {} {:04x} {}",
            tcp.sequence(),
            tcp.acknowledgement(),
            tcp.header_len(),
            tcp.flags(),
            tcp.window(),
            tcp.checksum(),
            tcp.urgent_pointer()
        );
        let options: Vec<TcpOption<'_>> = tcp.options().collect();
        assert!(options.len() <= 40);
        if headers.stop().is_none() {
            let _ = writeln!(text, "{options:?}");
        }
    }
    if let Some(icmp) = headers.icmp() {
        let _ = writeln!(text, "icmp {} {} {:04x}", icmp.icmp_type(), icmp.code(), icmp.checksum());
        if headers.stop().is_none() {
            let _ = writeln!(text, "{:?} {:?}", icmp.echo(), icmp.next_hop_mtu());
        }
        let _ = (icmp.body(), icmp.quoted());
    }
    if let Some(icmp) = headers.icmpv6() {
        let _ =
            writeln!(text, "icmpv6 {} {} {:04x}", icmp.icmp_type(), icmp.code(), icmp.checksum());
        if headers.stop().is_none() {
            let _ = writeln!(text, "{:?} {:?}", icmp.echo(), icmp.mtu());
        }
        let _ = (icmp.body(), icmp.quoted());
    }
    if let Some(sctp) = headers.sctp() {
        let _ = writeln!(text, "sctp {:08x} {:08x}", sctp.verification_tag(), sctp.checksum());
    }
    if let Some(igmp) = headers.igmp() {
        let _ = writeln!(
            text,
            "igmp {} {} {:04x} {}",
            igmp.igmp_type(),
            igmp.max_response(),
            igmp.checksum(),
            igmp.group()
        );
    }
}

/// Every fact about a tunnel header, one a line.
pub(crate) fn describe_tunnel(tunnel: &Tunnel<'_>, text: &mut String) {
    let _ = writeln!(
        text,
        "{} {:?} {:?} {:016x} {:?} {:?} {:?}",
        tunnel.protocol().name(),
        tunnel.vni(),
        tunnel.flags(),
        tunnel.reserved_bits(),
        tunnel.group_policy(),
        tunnel.next_protocol(),
        tunnel.inner_type()
    );
    for option in tunnel.options() {
        let _ = writeln!(text, "{option:?} {}", option.is_critical());
    }
}

/// Every fact about a packet, outermost first.
pub(crate) fn facts(decoder: &Decoder, packet: &Packet<'_>) -> String {
    let mut text = String::new();
    for level in decoder.encapsulations(packet) {
        describe(&level.headers, &mut text);
        describe_tunnel(&level.tunnel, &mut text);
    }
    describe(&packet.inner, &mut text);
    text
}
