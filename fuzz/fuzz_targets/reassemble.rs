//! Gives fragments to a reassembler with narrow limits, and decodes what becomes whole.
//!
//! Input: records of a length byte, a time byte and as many bytes. A record whose time byte is odd
//! is a frame; of another one the bytes are the fields of a fragment: six or not, identification,
//! offset, more, and length.

#![no_main]

#[path = "../../crates/vxlan/tests/decode/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;
use vxlan::{Decoder, LinkType, Outcome, Reassembler, ReassemblyLimits};

const MAX_BYTES: usize = 40_000;
const MAX_PACKETS: usize = 8;

/// An Ethernet frame with a fragment of the fields that `record` says.
fn fragment(record: &[u8]) -> Vec<u8> {
    let field = |at: usize| record.get(at).copied().unwrap_or(0);
    let (id, offset, more) = (field(1) % 4, u16::from(field(2)), u16::from(field(3) & 1));
    let len = usize::from(field(4)) * 4;
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    if field(0) & 1 == 0 {
        frame.extend([8, 0, 0x45, 0]);
        frame.extend((20 + len as u16).to_be_bytes());
        frame.extend([0, id]);
        frame.extend((offset | more << 13).to_be_bytes());
        frame.extend([64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    } else {
        frame.extend([0x86, 0xdd, 0x60, 0, 0, 0]);
        frame.extend((8 + len as u16).to_be_bytes());
        frame.extend([44, 64]);
        frame.extend([0xfd; 32]);
        frame.extend([17, 0]);
        frame.extend((offset << 3 | more).to_be_bytes());
        frame.extend([0, 0, 0, id]);
    }
    frame.extend((0..len).map(|n| field(5).wrapping_add((n / 8) as u8)));
    frame
}

fuzz_target!(|input: &[u8]| {
    let decoder = Decoder::default();
    let mut reassembler = Reassembler::new(
        ReassemblyLimits::default()
            .max_bytes(MAX_BYTES)
            .max_packets(MAX_PACKETS)
            .timeout_ns(1000),
    );
    let (mut rest, mut time_ns) = (input, 0_i64);
    while let Some((&[len, time], after)) = rest.split_first_chunk::<2>() {
        // frames are longer than fields are
        let len = usize::from(len) * if time & 1 == 1 { 8 } else { 1 };
        let (record, left) = after.split_at(len.min(after.len()));
        rest = left;
        time_ns += i64::from(time >> 1);
        let made;
        let frame = if time & 1 == 1 {
            record
        } else {
            made = fragment(record);
            &made
        };
        let packet = decoder.decode(frame, LinkType::ETHERNET);
        if let Outcome::Whole { frame, link_type, .. } = reassembler.push(time_ns, &packet.outer) {
            invariants::check(&decoder, frame, link_type, frame.len() as u32);
            let whole = decoder.decode(frame, link_type);
            // the fragment header that made it a fragment is gone; a second one may stand behind
            assert!(whole.outer.ipv4().is_none() || whole.outer.fragment().is_none());
            assert!(whole.outer.source().is_some());
        }
        assert!(reassembler.held_bytes() <= MAX_BYTES);
        assert!(reassembler.pending() <= MAX_PACKETS);
    }
});
