//! IPv6 extension headers: options, routing, fragment (RFC 8200 section 4).

use super::field::{self, Cut};
use super::{Line, put};

/// What an options header means for the packet.
pub(super) struct Options {
    /// Bytes of the header.
    pub(super) len: usize,
    /// The payload length of a jumbogram (RFC 2675).
    pub(super) jumbo: Option<u32>,
}

/// The last destination in the routing header of an IPv6 packet that has not reached it yet.
pub(super) fn routing_end(packet: &[u8]) -> Option<&[u8]> {
    let (mut protocol, mut at) = (*packet.get(6)?, 40);
    loop {
        let header = packet.get(at..)?;
        let &[next, units, kind, left, ..] = header else { return None };
        let len = match protocol {
            0 | 60 => (usize::from(units) + 1) * 8,
            44 => 8,
            43 => {
                // a segment list stands in reverse order
                let end = match kind {
                    4 => 24,
                    0 | 2 => (usize::from(units) + 1) * 8,
                    _ => return None,
                };
                return header.get(end.checked_sub(16)?..end).filter(|_| left > 0);
            }
            _ => return None,
        };
        protocol = next;
        at += len;
    }
}

impl Line<'_> {
    /// A header of options; they are printed with `-v` only.
    pub(super) fn ipv6_options(&mut self, name: &str, header: &[u8]) -> Result<Options, Cut> {
        self.layer = "an IPv6 extension header";
        self.text(name);
        let len = (usize::from(field::u8(header, 1)?) + 1) * 8;
        let options = field::slice(header, 0, len)?;
        let is_hop_by_hop = name == "HBH ";
        let mut jumbo = None;
        let mut at = 2;
        while at < len {
            let kind = field::u8(options, at)?;
            if kind == 0 {
                self.option("(pad1)");
                at += 1;
                continue;
            }
            let data_len = usize::from(field::u8(options, at + 1)?);
            let data = field::slice(options, at + 2, data_len)?;
            match (kind, data_len) {
                (1, _) => self.option("(padn)"),
                (5, 2) => self.option_number("(rtalert: 0x", field::u16(data, 0)?.into(), true),
                (0xc2, 4) if is_hop_by_hop => {
                    let length = field::u32(data, 0)?;
                    if length > 0xffff {
                        jumbo = Some(length);
                        self.option_number("(jumbo: ", length, false);
                    } else if self.verbose() {
                        self.labelled("(jumbo: ", length);
                        self.text(" - < 65536) ");
                    }
                }
                (0xc9, 16) if self.verbose() => {
                    self.ipv6_field("(homeaddr: ", data, 0)?;
                    self.byte(b')');
                }
                _ if self.verbose() => {
                    self.hex("(opt_type 0x", kind, 2);
                    self.sized(": len=", data_len);
                    self.byte(b')');
                }
                _ => {}
            }
            at += 2 + data_len;
        }
        self.option(" ");
        Ok(Options { len, jumbo })
    }

    fn option(&mut self, text: &str) {
        if self.verbose() {
            self.text(text);
        }
    }

    fn option_number(&mut self, label: &str, number: u32, as_hex: bool) {
        if self.verbose() {
            if as_hex {
                self.hex(label, number, 4);
            } else {
                self.labelled(label, number);
            }
            self.text(") ");
        }
    }

    /// A fragment header; `None` behind one that is not the first.
    pub(super) fn ipv6_fragment(
        &mut self,
        header: &[u8],
        length: usize,
    ) -> Result<Option<usize>, Cut> {
        self.layer = "an IPv6 extension header";
        let offset = field::u16(header, 2)? & 0xfff8;
        if self.verbose() {
            self.hex("frag (0x", field::u32(header, 4)?, 8);
            self.labelled(":", offset);
        } else {
            self.labelled("frag (", offset);
        }
        self.sized("|", length.saturating_sub(8));
        self.byte(b')');
        if offset != 0 {
            return Ok(None);
        }
        self.byte(b' ');
        Ok(Some(8))
    }

    /// A routing header; `None` behind one of an unknown type.
    pub(super) fn ipv6_routing(&mut self, header: &[u8]) -> Result<Option<usize>, Cut> {
        self.layer = "an IPv6 extension header";
        let [_, units, kind, left] = field::array(header, 0)?;
        self.labelled("RT6 (len=", units);
        self.labelled(", type=", kind);
        self.text(if kind == 0 { " [Deprecated]" } else { "" });
        self.labelled(", segleft=", left);
        let (mut addresses, count) = match kind {
            // source route, mobility (RFC 6275 section 6.4)
            0 | 2 => {
                let reserved = field::u32(header, 4)?;
                if reserved != 0 || self.verbose() {
                    self.hex(", rsv=0x", reserved, 1);
                }
                (8, usize::from(units) / 2)
            }
            // segment routing (RFC 8754 section 2)
            4 => {
                let [last, flags] = field::array(header, 4)?;
                self.labelled(", last-entry=", last);
                if flags != 0 || self.verbose() {
                    self.hex(", flags=0x", flags, 1);
                }
                self.hex(", tag=", field::u16(header, 6)?, 1);
                (8, usize::from(units) / 2)
            }
            _ => {
                self.text(" (unknown type)");
                self.invalid();
                return Ok(None);
            }
        };
        if units % 2 != 0 {
            self.labelled(" (invalid length ", units);
            self.byte(b')');
            self.invalid();
            return Ok(None);
        }
        for number in 0..count {
            let address = field::array(header, addresses)?;
            self.sized(", [", number);
            self.byte(b']');
            put::ipv6(self.out, address);
            addresses += 16;
        }
        self.text(") ");
        Ok(Some((usize::from(units) + 1) * 8))
    }
}
