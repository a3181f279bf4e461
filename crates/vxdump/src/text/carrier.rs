//! Protocols that carry other packets: GRE (RFC 2784, 2890), ESP (RFC 4303), AH (RFC 4302).

use super::Line;
use super::field::{self, Cut, Printed};
use super::link::ether_type_name;

/// Flags of a GRE header.
const CHECKSUM: u16 = 0x8000;
const ROUTING: u16 = 0x4000;
const KEY: u16 = 0x2000;
const SEQUENCE: u16 = 0x1000;
const VERSION: u16 = 0x0007;

impl Line<'_> {
    /// A GRE packet. `length`: on the wire.
    pub(super) fn gre(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "GRE";
        let flags = field::u16(bytes, 0)?;
        self.labelled("GREv", flags & VERSION);
        match flags & VERSION {
            0 => {}
            1 => return self.gre_point_to_point(flags, bytes, length),
            _ => {
                self.text(" ERROR: unknown-version");
                return Ok(());
            }
        }
        if self.verbose() {
            self.text(", Flags [");
            let names = [
                (CHECKSUM.into(), "checksum present"),
                (ROUTING.into(), "routing present"),
                (KEY.into(), "key present"),
                (SEQUENCE.into(), "sequence# present"),
                (0x0800, "source routing present"),
            ];
            self.flags(flags, &names, ", ");
            self.byte(b']');
        }
        let protocol = field::u16(bytes, 2)?;
        let mut at = 4;
        if flags & (CHECKSUM | ROUTING) != 0 {
            if self.verbose() {
                self.hex(", sum 0x", field::u16(bytes, at)?, 1);
            }
            self.hex(", off 0x", field::u16(bytes, at + 2)?, 1);
            at += 4;
        }
        if flags & KEY != 0 {
            self.hex(", key=0x", field::u32(bytes, at)?, 1);
            at += 4;
        }
        if flags & SEQUENCE != 0 {
            self.labelled(", seq ", field::u32(bytes, at)?);
            at += 4;
        }
        if flags & ROUTING != 0 {
            // source route entries, ended by an empty one (RFC 1701)
            loop {
                let [family @ .., _, len] = field::array::<4>(bytes, at)?;
                at += 4 + usize::from(len);
                if family == [0, 0] && len == 0 {
                    break;
                }
            }
        }
        if self.options.link_header {
            self.text(", proto ");
            self.text(ether_type_name(protocol).unwrap_or("unknown"));
            self.hex(" (0x", protocol, 4);
            self.byte(b')');
        }
        self.sized(", length ", length);
        self.text(if self.verbose() { "\n\t" } else { ": " });
        let (rest, rest_len) = (field::rest(bytes, at), length.saturating_sub(at));
        self.deeper(|line| {
            let is_known = match protocol {
                0x6558 => {
                    line.ethernet(rest, rest_len)?;
                    true
                }
                0x0806 | 0x8035 => false,
                _ => line.by_ether_type(protocol, rest, rest_len)?,
            };
            if !is_known {
                line.hex("gre-proto-0x", protocol, 1);
            }
            Ok(())
        })
    }

    /// Version 1, which carries PPP (RFC 2637): its numbers.
    fn gre_point_to_point(&mut self, flags: u16, bytes: &[u8], length: usize) -> Printed {
        let mut at = 4;
        for (bit, label) in [(KEY, ", call "), (SEQUENCE, ", seq "), (0x0080, ", ack ")] {
            if flags & bit != 0 {
                let number = field::u32(bytes, at)?;
                self.labelled(label, if bit == KEY { number & 0xffff } else { number });
                at += 4;
            }
        }
        if flags & SEQUENCE == 0 {
            self.text(", no-payload");
        }
        self.sized(", length ", length);
        Ok(())
    }

    /// An ESP packet: what is readable of it. `length`: on the wire.
    pub(super) fn esp(&mut self, bytes: &[u8], length: usize) -> Printed {
        self.layer = "ESP";
        let sequence = field::u32(bytes, 4)?;
        self.hex("ESP(spi=0x", field::u32(bytes, 0)?, 8);
        self.hex(",seq=0x", sequence, 1);
        self.sized("), length ", length);
        Ok(())
    }

    /// An authentication header; returns the protocol behind it and its length.
    pub(super) fn authentication(&mut self, bytes: &[u8]) -> Result<(u8, usize), Cut> {
        self.layer = "AH";
        let [next, units] = field::array(bytes, 0)?;
        let len = (usize::from(units) + 2) * 4;
        let (index, sequence) = (field::u32(bytes, 4)?, field::u32(bytes, 8)?);
        let value_len = len.saturating_sub(12);
        self.text("AH(");
        if self.verbose() {
            self.labelled("length=", units);
            self.sized("(", len);
            self.text("-bytes),");
        }
        self.hex("spi=0x", index, 8);
        self.hex(",seq=0x", sequence, 1);
        self.text(",icv=0x");
        crate::out::put::hex_bytes(self.out, field::slice(bytes, 12, value_len)?);
        self.text("): ");
        Ok((next, len))
    }
}
