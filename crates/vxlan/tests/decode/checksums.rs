//! Checksums whose pseudo header is not that of the addresses in the fixed header, that hardware
//! fills in several levels down, and whose datagram is longer than its length field can say. The
//! sums are made here as RFC 1071 has it.

use vxlan::{Checksum, Decoder, EtherType, LinkType};

use crate::frames::{VXLAN, inner_tcp};

const A: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xa];
const B: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xb];
const ELSEWHERE: [u8; 16] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x99];

/// The sum of the parts, each padded to words, as it goes into a field.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u64;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |&low| u64::from(low));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A UDP datagram to port 8472 between these ends.
fn udp(source: &[u8], destination: &[u8], payload: &[u8]) -> Vec<u8> {
    let len = payload.len() + 8;
    let mut bytes = [50_000_u16, 8472, len as u16, 0].map(u16::to_be_bytes).concat();
    bytes.extend(payload);
    let pseudo_len = (len as u32).to_be_bytes();
    let sum = checksum(&[source, destination, &pseudo_len, &[0, 17], &bytes]);
    bytes[6..8].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn ethernet(ether_type: EtherType, packet: &[&[u8]]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    frame.extend(ether_type.0.to_be_bytes());
    frame.extend(packet.concat());
    frame
}

/// An IPv6 packet with an extension header before UDP.
fn ipv6(destination: [u8; 16], next: u8, extension: &[u8], udp: &[u8]) -> Vec<u8> {
    let len = (extension.len() + udp.len()) as u16;
    let mut header = vec![0x60, 0, 0, 0];
    header.extend(len.to_be_bytes());
    header.extend([next, 64]);
    ethernet(EtherType::IPV6, &[&header, &A, &destination, extension, udp])
}

fn ipv4(options: &[u8], destination: [u8; 4], total: Option<u16>, udp: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let mut header = vec![0x40 | (header_len / 4) as u8, 0];
    header.extend(total.unwrap_or((header_len + udp.len()) as u16).to_be_bytes());
    header.extend([0, 1, 0, 0, 64, 17, 0, 0, 172, 18, 0, 2]);
    header.extend(destination);
    ethernet(EtherType::IPV4, &[&header, options, udp])
}

fn tunnelled(inner: &[u8]) -> Vec<u8> {
    [&VXLAN, inner].concat()
}

fn outer(frame: &[u8]) -> Checksum {
    let packet = Decoder::default().decode(frame, LinkType::ETHERNET);
    assert!(packet.tunnel.is_some());
    packet.outer_checksum()
}

#[test]
fn the_pseudo_header_has_the_ends() {
    let payload = tunnelled(&inner_tcp());
    let routing = |kind: u8, left: u8, list: &[[u8; 16]]| {
        let mut header = vec![17, list.len() as u8 * 2, kind, left, 0, 0, 0, 0];
        header.extend(list.concat());
        header
    };
    let to_b = udp(&A, &B, &payload);
    for (name, frame) in [
        ("type 0, on the way", ipv6(ELSEWHERE, 43, &routing(0, 1, &[B]), &to_b)),
        ("type 0, there", ipv6(B, 43, &routing(0, 0, &[ELSEWHERE]), &to_b)),
        ("mobile", ipv6(ELSEWHERE, 43, &routing(2, 1, &[B]), &to_b)),
        ("segments, on the way", ipv6(ELSEWHERE, 43, &routing(4, 1, &[B, ELSEWHERE]), &to_b)),
        ("segments, there", ipv6(B, 43, &routing(4, 0, &[B, ELSEWHERE]), &to_b)),
    ] {
        assert_eq!(outer(&frame), Checksum::Ok, "{name}");
    }
    let mut home = vec![17, 2, 1, 2, 0, 0, 0xc9, 16];
    home.extend(ELSEWHERE);
    let from_home = udp(&ELSEWHERE, &B, &payload);
    assert_eq!(outer(&ipv6(B, 60, &home, &from_home)), Checksum::Ok, "home address");
    assert_eq!(outer(&ipv6(B, 60, &home, &to_b)), Checksum::Bad, "home address ignored");

    let (source, end) = ([172, 18, 0, 2], [172, 18, 0, 3]);
    let to_end = udp(&source, &end, &payload);
    for kind in [131, 137] {
        let on_the_way = [1, kind, 7, 4, end[0], end[1], end[2], end[3]];
        assert_eq!(outer(&ipv4(&on_the_way, [10, 0, 0, 1], None, &to_end)), Checksum::Ok);
        let there = [kind, 7, 8, 10, 0, 0, 1, 0];
        assert_eq!(outer(&ipv4(&there, end, None, &to_end)), Checksum::Ok);
    }
}

/// Local checksum offload through two tunnels: the innermost checksum alone is left to hardware.
#[test]
fn offload_several_levels_down() {
    let (source, end) = ([172, 18, 0, 2], [172, 18, 0, 3]);
    let whole = inner_tcp();
    let middle = |inner: &[u8]| ipv4(&[], end, None, &udp(&source, &end, &tunnelled(inner)));
    let mut frame = middle(&middle(&whole));
    assert_eq!(outer(&frame), Checksum::Ok);
    // what hardware fills in later: until then the sum of the pseudo header stands there
    let inner_start = frame.len() - whole.len();
    let ip = &whole[14..];
    let segment_len = (ip.len() - 20) as u32;
    let pseudo = !checksum(&[&ip[12..20], &segment_len.to_be_bytes(), &[0, 6]]);
    frame[inner_start + 50..inner_start + 52].copy_from_slice(&pseudo.to_be_bytes());
    let decoder = Decoder::default();
    let packet = decoder.decode(&frame, LinkType::ETHERNET);
    let states: Vec<_> = decoder.encapsulations(&packet).map(|level| level.checksum()).collect();
    assert_eq!(states, [Checksum::Lco, Checksum::Lco]);
    assert_eq!(packet.outer_checksum(), Checksum::Lco);
    assert_eq!(packet.inner_checksum(), Checksum::Partial);
    frame[inner_start + 53] ^= 1;
    assert_eq!(outer(&frame), Checksum::Lco, "what is behind is not counted yet");
    frame[inner_start + 20] ^= 1;
    assert_eq!(outer(&frame), Checksum::Bad);
}

/// Before segmentation a datagram may be longer than 65,535 bytes: Linux leaves the lower bits of
/// its length in the field.
#[test]
fn lengths_that_have_wrapped() {
    let (source, end) = ([172, 18, 0, 2], [172, 18, 0, 3]);
    let mut inner = inner_tcp();
    inner[16..18].copy_from_slice(&[0, 0]); // the total length of a packet that is too long for it
    inner.resize(80_054, b'z');
    let frame = ipv4(&[], end, Some(0), &udp(&source, &end, &tunnelled(&inner)));
    let packet = Decoder::default().decode(&frame, LinkType::ETHERNET);
    assert_eq!(packet.inner.bytes().len(), inner.len());
    assert_eq!(packet.stop(), None);
    // the same length in a packet that is not so long is what it says
    let short = ipv4(&[], end, None, &udp(&source, &end, &tunnelled(&inner_tcp())));
    let mut padded = short.clone();
    padded.extend([0; 18]);
    let packet = Decoder::default().decode(&padded, LinkType::ETHERNET);
    assert_eq!(packet.inner.bytes(), inner_tcp());
}

#[test]
fn sixteen_extension_headers_and_no_more() {
    let payload = tunnelled(&inner_tcp());
    let chain = |count: usize| {
        let mut headers = Vec::new();
        for left in (0..count).rev() {
            headers.extend([if left == 0 { 17 } else { 60 }, 0, 1, 4, 0, 0, 0, 0]);
        }
        ipv6(B, 60, &headers, &udp(&A, &B, &payload))
    };
    let decoder = Decoder::default();
    assert!(decoder.decode(&chain(16), LinkType::ETHERNET).tunnel.is_some());
    assert!(decoder.decode(&chain(17), LinkType::ETHERNET).stop().is_some());
}

#[test]
fn reverse_arp_is_read_as_arp() {
    let packet =
        [0, 1, 8, 0, 6, 4, 0, 3, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    let frame = ethernet(EtherType::RARP, &[&packet]);
    let headers = Decoder::default().decode(&frame, LinkType::ETHERNET).inner;
    assert_eq!(headers.ether_type(), Some(EtherType::RARP));
    assert_eq!(headers.arp().map(vxlan::ArpPacket::operation), Some(3));
    assert_eq!(headers.source(), Some([10, 0, 0, 1].into()));
}
