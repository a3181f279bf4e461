//! Every sample frame at every shorter length, and with every bit flipped.

use proptest::prelude::*;
use vxlan::ordinary_vxlan::{IPV4, IPV6};
use vxlan::{Cause, Decoder, Limit, LinkType};

use crate::frames::{Sample, all, in_vxlan};
use crate::invariants::{check, facts, ordinary};

/// The samples mean something: each is decoded to its end.
#[test]
fn samples_are_decoded_wholly() {
    let decoder = Decoder::default();
    for Sample { name, link_type, bytes } in all() {
        let packet = decoder.decode(&bytes, link_type);
        assert_eq!(packet.stop(), None, "{name}");
        assert!(packet.inner.protocol().is_some() || packet.inner.arp().is_some(), "{name}");
        check(&decoder, &bytes, link_type, bytes.len() as u32);
    }
}

/// The short way is not only right where it is taken: it is taken.
#[test]
fn ordinary_packets_are_found_at_fixed_places() {
    let decoder = Decoder::default();
    for (outer_six, inner_six) in [(false, false), (false, true), (true, false), (true, true)] {
        let frame = &in_vxlan(outer_six, inner_six);
        let (link_type, packet) = (LinkType::ETHERNET, decoder.decode(frame, LinkType::ETHERNET));
        let found = [
            ordinary::<IPV4, IPV4>(&decoder, frame, link_type, &packet),
            ordinary::<IPV4, IPV6>(&decoder, frame, link_type, &packet),
            ordinary::<IPV6, IPV4>(&decoder, frame, link_type, &packet),
            ordinary::<IPV6, IPV6>(&decoder, frame, link_type, &packet),
        ];
        let kind = usize::from(outer_six) * 2 + usize::from(inner_six);
        assert_eq!(found, std::array::from_fn(|at| at == kind));
        assert!(decoder.ordinary_vxlan::<IPV4, IPV4>(frame, LinkType::RAW).is_none());
    }
}

/// A frame that the capture cut: what is decoded is the beginning of what is decoded of the whole
/// frame, and the capture is blamed.
#[test]
fn cut_by_the_capture() {
    let decoder = Decoder::default();
    for Sample { name, link_type, bytes } in all() {
        let whole = decoder.decode(&bytes, link_type);
        let expected = facts(&decoder, &whole);
        for len in 0..bytes.len() {
            let (cut, wire_len) = (&bytes[..len], bytes.len() as u32);
            check(&decoder, cut, link_type, wire_len);
            let packet = decoder.decode_captured(cut, link_type, wire_len);
            let found = facts(&decoder, &packet);
            assert!(
                expected.starts_with(&found),
                "{name} cut to {len}:\n{found}\nis no beginning of\n{expected}"
            );
            if let Some(stop) = packet.stop() {
                assert_eq!(stop.cause, Cause::Truncated, "{name} cut to {len}: {stop}");
                assert_eq!(stop.limit, Limit::Snaplen, "{name} cut to {len}: {stop}");
                assert_eq!(stop.offset + stop.available, len as u32, "{name} cut to {len}");
            } else {
                // nothing but payload, or padding, is missing
                assert_eq!(found, expected, "{name} cut to {len}");
                let (inner, all) = (packet.inner, whole.inner);
                assert_eq!(inner.payload_wire_len(), all.payload_wire_len(), "{name}, {len}");
                assert_eq!(inner.payload(), &all.payload()[..inner.payload().len()]);
            }
        }
    }
}

/// A frame that ended early on the wire: the capture is not blamed.
#[test]
fn cut_on_the_wire() {
    let decoder = Decoder::default();
    for Sample { name, link_type, bytes } in all() {
        for len in 0..bytes.len() {
            check(&decoder, &bytes[..len], link_type, len as u32);
            if let Some(stop) = decoder.decode(&bytes[..len], link_type).stop() {
                assert_ne!(stop.limit, Limit::Snaplen, "{name} of {len} bytes: {stop}");
            }
        }
    }
}

/// An inner length field that ends too early is blamed by its name.
#[test]
fn cut_by_a_length_field() {
    let mut frame = vxlan::example::SYN.to_vec();
    frame[66..68].copy_from_slice(&28_u16.to_be_bytes()); // the inner total length: 8 bytes of TCP
    let stop = vxlan::decode(&frame, LinkType::ETHERNET).stop().unwrap();
    assert_eq!(stop.to_string(), "truncated: TCP needs 20 bytes, 8 left by the IPv4 total length");
    assert_eq!(stop.offset, 84);

    let mut frame = vxlan::example::SYN.to_vec();
    frame[38..40].copy_from_slice(&56_u16.to_be_bytes()); // the outer UDP length: 14 bytes of inner TCP
    let stop = vxlan::decode(&frame, LinkType::ETHERNET).stop().unwrap();
    assert_eq!(stop.to_string(), "truncated: TCP needs 20 bytes, 6 left by the UDP length");
}

/// IPv4 options that are missing: proptest found that more than there is was said to be there.
#[test]
fn cut_inside_ipv4_options() {
    let mut bytes = [0; 20];
    (bytes[0], bytes[3]) = (0x46, 24);
    check(&Decoder::default(), &bytes, LinkType::RAW, 20);
}

#[test]
fn every_bit_flipped() {
    let decoder = Decoder::default();
    for Sample { link_type, mut bytes, .. } in all() {
        for bit in 0..bytes.len() * 8 {
            let flip = 1 << (bit % 8);
            bytes[bit / 8] ^= flip;
            check(&decoder, &bytes, link_type, bytes.len() as u32);
            check(&decoder, &bytes[..bytes.len() / 2], link_type, bytes.len() as u32);
            check(&decoder, &bytes[..=bit / 8], link_type, bit as u32 / 8 + 1);
            bytes[bit / 8] ^= flip;
        }
    }
}

fn link_types() -> impl Strategy<Value = LinkType> {
    prop_oneof![
        Just(LinkType::ETHERNET),
        Just(LinkType::LINUX_SLL),
        Just(LinkType::LINUX_SLL2),
        Just(LinkType::RAW),
        Just(LinkType::NULL),
        Just(LinkType::LOOP),
        Just(LinkType::IPV4),
        Just(LinkType::IPV6),
        any::<u16>().prop_map(LinkType),
    ]
}

proptest! {
    #[test]
    fn any_bytes(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        link_type in link_types(),
        more in 0_u32..2000,
    ) {
        check(&Decoder::default(), &bytes, link_type, bytes.len() as u32 + more);
    }

    /// Bytes of a sample replaced, inserted and taken away.
    #[test]
    fn mangled_samples(
        index in any::<proptest::sample::Index>(),
        edits in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>(), 0..3), 1..8),
        more in 0_u32..100,
    ) {
        let samples = all();
        let Sample { link_type, bytes, .. } = index.get(&samples);
        let mut bytes = bytes.clone();
        for (at, byte, what) in edits {
            let at = at.index(bytes.len());
            match what {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => drop(bytes.remove(at)),
            }
        }
        check(&Decoder::default(), &bytes, *link_type, bytes.len() as u32 + more);
    }
}
