//! Re-porting: another destination port for tunnels, with checksums that stay as right as they
//! were.

use vxlan::internet_checksum::fold;
use vxlan::{
    Checksum, Decoder, Encapsulation, Headers, IpProtocol, Packet, Ports, Protocol, TunnelKind,
};

use crate::internet_checksum::{Change, as_udp};
use crate::output::Patches;

/// Where a UDP header holds its destination port and its checksum (RFC 768).
const UDP_PORT_AT: usize = 2;
const UDP_CHECKSUM_AT: usize = 6;
/// Where an ICMP message holds its checksum (RFC 792, RFC 4443).
const ICMP_CHECKSUM_AT: usize = 2;
/// Bytes of a VXLAN header (RFC 7348 section 5), and of the fixed part of a Geneve header.
const TUNNEL_HEADER_LEN: usize = 8;

/// Changes the destination port of tunnels.
///
/// The tunnels are those of the kind that the new port carries by default: Geneve for 6081,
/// VXLAN-GPE for 4790, raw IP for 8285, VXLAN for every other port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ToPort {
    port: u16,
    kind: TunnelKind,
}

impl ToPort {
    pub(crate) fn new(port: u16) -> Self {
        let known = Ports::DEFAULT.iter().find(|(known, _)| *known == port);
        Self { port, kind: known.map_or(TunnelKind::Vxlan, |(_, kind)| kind) }
    }

    /// Notes the changes to a packet that `decoder` decoded. `ports` are the decoder's.
    #[inline]
    pub(crate) fn patches(
        self,
        packet: &Packet<'_>,
        decoder: &Decoder,
        ports: &Ports,
        patches: &mut Patches,
    ) {
        match packet.depth() {
            0 => {
                if is_icmp(&packet.inner) {
                    self.quote(&packet.inner, decoder, ports, patches);
                }
            }
            1 if !is_icmp(&packet.inner) => {
                if let Some(tunnel) = packet.tunnel
                    && self.is_wanted(tunnel.protocol())
                {
                    let old = packet.outer.ports().map_or(self.port, |(_, port)| port);
                    let change = Change::of_word(old, self.port);
                    if change != Change::NONE {
                        let state = || packet.outer_checksum();
                        self.header(&packet.outer, change, state, patches);
                    }
                }
            }
            _ => self.nested(packet, decoder, ports, patches),
        }
    }

    /// Changes several levels, the innermost first. What a level's own checksum does not absorb
    /// changes the checksums around it.
    #[cold]
    fn nested(self, packet: &Packet<'_>, decoder: &Decoder, ports: &Ports, patches: &mut Patches) {
        let mut levels = [None; 8];
        for (place, level) in levels.iter_mut().zip(decoder.encapsulations(packet)) {
            *place = Some(level);
        }
        let mut change = self.quote(&packet.inner, decoder, ports, patches);
        // a partial checksum inside: outer checksums do not cover what follows it (local checksum
        // offload)
        let mut hidden = packet.inner.checksum() == Checksum::Partial;
        for level in levels.into_iter().rev().flatten() {
            let Encapsulation { headers, tunnel, .. } = level;
            let state = level.checksum();
            if hidden && state == Checksum::Lco {
                change = Change::NONE;
            }
            let old = headers.ports().map_or(self.port, |(_, port)| port);
            let own = if self.is_wanted(tunnel.protocol()) {
                Change::of_word(old, self.port)
            } else {
                Change::NONE
            };
            let all = change.and(own);
            if all != Change::NONE {
                if own == Change::NONE {
                    change = Self::checksum(&headers, all, || state, patches);
                } else {
                    change = self.header(&headers, all, || state, patches);
                }
            }
            hidden = state == Checksum::Partial;
        }
    }

    /// Changes the port and the checksum of the UDP header. Returns the change that is left for the
    /// checksums around it.
    #[inline]
    fn header(
        self,
        headers: &Headers<'_>,
        change: Change,
        state: impl FnOnce() -> Checksum,
        patches: &mut Patches,
    ) -> Change {
        let at = headers.offset() as usize + headers.transport_offset();
        patches.push(at + UDP_PORT_AT, self.port);
        Self::checksum(headers, change, state, patches)
    }

    /// Mends the checksum of a UDP header. Returns the change that is left for the checksums around
    /// it.
    #[inline]
    fn checksum(
        headers: &Headers<'_>,
        change: Change,
        state: impl FnOnce() -> Checksum,
        patches: &mut Patches,
    ) -> Change {
        let Some(udp) = headers.udp() else { return change };
        let field = udp.checksum();
        if field == 0 {
            return change;
        }
        // the whole packet is summed up only where the field might be that of a partial checksum
        if is_pseudo_sum(headers, field) && state() != Checksum::Ok {
            return change;
        }
        let at = headers.offset() as usize + headers.transport_offset() + UDP_CHECKSUM_AT;
        patches.push(at, as_udp(change.mend(field)));
        Change::NONE
    }

    /// Changes the packet that an ICMP error quotes. Returns the change that is left for the
    /// checksums around it.
    fn quote(
        self,
        headers: &Headers<'_>,
        decoder: &Decoder,
        ports: &Ports,
        patches: &mut Patches,
    ) -> Change {
        let Some(quoted) = decoder.decode_quote(headers) else { return Change::NONE };
        let carrier = &quoted.outer;
        let Some(udp) = carrier.udp() else { return Change::NONE };
        let wanted = match quoted.tunnel {
            Some(tunnel) => self.is_wanted(tunnel.protocol()),
            // a quote is often so short that only the port can tell
            None => {
                carrier.payload().len() < TUNNEL_HEADER_LEN
                    && ports.kind(udp.source_port(), udp.destination_port()) == Some(self.kind)
            }
        };
        let own = Change::of_word(udp.destination_port(), self.port);
        if !wanted || own == Change::NONE {
            return Change::NONE;
        }
        // a cut quote does not show whether its checksum is right
        let left = self.header(carrier, own, || carrier.checksum(), patches);
        if left == Change::NONE {
            return left;
        }
        let field = match (headers.icmp(), headers.icmpv6()) {
            (Some(icmp), _) => icmp.checksum(),
            (_, Some(icmp)) => icmp.checksum(),
            _ => return left,
        };
        if headers.icmpv6().is_some()
            && is_pseudo_sum(headers, field)
            && headers.checksum() != Checksum::Ok
        {
            return left;
        }
        let at = headers.offset() as usize + headers.transport_offset() + ICMP_CHECKSUM_AT;
        patches.push(at, left.mend(field));
        Change::NONE
    }

    fn is_wanted(self, protocol: Protocol) -> bool {
        self.kind == protocol.kind()
    }
}

#[inline]
fn is_icmp(headers: &Headers<'_>) -> bool {
    matches!(headers.protocol(), Some(IpProtocol::ICMP | IpProtocol::ICMPV6))
}

/// Whether a field holds a partial checksum: the sum of the pseudo header, which hardware is to
/// complete.
#[inline]
fn is_pseudo_sum(headers: &Headers<'_>, field: u16) -> bool {
    let Some(protocol) = headers.protocol() else { return false };
    let mut pseudo = u64::from(protocol.0) + u64::from(headers.transport_wire_len());
    match (headers.ipv4(), headers.ipv6()) {
        (Some(ip), _) => {
            pseudo += u64::from(ip.source().to_bits()) + u64::from(ip.destination().to_bits());
        }
        (_, Some(ip)) => {
            for octets in [ip.source_octets(), ip.destination_octets()] {
                let (words, _) = octets.as_chunks::<4>();
                pseudo +=
                    words.iter().map(|word| u64::from(u32::from_be_bytes(*word))).sum::<u64>();
            }
        }
        _ => return false,
    }
    // 2^16 is 1 in ones' complement, so that words of 32 bits fold as well
    fold(pseudo) == field
}
