//! The program that shares frames among threads: all packets between two inner ends have one
//! number, whichever way they go, and the numbers are spread evenly.

mod captures;

use std::collections::HashMap;
use std::net::IpAddr;

use vxcap::filter::{Ancillary, Program, pushdown::by_inner_ends};
use vxlan::{Decoder, LinkType, Packet, Ports};

/// `PACKET_OUTGOING` of `linux/if_packet.h`.
const OUTGOING: u8 = 4;

/// The program's number, as the kernel gets it for a frame that is received and for one that is
/// sent.
fn numbers(program: &Program, frame: &[u8]) -> [u32; 2] {
    let protocol = frame.get(12..14).map_or(0, |b| u16::from_be_bytes([b[0], b[1]]));
    let mut received = Ancillary::default();
    (received.protocol, received.hardware) = (protocol, 1);
    let mut sent = received;
    sent.packet_type = OUTGOING;
    [
        program.run_as_kernel(frame.get(14..).unwrap_or_default(), received),
        program.run_as_kernel(frame, sent),
    ]
}

/// The ends that a packet is about, in order; those of the underlay for a fragment of it.
fn ends(decoder: &Decoder, packet: &Packet<'_>) -> Option<[IpAddr; 2]> {
    let quote = decoder.decode_quote(&packet.inner);
    let is_fragment = packet.outer.fragment().is_some();
    let headers = match &quote {
        _ if is_fragment => &packet.outer,
        Some(quote) => &quote.outer,
        None => &packet.inner,
    };
    let mut ends = [headers.source()?, headers.destination()?];
    ends.sort_unstable();
    Some(ends)
}

#[test]
fn packets_between_two_ends_have_one_number() {
    let program = by_inner_ends(&Ports::default()).expect("a program");
    assert!(program.fits_kernel());
    let decoder = Decoder::default();
    let mut known: HashMap<[IpAddr; 2], u32> = HashMap::new();
    let mut count = 0;
    for path in captures::files("lab").unwrap_or_default() {
        for frame in captures::frames(&path, 2000) {
            if frame.link_type != LinkType::ETHERNET {
                continue;
            }
            let [received, sent] = numbers(&program, &frame.data);
            assert_eq!(received, sent, "{}", path.display());
            let packet = decoder.decode(&frame.data, frame.link_type);
            // tags of the underlay are for the kernel to take out
            if packet.outer.vlan_tags().next().is_some() {
                continue;
            }
            let Some(ends) = ends(&decoder, &packet) else { continue };
            let number = *known.entry(ends).or_insert(received);
            assert_eq!(number, received, "{}: {ends:?} {:02x?}", path.display(), frame.data);
            count += 1;
        }
    }
    assert!(count == 0 || (count > 10_000 && known.len() > 20), "{count} {}", known.len());
}

#[test]
fn ends_are_spread_evenly() {
    let program = by_inner_ends(&Ports::default()).expect("a program");
    let plain = vxlan::decode(vxlan::example::SYN, LinkType::ETHERNET);
    let ip = vxlan::example::SYN.len() - plain.inner.bytes().len() + plain.inner.network_offset();
    for threads in 2..=8 {
        let mut shares = vec![0; threads as usize];
        // eight pods on each of two nodes
        for (a, b) in (0..8).flat_map(|a| (0..8).map(move |b| (a, b))) {
            let mut there = vxlan::example::SYN.to_vec();
            there[ip + 12..ip + 20].copy_from_slice(&[10, 244, 1, 2 + a, 10, 244, 2, 2 + b]);
            let mut back = there.clone();
            back[ip + 12..ip + 20].copy_from_slice(&[10, 244, 2, 2 + b, 10, 244, 1, 2 + a]);
            let number = numbers(&program, &there);
            assert_eq!(number, numbers(&program, &back));
            assert_eq!(number[0], number[1]);
            shares[(number[0] % threads) as usize] += 1;
        }
        let fair = 64 / threads;
        assert!(shares.iter().all(|&n| n >= fair / 2 && n <= fair * 2), "{threads}: {shares:?}");
    }
}
