//! Decodes a frame of any link type, calls all that can be called on it, and asserts what must
//! hold.
//!
//! Input: a byte that chooses the link type, a byte that chooses the decoder, two bytes of what the
//! capture cut off, then the frame.

#![no_main]

#[path = "../../crates/vxlan/tests/decode/invariants.rs"]
mod invariants;

use libfuzzer_sys::fuzz_target;
use vxlan::{Decoder, LinkType, Ports, TunnelKind};

const LINK_TYPES: [LinkType; 8] = [
    LinkType::ETHERNET,
    LinkType::LINUX_SLL,
    LinkType::LINUX_SLL2,
    LinkType::RAW,
    LinkType::NULL,
    LinkType::LOOP,
    LinkType::IPV4,
    LinkType::IPV6,
];

fn decoder(choice: u8) -> Decoder {
    let decoder = Decoder::default().max_depth(choice >> 4);
    match choice & 3 {
        0 => Decoder::default(),
        1 => decoder,
        // every port is a tunnel port, in either direction
        kind => {
            let kind = if kind == 2 { TunnelKind::Vxlan } else { TunnelKind::Geneve };
            let ports = Ports::none().with_either_direction(53, kind);
            decoder.ports(ports.and_then(|p| p.with_either_direction(80, kind)).unwrap_or_default())
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&[link_type, choice, high, low], frame)) = input.split_first_chunk::<4>() else {
        return;
    };
    let link_type =
        LINK_TYPES.get(usize::from(link_type)).copied().unwrap_or(LinkType(u16::from(link_type)));
    let decoder = decoder(choice);
    let wire_len = frame.len() as u32 + u32::from(u16::from_be_bytes([high, low]));
    invariants::check(&decoder, frame, link_type, wire_len);

    invariants::check(&decoder, &frame[..frame.len() / 2], link_type, wire_len);
    let packet = decoder.decode_captured(frame, link_type, wire_len);
    let _ = invariants::facts(&decoder, &packet);
});
