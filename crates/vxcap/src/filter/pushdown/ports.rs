//! Tunnel ports, as code.

use vxlan::{Ports, TunnelKind};

use super::assembler::{Assembler, Label, NEXT};
use super::fields::udp;
use super::prefixes::At;
use crate::filter::instruction::Op;

/// The tunnel ports, ready to be looked for.
#[derive(Debug)]
pub(super) struct PortTest {
    /// Destination ports and what they carry.
    pub(super) destinations: Vec<(u16, TunnelKind)>,
    /// Ports that count as source ports too.
    sources: Vec<u16>,
}

impl PortTest {
    pub(super) fn new(ports: &Ports) -> Self {
        let mut destinations: Vec<(u16, TunnelKind)> = Vec::new();
        for (port, kind) in ports.iter() {
            // of two entries for a port the first counts
            if destinations.iter().all(|(known, _)| *known != port) {
                destinations.push((port, kind));
            }
        }
        // With a destination port that is none of them, what is found is found by the source port.
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

    /// Goes to `yes` where the UDP header at `at` has a tunnel port, and on behind otherwise.
    pub(super) fn put(&self, asm: &mut Assembler, at: At, yes: Label) {
        if !self.destinations.is_empty() {
            at.load_half(asm, udp::DESTINATION);
            asm.if_any(self.destinations.iter().map(|&(port, _)| u32::from(port)), yes);
        }
        self.put_sources(asm, at, yes);
    }

    /// Goes to `yes` where the UDP header at `at` has this one of the tunnel ports as its source
    /// port, and that counts; on behind otherwise.
    pub(super) fn put_source(&self, asm: &mut Assembler, at: At, port: u16, yes: Label) {
        if self.sources.contains(&port) {
            at.load_half(asm, udp::SOURCE);
            asm.if_any([port.into()], yes);
        }
    }

    /// Goes to `yes` where the UDP header at `at` has a tunnel port as its source port, and on
    /// behind otherwise.
    pub(super) fn put_sources(&self, asm: &mut Assembler, at: At, yes: Label) {
        if !self.sources.is_empty() {
            at.load_half(asm, udp::SOURCE);
            asm.if_any(self.sources.iter().copied().map(u32::from), yes);
        }
    }
}

/// The header word that says all about a tunnel whose inner frame stands right behind the header,
/// one for each form that it can have.
///
/// With other bits set it is still a tunnel in part: user space looks at what follows, and decides.
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

/// Bits of the header word without which it is no tunnel: VXLAN's I.
fn needed_bits(kind: TunnelKind) -> Option<u32> {
    matches!(kind, TunnelKind::Vxlan | TunnelKind::Gpe).then_some(0x0800_0000)
}

/// The tunnel header at `offset` of a port of this kind: goes to `no_tunnel` where it is none, to
/// `undecided` where it is not plain, and on behind where it is plain.
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
