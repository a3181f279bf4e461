//! Anonymisation of carriers in carriers, of any kind and to any depth.
//!
//! The oracle: the same nesting built anew with the replaced addresses, and with all checksums
//! computed from their definition.

mod build;

use proptest::collection::vec;
use proptest::prelude::*;
use vxcap::file::BlockReader;
use vxrewrite::{Anonymizer, Pipeline, Report};

use build::{Inner, Names, Wrap, nested};

const KEY: [u8; 32] = {
    let mut key = [0; 32];
    let mut at = 0;
    while at < 32 {
        key[at] = (at as u8).wrapping_mul(29).wrapping_add(3);
        at += 1;
    }
    key
};

fn anonymizer() -> Anonymizer {
    Anonymizer::new(KEY).unwrap()
}

/// One frame through the whole pipeline, as a capture file.
fn anonymized(frame: &[u8]) -> (Report, Vec<u8>) {
    cut_and_anonymized(frame, frame.len())
}

/// One frame of which no more was captured than `frame`.
fn cut_and_anonymized(frame: &[u8], wire_len: usize) -> (Report, Vec<u8>) {
    let mut file = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    file.extend([1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    file.extend((frame.len() as u32).to_le_bytes());
    file.extend((wire_len as u32).to_le_bytes());
    file.extend(frame);
    let reader = BlockReader::new(&file[..]).unwrap();
    let (report, out) =
        Pipeline::new().anonymize(anonymizer()).run(vec![reader], Vec::new()).unwrap();
    let at = out.len() - frame.len();
    (report, out[at..].to_vec())
}

fn wrap() -> impl Strategy<Value = Wrap> {
    any::<(u8, u8, u8, u8)>().prop_map(|(kind, names, flags, extra)| Wrap {
        kind,
        names,
        flags,
        extra,
    })
}

fn inner() -> impl Strategy<Value = Inner> {
    any::<(u8, u8, u8, bool)>().prop_map(|(kind, names, payload, is_partial)| Inner {
        kind,
        names,
        payload,
        is_partial,
    })
}

/// Whether any address of the pool stands anywhere.
fn leak(frame: &[u8]) -> Option<String> {
    let mut names = Names::plain();
    for at in 0..frame.len() {
        for number in 0..Names::POOL {
            let rest = &frame[at..];
            if rest.starts_with(&names.v4(number))
                || rest.starts_with(&names.v6(number))
                || rest.starts_with(&names.mac(number))
            {
                return Some(format!("address {number} at {at}"));
            }
        }
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]
    #[test]
    fn every_nesting_is_followed(inner in inner(), wraps in vec(wrap(), 0..24)) {
        let mut plain = Names::plain();
        let (frame, path) = nested(&mut plain, inner, &wraps);
        prop_assume!(!plain.is_ambiguous);
        let (report, out) = anonymized(&frame);
        let mut keys = anonymizer();
        let (expected, _) = nested(&mut Names::replaced(&mut keys), inner, &wraps);
        prop_assert_eq!(leak(&out), None, "{:?}", path);
        prop_assert_eq!(out, expected, "{:?}", path);
        prop_assert_eq!(report.unseen.packets(), 0, "{:?}: {}", path, report.unseen);
    }

    #[test]
    fn cut_anywhere_nothing_is_left(
        inner in inner(),
        wraps in vec(wrap(), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let (frame, path) = nested(&mut Names::plain(), inner, &wraps);
        let (wire_len, frame) = (frame.len(), &frame[..=cut.index(frame.len())]);
        let (_, out) = cut_and_anonymized(frame, wire_len);
        prop_assert_eq!(out.len(), frame.len());
        prop_assert_eq!(leak(&out), None, "{:?}", path);
    }

    #[test]
    fn any_bytes_do_no_harm(
        inner in inner(),
        wraps in vec(wrap(), 0..6),
        changes in vec(any::<(prop::sample::Index, u8)>(), 0..8),
    ) {
        let (mut frame, _) = nested(&mut Names::plain(), inner, &wraps);
        for (at, byte) in changes {
            let at = at.index(frame.len());
            frame[at] = byte;
        }
        let (_, out) = anonymized(&frame);
        prop_assert_eq!(out.len(), frame.len());
    }
}

#[test]
fn every_carrier_is_there() {
    // each alone, and each in each
    let mut seen = std::collections::BTreeSet::new();
    let names = |kind| Wrap { kind, names: kind, flags: 0, extra: 0 };
    for outer in 0..=40 {
        for within in 0..=40 {
            let inner = Inner { kind: within, names: 1, payload: 9, is_partial: false };
            let wraps = [names(within), names(outer)];
            let (frame, path) = nested(&mut Names::plain(), inner, &wraps);
            let mut keys = anonymizer();
            let (expected, _) = nested(&mut Names::replaced(&mut keys), inner, &wraps);
            assert_eq!(anonymized(&frame).1, expected, "{path:?}");
            seen.extend(path);
        }
    }
    assert!(seen.len() >= 22, "{seen:?}");
}

#[test]
fn what_is_not_looked_into_is_told() {
    let mut names = Names::plain();
    for (ether_type, words) in [([0x12, 0x34], "EtherType 0x1234"), ([0x88, 0xcc], "0x88cc")] {
        let mut frame = [names.mac(0), names.mac(1)].concat();
        frame.extend(ether_type);
        frame.extend([0xee; 40]);
        let (report, out) = anonymized(&frame);
        assert_eq!(report.unseen.packets(), 1);
        assert!(report.unseen.to_string().contains(words), "{}", report.unseen);
        assert_eq!(out[12..], frame[12..]);
        assert_ne!(out[..12], frame[..12]);
    }
    for (protocol, words) in [(89, "IP protocol 89"), (50, "IP protocol 50 (esp)")] {
        let frame = build::unknown_protocol(&mut names, protocol);
        let (report, _) = anonymized(&frame);
        assert!(report.unseen.to_string().contains(words), "{}", report.unseen);
    }
}

#[test]
fn depth_is_bounded_by_the_frame_only() {
    // as many IP headers as fit into the longest packet, one in another
    let inner = Inner { kind: 0, names: 0, payload: 8, is_partial: false };
    let wraps = vec![Wrap { kind: 1, names: 7, flags: 0, extra: 0 }; 2500];
    let (frame, _) = nested(&mut Names::plain(), inner, &wraps);
    assert!(frame.len() > 50_000, "{}", frame.len());
    let mut keys = anonymizer();
    let (expected, _) = nested(&mut Names::replaced(&mut keys), inner, &wraps);
    assert!(anonymized(&frame).1 == expected);
}
