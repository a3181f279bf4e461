//! Decodes one frame step by step: what each view gives, and where a cut frame stops.
//!
//! `cargo run -p vxlan --example decode-by-hand`

use vxlan::{Decoder, LinkType};

fn main() {
    let frame = vxlan::example::SYN;
    let packet = vxlan::decode(frame, LinkType::ETHERNET);

    let outer = packet.outer;
    if let (Some(ethernet), Some(ip), Some(udp)) = (outer.ethernet(), outer.ipv4(), outer.udp()) {
        println!("outer Ethernet {} > {}", ethernet.source(), ethernet.destination());
        println!("outer IPv4     {} > {}, ttl {}", ip.source(), ip.destination(), ip.ttl());
        println!(
            "outer UDP      {} > {}, {} bytes",
            udp.source_port(),
            udp.destination_port(),
            udp.length()
        );
        println!("outer checksum {}", packet.outer_checksum().name());
    }
    if let Some(tunnel) = packet.tunnel {
        let vni = tunnel.vni().map(|vni| vni.to_string()).unwrap_or_default();
        println!(
            "tunnel         {} at byte {}, vni {vni}",
            tunnel.protocol().name(),
            tunnel.offset()
        );
    }
    let inner = packet.inner;
    if let (Some(ip), Some(tcp)) = (inner.ipv4(), inner.tcp()) {
        println!("inner IPv4     {} > {}, ttl {}", ip.source(), ip.destination(), ip.ttl());
        println!(
            "inner TCP      {} > {}, seq {}",
            tcp.source_port(),
            tcp.destination_port(),
            tcp.sequence()
        );
        for option in tcp.options() {
            println!("inner TCP      option {option:?}");
        }
        println!("inner checksum {}", packet.inner_checksum().name());
    }

    // the same frame as a capture with a snapshot length of 90 bytes keeps it
    let cut = Decoder::default().decode_captured(&frame[..90], LinkType::ETHERNET, 124);
    if let Some(stop) = cut.stop() {
        println!("cut            at byte {}: {stop}", stop.offset);
    }
}

#[test]
fn says_where_a_cut_frame_stops() {
    let frame = vxlan::example::SYN;
    let cut = Decoder::default().decode_captured(&frame[..90], LinkType::ETHERNET, 124);
    assert_eq!(cut.inner.ports(), Some((43210, 80)));
    assert_eq!(cut.stop().unwrap().to_string(), "truncated: TCP needs 20 bytes, 6 captured");
}
