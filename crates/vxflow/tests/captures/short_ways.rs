//! What is read of ordinary packets at fixed places is what the long way says.

use proptest::prelude::*;
use vxflow::{Config, Seen, Summarizer};
use vxlan::{Decoder, LinkType};

use crate::files;

/// The summaries of a frame, as they print: by the short way, if there is one, and by the long one.
fn both_ways(
    summarizer: &mut Summarizer,
    frame: &[u8],
    link_type: LinkType,
    seen: Seen,
) -> [Vec<String>; 2] {
    let [mut short, mut long] = [Vec::new(), Vec::new()];
    summarizer
        .summarize_frame(frame, link_type, seen, |summary| short.push(format!("{summary:?}")));
    let packet = Decoder::default().decode_captured(frame, link_type, seen.wire_len);
    summarizer.summarize(&packet, seen, |summary| long.push(format!("{summary:?}")));
    [short, long]
}

#[test]
fn every_frame_of_every_capture() {
    let Some(folder) = vxtest::references("") else { return };
    let mut compared = 0;
    for path in files::files(&folder) {
        // the large ones have more of the same
        if path.metadata().is_ok_and(|metadata| metadata.len() > 3 << 20) {
            continue;
        }
        let mut summarizer = Summarizer::new(&Config::default());
        for (number, frame) in files::frames(&path).iter().enumerate() {
            let mut data = frame.data.clone();
            let [short, long] = both_ways(&mut summarizer, &data, frame.link_type, frame.seen);
            assert_eq!(short, long, "{}, frame {}", path.display(), number + 1);
            // and with one bit of the headers another
            let bit = number.wrapping_mul(2_654_435_761) % (data.len().clamp(1, 150) * 8);
            if let Some(byte) = data.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
            let [short, long] = both_ways(&mut summarizer, &data, frame.link_type, frame.seen);
            assert_eq!(short, long, "{}, frame {}, bit {bit}", path.display(), number + 1);
            compared += 1;
        }
    }
    assert!(compared > 40_000, "{compared}");
}

/// Ethernet and IP with this payload.
fn in_ip(six: bool, protocol: u8, ttl: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 7];
    let len = payload.len() as u16;
    if six {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([protocol, ttl]);
        frame.extend((1..=32).map(|byte| byte ^ ttl));
    } else {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + len).to_be_bytes());
        frame.extend([0x12, ttl, 0x40, 0, ttl, protocol, 0, 0, 10, 244, 1, ttl, 10, 244, 2, 5]);
    }
    frame.extend(payload);
    frame
}

fn in_udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let len = 8 + payload.len() as u16;
    [&ports.0.to_be_bytes()[..], &ports.1.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload]
        .concat()
}

proptest! {
    /// Both address families on both sides of the tunnel; TCP, UDP and DNS; then with a few bytes
    /// changed.
    #[test]
    fn made_frames(
        (outer_six, inner_six, is_tcp) in any::<(bool, bool, bool)>(),
        ports in prop::sample::select(vec![(40_000, 80), (53, 40_000), (40_000, 53), (7, 7), (9, 8472)]),
        ttl in any::<u8>(),
        payload in prop::collection::vec(any::<u8>(), 0..40),
        numbers in any::<[u8; 16]>(),
        changes in prop::collection::vec((0_usize..200, any::<u8>()), 0..3),
    ) {
        let transport = if is_tcp {
            let numbers = [&numbers[..8], &[0x50, numbers[8]], &numbers[10..]].concat();
            [&u16::to_be_bytes(ports.0)[..], &u16::to_be_bytes(ports.1), &numbers, &payload].concat()
        } else {
            in_udp(ports, &payload)
        };
        let inner = in_ip(inner_six, if is_tcp { 6 } else { 17 }, ttl, &transport);
        let vxlan = [&[8, 0, 0, 0, 0, 1, ttl, 0], &inner[..]].concat();
        let mut frame = in_ip(outer_six, 17, 64, &in_udp((50_000, 8472), &vxlan));
        let seen = Seen { time: 5, interface: 3, wire_len: frame.len() as u32 };
        let mut summarizer = Summarizer::new(&Config::default());
        let [short, long] = both_ways(&mut summarizer, &frame, LinkType::ETHERNET, seen);
        prop_assert_eq!(&short, &long);
        prop_assert!(!short.is_empty());
        for (at, byte) in changes {
            if let Some(place) = frame.get_mut(at) {
                *place = byte;
            }
        }
        let [short, long] = both_ways(&mut summarizer, &frame, LinkType::ETHERNET, seen);
        prop_assert_eq!(short, long);
    }
}
