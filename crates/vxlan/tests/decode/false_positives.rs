//! What is not a tunnel must not be called one: garbage on tunnel ports, and servers that answer
//! from them.
//!
//! The rates are measured here and asserted, so that a laxer check shows.

use vxlan::{Decoder, LinkType, Ports, TunnelKind};

/// A small generator of pseudo-random numbers (Marsaglia's xorshift, 64 bits): the same bytes in
/// every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let word = self.next().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// Ethernet, IPv4 and UDP around a payload.
fn datagram(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = vxlan::example::SYN[..42].to_vec();
    let udp_len = u16::try_from(8 + payload.len()).unwrap();
    frame[16..18].copy_from_slice(&(20 + udp_len).to_be_bytes());
    frame[34..36].copy_from_slice(&source.to_be_bytes());
    frame[36..38].copy_from_slice(&destination.to_be_bytes());
    frame[38..40].copy_from_slice(&udp_len.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// How many of `count` random datagrams to `port` are taken for a tunnel.
fn taken_for_tunnels(port: u16, count: u32) -> u32 {
    let decoder = Decoder::default();
    let mut random = Random(u64::from(port).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let mut frame = datagram(40_000, port, &[0; 256]);
    let mut taken = 0;
    for _ in 0..count {
        let len = usize::try_from(random.next() % 256).unwrap();
        random.fill(&mut frame[42..]);
        let udp_len = u16::try_from(8 + len).unwrap();
        frame[16..18].copy_from_slice(&(20 + udp_len).to_be_bytes());
        frame[38..40].copy_from_slice(&udp_len.to_be_bytes());
        let packet = decoder.decode(&frame[..42 + len], LinkType::ETHERNET);
        // a tunnel header said to be broken is a false alarm, too
        taken += u32::from(packet.tunnel.is_some() || packet.stop().is_some());
    }
    taken
}

/// How many of a million random datagrams pass: VXLAN needs the I bit and all reserved bits clear
/// (1 in 2^41), or an inner frame of a known type with a header that fits (1 in 2^20 or less);
/// Geneve 22 clear bits; raw IP, a checksum or a length of 16 bits that fits.
#[test]
fn random_datagrams_are_no_tunnels() {
    // unoptimised code gets a fifth of them
    let count = if cfg!(debug_assertions) { 200_000 } else { 1_000_000 };
    for (port, most) in [(8472, 3), (4789, 3), (4790, 3), (6081, 3), (8285, 3)] {
        let taken = taken_for_tunnels(port, count);
        eprintln!("port {port}: {taken} of {count} random datagrams are taken for tunnels");
        assert!(taken <= most, "port {port}: {taken} of {count} random datagrams");
    }
}

/// A DNS answer of every identifier, sent from port 8472: `www.example.com` with one address.
fn dns_answer(id: u16) -> Vec<u8> {
    let mut message = id.to_be_bytes().to_vec();
    message.extend([0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0]);
    message.extend(b"\x03www\x07example\x03com\0\0\x01\0\x01");
    message.extend([0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0x0e, 0x10, 0, 4, 93, 184, 216, 34]);
    message
}

#[test]
fn dns_with_a_tunnel_port_is_no_tunnel() {
    for port in [8472, 4789, 4790, 6081, 8285] {
        let kind = Ports::DEFAULT.kind(40_000, port).unwrap();
        let either = Ports::none().with_either_direction(port, kind).unwrap();
        let either = Decoder::default().ports(either);
        for id in 0..=u16::MAX {
            let answer = datagram(53, port, &dns_answer(id));
            let packet = vxlan::decode(&answer, LinkType::ETHERNET);
            assert!(packet.tunnel.is_none(), "an answer to {port} with id {id:#06x}");
            // from the port, where both directions were asked for
            let answer = datagram(port, 40_000, &dns_answer(id));
            assert!(vxlan::decode(&answer, LinkType::ETHERNET).tunnel.is_none());
            let packet = either.decode(&answer, LinkType::ETHERNET);
            assert!(packet.tunnel.is_none(), "an answer from {port} with id {id:#06x}");
        }
    }
}

/// The source port counts only where it was asked for.
#[test]
fn tunnel_by_source_port_only_when_asked_for() {
    let payload = &vxlan::example::SYN[42..];
    let frame = datagram(8472, 40_000, payload);
    assert!(vxlan::decode(&frame, LinkType::ETHERNET).tunnel.is_none());
    let ports = Ports::none().with_either_direction(8472, TunnelKind::Vxlan).unwrap();
    let decoder = Decoder::default().ports(ports);
    let packet = decoder.decode(&frame, LinkType::ETHERNET);
    assert_eq!(packet.tunnel.unwrap().vni().unwrap().number(), 1);
    assert_eq!(packet.inner.tcp().unwrap().destination_port(), 80);
}

/// Text, zeros and ones, and datagrams that are too short for a header.
#[test]
fn text_and_patterns_are_no_tunnels() {
    let texts: [&[u8]; 8] = [
        b"",
        b"ping",
        b"hello overlay, this is no VXLAN\n",
        b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
        b"{\"level\":\"info\",\"message\":\"started\"}",
        &[0; 64],
        &[0xff; 64],
        &[0x08; 64],
    ];
    for port in [8472, 4789, 4790, 6081, 8285] {
        for text in texts {
            let frame = datagram(40_000, port, text);
            let packet = vxlan::decode(&frame, LinkType::ETHERNET);
            assert!(packet.tunnel.is_none(), "{text:02x?} to {port}");
            assert!(packet.stop().is_none(), "{text:02x?} to {port}: {:?}", packet.stop());
            assert_eq!(packet.inner.payload(), text);
        }
    }
}
