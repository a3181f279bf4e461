//! A packet, layer by layer from the outside to the inside: the addresses of each are replaced.

use vxlan::{LinkType, Ports};

use super::Anonymizer;
use super::ledger::{Ledger, Site};
use super::unseen::Content;

/// Where a layer stands in the frame.
#[derive(Clone, Copy, Debug)]
pub(super) struct Area {
    pub(super) at: usize,
    /// Where it ends, as far as it was captured and the lengths around it say.
    pub(super) end: usize,
    /// Where it ended on the wire, not before `end`.
    pub(super) wire_end: usize,
}

impl Area {
    /// What stands `len` bytes further on.
    pub(super) const fn behind(self, len: usize) -> Self {
        Self { at: self.at.saturating_add(len), ..self }
    }

    /// As a length field at its start says, unless that says more than there is.
    pub(super) fn narrowed(self, len: usize) -> Self {
        let end = self.at + len;
        if end > self.wire_end {
            return self;
        }
        Self { at: self.at, end: self.end.min(end), wire_end: end }
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
    /// What is below a label stack, which does not say what it is.
    Mpls,
    /// Point-to-point protocol (RFC 1661 section 2).
    Ppp,
}

/// What comes behind a layer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Next {
    /// Another layer.
    Layer(Layer, Area),
    /// Nothing that has addresses.
    Done,
}

/// A packet before, and the packet after as far as it is done.
pub(super) struct Rewrite<'a> {
    pub(super) old: &'a [u8],
    new: &'a mut [u8],
    pub(super) keys: &'a mut Anonymizer,
    pub(super) ports: &'a Ports,
    pub(super) ledger: Ledger,
    /// Where the innermost layer ends: no address is read or written from there on.
    pub(super) end: usize,
    /// Whether it is within a fragment, so that its missing bytes are in another packet.
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
    /// Goes from layer to layer, as each says what comes behind it, and further in with each step.
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
        // a header that is cut by the capture has no more addresses; one that is cut by fragmentation has
        if next.is_none() && self.in_fragment {
            self.unseen(Content::Fragment);
        }
    }

    /// Contents that are not looked into, for they are of a kind that is not known. Nothing, where none of it is there.
    pub(super) fn opaque(&mut self, content: Content, area: Area) -> Next {
        if area.at < area.end {
            self.unseen(content);
        }
        Next::Done
    }

    /// Something that may hold addresses is not looked into.
    pub(super) fn unseen(&mut self, content: Content) {
        self.keys.unseen.content(content);
        self.is_unseen = true;
    }

    /// The bytes at an offset, before; `None` where the layer ends before them.
    pub(super) fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.old.get(at..self.end)?.first_chunk().copied()
    }

    /// The byte at an offset.
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes(at).map(|[byte]| byte)
    }

    /// The 16-bit number at an offset.
    pub(super) fn number(&self, at: usize) -> Option<u16> {
        self.bytes(at).map(u16::from_be_bytes)
    }

    /// The range before and after.
    pub(super) fn both(&self, from: usize, to: usize) -> Option<(&[u8], &[u8])> {
        Some((self.old.get(from..to)?, self.new.get(from..to)?))
    }

    /// Replaces the MAC address at an offset; what is left of one that is cut is wiped.
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

    /// Replaces the first `len` bytes of an IPv6 address at an offset, of which the rest is left out.
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

    /// Replaces the addresses that stand one behind the other up to `end`.
    pub(super) fn list(&mut self, from: usize, end: usize, len: usize, map: fn(&mut Self, usize)) {
        for place in (from..end.min(self.end)).step_by(len) {
            map(self, place);
        }
    }

    /// Wipes a range.
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

    /// Writes bytes, of at most 16, and notes the change for the checksums around them.
    pub(super) fn write(&mut self, at: usize, bytes: &[u8]) {
        let Some(place) = self.new.get_mut(at..).and_then(|rest| rest.get_mut(..bytes.len()))
        else {
            return;
        };
        self.ledger.changed(at, place, bytes);
        place.copy_from_slice(bytes);
    }

    /// A checksum of the bytes of an area, without a pseudo header.
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
