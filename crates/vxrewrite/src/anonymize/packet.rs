//! Goes through a packet layer by layer, from the outside to the inside, and replaces addresses.

use vxlan::{LinkType, Ports};

use super::Anonymizer;
use super::ledger::{Ledger, Site};
use super::unseen::Content;

/// Where a layer stands in the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) at: usize,
    /// Where it ends, by what was captured and by the lengths in the headers around it.
    pub(super) end: usize,
    /// Where it ended on the wire. Not before `end`.
    pub(super) wire_end: usize,
}

impl Area {
    /// The area without its first `len` bytes.
    pub(super) const fn behind(self, len: usize) -> Self {
        Self { at: self.at.saturating_add(len), ..self }
    }

    /// Whether all of it was captured.
    pub(super) const fn is_whole(self) -> bool {
        self.end == self.wire_end
    }
}

/// What a layer is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Layer {
    /// An Ethernet frame.
    Ethernet,
    /// What an `EtherType` names.
    Typed(u16),
    /// IEEE 802.2 LLC.
    Llc,
    /// An IP packet of the version that it says itself.
    Ip,
    /// The payload of a label stack, whose kind is not given.
    Mpls,
    /// Point-to-point protocol (RFC 1661 section 2).
    Ppp,
}

/// What follows a layer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Another layer.
    Layer(Layer, Area),
    /// Nothing with addresses.
    Done,
}

/// The packet as it was, and with the replacements made so far.
pub(super) struct Rewrite<'a> {
    pub(super) old: &'a [u8],
    new: &'a mut [u8],
    pub(super) keys: &'a mut Anonymizer,
    pub(super) ports: &'a Ports,
    pub(super) ledger: Ledger,
    /// Where the innermost layer ends: no address is read or written from there on.
    pub(super) end: usize,
    /// Whether the layer is in a fragment, so that missing bytes are in another packet.
    pub(super) in_fragment: bool,
    is_unseen: bool,
}

impl Anonymizer {
    /// Replaces the addresses in `new`, which holds the same bytes as `old`.
    pub(crate) fn packet(
        &mut self,
        old: &[u8],
        new: &mut [u8],
        link_type: LinkType,
        orig_len: u32,
        ports: &Ports,
    ) {
        let mut ledger = std::mem::take(&mut self.ledger);
        ledger.clear();
        let end = old.len();
        let mut rewrite = Rewrite {
            old,
            new,
            keys: self,
            ports,
            ledger,
            end,
            in_fragment: false,
            is_unseen: false,
        };
        let wire_end = end.max(orig_len as usize);
        rewrite.walk(link_type, Area { at: 0, end, wire_end });
        rewrite.ledger.settle(rewrite.old, rewrite.new);
        if rewrite.is_unseen {
            rewrite.keys.unseen.packet();
        }
        self.ledger = rewrite.ledger;
    }
}

impl Rewrite<'_> {
    /// Goes from layer to layer. Each one gives the next, which lies further in.
    fn walk(&mut self, link_type: LinkType, frame: Area) {
        let mut next = self.link(link_type, frame);
        while let Some(Next::Layer(layer, area)) = next {
            self.end = area.end;
            next = match layer {
                Layer::Ethernet => self.ethernet(area),
                Layer::Typed(ether_type) => self.typed(ether_type, area),
                Layer::Llc => self.llc(area),
                Layer::Ip => self.ip(area),
                Layer::Mpls => self.below_labels(area),
                Layer::Ppp => self.ppp(area),
            };
        }
        // the rest of a header cut by the capture is nowhere; cut by fragmentation, it is in
        // another packet
        if next.is_none() && self.in_fragment {
            self.unseen(Content::Fragment);
        }
    }

    /// Counts contents of an unknown kind, which cannot be inspected, if any were captured.
    pub(super) fn opaque(&mut self, content: Content, area: Area) -> Next {
        if area.at < area.end {
            self.unseen(content);
        }
        Next::Done
    }

    /// The area cut to the length that a length field gives, unless that is more than there is.
    /// Bytes after this end are counted and reported, unless they are padding.
    pub(super) fn narrowed(&mut self, area: Area, len: usize) -> Area {
        let end = area.at.saturating_add(len);
        if end > area.wire_end {
            return area;
        }
        if end < area.end && !self.is_zero(end, area.end) {
            self.unseen(Content::Trailer);
        }
        Area { at: area.at, end: area.end.min(end), wire_end: end }
    }

    /// Whether a range holds only zeros, as far as it was captured.
    pub(super) fn is_zero(&self, from: usize, to: usize) -> bool {
        let range = self.old.get(from..to.min(self.end)).unwrap_or_default();
        range.iter().all(|&byte| byte == 0)
    }

    /// Counts contents that may hold addresses and cannot be inspected.
    pub(super) fn unseen(&mut self, content: Content) {
        self.keys.unseen.content(content);
        self.is_unseen = true;
    }

    /// The original bytes at an offset; `None` where the layer ends before them.
    pub(super) fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.old.get(at..self.end)?.first_chunk().copied()
    }

    /// Kind and length of an option of IPv4 or TCP (RFC 791 section 3.1, RFC 9293 section 3.1),
    /// which may be longer than what was captured. `None` at the end of the options and where the
    /// length is invalid.
    pub(super) fn option(&self, at: usize) -> Option<(u8, usize)> {
        match self.byte(at)? {
            0 => None,
            1 => Some((1, 1)),
            kind => Some((kind, self.byte(at + 1).map(usize::from).filter(|&len| len > 1)?)),
        }
    }

    /// The byte at an offset.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes(at).map(|[byte]| byte)
    }

    /// The 16-bit number at an offset.
    pub(super) fn number(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    /// A range as it was, and as it is now.
    pub(super) fn both(&self, from: usize, to: usize) -> Option<(&[u8], &[u8])> {
        Some((self.old.get(from..to)?, self.new.get(from..to)?))
    }

    /// Replaces the MAC address at an offset. A part of one is zeroed.
    pub(super) fn mac(&mut self, at: usize) {
        self.replace(at, Anonymizer::mac);
    }

    /// Replaces the IPv4 address at an offset.
    pub(super) fn v4(&mut self, at: usize) {
        self.replace(at, |keys, octets: [u8; 4]| keys.v4(octets.into()).octets());
    }

    /// Replaces the IPv6 address at an offset.
    pub(super) fn v6(&mut self, at: usize) {
        self.replace(at, |keys, octets: [u8; 16]| keys.v6(octets.into()).octets());
    }

    /// Replaces the first `len` bytes of an IPv6 address at an offset, where only these are
    /// present.
    pub(super) fn v6_prefix(&mut self, at: usize, len: usize) {
        let len = len.min(16);
        let mut octets = [0; 16];
        let Some(prefix) = self.old.get(at..(at + len).min(self.end)) else { return };
        let prefix_len = prefix.len();
        let Some(place) = octets.get_mut(..prefix_len) else { return };
        place.copy_from_slice(prefix);
        let new = self.keys.v6(octets.into()).octets();
        if let Some(new) = new.get(..prefix_len) {
            self.write(at, new);
        }
    }

    /// Replaces consecutive addresses of `len` bytes up to `end`.
    pub(super) fn list(&mut self, from: usize, end: usize, len: usize, map: fn(&mut Self, usize)) {
        for place in (from..end.min(self.end)).step_by(len) {
            map(self, place);
        }
    }

    /// Zeroes a range.
    pub(super) fn wipe(&mut self, from: usize, len: usize) {
        const ZEROS: [u8; 16] = [0; 16];
        let end = (from + len).min(self.end);
        for place in (from..end).step_by(ZEROS.len()) {
            self.write(place, ZEROS.get(..end - place).unwrap_or(&ZEROS));
        }
    }

    fn replace<const N: usize>(
        &mut self,
        at: usize,
        make: impl FnOnce(&mut Anonymizer, [u8; N]) -> [u8; N],
    ) {
        match self.bytes(at) {
            Some(octets) => {
                let new = make(self.keys, octets);
                self.write(at, &new);
            }
            None => self.wipe(at, N),
        }
    }

    /// Writes at most 16 bytes, and notes the change for the checksums that cover them.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let Some(place) = self.new.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()))
        else {
            return;
        };
        self.ledger.changed(at, place, bytes);
        place.copy_from_slice(bytes);
    }

    /// Notes a checksum that covers an area, without a pseudo header.
    pub(super) fn site(&mut self, field: usize, area: Area) {
        self.ledger.site(Site::new(field, area.at, area.end, area.is_whole()));
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const IPV4: [u8; 20] = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 51, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];

    /// An IPv6 header without a length, as of a jumbogram.
    fn ipv6(next: u8) -> Vec<u8> {
        let mut header = vec![0x60, 0, 0, 0, 0, 0, next, 64];
        header.extend([7; 32]);
        header
    }

    /// The frame with its addresses replaced, and the message on what was not looked into.
    fn anonymized(link_type: LinkType, frame: &[u8]) -> (Vec<u8>, String) {
        let mut keys = Anonymizer::new(std::array::from_fn(|at| at as u8)).unwrap();
        let mut new = frame.to_vec();
        keys.packet(frame, &mut new, link_type, frame.len() as u32, &Ports::DEFAULT);
        let unseen = keys.unseen();
        (new, if unseen.packets() == 0 { String::new() } else { unseen.to_string() })
    }

    /// A packet of IPv4 with its length.
    fn ip(protocol: u8, contents: &[u8]) -> Vec<u8> {
        let mut packet = IPV4.to_vec();
        packet[9] = protocol;
        packet.extend(contents);
        let len = packet.len() as u16;
        packet[2..4].copy_from_slice(&len.to_be_bytes());
        packet
    }

    fn udp(port: u16, contents: &[u8]) -> Vec<u8> {
        let len = contents.len() as u16 + 8;
        let mut datagram = [[9, 9], port.to_be_bytes(), len.to_be_bytes(), [0, 0]].concat();
        datagram.extend(contents);
        ip(17, &datagram)
    }

    /// What is told of a packet.
    fn told(packet: &[u8]) -> String {
        let (_, message) = anonymized(LinkType::RAW, packet);
        let inside = message.split_once('(').and_then(|(_, rest)| rest.rsplit_once("):"));
        inside.map_or(String::new(), |(contents, _)| contents.to_owned())
    }

    #[test]
    fn chunks_that_may_hold_addresses_are_told() {
        let ports = [0; 12];
        let data = [0, 3, 0, 17, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0];
        let acknowledgement = [3, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0];
        let plain = [ports.as_slice(), &acknowledgement, &data].concat();
        assert_eq!(told(&ip(132, &plain)), "");
        // setups, heartbeats, cookies, errors, changes, unknown ones; a length that cannot be
        for kind in [1, 2, 4, 5, 6, 9, 10, 0x80, 0xc1, 77] {
            let chunk = [plain.as_slice(), &[kind, 0, 0, 8, 10, 0, 0, 1]].concat();
            assert_eq!(told(&ip(132, &chunk)), "IP protocol 132 (sctp): 1", "{kind}");
        }
        let broken = [plain.as_slice(), &[0, 0, 0, 3]].concat();
        assert_eq!(told(&ip(132, &broken)), "IP protocol 132 (sctp): 1");
    }

    #[test]
    fn trailers_are_told() {
        let mut packet = udp(53, &[1; 4]);
        assert_eq!(told(&packet), "");
        packet.extend([0; 14]);
        assert_eq!(told(&packet), "");
        packet.extend([10, 244, 1, 5]);
        assert_eq!(told(&packet), "trailers: 1");
        // between the ends of UDP and IP
        let mut packet = udp(53, &[1; 4]);
        packet[25] -= 4;
        assert_eq!(told(&packet), "trailers: 1");
    }

    #[test]
    fn options_that_may_hold_addresses_are_told() {
        let inner = udp(53, &[]);
        // router alert; selective directed broadcast (RFC 6814: listed)
        let mut packet = ip(6, &[]);
        packet[0] = 0x47;
        packet[3] = 28;
        packet.extend([148, 4, 0, 0, 1, 0, 0, 0]);
        assert_eq!(told(&packet), "");
        packet[20] = 149;
        assert_eq!(told(&packet), "IPv4 option 149: 1");
        // padding and router alert; something that is not known
        let options = |kind| {
            let mut packet = ipv6(60);
            packet.extend([59, 0, kind, 2, 1, 1, 1, 0]);
            packet
        };
        assert_eq!(told(&options(5)), "");
        assert_eq!(told(&options(0x6d)), "IPv6 option 0x6d: 1");
        let geneve = |value| {
            let header = [2, 0, 8, 0, 0, 0, 1, 0, 0x01, 0x08, 1, 1, value, 0, 0, 0];
            udp(6081, &[header.as_slice(), &inner].concat())
        };
        assert_eq!(told(&geneve(0)), "");
        assert_eq!(told(&geneve(1)), "Geneve option of class 0x0108: 1");
        let service = |value| {
            let mut packet = vec![0; 4];
            packet[2..].copy_from_slice(&[0x89, 0x4f]);
            packet.extend([0, 3, 2, 1, 0, 0, 1, 255, value, 0, 0, 0]);
            packet.extend(&inner);
            ip(47, &packet)
        };
        assert_eq!(told(&service(0)), "");
        assert_eq!(told(&service(1)), "NSH metadata: 1");
        let user = |kind| {
            let header = [0x34, 255, 0, 0, 0, 0, 0, 1, 0, 0, 0, kind, 1, 1, 1, 0];
            udp(2152, &[header.as_slice(), &inner].concat())
        };
        assert_eq!(told(&user(0x85)), "");
        assert_eq!(told(&user(0x03)), "GTP-U extension header 0x03: 1");
    }

    #[test]
    fn headers_in_a_row_need_no_stack() {
        let mut last = vec![4, 0, 0, 0, 0, 0, 0, 0];
        last.extend(IPV4);
        let authentication = [51, 0, 0, 0, 0, 0, 0, 0].repeat(32 << 10);
        let mixed = [60, 0, 0, 0, 0, 0, 0, 0, 51, 0, 0, 0, 0, 0, 0, 0].repeat(16 << 10);
        for (header, row) in
            [(IPV4.to_vec(), &authentication), (ipv6(51), &authentication), (ipv6(51), &mixed)]
        {
            let frame = [header.as_slice(), row, &last].concat();
            let narrow = thread::Builder::new().stack_size(256 << 10);
            let all = narrow.spawn(move || (anonymized(LinkType::RAW, &frame).0, frame)).unwrap();
            let (new, frame) = all.join().unwrap();
            // the packet behind them all is reached
            assert_ne!(new[new.len() - 8..], frame[frame.len() - 8..]);
        }
    }
}
