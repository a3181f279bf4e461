//! Code that tests tunnel ports and tunnel headers.

use vxlan::{Ports, TunnelKind};

use super::assembler::{Assembler, Label, NEXT};
use super::fields::udp;
use super::prefixes::At;
use crate::filter::instruction::Op;

/// The tunnel ports, prepared for the tests.
#[derive(Debug)]
pub(super) struct PortTest {
    /// Destination ports and the kinds of their tunnels.
    pub(super) destinations: Vec<(u16, TunnelKind)>,
    /// Ports that count as source ports too.
    sources: Vec<u16>,
}

impl PortTest {
    pub(super) fn new(ports: &Ports) -> Self {
        let mut destinations: Vec<(u16, TunnelKind)> = Vec::new();
        for (port, kind) in ports.iter() {
            // the first of two entries for a port counts
            if destinations.iter().all(|(known, _)| *known != port) {
                destinations.push((port, kind));
            }
        }
        // If no entry has the destination port, an entry that is found is one for the source port.
        let other = (0..=u16::MAX)
            .find(|port| destinations.iter().all(|(known, _)| known != port))
            .unwrap_or_default();
        let sources = destinations
            .iter()
            .map(|&(port, _)| port)
            .filter(|&port| ports.kind(port, other).is_some())
            .collect();
        Self { destinations, sources }
    }

    /// Goes to `yes` where the UDP header at `at` has a tunnel port, and to the next item
    /// otherwise.
    pub(super) fn put(&self, asm: &mut Assembler, at: At, yes: Label) {
        if !self.destinations.is_empty() {
            at.load_half(asm, udp::DESTINATION);
            asm.if_any(self.destinations.iter().map(|&(port, _)| u32::from(port)), yes);
        }
        self.put_sources(asm, at, yes);
    }

    /// Goes to `yes` where the UDP header at `at` has this tunnel port as its source port and
    /// source ports count for it, and to the next item otherwise.
    pub(super) fn put_source(&self, asm: &mut Assembler, at: At, port: u16, yes: Label) {
        if self.sources.contains(&port) {
            at.load_half(asm, udp::SOURCE);
            asm.if_any([port.into()], yes);
        }
    }

    /// Goes to `yes` where the UDP header at `at` has a tunnel port as its source port, and to the
    /// next item otherwise.
    pub(super) fn put_sources(&self, asm: &mut Assembler, at: At, yes: Label) {
        if !self.sources.is_empty() {
            at.load_half(asm, udp::SOURCE);
            asm.if_any(self.sources.iter().copied().map(u32::from), yes);
        }
    }
}

/// The first header word of tunnels whose inner frame follows the header directly, in each of its
/// forms.
///
/// With other bits set it may still be a tunnel: then user space examines what follows, and
/// decides.
fn plain_headers(kind: TunnelKind) -> &'static [u32] {
    match kind {
        // I (RFC 7348 section 5)
        TunnelKind::Vxlan => &[0x0800_0000],
        // I alone, or I and P with next protocol 3, Ethernet (draft-ietf-nvo3-vxlan-gpe section 3)
        TunnelKind::Gpe => &[0x0800_0000, 0x0c00_0003],
        // version 0, no options, transparent Ethernet bridging (RFC 8926 section 3.4)
        TunnelKind::Geneve => &[0x0000_6558],
        // user space decides on raw IP, and on kinds that are not known here
        _ => &[],
    }
}

/// Bits of the header word that every tunnel has: VXLAN's I.
fn needed_bits(kind: TunnelKind) -> Option<u32> {
    matches!(kind, TunnelKind::Vxlan | TunnelKind::Gpe).then_some(0x0800_0000)
}

/// Tests the header at `offset` after a port of this kind. Goes to `no_tunnel` if it is not a
/// tunnel header, to `undecided` if it is not a plain one, and to the next item if it is.
pub(super) fn put_header(
    asm: &mut Assembler,
    kind: TunnelKind,
    offset: u32,
    no_tunnel: Label,
    undecided: Label,
) {
    let plain = asm.label();
    asm.put(Op::LoadWord, offset);
    asm.if_any(plain_headers(kind).iter().copied(), plain);
    match needed_bits(kind) {
        Some(bits) => asm.branch(Op::JumpSet, bits, undecided, no_tunnel),
        None => asm.goto(undecided),
    }
    asm.bind(plain);
    // the last byte of the second word is reserved
    asm.put(Op::LoadWord, offset + 4);
    asm.branch(Op::JumpSet, 0xff, undecided, NEXT);
}
