//! The reassembler: every order of fragments, copies, overlaps, and floods.

#![cfg(feature = "alloc")]

use proptest::prelude::*;
use vxlan::{Decoder, LinkType, Outcome, Reassembler, ReassemblyLimits, Refusal};

const MACS: [u8; 12] = [2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];

/// The ones' complement sum of RFC 1071, word by word: slow and obvious.
fn sum(bytes: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// A packet that is cut into fragments.
#[derive(Clone, Debug)]
struct Whole {
    six: bool,
    tag: Option<u16>,
    id: u16,
    payload: Vec<u8>,
}

impl Whole {
    fn link(&self, ether_type: u16) -> Vec<u8> {
        let mut link = MACS.to_vec();
        if let Some(tag) = self.tag {
            link.extend([0x81, 0]);
            link.extend(tag.to_be_bytes());
        }
        link.extend(ether_type.to_be_bytes());
        link
    }

    /// The frame with `payload`; a field of offset and flags makes it a fragment.
    fn frame(&self, payload: &[u8], field: Option<(u16, bool)>) -> Vec<u8> {
        if self.six { self.frame6(payload, field) } else { self.frame4(payload, field) }
    }

    fn frame4(&self, payload: &[u8], field: Option<(u16, bool)>) -> Vec<u8> {
        let (offset, more) = field.unwrap_or((0, false));
        let mut ip = vec![0x46, 0];
        ip.extend((24 + payload.len() as u16).to_be_bytes());
        ip.extend(self.id.to_be_bytes());
        ip.extend(((offset / 8) | (u16::from(more) << 13)).to_be_bytes());
        ip.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        ip.extend([0x94, 4, 0, 0]); // router alert
        let checksum = !sum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        [&self.link(0x0800)[..], &ip, payload].concat()
    }

    fn frame6(&self, payload: &[u8], field: Option<(u16, bool)>) -> Vec<u8> {
        let mut ip = vec![0x60, 0, 0, 0];
        let extensions = 8 + field.map_or(0, |_| 8);
        ip.extend((extensions + payload.len() as u16).to_be_bytes());
        ip.extend([0, 64]);
        ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        ip.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        ip.extend([if field.is_some() { 44 } else { 17 }, 0, 5, 2, 0, 0, 1, 0]); // hop-by-hop: router alert
        if let Some((offset, more)) = field {
            ip.extend([17, 0]);
            ip.extend((offset | u16::from(more)).to_be_bytes());
            ip.extend([0, 0]);
            ip.extend(self.id.to_be_bytes());
        }
        [&self.link(0x86dd)[..], &ip, payload].concat()
    }

    /// The fragments of pieces of `step` bytes.
    fn fragments(&self, step: usize) -> Vec<Vec<u8>> {
        let count = self.payload.len().div_ceil(step);
        let piece = |(index, bytes): (usize, &[u8])| {
            self.frame(bytes, Some(((index * step) as u16, index + 1 < count)))
        };
        self.payload.chunks(step).enumerate().map(piece).collect()
    }
}

/// A UDP datagram of `len` bytes of payload.
fn udp(len: u16) -> Vec<u8> {
    let mut payload = vec![0x9c, 0x40, 0x9c, 0x41];
    payload.extend((8 + len).to_be_bytes());
    payload.extend([0, 0]);
    payload.extend((0..len).map(|n| n as u8));
    payload
}

fn whole() -> Whole {
    Whole { six: false, tag: None, id: 7, payload: udp(1000) }
}

/// Gives a frame to the reassembler; what came of it, with the frame in a form that can be kept.
fn push(
    reassembler: &mut Reassembler,
    time_ns: i64,
    frame: &[u8],
) -> Result<Option<Vec<u8>>, Refusal> {
    let packet = vxlan::decode(frame, LinkType::ETHERNET);
    match reassembler.push(time_ns, &packet.outer) {
        Outcome::Whole { frame, link_type, .. } => {
            assert_eq!(link_type, LinkType::ETHERNET);
            Ok(Some(frame.to_vec()))
        }
        Outcome::Held => Ok(None),
        Outcome::Refused(refusal) => Err(refusal),
        outcome => panic!("a fragment is taken for none: {outcome:?}"),
    }
}

fn wholes() -> impl Strategy<Value = (Whole, Vec<Vec<u8>>)> {
    let parts = (any::<bool>(), proptest::option::of(0_u16..4096), any::<u16>(), 9_u16..3000);
    let whole = parts.prop_map(|(six, tag, id, len)| Whole { six, tag, id, payload: udp(len) });
    (whole, 1_usize..100).prop_flat_map(|(whole, eights)| {
        let step = (eights * 8).min((whole.payload.len() - 1) / 8 * 8);
        let mut fragments = whole.fragments(step);
        // some of them twice
        fragments.extend_from_within(..fragments.len() / 3);
        (Just(whole), Just(fragments).prop_shuffle())
    })
}

proptest! {
    #[test]
    fn whole_in_any_order((whole, fragments) in wholes()) {
        let mut reassembler = Reassembler::default();
        let expected = whole.frame(&whole.payload, None);
        let mut done = 0;
        for fragment in &fragments {
            if let Some(frame) = push(&mut reassembler, 0, fragment).unwrap() {
                prop_assert_eq!(&frame, &expected);
                done += 1;
            }
        }
        prop_assert!(done >= 1);
        prop_assert_eq!(reassembler.counts().whole, done);
        let packet = vxlan::decode(&expected, LinkType::ETHERNET);
        prop_assert_eq!(packet.inner.payload(), &whole.payload[8..]);
    }

    /// Any bytes with fragment fields: nothing panics, and the limits hold.
    #[test]
    fn limits_hold(
        fragments in proptest::collection::vec(
            (any::<(bool, u8, bool)>(), 0_u16..200, 1_usize..300), 1..300
        ),
        max_bytes in 500_usize..20_000,
        max_packets in 1_usize..20,
    ) {
        let limits = ReassemblyLimits::default()
            .max_bytes(max_bytes)
            .max_packets(max_packets)
            .timeout_ns(1000);
        let mut reassembler = Reassembler::new(limits);
        for (time, ((six, id, more), offset, len)) in fragments.into_iter().enumerate() {
            let whole = Whole { six, tag: None, id: u16::from(id % 32), payload: Vec::new() };
            let frame = whole.frame(&vec![id; len], Some((offset * 8, more)));
            let packet = vxlan::decode(&frame, LinkType::ETHERNET);
            let _ = reassembler.push(i64::try_from(time).unwrap(), &packet.outer);
            prop_assert!(reassembler.held_bytes() <= max_bytes);
            prop_assert!(reassembler.pending() <= max_packets);
        }
    }
}

#[test]
fn what_is_whole_is_no_fragment() {
    let mut reassembler = Reassembler::default();
    for frame in [whole().frame(&whole().payload, None), vxlan::example::SYN.to_vec()] {
        let packet = vxlan::decode(&frame, LinkType::ETHERNET);
        assert_eq!(reassembler.push(0, &packet.outer), Outcome::NotAFragment);
    }
    // an atomic fragment (RFC 6946) is a whole packet
    let six = Whole { six: true, ..whole() };
    let frame = six.frame(&six.payload, Some((0, false)));
    let packet = vxlan::decode(&frame, LinkType::ETHERNET);
    assert_eq!(reassembler.push(0, &packet.outer), Outcome::NotAFragment);
    assert_eq!(packet.inner.payload().len(), 1000);
}

/// Overlaps that attacks are made of, and what follows them: nothing becomes whole.
#[test]
fn overlaps_are_refused() {
    for six in [false, true] {
        let whole = Whole { six, ..whole() };
        let part = |from: usize, to: usize, more| {
            whole.frame(&whole.payload[from..to], Some((from as u16, more)))
        };
        let last = whole.payload.len();
        // one within another, one that begins in another, one around another, the same place with
        // other bytes
        let mut other = part(0, 504, true);
        *other.last_mut().unwrap() ^= 1;
        for overlapping in [part(8, 16, true), part(496, 600, true), part(0, 600, true), other] {
            let mut reassembler = Reassembler::default();
            assert_eq!(push(&mut reassembler, 0, &part(0, 504, true)), Ok(None));
            assert_eq!(push(&mut reassembler, 0, &overlapping), Err(Refusal::Overlap));
            assert_eq!(push(&mut reassembler, 0, &part(504, last, false)), Err(Refusal::Overlap));
            assert_eq!(push(&mut reassembler, 0, &part(0, 504, true)), Err(Refusal::Overlap));
            assert_eq!((reassembler.counts().refused, reassembler.counts().whole), (1, 0));
        }
    }
}

#[test]
fn ends_and_lengths_that_cannot_be() {
    let whole = whole();
    let part = |from: u16, bytes: &[u8], more| whole.frame(bytes, Some((from, more)));
    let refusal = |frames: &[Vec<u8>]| {
        let mut reassembler = Reassembler::default();
        frames.iter().find_map(|frame| push(&mut reassembler, 0, frame).err())
    };
    // two ends; bytes beyond the end; an end before bytes that came already
    assert_eq!(
        refusal(&[part(800, &[0; 8], false), part(400, &[0; 8], false)]),
        Some(Refusal::End)
    );
    assert_eq!(refusal(&[part(800, &[0; 8], false), part(808, &[0; 8], true)]), Some(Refusal::End));
    assert_eq!(refusal(&[part(808, &[0; 8], true), part(400, &[0; 8], false)]), Some(Refusal::End));
    // the ping of death
    assert_eq!(refusal(&[part(65_528, &[0; 1000], false)]), Some(Refusal::TooLong));
    // not the last, and no multiple of 8 bytes; nothing at all
    assert_eq!(refusal(&[part(8, &[0; 12], true)]), Some(Refusal::Length));
    assert_eq!(refusal(&[part(8, &[], true)]), Some(Refusal::Length));
}

#[test]
fn cut_fragments_are_refused() {
    let fragments = whole().fragments(504);
    let mut reassembler = Reassembler::default();
    let cut = &fragments[0][..200];
    let packet =
        Decoder::default().decode_captured(cut, LinkType::ETHERNET, fragments[0].len() as u32);
    assert_eq!(reassembler.push(0, &packet.outer), Outcome::Refused(Refusal::Cut));
    assert_eq!(push(&mut reassembler, 0, &fragments[1]), Err(Refusal::Cut));
}

#[test]
fn late_fragments_are_of_another_packet() {
    let fragments = whole().fragments(400);
    let mut reassembler = Reassembler::default();
    assert_eq!(push(&mut reassembler, 0, &fragments[0]), Ok(None));
    assert_eq!(push(&mut reassembler, 31_000_000_000, &fragments[1]), Ok(None));
    assert_eq!(reassembler.counts().timed_out, 1);
    assert_eq!(push(&mut reassembler, 31_000_000_001, &fragments[0]), Ok(None));
    assert!(push(&mut reassembler, 31_000_000_001, &fragments[2]).unwrap().is_some());
}

/// The same addresses and identification in another VLAN, or in another scope, are another packet.
#[test]
fn networks_are_kept_apart() {
    let (one, other) = (whole(), Whole { tag: Some(5), ..whole() });
    let mut reassembler = Reassembler::default();
    assert_eq!(push(&mut reassembler, 0, &one.fragments(504)[0]), Ok(None));
    assert_eq!(push(&mut reassembler, 0, &other.fragments(504)[1]), Ok(None));
    assert_eq!(reassembler.pending(), 2);
    let frame = &one.fragments(504)[1];
    let packet = vxlan::decode(frame, LinkType::ETHERNET);
    assert_eq!(reassembler.push_in(9, 0, &packet.outer), Outcome::Held);
    assert_eq!(reassembler.pending(), 3);
}

/// IEEE 802.3 with SNAP: its length cannot be that of the whole packet.
#[test]
fn snap_becomes_plain_ethernet() {
    let whole = whole();
    let mut reassembler = Reassembler::default();
    let mut done = None;
    for fragment in whole.fragments(504) {
        let ip = &fragment[14..];
        let mut frame = MACS.to_vec();
        frame.extend((8 + ip.len() as u16).to_be_bytes());
        frame.extend([0xaa, 0xaa, 3, 0, 0, 0, 8, 0]);
        frame.extend(ip);
        done = done.or(push(&mut reassembler, 0, &frame).unwrap());
    }
    assert_eq!(done.unwrap(), whole.frame(&whole.payload, None));
}

/// A hundred thousand first fragments, and packets in the smallest of pieces: what is held stays
/// within the limits, the oldest go, and a good packet among them becomes whole.
#[test]
fn floods_stay_within_the_limits() {
    let limits = ReassemblyLimits::default().max_bytes(1 << 20).max_packets(1000);
    let mut reassembler = Reassembler::new(limits);
    let mut most = 0;
    for n in 0..100_000_u32 {
        let mut frame = Whole { id: n as u16, ..whole() }.frame(&[0; 256], Some((0, true)));
        frame[26..30].copy_from_slice(&n.to_be_bytes());
        assert!(push(&mut reassembler, 0, &frame).is_ok());
        most = most.max(reassembler.held_bytes());
    }
    assert!(most <= 1 << 20 && reassembler.pending() <= 1000);
    assert!(reassembler.counts().evicted >= 99_000);
    for offset in 0..8000_u16 {
        let frame = whole().frame(&[0; 8], Some((offset * 8, true)));
        let _ = push(&mut reassembler, 0, &frame);
        assert!(reassembler.held_bytes() <= 1 << 20);
    }
    let good = Whole { id: 4711, ..whole() };
    let done: Vec<_> =
        good.fragments(504).iter().map(|frame| push(&mut reassembler, 0, frame).unwrap()).collect();
    assert!(done.last().unwrap().is_some());
}

/// A packet that alone needs more than there may be.
#[test]
fn no_room_at_all() {
    let limits = ReassemblyLimits::default().max_bytes(600);
    let mut reassembler = Reassembler::new(limits);
    assert_eq!(push(&mut reassembler, 0, &whole().fragments(504)[0]), Err(Refusal::NoRoom));
    assert_eq!((reassembler.held_bytes(), reassembler.pending()), (0, 0));
}
