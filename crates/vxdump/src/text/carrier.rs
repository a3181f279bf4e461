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
        if flags & VERSION != 0 {
            // version 1 carries PPP (RFC 2637)
            self.sized(", length ", length);
            return Ok(());
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
        if self.options.link_header {
            self.text(", proto ");
            self.text(ether_type_name(protocol).unwrap_or("unknown"));
            self.hex(" (0x", protocol, 4);
            self.byte(b')');
        }
        self.sized(", length ", length);
        if flags & ROUTING != 0 {
            return Ok(());
        }
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
        let [next, len] = field::array(bytes, 0)?;
        let len = (usize::from(len) + 2) * 4;
        self.sized("AH(", 0);
        self.out.truncate(self.out.len() - 1);
        if self.verbose() {
            self.labelled("length=", bytes.get(1).copied().unwrap_or(0));
            self.byte(b'(');
            self.sized("", len);
            self.text("-bytes),");
        }
        self.hex("spi=0x", field::u32(bytes, 4)?, 8);
        self.byte(b',');
        if self.verbose() {
            self.text("sumlen=");
            self.sized("", len.saturating_sub(12));
            self.byte(b',');
        }
        self.hex("seq=0x", field::u32(bytes, 8)?, 1);
        self.hex(",icv=0x", 0u32, 1);
        self.out.truncate(self.out.len() - 1);
        super::put::hex_bytes(self.out, field::slice(bytes, 12, len.saturating_sub(12))?);
        self.text("): ");
        Ok((next, len))
    }
}
